"""The vault: what it sealed opens for the same purpose of the same organisation, and for nothing else."""

import base64
import stat
import threading
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from app import crypto
from app.crypto import KEY_BYTES, MasterKeyError, Vault, master_keys
from app.main import create_app
from app.settings import Settings

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
HERE, ELSEWHERE = uuid4(), uuid4()


@pytest.fixture
def vault() -> Vault:
    return Vault([OLD])


class TestVault:
    def test_opens_what_it_sealed(self, vault: Vault) -> None:
        sealed = vault.seal("cursor", HERE, b"plain")

        assert b"plain" not in sealed
        assert vault.open("cursor", HERE, sealed) == b"plain"
        assert vault.open_text("cursor", HERE, vault.seal_text("cursor", HERE, b"plain")) == b"plain"

    def test_never_seals_twice_the_same(self, vault: Vault) -> None:
        assert len({vault.seal("cursor", HERE, b"plain") for _ in range(1000)}) == 1000

    def test_never_seals_the_same_text_alike(self, vault: Vault) -> None:
        """Whoever compares two watermarks learns nothing of what happened between them."""
        texts = [
            vault.seal_text(purpose, organisation, plain)
            for purpose in ("cursor", "watermark")
            for organisation in (HERE, ELSEWHERE)
            for plain in (b"one", b"two", b"one")
        ]

        assert len(set(texts)) == 12
        assert len({text[6:22] for text in texts}) == 12  # the nonces

    def test_refuses_every_changed_bit_and_every_cut(self, vault: Vault) -> None:
        sealed = vault.seal("cursor", HERE, b"plain")
        flipped = [
            sealed[:i] + bytes([sealed[i] ^ 1 << bit]) + sealed[i + 1 :] for i in range(len(sealed)) for bit in range(8)
        ]

        for forged in [*flipped, *(sealed[:end] for end in range(len(sealed))), sealed + b"\0"]:
            with pytest.raises(ValueError, match="not sealed here"):
                vault.open("cursor", HERE, forged)

    def test_refuses_another_purpose_and_another_organisation(self, vault: Vault) -> None:
        sealed = vault.seal("cursor", HERE, b"plain")

        for purpose, organisation in (("watermark", HERE), ("cursor", ELSEWHERE)):
            with pytest.raises(ValueError, match="not sealed here"):
                vault.open(purpose, organisation, sealed)

    @pytest.mark.parametrize(
        "text", ["", "=", "====", "a", "é", "not base64!", "A" * 4000, "%00", "\0", "\ud800", "-" * 39]
    )
    def test_refuses_any_text_that_it_did_not_make(self, vault: Vault, text: str) -> None:
        with pytest.raises(ValueError, match="not sealed here"):
            vault.open_text("cursor", HERE, text)

    def test_seals_with_the_first_key_and_opens_with_every_one(self, vault: Vault) -> None:
        before = vault.seal("cursor", HERE, b"before")
        rotating, rotated = Vault([NEW, OLD]), Vault([NEW])

        after = rotating.seal("cursor", HERE, b"after")

        assert rotating.open("cursor", HERE, before) == b"before"
        assert rotated.open("cursor", HERE, after) == b"after"
        for other, sealed in ((rotated, before), (vault, after)):
            with pytest.raises(ValueError, match="not sealed here"):
                other.open("cursor", HERE, sealed)


def settings(**given: object) -> Settings:
    return Settings(**{"environment": "production", **given})  # type: ignore[arg-type]  # as the environment gives it


class TestMasterKeys:
    def test_are_those_of_the_settings_in_their_order(self) -> None:
        text = ",".join(base64.b64encode(key).decode() for key in (NEW, OLD))

        assert master_keys(settings(master_keys=text)) == [NEW, OLD]

    def test_production_needs_one(self, tmp_path: Path) -> None:
        with pytest.raises(MasterKeyError, match="BALLAST_MASTER_KEYS is not set"):
            master_keys(settings(data_dir=tmp_path))

        assert list(tmp_path.iterdir()) == []

    def test_production_does_not_start_without_one(self, tmp_path: Path) -> None:
        class Unused:
            pass

        with pytest.raises(MasterKeyError):
            create_app(settings(data_dir=tmp_path), Unused())  # type: ignore[arg-type]  # it does not come that far

    @pytest.mark.parametrize(
        "garbled",
        ["canary", "short==", base64.b64encode(OLD[:31]).decode(), base64.b64encode(OLD + b"x").decode(), "é"],
    )
    def test_a_garbled_one_is_said_without_being_shown(self, garbled: str) -> None:
        good = base64.b64encode(OLD).decode()

        with pytest.raises(MasterKeyError, match="BALLAST_MASTER_KEYS holds a key that is not 32 bytes") as refused:
            master_keys(settings(master_keys=(SecretStr(good), SecretStr(garbled))))

        assert garbled not in str(refused.value).replace("32 bytes in base64", "")

    def test_development_keeps_one_that_only_its_owner_can_read(self, tmp_path: Path) -> None:
        development = settings(environment="development", data_dir=tmp_path / "new")

        (key,) = master_keys(development)

        assert master_keys(development) == [key]
        assert len(key) == KEY_BYTES
        assert stat.S_IMODE((tmp_path / "new" / "master.key").stat().st_mode) == 0o600

    def test_two_processes_that_start_at_once_get_the_same(self, tmp_path: Path) -> None:
        """A reader never sees the file before its content is in it."""
        for attempt in range(50):
            path = tmp_path / str(attempt)
            got: list[bytes] = []
            starts = threading.Barrier(4)

            def read(path: Path = path, got: list[bytes] = got, starts: threading.Barrier = starts) -> None:
                starts.wait()
                got.append(crypto.private_file(path, lambda: OLD))

            threads = [threading.Thread(target=read) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert got == [OLD] * 4
