"""Machine callers, their scopes and their keys."""

import zlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import auth
from app.access import admit, own_column
from app.auth import Caller
from app.database import Database
from app.errors import Forbidden
from app.models import AuditEntry, Client, ClientKey
from app.models.client import Role
from app.policy import MODELS, POLICY, SCOPES
from app.relations import Relation
from app.services import client as clients
from tests.world import World, etag


async def make(caller: httpx.AsyncClient, *scopes: str, name: str = "HR sync") -> dict[str, Any]:
    response = await caller.post("/v1/clients", json={"name": name, "scopes": scopes or ["employees:read"]})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


class TestCreate:
    async def test_shows_a_key_that_works_and_keeps_only_its_digest(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        made = await make(client, "employees:write", "employees:read")

        answer = await world.http(made["key"]).get("/v1/me")
        kept = await world.run(
            lambda session: session.execute(
                select(ClientKey).where(ClientKey.organisation_id == world.id, ClientKey.client_id == UUID(made["id"]))
            ).scalar_one()
        )

        assert answer.json()["scopes"] == ["employees:read", "employees:write"]
        assert kept.digest == auth.parse_key(made["key"]).digest
        assert kept.last_four == made["key"][-4:]
        assert made["key"] not in str(vars(kept))

    async def test_never_shows_the_key_again(self, client: httpx.AsyncClient, world: World) -> None:
        body, once = {"name": "HR sync", "scopes": ["employees:read"]}, {"Idempotency-Key": "make-it-once"}
        first = await client.post("/v1/clients", json=body, headers=once)

        replayed = await client.post("/v1/clients", json=body, headers=once)
        read = await client.get(f"/v1/clients/{first.json()['id']}")

        assert replayed.headers["Idempotency-Replayed"] == "true"
        assert replayed.json() == {**first.json(), "key": None}
        assert "key" not in read.json()

    async def test_gives_no_scope_that_the_caller_lacks(self, world: World) -> None:
        small = await world.client("clients:write", "clients:read", "employees:read")

        response = await small.post("/v1/clients", json={"name": "More", "scopes": ["employees:write"]})

        assert response.status_code == 409
        assert response.json()["code"] == "scope_not_held"

    @pytest.mark.parametrize("scopes", [["everything"], [], ["employees:read", 7], ["employees:delete"]])
    async def test_refuses_scopes_that_do_not_exist(self, client: httpx.AsyncClient, scopes: list[Any]) -> None:
        response = await client.post("/v1/clients", json={"name": "Odd", "scopes": scopes})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"].startswith("/scopes")

    async def test_refuses_a_name_that_is_taken(self, client: httpx.AsyncClient) -> None:
        await make(client)

        response = await client.post("/v1/clients", json={"name": "HR sync", "scopes": ["employees:read"]})

        assert (response.status_code, response.json()["code"]) == (409, "already_exists")

    async def test_is_not_for_people(self, noor: httpx.AsyncClient) -> None:
        response = await noor.post("/v1/clients", json={"name": "Mine", "scopes": ["employees:read"]})

        assert response.status_code == 403

    async def test_is_in_the_audit_and_never_leaves(self, client: httpx.AsyncClient, world: World) -> None:
        made = await make(client)

        entries = await world.run(
            lambda session: session.execute(
                select(AuditEntry.action, AuditEntry.details)
                .where(AuditEntry.organisation_id == world.id, AuditEntry.resource.in_(["client", "client_key"]))
                .order_by(AuditEntry.id)
            ).all()
        )
        sent = await world.run(
            lambda session: session.execute(
                text("SELECT count(*) FROM outgoing_event WHERE resource LIKE 'client%'")
            ).scalar_one()
        )

        assert [tuple(entry) for entry in entries] == [
            ("client.created", {"scopes": ["employees:read"]}),
            ("client_key.created", {"client_id": made["id"]}),
        ]
        assert sent == 0


class TestReadAndChange:
    async def test_lists_them_for_the_programme_lead(self, client: httpx.AsyncClient, noor: httpx.AsyncClient) -> None:
        made = await make(client)

        listed = (await noor.get("/v1/clients", params={"sort": "name"})).json()["data"]

        assert made["id"] in [row["id"] for row in listed]
        assert [row["name"] for row in listed] == sorted(row["name"] for row in listed)

    async def test_fewer_scopes_count_from_the_next_request(self, client: httpx.AsyncClient, world: World) -> None:
        made = await make(client, "clients:read", "organisation:read")
        itself = world.http(made["key"])
        assert (await itself.get("/v1/organisation")).status_code == 200

        changed = await client.patch(
            f"/v1/clients/{made['id']}", json={"scopes": ["clients:read"], "name": "Reader"}, headers=etag(made)
        )

        assert changed.status_code == 200
        assert (changed.json()["scopes"], changed.json()["name"]) == (["clients:read"], "Reader")
        assert (await itself.get("/v1/organisation")).status_code == 403
        assert (await itself.get("/v1/clients")).status_code == 200

    async def test_a_client_cannot_widen_itself_or_another(self, client: httpx.AsyncClient, world: World) -> None:
        small = await world.client("clients:write", "clients:read")
        itself = (await small.get("/v1/me")).json()["client"]["id"]
        other = (await make(client, "employees:read"))["id"]

        for client_id in (itself, other):
            response = await small.patch(
                f"/v1/clients/{client_id}",
                json={"scopes": ["clients:read", "clients:write", "employees:write"]},
                headers={"If-Match": "*"},
            )
            assert (response.status_code, response.json()["code"]) == (409, "scope_not_held")

    async def test_keeps_its_history(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        await client.patch(f"/v1/clients/{made['id']}", json={"name": "Renamed"}, headers=etag(made))

        history = (await client.get(f"/v1/clients/{made['id']}/history")).json()["data"]

        assert [entry["action"] for entry in history] == ["client.updated", "client.created"]
        assert history[0]["details"] == {"fields": ["name"]}


class TestKeys:
    async def test_a_new_key_works_beside_the_old_one_until_the_overlap_ends(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        made = await make(client)

        rotated = await client.post(f"/v1/clients/{made['id']}/keys", json={"overlap_seconds": 3600})
        old, new = world.http(made["key"]), world.http(rotated.json()["key"])

        assert rotated.status_code == 201
        assert [(await old.get("/v1/me")).status_code, (await new.get("/v1/me")).status_code] == [200, 200]
        assert (await old.get("/v1/me")).json()["client"]["key"]["expires_at"] is not None
        assert (await new.get("/v1/me")).json()["client"]["key"]["expires_at"] is None

        past = text("UPDATE client_key SET expires_at = now() - interval '1 second' WHERE expires_at IS NOT NULL")
        await world.run(lambda session: session.execute(past))

        assert [(await old.get("/v1/me")).status_code, (await new.get("/v1/me")).status_code] == [401, 200]

    async def test_the_overlap_is_a_day_unless_said(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        await client.post(f"/v1/clients/{made['id']}/keys")

        keys = (await client.get(f"/v1/clients/{made['id']}/keys")).json()["data"]
        ends, rotated = (datetime.fromisoformat(at) for at in (keys[0]["expires_at"], keys[1]["created_at"]))

        assert keys[0]["last_four"] == made["key"][-4:]
        assert abs(ends - rotated - timedelta(days=1)) < timedelta(seconds=1)
        assert keys[1]["expires_at"] is None
        assert not any("digest" in key or "key" in key for key in keys)

    async def test_no_overlap_ends_the_old_key_at_once(self, client: httpx.AsyncClient, world: World) -> None:
        made = await make(client)

        rotated = await client.post(f"/v1/clients/{made['id']}/keys", json={"overlap_seconds": 0})

        assert (await world.http(made["key"]).get("/v1/me")).status_code == 401
        assert (await world.http(rotated.json()["key"]).get("/v1/me")).status_code == 200

    async def test_a_second_rotation_never_lengthens_an_overlap(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        path = f"/v1/clients/{made['id']}/keys"
        await client.post(path, json={"overlap_seconds": 60})
        before = (await client.get(path)).json()["data"][0]["expires_at"]

        await client.post(path, json={"overlap_seconds": 86_400})
        first, second, third = (await client.get(path)).json()["data"]

        assert first["expires_at"] == before
        assert second["expires_at"] > before
        assert third["expires_at"] is None

    async def test_a_replay_shows_no_key_and_makes_none(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        path = f"/v1/clients/{made['id']}/keys"
        first = await client.post(path, headers={"Idempotency-Key": "rotate-once"})

        replayed = await client.post(path, headers={"Idempotency-Key": "rotate-once"})

        assert replayed.status_code == 201
        assert replayed.json() == {**first.json(), "key": None}
        assert len((await client.get(path)).json()["data"]) == 2
        assert (await client.get(first.headers["Location"])).json()["last_four"] == first.json()["key"][-4:]

    async def test_nobody_gets_a_key_of_a_client_that_may_do_more(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        strong = await make(client, "employees:write", "clients:read")
        weak = await world.client("clients:write", "clients:read")

        response = await weak.post(f"/v1/clients/{strong['id']}/keys")

        assert (response.status_code, response.json()["code"]) == (409, "scope_not_held")

    async def test_one_key_is_revoked_with_the_next_request(self, client: httpx.AsyncClient, world: World) -> None:
        made = await make(client)
        second = (await client.post(f"/v1/clients/{made['id']}/keys")).json()
        (first, _) = (await client.get(f"/v1/clients/{made['id']}/keys")).json()["data"]
        path = f"/v1/clients/{made['id']}/keys/{first['id']}/revoke"

        revoked = await client.post(path, json={"reason": "Seen in a log."})
        again = await client.post(path)

        assert revoked.status_code == again.status_code == 200
        assert revoked.json()["revoked_at"] == again.json()["revoked_at"] is not None
        assert (await world.http(made["key"]).get("/v1/me")).status_code == 401
        assert (await world.http(second["key"]).get("/v1/me")).status_code == 200

    async def test_a_key_is_found_only_under_its_own_client(self, client: httpx.AsyncClient) -> None:
        mine, other = await make(client), await make(client, name="Other")
        (key,) = (await client.get(f"/v1/clients/{mine['id']}/keys")).json()["data"]

        read = await client.get(f"/v1/clients/{other['id']}/keys/{key['id']}")
        revoked = await client.post(f"/v1/clients/{other['id']}/keys/{key['id']}/revoke")

        assert (read.status_code, revoked.status_code) == (404, 404)
        assert (await client.get(f"/v1/clients/{mine['id']}/keys")).json()["data"][0]["revoked_at"] is None


class TestRevoke:
    async def test_ends_every_key_with_the_next_request(
        self, client: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        made = await make(client)
        second = (await client.post(f"/v1/clients/{made['id']}/keys")).json()

        revoked = await noor.post(f"/v1/clients/{made['id']}/revoke", json={"reason": "The vendor is gone."})

        assert revoked.status_code == 200
        assert revoked.json()["allowed_actions"] == []
        for key in (made["key"], second["key"]):
            assert (await world.http(key).get("/v1/me")).status_code == 401

    async def test_is_for_good(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        await client.post(f"/v1/clients/{made['id']}/revoke")

        answers = [
            await client.post(f"/v1/clients/{made['id']}/keys"),
            await client.patch(f"/v1/clients/{made['id']}", json={"name": "Back"}, headers={"If-Match": "*"}),
        ]
        again = await client.post(f"/v1/clients/{made['id']}/revoke")

        assert [answer.json()["code"] for answer in answers] == ["client_revoked", "client_revoked"]
        assert again.status_code == 200

    async def test_another_organisation_finds_nothing(
        self, client: httpx.AsyncClient, mallory: httpx.AsyncClient
    ) -> None:
        made = await make(client)

        answers = [
            await mallory.get(f"/v1/clients/{made['id']}"),
            await mallory.get(f"/v1/clients/{made['id']}/keys"),
            await mallory.post(f"/v1/clients/{made['id']}/keys"),
            await mallory.post(f"/v1/clients/{made['id']}/revoke"),
        ]

        assert [answer.status_code for answer in answers] == [404] * 4


class TestKeyText:
    """`blst_live_`, the organisation, 40 random characters, a checksum."""

    async def test_carries_238_bits_and_its_organisation(self, world: World) -> None:
        keys = {auth.make_key(world.id)[0] for _ in range(200)}

        assert len({key[33:73] for key in keys}) == 200
        assert {auth.parse_key(key).organisation_id for key in keys} == {world.id}

    async def test_a_malformed_one_is_refused_without_the_database(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = await world.key()
        asked: list[str] = []

        async def run(*_: Any) -> Any:
            asked.append("the database")
            raise AssertionError

        monkeypatch.setattr(Database, "run", run)
        wrong = [
            key[:-1],
            key + "0",
            key[:-1] + ("0" if key[-1] != "0" else "1"),
            key[:40] + ("a" if key[40] != "a" else "b") + key[41:],
            key[:34] + key[35] + key[34] + key[36:] if key[34] != key[35] else key[:-1],
            key.replace("blst_live_", "blst_test_"),
            "blst_live_" + "z" * 22 + key[32:],
            "blst_",
            "blst_live_é" + key[11:],
        ]
        for text_ in wrong:
            # The header as bytes: what httpx would not send, another client does.
            response = await world.http().get("/v1/me", headers={b"Authorization": b"Bearer " + text_.encode()})
            assert response.status_code == 401, text_

        assert asked == []

    async def test_a_well_formed_one_of_nobody_is_refused(self, world: World, elsewhere: World) -> None:
        ours = await world.key()
        stolen = auth.base62(elsewhere.id.int, 22) + ours[32:-6]
        body = f"blst_live_{stolen}"
        moved = body + auth.base62(zlib.crc32(body.encode()), 6)

        for key in (auth.make_key(world.id)[0], moved):
            response = await world.http(key).get("/v1/me")
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


class TestNeverAPerson:
    """A key has scopes and nothing else, whatever its client's id is."""

    async def test_a_key_stands_in_no_relation(self, world: World) -> None:
        caller = Caller(world.id, "client", world.people["amira"], frozenset(SCOPES), frozenset(Role))
        relations: set[Relation] = set().union(*(rule.relations for rule in POLICY.values()))

        assert [relation.name for relation in relations if relation.applies_to(caller)] == []
        assert [name for name in MODELS if own_column(name, "client") is not None] == []
        assert caller.employee_id is None
        for rule in POLICY.values():
            if rule.scope is None:
                with pytest.raises(Forbidden):
                    admit(caller, rule)

    async def test_a_client_with_the_id_of_a_person_is_not_them(self, world: World) -> None:
        def impersonate(session: Session) -> str:
            amira = world.people["amira"]
            session.add(Client(organisation_id=world.id, id=amira, name="Amira", scopes=list(SCOPES)))
            session.flush()
            key, digest = auth.make_key(world.id)
            session.add(ClientKey(organisation_id=world.id, client_id=amira, digest=digest, last_four=key[-4:]))
            return key

        caller = world.http(await world.run(impersonate))
        me = (await caller.get("/v1/me")).json()

        assert (me["kind"], me["employee"], me["roles"], me["relations"]) == ("client", None, [], [])


class TestServiceForTheCommandLine:
    async def test_an_operator_makes_rotates_lists_and_revokes(self, world: World) -> None:
        operator = Caller(world.id, "system", None)

        def work(session: Session) -> tuple[UUID, str, str, list[str]]:
            client, first = clients.create_client(session, operator, "Switchboard", ["call-events:write"])
            _, second = clients.rotate(session, operator, client.id)
            return client.id, first, second, [each.name for each in clients.everyone(session, operator)]

        client_id, first, second, names = await world.run(work)
        assert names == ["Switchboard"]
        for key in (first, second):
            assert (await world.http(key).get("/v1/me")).status_code == 200

        await world.run(lambda session: clients.revoke(session, operator, client_id))

        for key in (first, second):
            assert (await world.http(key).get("/v1/me")).status_code == 401
