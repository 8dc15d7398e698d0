"""For every operation that writes: versions, unknown members, and the same request twice."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database import Database
from tests.examples_of_resources import CHANGES_NOTHING, REFUSED_BY_A_RULE
from tests.operations import Operation, Stage, every_operation, leaves, named, staged, with_leaf
from tests.test_conventions_access import assert_problem
from tests.world import World

GUARDED = [operation for operation in every_operation() if operation.rule is not None]
READS = [operation for operation in GUARDED if operation.method == "GET" and not operation.is_stream]
POSTS = [operation for operation in GUARDED if operation.method == "POST"]
VERSIONED = [operation for operation in GUARDED if operation.route.needs_if_match]
VERBS = [
    operation
    for operation in POSTS
    if operation.path.partition("}")[2].startswith("/")
    and operation.route.success == 200
    and not operation.route.batch
    and operation.route.action is not None
    and operation.route.action[1] != "dry_run"  # it changes nothing
]
JSON = {"Content-Type": "application/json"}


async def one_world(app: FastAPI, database: Database) -> AsyncIterator[Stage]:
    world = await World(app, database).build()
    yield await staged(world)
    await world.close()


stage = pytest.fixture(one_world, name="stage")
shared = pytest.fixture(one_world, scope="module", name="shared")


def rows_of(response: httpx.Response) -> object:
    """Return what is told, without the cursor and the watermark, which look new each time."""
    told = response.json()
    return told["data"] if "data" in told and "next_cursor" in told else told


class TestVersions:
    @pytest.mark.parametrize("operation", READS, ids=named)
    async def test_every_representation_has_an_etag_that_saves_a_second_look(
        self, operation: Operation, shared: Stage
    ) -> None:
        caller, request = shared.caller(operation), operation.request(shared.mine)
        first = await caller.request(**request)
        assert first.status_code == 200, first.text
        tag = first.headers["ETag"]

        for sent in (tag, f'"other", {tag}', "*", f"W/{tag}".replace("W/W/", "W/")):
            again = await caller.request(**{**request, "headers": {"If-None-Match": sent}})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        changed = await caller.request(**{**request, "headers": {"If-None-Match": '"other"'}})
        assert (changed.status_code, rows_of(changed)) == (200, rows_of(first))

    @pytest.mark.parametrize("operation", VERSIONED, ids=named)
    async def test_a_change_needs_the_version_that_it_was_made_from(self, operation: Operation, shared: Stage) -> None:
        caller, request = shared.caller(operation), operation.request(shared.mine)

        assert_problem(await caller.request(**{**request, "headers": {}}), 428, "if_match_required")
        for stale in ('"99"', '"0", "99"', 'W/"1"', "1", '""', "nonsense"):
            response = await caller.request(**{**request, "headers": {"If-Match": stale}})
            assert_problem(response, 412, "stale_version")

    @pytest.mark.parametrize("operation", [o for o in VERSIONED if o.method == "PATCH"], ids=named)
    async def test_the_etag_of_a_read_is_what_a_change_takes_once(self, operation: Operation, stage: Stage) -> None:
        caller, url = stage.caller(operation), operation.url(stage.mine)
        body = operation.body(stage.mine, whole=True)
        tag = (await caller.get(url)).headers["ETag"]
        name = next((name for name, value in body.items() if isinstance(value, str)), next(iter(body)))

        changed = await caller.patch(url, json={name: body[name]}, headers={"If-Match": tag})
        again = await caller.patch(url, json={name: body[name]}, headers={"If-Match": tag})

        assert changed.status_code == 200, changed.text
        assert changed.headers["ETag"] == f'"{changed.json()["version"]}"' != tag
        assert again.status_code == 412
        assert (await caller.get(url)).headers["ETag"] == changed.headers["ETag"]

    @pytest.mark.parametrize("operation", [o for o in VERSIONED if o.method == "PATCH"], ids=named)
    async def test_an_empty_patch_changes_nothing(self, operation: Operation, shared: Stage) -> None:
        caller, url = shared.caller(operation), operation.url(shared.mine)
        before = await caller.get(url)

        response = await caller.patch(url, json={}, headers={"If-Match": "*"})

        assert response.status_code == 200, response.text
        assert response.json() == before.json()
        assert response.headers["ETag"] == before.headers["ETag"]

    @pytest.mark.parametrize("operation", VERBS, ids=named)
    async def test_a_verb_honours_the_version_that_it_is_sent(self, operation: Operation, shared: Stage) -> None:
        request = operation.request(shared.mine, headers={"If-Match": '"99"'})

        response = await shared.caller(operation).request(**request)

        assert_problem(response, 412, "stale_version")


class TestMembers:
    @pytest.mark.parametrize("operation", [o for o in GUARDED if o.takes_body and not o.route.batch], ids=named)
    async def test_an_unknown_one_is_refused_wherever_it_stands(self, operation: Operation, shared: Stage) -> None:
        body = operation.body(shared.mine, whole=True)
        objects = {place[:-1] for place, _ in leaves(body) if place and isinstance(place[-1], str)} or {()}

        for place in objects:
            content = with_leaf(body, (*place, "no_such_member"), 1)
            request = operation.request(shared.mine, content=json.dumps(content), headers=JSON)
            response = await shared.caller(operation).request(**request)
            assert_problem(response, 422)
            assert "no_such_member" in response.text

    @pytest.mark.parametrize("operation", [o for o in GUARDED if o.takes_body], ids=named)
    async def test_those_that_the_server_owns_are_unknown(self, operation: Operation, shared: Stage) -> None:
        for name in ("id", "organisation_id", "version", "created_at", "updated_at", "allowed_actions"):
            body = {**operation.body(shared.mine), name: None}
            response = await shared.caller(operation).request(**{**operation.request(shared.mine), "json": body})
            assert_problem(response, 422)


class TestTheSameTwice:
    async def answers(self, stage: Stage) -> list[str]:
        query = text("SELECT count(*) FROM idempotent_answer")
        return [str(await stage.world.run(lambda session: session.execute(query).scalar_one()))]

    @pytest.mark.parametrize("operation", POSTS, ids=named)
    async def test_has_one_effect_and_one_answer(self, operation: Operation, stage: Stage) -> None:
        caller = stage.caller(operation)
        request: dict[str, Any] = operation.request(stage.mine, headers={"Idempotency-Key": "once"})
        before = await self.answers(stage)

        at_first = await self.trail(stage)
        first = await caller.request(**request)
        rows = await self.trail(stage)
        second = await caller.request(**request)

        assert first.status_code == REFUSED_BY_A_RULE.get(operation.name, operation.route.success), first.text
        assert second.status_code == first.status_code
        if first.status_code >= 400:
            assert await self.answers(stage) == before
            assert "Idempotency-Replayed" not in second.headers
            return
        assert second.headers["Idempotency-Replayed"] == "true"
        assert (rows != at_first) == (operation.name not in CHANGES_NOTHING), "an audit entry goes with each change"
        assert "Idempotency-Replayed" not in first.headers
        for header in ("ETag", "Location", "Content-Type"):
            assert second.headers.get(header) == first.headers.get(header)
        assert second.json() == (first.json() | ({operation.route.secret: None} if operation.route.secret else {}))
        assert await self.trail(stage) == rows

    async def trail(self, stage: Stage) -> list[Any]:
        """What a second effect would add to. That it is read once more, in the answer, is recorded and no effect."""
        changes = "SELECT count(*) FROM audit_entry WHERE access_right IS NULL"
        query = text(f"SELECT ({changes}), (SELECT count(*) FROM outgoing_event)")
        return [tuple(row) for row in await stage.world.run(lambda session: session.execute(query).all())]
