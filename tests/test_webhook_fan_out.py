"""Fan-out: each event becomes one delivery for each endpoint that wants it and whose client may be told of it."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only
from uuid_utils.compat import uuid7

from app import clock, duties, events
from app.auth import Caller
from app.database import Database
from app.services import webhook_delivery, webhook_queue
from app.worker import AT_ONCE, REGULARLY, WHEN_DUE
from tests.webhooks import (
    WEBHOOKS,
    add_pillar,
    change,
    done,
    endpoint,
    happen,
    id_of,
    queued,
    read_on,
    rows,
    work,
)
from tests.world import World, etag

SCOPES = ("webhooks:read", "webhooks:write", "pillars:read")


@pytest.fixture
async def mine(world: World) -> httpx.AsyncClient:
    return await world.client(*SCOPES)


async def fan_out(world: World) -> duties.Done:
    done_: duties.Done = await world.run(duties.fan_out, Caller(world.id, "system", None), clock.now())
    return done_


async def positions(world: World) -> set[int]:
    return {row.position for row in await rows(world, "SELECT position FROM webhook_endpoint")}


class TestWhatIsQueued:
    async def test_is_what_each_endpoint_wants_from_now_on(self, world: World, mine: httpx.AsyncClient) -> None:
        await happen(world, "before")
        await work(world)
        all_, pillars, exact, goals = [
            await endpoint(mine, each) for each in ("*", "pillar.*", "pillar.created", "goal.*")
        ]
        happened = await happen(world, "pride", "calm")

        await work(world)

        for made in (pillars, exact):
            found = await queued(world, made)
            assert [row.data["id"] for row in found] == happened
            assert {(row.type, row.kind, row.attempts) for row in found} == {("pillar.created", "event", 0)}
            assert {row.due_at for row in found} == {row.created_at for row in found}
        assert await queued(world, goals) == []
        own = [(row.type, row.data["id"]) for row in await queued(world, all_)]
        assert own[-2:] == [("pillar.created", each) for each in happened]
        assert own[:-2] == [("webhook_endpoint.created", each["id"]) for each in (all_, pillars, exact, goals)]
        shown, _ = await read_on(mine, type="pillar.created")
        assert {str(row.event_id) for row in await queued(world, pillars)} <= {event["id"] for event in shown}

    async def test_is_what_the_client_may_read_wildcards_or_not(
        self, world: World, mine: httpx.AsyncClient, client: httpx.AsyncClient, amira: httpx.AsyncClient
    ) -> None:
        planner = await world.client("webhooks:read", "webhooks:write", "plans:read")
        of_pillars, of_plans, of_both = await endpoint(mine), await endpoint(planner), await endpoint(client)
        await happen(world, "pride")
        body = {"title": "Leave on time", "pillars": ["physical_health"]}
        open_ = await done(await amira.post("/v1/goals", json=body), 201)
        await done(await amira.post("/v1/goals", json={**body, "private": True}), 201)
        later_private = await done(await amira.post("/v1/goals", json=body), 201)
        url = f"/v1/goals/{later_private['id']}"
        await done(await amira.patch(url, json={"private": True}, headers=etag(later_private)))

        await work(world)

        told = {name: [(row.type, row.data["id"]) for row in await queued(world, made)] for name, made in
                {"pillars": of_pillars, "plans": of_plans, "both": of_both}.items()}  # fmt: skip
        assert [each for each, _ in told["pillars"]] == ["webhook_endpoint.created", "pillar.created"]
        assert told["plans"][1:] == [("goal.created", open_["id"])]
        assert {each for each, _ in told["both"]} == {"webhook_endpoint.created", "pillar.created", "goal.created"}
        assert [each for each in told["both"] if each[0] == "goal.created"] == told["plans"][1:]

    async def test_is_not_what_a_client_lost_the_scope_for(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine, "pillar.*")
        await happen(world, "pride")
        await change(world, f"UPDATE client SET scopes = ARRAY['pillars:read'] WHERE id = '{made['client_id']}'")

        await work(world)

        assert await queued(world, made) == []

    async def test_is_nothing_for_another_organisation(
        self, world: World, elsewhere: World, mine: httpx.AsyncClient
    ) -> None:
        made = await endpoint(await elsewhere.client(*SCOPES), "pillar.*")
        await endpoint(mine, "pillar.*")
        await happen(world, "pride")

        await work(world)
        await work(elsewhere)

        assert await queued(elsewhere, made) == []

    async def test_a_transaction_that_commits_late_is_not_skipped(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine, "pillar.*")
        written, may_commit = asyncio.Event(), asyncio.Event()

        def late(session: Session) -> str:
            identifier = add_pillar(session, world, "late")
            written.set()
            await_only(may_commit.wait())
            return identifier

        transaction = asyncio.create_task(world.run(late))
        await written.wait()
        (early,) = await happen(world, "early")
        await work(world)
        may_commit.set()
        late_id = await transaction
        await work(world)

        assert [row.data["id"] for row in await queued(world, made)] == [early, late_id]


class TestOnce:
    async def test_done_twice_or_side_by_side_it_is_done_once(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine, "pillar.*")
        await happen(world, "pride", "calm")
        await world.run(duties.number, Caller(world.id, "system", None), clock.now())

        await asyncio.gather(*(fan_out(world) for _ in range(4)))
        await change(world, "UPDATE webhook_endpoint SET position = 0")
        await fan_out(world)

        found = [row.data["id"] for row in await queued(world, made)]
        assert len(found) == len(set(found))
        assert len(found) == len((await read_on(mine, type="pillar.*"))[0])

    async def test_batches_follow_each_other(
        self, world: World, mine: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhook_queue, "BATCH", 2)
        monkeypatch.setattr(webhook_queue, "LEAST", 2)
        made = await endpoint(mine, "pillar.*")
        happened = await happen(world, *(f"p{number}" for number in range(7)))

        await work(world)

        assert [row.data["id"] for row in await queued(world, made)] == happened
        (last,) = await rows(world, "SELECT value FROM feed_counter WHERE feed = 'events'")
        assert await positions(world) == {last.value}

    async def test_is_no_change_of_the_endpoint(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine)
        await happen(world, "pride")
        await work(world)

        shown = await done(await mine.get(f"{WEBHOOKS}/{made['id']}"))
        assert shown == {name: value for name, value in made.items() if name not in ("secret", "public_key")}

    async def test_many_events_take_few_statements(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine, "team.*", "pillar.*")
        await work(world)
        changes = [events.Change("pillar.updated", uuid7(), number) for number in range(3000)]
        await world.run(events.record_changes, Caller(world.id, "system", None), "pillar", changes)

        await work(world)

        found = await queued(world, made)
        assert [row.data["version"] for row in found] == list(range(3000))


class TestWorker:
    def test_does_it_right_after_numbering(self) -> None:
        for wanted in (AT_ONCE, WHEN_DUE, REGULARLY):
            assert list(wanted).index("fan_out") == list(wanted).index("number") + 1

    async def test_wakes_who_delivers(self, world: World, mine: httpx.AsyncClient, database: Database) -> None:
        """By a notification that names the organisation, and by the directory for who did not hear it."""
        made = await endpoint(mine, "pillar.*")
        await work(world)
        url = database.engine.url
        heard: list[str] = []
        where: dict[str, Any] = {"user": url.username, "password": url.password, "database": url.database}
        where |= {"host": dict(url.query).get("host") or url.host, "port": url.port or 5432}
        connection = await asyncpg.connect(**where)
        await connection.add_listener("ballast_deliver", lambda *told: heard.append(told[-1]))
        at = f"SELECT deliver_at FROM organisation_directory WHERE organisation_id = '{world.id}'"

        await happen(world, "pride")
        await work(world)
        await connection.execute("SELECT 1")
        assert heard == [str(world.id)]
        assert (await rows(world, at))[0].deliver_at <= clock.now()

        later = clock.now() + timedelta(hours=1)
        await change(
            world, f"UPDATE organisation_directory SET deliver_at = :at WHERE organisation_id = '{world.id}'", at=later
        )
        await work(world)
        assert (await rows(world, at))[0].deliver_at == later
        await done(await mine.post(f"{WEBHOOKS}/{made['id']}/test"), 202)
        await work(world)
        await connection.execute("SELECT 1")
        assert set(heard) == {str(world.id)}
        assert len(heard) > 1
        assert (await rows(world, at))[0].deliver_at <= clock.now()
        await connection.close()


class TestSwitchedOff:
    @pytest.mark.parametrize("how", ["paused_at = :at", "disabled_at = :at, disabled_reason = 'failing'"])
    async def test_keeps_its_queue_for_seven_days(self, world: World, mine: httpx.AsyncClient, how: str) -> None:
        made, other = await endpoint(mine, "pillar.*"), await endpoint(mine, "pillar.*")
        now = clock.now()

        async def off_for(**ago: Any) -> None:
            off = f"UPDATE webhook_endpoint SET active = false, {how} WHERE id = :id"
            await change(world, off, id=UUID(made["id"]), at=now - timedelta(**ago))
            await happen(world, f"off_{next(iter(ago.values()))}")
            await work(world)
            await world.run(webhook_delivery.purge, Caller(world.id, "system", None), now)

        await off_for(days=1)
        await off_for(days=6)
        assert len(await queued(world, made)) == 2
        await off_for(days=8)
        assert await queued(world, made) == []
        failed = await queued(world, made, state="failed")
        assert [(row.due_at, row.finished_at) for row in failed] == [(None, now)] * 2
        assert len(await queued(world, other)) == 3

    async def test_what_is_done_is_forgotten_after_thirty_days(
        self, world: World, mine: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhook_delivery, "PURGED_AT_ONCE", 2)
        made = await endpoint(mine, "pillar.*")
        await happen(world, *(f"p{number}" for number in range(4)))
        await work(world)
        finished = "state = 'delivered', due_at = NULL, finished_at = :at"
        ids = [row.id for row in await queued(world, made)]
        for identifier, days in zip(ids[:3], (31, 31, 29), strict=True):
            at = clock.now() - timedelta(days=days)
            await change(world, f"UPDATE webhook_delivery SET {finished} WHERE id = :id", id=identifier, at=at)

        purged = await world.run(duties.purge, Caller(world.id, "system", None), clock.now())

        assert purged.more
        assert [row.id for row in await queued(world, made, state="delivered")] == ids[2:3]
        assert [row.id for row in await queued(world, made)] == ids[3:]


class TestRevoked:
    async def test_a_client_is_not_fanned_out_to(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine, "pillar.*")
        before = await positions(world)
        await change(world, f"UPDATE client SET revoked_at = now() WHERE id = '{await id_of(mine)}'")
        await happen(world, "pride")

        await work(world)

        assert await queued(world, made) == []
        assert await positions(world) == before
