"""Authenticated encryption under the master keys: stored answers, cursors, watermarks."""

import base64
import hashlib
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.settings import Settings

KEY_BYTES = 32


class MasterKeyError(Exception):
    """The master keys of the settings cannot be used; the message is for an operator."""


class Vault:
    """Seals and opens short texts. The first master key seals; every one opens, so that keys can be rotated."""

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        self._keys = {hashlib.sha256(key).digest()[:4]: key for key in master_keys}
        self.current = next(iter(self._keys))
        self._ciphers: dict[tuple[bytes, str], AESGCM] = {}

    @property
    def ids(self) -> tuple[bytes, ...]:
        """The short names of the master keys, the first one first: of 4 bytes, which tell nothing of the key."""
        return tuple(self._keys)

    def knows(self, sealed: bytes) -> bool:
        """Return whether the master key that something was sealed under is one of these."""
        return sealed[:4] in self._keys

    def seal(self, purpose: str, organisation_id: UUID, plain: bytes, about: bytes = b"") -> bytes:
        """Return ``plain`` encrypted for one purpose of one organisation: key id (4), nonce (12), text and tag.

        It opens only with the same ``about``, which is not stored.
        """
        nonce, cipher = os.urandom(12), self._cipher(self.current, purpose)
        return self.current + nonce + cipher.encrypt(nonce, plain, organisation_id.bytes + about)

    def open(self, purpose: str, organisation_id: UUID, sealed: bytes, about: bytes = b"") -> bytes:
        """Return what was sealed. Raise ValueError for anything that was not, here, for this purpose."""
        try:
            return self._cipher(sealed[:4], purpose).decrypt(sealed[4:16], sealed[16:], organisation_id.bytes + about)
        except (InvalidTag, KeyError, ValueError) as error:
            raise ValueError("not sealed here") from error

    def seal_text(self, purpose: str, organisation_id: UUID, plain: bytes) -> str:
        """Like ``seal``, as text that fits into a URL. The same never looks the same twice."""
        return base64.urlsafe_b64encode(self.seal(purpose, organisation_id, plain)).rstrip(b"=").decode()

    def open_text(self, purpose: str, organisation_id: UUID, sealed: str) -> bytes:
        """Like ``open``, of ``seal_text``'s text."""
        try:
            return self.open(purpose, organisation_id, base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)))
        except ValueError as error:
            raise ValueError("not sealed here") from error

    def secret(self, purpose: str) -> bytes:
        """Return a secret for one purpose, for code that seals by itself; another first master key gives another."""
        return self._derived(self.current, purpose)

    def _cipher(self, key_id: bytes, purpose: str) -> AESGCM:
        cipher = self._ciphers.get((key_id, purpose))
        if cipher is None:
            cipher = self._ciphers[key_id, purpose] = AESGCM(self._derived(key_id, purpose))
        return cipher

    def derived(self, purpose: str) -> list[bytes]:
        """Return 32 bytes for one purpose from each master key, those of the first one first."""
        return [self._derived(key_id, purpose) for key_id in self._keys]

    def _derived(self, key_id: bytes, purpose: str) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"ballast/{purpose}".encode()).derive(self._keys[key_id])


def master_keys(settings: Settings) -> list[bytes]:
    """Return the master keys: those of the settings, or, in development only, one kept in the data directory.

    Raise MasterKeyError where production has none or one is not 32 bytes in base64.
    """
    if settings.master_keys:
        return [_decoded(key.get_secret_value()) for key in settings.master_keys]
    if settings.is_production:
        raise MasterKeyError("BALLAST_MASTER_KEYS is not set: production needs at least one key of 32 bytes in base64.")
    return [private_file(settings.data_dir / "master.key", lambda: secrets.token_bytes(KEY_BYTES))]


def vault_of(settings: Settings) -> Callable[[], Vault]:
    """Return how to get the vault of the settings, for who may not need one. Calling it raises MasterKeyError."""
    return cache(lambda: Vault(master_keys(settings)))


def _decoded(key: str) -> bytes:
    try:
        decoded = base64.b64decode(key, validate=True)
    except ValueError:
        decoded = b""
    if len(decoded) != KEY_BYTES:
        raise MasterKeyError(
            "BALLAST_MASTER_KEYS holds a key that is not 32 bytes in base64 (openssl rand -base64 32)."
        )
    return decoded


def private_file(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of a file that only its owner can read, making it on first use, safe against a race."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(make())
        with suppress(FileExistsError):
            path.hardlink_to(unfinished)  # whole or not at all, and never over another's
        unfinished.unlink()
    return path.read_bytes()
