"""Who did what and when, for those who audit."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.errors import sqlstate
from app.models.client import Role
from tests.world import World, etag


async def rename(noor: httpx.AsyncClient, name: str) -> None:
    answer = await noor.patch("/v1/organisation", json={"name": name}, headers=etag(await noor.get("/v1/organisation")))
    assert answer.status_code == 200


@pytest.fixture
async def auditor(world: World) -> httpx.AsyncClient:
    await world.grant("grace", Role.auditor)
    return world.person("grace")


class TestRead:
    async def test_says_who_did_what_and_not_what_it_holds(
        self, auditor: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        await rename(noor, "A name that must not be in the audit")

        answer = await auditor.get("/v1/audit-entries", params={"sort": "-id"})
        newest = answer.json()["data"][0]

        assert newest["action"] == "organisation.updated"
        assert (newest["resource"], newest["resource_id"]) == ("organisation", str(world.id))
        assert (newest["actor_kind"], newest["actor_id"]) == ("person", str(world.people["noor"]))
        assert newest["details"] == {"fields": ["name"]}
        assert newest["request_id"] is not None
        assert "must not be" not in answer.text

    async def test_a_client_with_the_scope_reads_it(self, world: World) -> None:
        assert (await (await world.client("audit:read")).get("/v1/audit-entries")).status_code == 200
        assert (await (await world.client("audit:write")).get("/v1/audit-entries")).status_code == 403

    @pytest.mark.parametrize("name", ["amira", "theo", "noor", "hana", "ines"])
    async def test_nobody_else_does(self, world: World, name: str) -> None:
        assert (await world.person(name).get("/v1/audit-entries")).status_code == 403

    async def test_is_ones_own_organisations(
        self, client: httpx.AsyncClient, mallory: httpx.AsyncClient, world: World, elsewhere: World
    ) -> None:
        ours = {entry["resource_id"] for entry in (await client.get("/v1/audit-entries")).json()["data"]}
        theirs = {entry["resource_id"] for entry in (await mallory.get("/v1/audit-entries")).json()["data"]}

        assert str(world.id) in ours
        assert str(elsewhere.id) in theirs
        assert not ours & theirs

    async def test_filters(self, client: httpx.AsyncClient, noor: httpx.AsyncClient, world: World) -> None:
        body = {"employee_id": str(world.people["grace"]), "role": "coach"}
        granted = (await noor.post("/v1/role-grants", json=body)).json()
        await rename(noor, "Harbour")
        now = datetime.now(UTC)
        before, after = (now - timedelta(minutes=5)).isoformat(), (now + timedelta(minutes=5)).isoformat()

        async def actions(**params: str) -> list[str]:
            answer = await client.get("/v1/audit-entries", params=params)
            assert answer.status_code == 200, answer.text
            return [entry["action"] for entry in answer.json()["data"]]

        made, updated = "role_grant.created", "organisation.updated"
        created = "organisation.created"
        assert await actions(action=made) == [made]
        assert await actions(resource="organisation") == [created, updated]
        assert await actions(resource_id=granted["id"]) == [made]
        assert await actions(subject_id=str(world.people["grace"])) == [made]
        assert await actions(actor_id=str(world.people["noor"])) == [made, updated]
        assert await actions(recorded_after=before, recorded_before=after) == [created, made, updated]
        assert await actions(recorded_after=after) == await actions(recorded_before=before) == []

    async def test_pages_through_in_order(self, client: httpx.AsyncClient, noor: httpx.AsyncClient) -> None:
        for number in range(5):
            await rename(noor, f"Harbour {number}")

        seen: list[str] = []
        cursor = None
        for _ in range(4):
            params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/v1/audit-entries", params=params)).json()
            seen += [entry["id"] for entry in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break

        assert len(seen) == 6
        assert seen == sorted(set(seen))


class TestInsertOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_entry SET action = 'nothing.happened'",
            "UPDATE audit_entry SET actor_id = NULL",
            "UPDATE audit_entry SET recorded_at = now()",
            "UPDATE audit_entry SET details = '{}'",
            "DELETE FROM audit_entry",
            "TRUNCATE audit_entry",
        ],
    )
    async def test_the_application_cannot_change_what_was_written(self, world: World, statement: str) -> None:
        with pytest.raises(DBAPIError) as refused:
            await world.run(lambda session: session.execute(text(statement)))

        assert sqlstate(refused.value) == "42501"
