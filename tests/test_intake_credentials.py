"""Credentials of a source: each way to prove who delivers, rotated with an overlap, kept so that nobody reads them."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import clock, sealed_secrets
from app.crypto import Vault
from tests.intake_sources import (
    Platform,
    add_credential,
    base64_of,
    basic,
    make_intake,
    platform,
    signed,
    ticket,
)
from tests.test_conventions_access import assert_problem
from tests.world import World

SECRET = "the-platforms-own-secret"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
BODY = json.dumps(ticket()).encode()


async def credentials(admin: httpx.AsyncClient, source_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await admin.get(f"/v1/sources/{source_id}/credentials")).json()["data"]
    return found


class TestCredentials:
    async def test_each_kind_opens_the_address(self, noor: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
        source = await make_intake(noor)
        sender = Platform(stranger, source, {})
        made = {
            kind: await add_credential(noor, source["id"], kind=kind, **fields)
            for kind, fields in {
                "bearer": {},
                "header": {"header": "X-Api-Key"},
                "basic": {"user_name": "connect"},
                "hmac": {"header": "X-Signature"},
                "zendesk": {"secret": SECRET},
            }.items()
        }
        secret = {kind: each["secret"] for kind, each in made.items()}
        stamp = clock.now().isoformat()
        sent = {
            "bearer": {"Authorization": f"Bearer {secret['bearer']}"},
            "header": {"X-Api-Key": secret["header"]},
            "basic": basic("connect", secret["basic"]),
            "hmac": {"X-Signature": signed(secret["hmac"], BODY).hex()},
            "zendesk": {
                "X-Zendesk-Webhook-Signature": base64_of(signed(SECRET, BODY, stamp=stamp)),
                "X-Zendesk-Webhook-Signature-Timestamp": stamp,
            },
        }
        for kind, headers in sent.items():
            assert (await sender.send(BODY, **headers)).status_code == 202, kind
        listed = await credentials(noor, source["id"])
        assert [each["kind"] for each in listed] == list(made)
        assert all(each["last_used_at"] is not None for each in listed)
        assert secret.pop("zendesk") is None
        for each in secret.values():
            assert each not in json.dumps(listed)
        assert {each["last_four"] for each in listed[:4]} == {each[-4:] for each in secret.values()}

    async def test_they_are_rotated_with_an_overlap(
        self, noor: httpx.AsyncClient, stranger: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sender = await platform(noor, stranger)
        (old,) = await credentials(noor, sender.id)
        until = clock.now() + timedelta(days=1)
        new = await add_credential(noor, sender.id, kind="bearer", expires_at=until.isoformat())
        later = {"Authorization": f"Bearer {new['secret']}"}
        url = f"/v1/sources/{sender.id}/credentials"

        both = [await sender.send(BODY), await sender.send(BODY, **later)]
        gone = await noor.delete(f"{url}/{old['id']}")
        after = [await sender.send(BODY), await sender.send(BODY, **later)]
        monkeypatch.setattr(clock, "now", lambda: until)
        expired = await sender.send(BODY, **later)

        assert [each.status_code for each in both] == [202, 202]
        assert gone.status_code == 204
        assert [each.status_code for each in after] == [401, 202]
        assert expired.status_code == 401
        assert (await noor.get(f"{url}/{old['id']}")).status_code == 404
        entries = (await noor.get(f"/v1/sources/{sender.id}/history")).json()["data"]
        assert [entry["action"] for entry in entries] == ["source.created"]

    async def test_what_was_made_or_ended_is_in_the_audit_without_the_secret(
        self, noor: httpx.AsyncClient, client: httpx.AsyncClient, world: World
    ) -> None:
        source = await make_intake(noor)
        made = await add_credential(noor, source["id"], kind="zendesk", secret=SECRET)
        await noor.delete(f"/v1/sources/{source['id']}/credentials/{made['id']}")

        entries = (await client.get("/v1/audit-entries?sort=-id&limit=2")).json()["data"]

        assert [entry["action"] for entry in entries] == ["source_credential.deleted", "source_credential.created"]
        assert entries[0]["details"] == {"source_id": source["id"], "kind": "zendesk"}

    async def test_they_are_kept_so_that_nobody_can_read_them(
        self, noor: httpx.AsyncClient, world: World, elsewhere: World
    ) -> None:
        """Of one that is compared a digest; one that signs sealed, for this very row."""
        source = await make_intake(noor)
        bearer = await add_credential(noor, source["id"])
        await add_credential(noor, source["id"], kind="zendesk", secret=SECRET)
        query = text("SELECT id, kind, digest, sealed FROM source_credential ORDER BY id")
        compared, signing = await world.run(lambda session: session.execute(query).all())
        vault: Vault = world.app.state.vault

        assert (compared.digest, compared.sealed) == (hashlib.sha256(bearer["secret"].encode()).digest(), None)
        assert signing.digest is None
        assert SECRET.encode() not in signing.sealed
        about = signing.id.bytes
        assert vault.open("source-credential", world.id, signing.sealed, about) == SECRET.encode()
        for organisation, other in ((elsewhere.id, about), (world.id, compared.id.bytes)):
            with pytest.raises(ValueError, match="not sealed here"):
                vault.open("source-credential", organisation, signing.sealed, other)
        with pytest.raises(DBAPIError):
            await world.run(
                lambda s: s.execute(text("UPDATE source_credential SET sealed = NULL WHERE digest IS NULL"))
            )

    async def test_they_move_to_a_new_master_key(self, noor: httpx.AsyncClient, world: World) -> None:
        source = await make_intake(noor)
        await add_credential(noor, source["id"], kind="zendesk", secret=SECRET)
        old, new = world.app.state.vault, bytes(range(1, 33))
        both = Vault([new, bytes(range(32))])
        assert both.knows(old.current)

        assert await world.run(sealed_secrets.reseal, both, world.id) == (1, 0)

        query = text("SELECT id, sealed FROM source_credential")
        row = await world.run(lambda session: session.execute(query).one())
        assert Vault([new]).open("source-credential", world.id, row.sealed, row.id.bytes) == SECRET.encode()

    async def test_its_last_use_is_noted_once_an_hour(
        self, noor: httpx.AsyncClient, stranger: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sender = await platform(noor, stranger)
        used, written = [], text("SELECT xmin::text FROM source_credential")
        by = []
        for minutes in (5, 50, 70):
            monkeypatch.setattr(clock, "now", lambda at=NOON + timedelta(minutes=minutes): at)
            await sender.deliver([])
            used.append((await credentials(noor, sender.id))[0]["last_used_at"])
            by.append(await world.run(lambda session: session.execute(written).scalar_one()))

        assert used == ["2026-05-04T12:00:00Z", "2026-05-04T12:00:00Z", "2026-05-04T13:00:00Z"]
        assert by[0] == by[1] != by[2]  # not a row that every delivery writes

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"kind": "bearer", "secret": SECRET}, "value_error"),
            ({"kind": "header"}, "value_error"),
            ({"kind": "header", "header": "Authorization"}, "value_error"),
            ({"kind": "header", "header": "X Y"}, "string_pattern_mismatch"),
            ({"kind": "basic", "user_name": "a:b"}, "string_pattern_mismatch"),
            ({"kind": "zendesk"}, "value_error"),
            ({"kind": "twilio"}, "value_error"),
            ({"kind": "twilio", "secret": "short"}, "string_too_short"),
            ({"kind": "twilio", "secret": SECRET, "header": "X-Y"}, "value_error"),
            ({"kind": "hmac", "header": "X-Y", "algorithm": "md5"}, "literal_error"),
            ({"kind": "oauth"}, "enum"),
            ({"kind": "bearer", "expires_at": "2020-01-01T00:00:00Z"}, "in_the_past"),
        ],
    )
    async def test_what_does_not_fit_its_kind_is_refused(
        self, noor: httpx.AsyncClient, fields: dict[str, Any], code: str
    ) -> None:
        source = await make_intake(noor)

        response = await noor.post(f"/v1/sources/{source['id']}/credentials", json=fields)

        assert_problem(response, 422)
        assert [fault["code"] for fault in response.json()["errors"]] == [code]
        assert SECRET not in response.text

    async def test_there_are_ten_at_most(self, noor: httpx.AsyncClient) -> None:
        source = await make_intake(noor)
        for _ in range(10):
            await add_credential(noor, source["id"])

        response = await noor.post(f"/v1/sources/{source['id']}/credentials", json={"kind": "bearer"})

        assert_problem(response, 409, "too_many_credentials")

    async def test_only_who_administers_the_source_has_to_do_with_them(
        self, world: World, noor: httpx.AsyncClient, amira: httpx.AsyncClient, mallory: httpx.AsyncClient
    ) -> None:
        owner, other = [await world.client("sources:read", "sources:write", "call-events:write") for _ in range(2)]
        reader = await world.client("sources:read")
        source = await make_intake(owner)
        made = await add_credential(owner, source["id"])
        another = await make_intake(owner, "cloudevents")
        url = f"/v1/sources/{source['id']}/credentials"

        for who, read, write in ((amira, 403, 403), (mallory, 404, 404), (other, 404, 404), (reader, 200, 403)):
            assert (await who.get(f"{url}/{made['id']}")).status_code == read
            assert (await who.get(url)).status_code == read
            assert (await who.post(url, json={"kind": "bearer"})).status_code == write
            assert (await who.delete(f"{url}/{made['id']}")).status_code == write
        for verb in (noor.get, noor.delete):
            response = await verb(f"/v1/sources/{another['id']}/credentials/{made['id']}")
            assert_problem(response, 404)
        assert (await noor.get(f"{url}/{made['id']}")).status_code == 200
