"""For every list: pages that are complete and stable, cursors that are its own, changes that are never skipped."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from app import clock, events
from app.auth import Caller
from app.database import Database
from app.models import Employee
from app.worker import AT_ONCE, Worker
from tests.operations import Operation, Stage, every_operation, named, staged
from tests.test_conventions_access import assert_problem
from tests.world import World

pytestmark = pytest.mark.broad

LISTS = [operation for operation in every_operation() if operation.is_list]
SYNCED = [operation for operation in LISTS if "modified_since" in operation.route.known_queries]
ALLOWED = re.compile(r"Sort by one of (.*); a leading - turns it\.")


@pytest.fixture(scope="module")
async def stage(app: FastAPI, database: Database) -> AsyncIterator[Stage]:
    """With three examples of everything in the one organisation."""
    world, elsewhere = await World(app, database).build(), await World(app, database).build()
    yield await staged(world, elsewhere, examples=3)
    await world.close()
    await elsewhere.close()


async def page(stage: Stage, operation: Operation, **query: Any) -> httpx.Response:
    return await stage.caller(operation).get(operation.url(stage.mine), params=query)


async def walk(stage: Stage, operation: Operation, **query: Any) -> list[Any]:
    """Return what all pages hold, following the cursor."""
    found: list[Any] = []
    cursor: dict[str, Any] = {}
    while True:
        response = await page(stage, operation, **query, **cursor)
        assert response.status_code == 200, response.text
        body = response.json()
        assert len(body["data"]) <= query.get("limit", 50)
        found += body["data"]
        if body["next_cursor"] is None:
            return found
        cursor = {"cursor": body["next_cursor"]}


async def sorts_of(stage: Stage, operation: Operation) -> list[str]:
    """Return what a list can be sorted by, as it says itself."""
    response = await page(stage, operation, sort="no_such_sort")
    assert_problem(response, 422)
    (fault,) = response.json()["errors"]
    found = ALLOWED.fullmatch(fault["detail"])
    assert found is not None
    return found.group(1).split(", ")


def change_of(operation: Operation) -> Operation | None:
    """Return the operation that changes one row of a list."""
    for each in every_operation():
        if each.method == "PATCH" and each.path.rpartition("/")[0] == operation.path:
            return each
    return None


def ids(rows: list[Any]) -> list[str]:
    return [row.get("id") or str(row) for row in rows]


class TestPages:
    @pytest.mark.parametrize("operation", LISTS, ids=named)
    async def test_are_complete_in_every_order_both_ways(self, operation: Operation, stage: Stage) -> None:
        everything = sorted(ids(await walk(stage, operation, limit=200)))
        assert len(set(everything)) == len(everything) > 0

        for sort in await sorts_of(stage, operation):
            up = ids(await walk(stage, operation, limit=2, sort=sort))
            down = ids(await walk(stage, operation, limit=3, sort=f"-{sort}"))

            assert sorted(up) == everything, sort
            assert down == up[::-1], sort
            assert ids(await walk(stage, operation, limit=200, sort=sort)) == up, sort

    @pytest.mark.parametrize("operation", LISTS, ids=named)
    async def test_have_between_one_and_two_hundred_rows(self, operation: Operation, stage: Stage) -> None:
        for limit in ("0", "-1", "201", "2.5", "x", "", "99999999999999999999"):
            assert_problem(await page(stage, operation, limit=limit), 422)
        for limit in ("1", "200"):
            assert (await page(stage, operation, limit=limit)).status_code == 200

    @pytest.mark.parametrize("operation", LISTS, ids=named)
    async def test_have_a_shape_that_clients_know(self, operation: Operation, stage: Stage) -> None:
        body = (await page(stage, operation)).json()

        expected = {"data", "next_cursor"} | ({"next_watermark"} if operation in SYNCED else set())
        assert body.keys() == expected

    @pytest.mark.parametrize("operation", LISTS, ids=named)
    async def test_are_empty_where_there_is_nothing(self, operation: Operation, stage: Stage) -> None:
        """A filter by an id that nothing has; a list without such a filter has none to be tried."""
        for parameter in operation.queries():
            schema = str(parameter["schema"])
            if "uuid" in schema:
                response = await page(stage, operation, **{parameter["name"]: "0192f0c1-2b3c-7d4e-8f50-000000000000"})
                assert (response.status_code, response.json()["data"]) == (200, [])


class TestCursors:
    @pytest.mark.parametrize("operation", LISTS, ids=named)
    async def test_are_of_one_list_one_order_and_one_organisation(self, operation: Operation, stage: Stage) -> None:
        (other,) = [
            o for o in LISTS if o.name == ("list_pillars" if operation.name != "list_pillars" else "list_teams")
        ]
        sorts = await sorts_of(stage, operation)
        cursor = (await page(stage, operation, limit=1, sort=sorts[0])).json()["next_cursor"]
        assert cursor is not None
        assert stage.elsewhere is not None
        foreign = World(stage.world.app, stage.world.database, id=stage.elsewhere.id, people=stage.elsewhere.people)
        their_caller = await operation.caller(foreign)

        wrong = [
            await page(stage, operation, cursor=cursor, sort=f"-{sorts[0]}"),
            await page(stage, other, cursor=cursor),
            await page(stage, operation, cursor=f"{cursor[:-8]}AAAAAAAA", sort=sorts[0]),
            await page(stage, operation, cursor=cursor[:-1], sort=sorts[0]),
            await their_caller.get(operation.url(stage.theirs), params={"cursor": cursor, "sort": sorts[0]}),
        ]

        assert {response.status_code for response in wrong} == {400}
        for response in wrong:
            assert_problem(response, 400, "invalid_cursor")
        await foreign.close()

    @pytest.mark.parametrize("operation", LISTS, ids=named)
    @pytest.mark.parametrize("cursor", ["x", "canary", "A" * 2000, "[1,2]", "W10", "null"])
    async def test_that_nobody_gave_out_are_refused(self, operation: Operation, stage: Stage, cursor: str) -> None:
        response = await page(stage, operation, cursor=cursor)

        assert_problem(response, 400, "invalid_cursor")
        assert "canary" not in response.text

    async def test_are_of_one_filter(self, stage: Stage) -> None:
        (operation,) = [o for o in LISTS if o.name == "list_employees"]
        cursor = (await page(stage, operation, limit=1, active="true")).json()["next_cursor"]

        assert_problem(await page(stage, operation, cursor=cursor, active="false"), 400, "invalid_cursor")
        assert (await page(stage, operation, cursor=cursor, active="true")).status_code == 200

    async def test_do_not_gather_in_memory(self, stage: Stage) -> None:
        """A filter's value is the caller's: nothing may be kept for each."""
        (operation,) = [o for o in LISTS if o.name == "list_employees"]
        ciphers = stage.world.app.state.vault._ciphers
        await page(stage, operation, limit=1)
        before = len(ciphers)

        for number in range(20):
            await page(stage, operation, limit=1, external_id=f"hr-{number}")

        assert len(ciphers) == before


class TestWhileRowsAreWritten:
    async def test_every_row_that_was_there_comes_exactly_once(self, client: httpx.AsyncClient, world: World) -> None:
        for number in range(20):
            await world.hire(f"m{number:02}")
        before = {str(identifier) for identifier in world.people.values()}
        for sort in ("id", "-id", "user_name", "-user_name"):
            seen: list[str] = []
            cursor: dict[str, str] | None = {}
            while cursor is not None:
                answer = (await client.get("/v1/employees", params={"limit": 5, "sort": sort, **cursor})).json()
                seen += ids(answer["data"])
                cursor = {"cursor": answer["next_cursor"]} if answer["next_cursor"] else None
                for letter in "az":
                    await world.hire(f"{letter}{sort}{len(seen)}")

            assert len(seen) == len(set(seen)), sort
            assert before <= set(seen), sort

    @pytest.mark.parametrize("numbered", [True, False], ids=["worker at work", "worker away"])
    async def test_one_that_commits_late_is_never_skipped(
        self, client: httpx.AsyncClient, world: World, app: FastAPI, numbered: bool
    ) -> None:
        """Its id, its times and its audit entry are all older than the watermark that the poll was given."""
        worker = Worker(world.database, app.state.wakeup, 1)
        written, may_commit = asyncio.Event(), asyncio.Event()

        def late(session: Session) -> None:
            hire(session, world, "late")
            written.set()
            await_only(may_commit.wait())

        transaction = asyncio.create_task(world.run(late))
        await written.wait()
        await world.run(hire, world, "early")

        async def number() -> None:
            if numbered:
                await worker.attend(world.id, AT_ONCE)

        await number()
        first = (await client.get("/v1/employees")).json()
        assert {"early"} == {e["user_name"] for e in first["data"]} & {"early", "late"}
        may_commit.set()
        await transaction
        await number()
        changes = (await client.get("/v1/employees", params={"modified_since": first["next_watermark"]})).json()

        assert "late" in {e["user_name"] for e in changes["data"]}
        if numbered:
            assert {e["user_name"] for e in changes["data"]} == {"late"}
            again = await client.get("/v1/employees", params={"modified_since": changes["next_watermark"]})
            assert again.json()["data"] == []

    async def test_a_poll_in_pages_ends_where_it_began(
        self, client: httpx.AsyncClient, world: World, app: FastAPI
    ) -> None:
        """What changes while the pages are fetched comes with the next poll: the watermark is of the first page."""
        worker = Worker(world.database, app.state.wakeup, 1)
        for number in range(4):
            await world.run(hire, world, f"first-{number}")
        await worker.attend(world.id, AT_ONCE)
        one = (await client.get("/v1/employees", params={"limit": 2})).json()
        await world.run(hire, world, "meanwhile")
        await worker.attend(world.id, AT_ONCE)

        two = (await client.get("/v1/employees", params={"limit": 200, "cursor": one["next_cursor"]})).json()

        first, last = (world.watermark(page["next_watermark"]) for page in (one, two))
        assert first == last
        changes = (await client.get("/v1/employees", params={"modified_since": two["next_watermark"]})).json()
        assert {e["user_name"] for e in changes["data"]} == {"meanwhile"}


def hire(session: Session, world: World, user_name: str) -> None:
    employee = Employee(organisation_id=world.id, user_name=user_name, user_name_key=user_name, display_name=user_name)
    session.add(employee)
    events.record(session, Caller(world.id, "system", None), "employee.created", employee)


class TestModifiedSince:
    @pytest.mark.parametrize("operation", SYNCED, ids=named)
    async def test_takes_a_watermark_or_a_time_and_nothing_else(self, operation: Operation, stage: Stage) -> None:
        watermark = (await page(stage, operation)).json()["next_watermark"]
        cursor = (await page(stage, operation, limit=1)).json()["next_cursor"]

        assert (await page(stage, operation, modified_since=watermark)).status_code == 200
        assert (await page(stage, operation, modified_since="2026-01-01T00:00:00Z")).status_code == 200
        for garbled in ("canary", f"{watermark[:-4]}AAAA", cursor[:150], "7", "0"):
            response = await page(stage, operation, modified_since=garbled)
            assert_problem(response, 400, "invalid_watermark")
            assert "canary" not in response.text
        for timeless in ("2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00Z"):
            assert_problem(await page(stage, operation, modified_since=timeless), 422)

    @pytest.mark.parametrize("operation", [o for o in SYNCED if change_of(o)], ids=named)
    async def test_shows_what_a_change_through_the_api_has_changed(self, operation: Operation, stage: Stage) -> None:
        change = change_of(operation)
        assert change is not None
        worker = Worker(stage.world.database, stage.world.app.state.wakeup, 1)
        await worker.attend(stage.world.id, AT_ONCE)
        watermark = (await page(stage, operation)).json()["next_watermark"]

        body = change.body(stage.mine, whole=True)
        changed = await stage.caller(change).request(**change.request(stage.mine, json=body))
        assert changed.status_code == 200, changed.text

        polled = (await page(stage, operation, modified_since=watermark)).json()
        assert ids(polled["data"]) == [changed.json()["id"]]

    async def test_a_time_shows_what_changed_from_then_on(
        self, client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.run(hire, world, "then")
        start = clock.now()
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(hours=2))
        await world.run(hire, world, "now")
        await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, AT_ONCE)

        changes = await client.get("/v1/employees", params={"modified_since": (start + timedelta(hours=1)).isoformat()})

        assert {e["user_name"] for e in changes.json()["data"]} == {"now"}
