"""How much of the database a change through SCIM asks for, and what follows when several ask at once."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from app import clock, migrate
from app.models.base import new_id
from app.scim import groups
from app.scim.resources import ENTERPRISE
from tests import scim
from tests.scim import GROUPS, USERS, patch
from tests.world import World

LARGE = 3000
FILL = text(
    """
    INSERT INTO employee (organisation_id, id, user_name, user_name_key, display_name, active, version, created_at,
        updated_at)
    SELECT :organisation_id, id, 'crew ' || n, 'crew ' || n, 'Crew', true, 1, now(), now()
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS crew (id, n)
    """
)


@pytest.fixture
async def okta(world: World) -> httpx.AsyncClient:
    return await scim.provider(world)


@contextmanager
def noted(world: World) -> Iterator[list[str]]:
    """Collect the statements that the application executes meanwhile."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = world.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def large_group(world: World, okta: httpx.AsyncClient) -> tuple[str, list[str]]:
    """Make a group of many, and return its id and theirs."""
    people = [new_id() for _ in range(LARGE)]
    await world.run(lambda session: session.execute(FILL, {"organisation_id": world.id, "ids": people}))
    ids = [str(each) for each in people]
    return (await scim.made(okta, scim.group("Crew", *ids)))["id"], ids


class TestFew:
    async def test_a_creation_and_a_change_are_few_statements(self, world: World, okta: httpx.AsyncClient) -> None:
        boss = await scim.made(okta, scim.user("boss", **{ENTERPRISE: {"department": "Legal"}}))
        said = {ENTERPRISE: {"department": "Legal", "manager": {"value": boss["id"]}}}
        with noted(world) as statements:
            leo = await scim.made(okta, scim.user("leo", externalId="l1", title="Adviser", **said))
        assert len(statements) <= 8, "\n".join(statements)
        change = patch({"op": "replace", "path": "title", "value": "Lead"})
        with noted(world) as statements:
            assert (await okta.patch(f"{USERS}/{leo['id']}", json=change)).json()["title"] == "Lead"
        assert len(statements) <= 5, "\n".join(statements)

    async def test_a_member_costs_the_same_in_a_large_group(
        self, world: World, okta: httpx.AsyncClient, urls: migrate.Urls
    ) -> None:
        leo = await scim.made(okta, scim.user("leo"))
        small = (await scim.made(okta, scim.group("Small")))["id"]
        large, ids = await large_group(world, okta)
        counts: dict[str, list[int]] = {small: [], large: []}
        for op in (
            {"op": "add", "path": "members", "value": [{"value": leo["id"]}]},
            {"op": "remove", "path": f'members[value eq "{leo["id"]}"]'},
        ):
            for group_id, seen in counts.items():
                with noted(world) as statements:
                    assert (await okta.patch(f"{GROUPS}/{group_id}", json=patch(op))).status_code == 204
                seen.append(len(statements))
        assert counts[small] == counts[large]
        assert max(counts[large]) <= 9
        await look_through(urls)
        for name, statement in {
            "add": groups.ADD,
            "remove": groups.REMOVE,
            "unknown": groups.UNKNOWN,
            "hidden": groups.HIDDEN,
        }.items():
            values = {"team_id": large, "people": [ids[7]], "ids": [new_id()], "now": clock.now()}
            assert await _rows_touched(world, statement, values) < 20, name

    async def test_replacing_writes_the_difference_alone(self, world: World, okta: httpx.AsyncClient) -> None:
        leo, mia = [await scim.made(okta, scim.user(name)) for name in ("leo", "mia")]
        group_id, ids = await large_group(world, okta)
        member = {"op": "add", "path": "members", "value": [{"value": mia["id"]}]}
        assert (await okta.patch(f"{GROUPS}/{group_id}", json=patch(member))).status_code == 204
        assert (await okta.delete(f"{USERS}/{mia['id']}")).status_code == 204
        wanted = [*ids[1:], leo["id"]]
        people = [{"value": each} for each in wanted]
        before = await _membership_ids(world, group_id)
        change = patch({"op": "replace", "path": "members", "value": people})
        assert (await okta.patch(f"{GROUPS}/{group_id}", json=change)).status_code == 204
        after = await _membership_ids(world, group_id)
        assert after.keys() == {*wanted, mia["id"]}, "whom SCIM does not see stays"
        assert {each: after[each] for each in ids[1:]} == {each: before[each] for each in ids[1:]}, "the same rows"
        rows = await world.run(lambda s: s.execute(text("SELECT action, subject_id FROM audit_entry")).all())
        changed = [(row.action, str(row.subject_id)) for row in rows if row.action.startswith("team_member.")]
        assert changed[-2:] == [("team_member.deleted", ids[0]), ("team_member.created", leo["id"])]


async def look_through(urls: migrate.Urls) -> None:
    """Have the database count what it holds, as it does by itself in time: plans rest on that."""
    engine = migrate.owner_engine(urls.owner).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("ANALYZE employee, team_member"))
    await engine.dispose()


async def _rows_touched(world: World, statement: Any, values: dict[str, Any]) -> float:
    """Return the most rows that one step of a statement's plan goes through, where the plan knows no parameter."""
    explained = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}")

    def run(session: Any) -> Any:
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        used = {name: value for name, value in values.items() if name in explained.compile().params}
        return session.execute(explained, {"organisation_id": world.id, **used}).scalar_one()

    found = await world.run(run)
    plans = [each["Plan"] for each in (json.loads(found) if isinstance(found, str) else found)]
    most = 0.0
    while plans:
        plan = plans.pop()
        plans += plan.get("Plans", [])
        most = max(most, (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
        most = max(most, plan.get("Rows Removed by Join Filter", 0))
    return most


async def _membership_ids(world: World, team_id: str) -> dict[str, Any]:
    query = text("SELECT employee_id, id FROM team_member WHERE team_id = :team_id")
    rows = await world.run(lambda session: session.execute(query, {"team_id": team_id}).all())
    return {str(row.employee_id): row.id for row in rows}


class TestAtOnce:
    async def test_new_people_of_a_new_department(self, okta: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
        said = {ENTERPRISE: {"department": "Night shift"}}
        answers = await asyncio.gather(*(okta.post(USERS, json=scim.user(f"owl {n}", **said)) for n in range(8)))
        assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
        areas = (await client.get("/v1/service-areas")).json()["data"]
        assert [area["name"] for area in areas].count("Night shift") == 1

    async def test_a_deleted_person_comes_back_once(self, okta: httpx.AsyncClient) -> None:
        leo = await scim.made(okta, scim.user("leo"))
        assert (await okta.delete(f"{USERS}/{leo['id']}")).status_code == 204
        answers = await asyncio.gather(*(okta.post(USERS, json=scim.user("leo")) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]
        assert [each.json()["id"] for each in answers if each.status_code == 201] == [leo["id"]]

    @pytest.mark.parametrize("path", ["userName", "\\u0075serName"])
    async def test_names_change_under_the_directorys_lock(
        self, world: World, okta: httpx.AsyncClient, path: str
    ) -> None:
        leo = await scim.made(okta, scim.user("leo"))
        body = json.dumps(patch({"op": "replace", "path": "PATH", "value": "leon"})).replace("PATH", path)
        with noted(world) as statements:
            answer = await okta.patch(f"{USERS}/{leo['id']}", content=body)
        assert (answer.status_code, answer.json()["userName"]) == (200, "leon")
        order = [statement for statement in statements if "advisory" in statement or "FOR UPDATE" in statement]
        if path != "userName":  # seen only when the person was locked already: begun anew
            assert "FOR UPDATE" in order.pop(0)
        assert "advisory" in order[0], "before any row"
        assert "FOR UPDATE" in "".join(order)
