"""How a source is: what came in lately, and that it fell silent, sends codes nobody mapped, or is refused."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app import clock
from app.auth import Caller
from app.services import source_health
from app.wakeup import Wakeup
from app.worker import REGULARLY, Worker
from tests.calls import call, count, make_source, post_batch
from tests.intake_sources import Platform, make_intake, platform, ticket
from tests.world import World, etag

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
Moves = Callable[[timedelta], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Moves:
    """Set the clock to so long after noon."""

    def move(after: timedelta) -> None:
        monkeypatch.setattr(clock, "now", lambda: NOON + after)

    move(timedelta())
    return move


@pytest.fixture
async def zendesk(at: Moves, noor: httpx.AsyncClient, stranger: httpx.AsyncClient) -> Platform:
    return await platform(noor, stranger)


async def health(admin: httpx.AsyncClient, source_id: str) -> dict[str, Any]:
    response = await admin.get(f"/v1/sources/{source_id}/health")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def watch(world: World) -> None:
    await world.run(source_health.watch, Caller(world.id, "system", None), clock.now())


async def news(world: World) -> list[str]:
    """Return what was said of sources, in order, to the audit; and see that other systems may learn the same."""
    query = "SELECT {} FROM {} WHERE organisation_id = :id AND {} LIKE 'source.%' ORDER BY id"
    said = {}
    for table, column in (("audit_entry", "action"), ("outgoing_event", "type")):
        found = text(query.format(column, table, column))
        said[table] = list(await world.run(lambda s, q=found: s.execute(q, {"id": world.id}).scalars().all()))
    assert said["audit_entry"] == said["outgoing_event"]
    return [each.removeprefix("source.") for each in said["audit_entry"] if each != "source.created"]


def codes(code: str, first: int, many: int) -> list[dict[str, Any]]:
    """Return calls that ended with a code."""
    made = [ticket(number) for number in range(first, first + many)]
    for each in made:
        each["ticket"] |= {"disposition": code, "tags": ""}
    return made


class TestCounts:
    async def test_of_an_hour_and_a_day(self, zendesk: Platform, noor: httpx.AsyncClient, at: Moves) -> None:
        at(timedelta(hours=-25))
        await zendesk.deliver([ticket(99)])
        at(timedelta(hours=-3))
        await zendesk.deliver(codes("RES", 1, 3))
        at(timedelta(minutes=-30))
        await zendesk.deliver([*codes("NEW", 4, 2), *codes("RES", 1, 1), ticket(5, ended="x"), ticket(6, type="x")])
        more = ticket(2, event="more")
        more["ticket"] |= {"disposition": "RES"}
        await zendesk.deliver([more])
        at(timedelta())

        found = await health(noor, zendesk.id)

        hour = {"accepted": 2, "updated": 1, "duplicates": 1, "dropped": 1, "refused": 1}
        assert found["last_hour"] == {**hour, "coded": 3, "unmapped": 2, "unmapped_share": 0.6667}
        assert found["last_day"] == {
            **hour, "accepted": 5, "coded": 6, "unmapped": 2, "unmapped_share": 0.3333
        }  # fmt: skip
        assert found["last_received_at"] == "2026-05-04T11:30:00Z"

    async def test_an_ordinary_source_is_counted_too_and_by_its_own_client_alone(
        self, world: World, noor: httpx.AsyncClient
    ) -> None:
        poster, other = [await world.client("sources:write", "sources:read", "call-events:write") for _ in range(2)]
        source_id = await make_source(poster)
        await post_batch(poster, call(source_id), call(source_id, channel="pigeon"))
        await post_batch(other, call(source_id), call(source_id, channel="pigeon"))

        hour = (await health(noor, source_id))["last_hour"]

        assert (hour["accepted"], hour["refused"], hour["unmapped_share"]) == (1, 1, None)

    async def test_one_request_is_one_row_and_senders_side_by_side_lose_nothing(
        self, zendesk: Platform, noor: httpx.AsyncClient, world: World
    ) -> None:
        await zendesk.deliver(codes("RES", 0, 50))
        assert await count(world, "source_count") == 1

        await asyncio.gather(*(zendesk.deliver(codes("RES", 100 * number, 5)) for number in range(1, 25)))

        assert (await health(noor, zendesk.id))["last_hour"]["accepted"] == 170
        assert await count(world, "source_count") <= 4

    async def test_replaying_what_was_parked_is_no_sign_of_life(
        self, zendesk: Platform, noor: httpx.AsyncClient, at: Moves
    ) -> None:
        answer = await zendesk.deliver([ticket(1, ended="soon")])
        at(timedelta(hours=2))
        url = f"/v1/sources/{zendesk.id}/refused/{answer['refused'][0]['refused_id']}/replay"
        done = await noor.post(url, json={"corrections": {"ended_at": "2026-05-04T10:00:00Z"}})

        found = await health(noor, zendesk.id)

        assert done.status_code == 200, done.text
        assert found["last_received_at"] == "2026-05-04T12:00:00Z"
        assert found["last_hour"]["accepted"] == 0

    async def test_after_eight_days_counts_are_gone_and_the_last_delivery_is_not_forgotten(
        self, zendesk: Platform, noor: httpx.AsyncClient, world: World, at: Moves
    ) -> None:
        await zendesk.deliver([ticket()])
        await watch(world)
        at(timedelta(days=9))
        await watch(world)

        assert await count(world, "source_count") == 0
        assert (await health(noor, zendesk.id))["last_received_at"] == "2026-05-04T12:00:00Z"


class TestSilence:
    async def test_it_waits_delivers_falls_silent_and_comes_back(
        self, zendesk: Platform, noor: httpx.AsyncClient, world: World, at: Moves
    ) -> None:
        seen = []

        async def look(after: timedelta) -> None:
            at(after)
            await watch(world)
            seen.append((await health(noor, zendesk.id))["state"])

        await look(timedelta())
        await zendesk.deliver([ticket(1)])
        await look(timedelta(hours=23, minutes=59))
        await look(timedelta(hours=24))
        await look(timedelta(hours=25))
        assert await news(world) == ["silent"]
        found = await health(noor, zendesk.id)
        assert (found["since"], found["silent_after_seconds"]) == ("2026-05-05T12:00:00Z", 86_400)
        await zendesk.deliver([ticket(2)])
        await look(timedelta(hours=25, minutes=1))

        assert seen == ["waiting", "healthy", "silent", "silent", "healthy"]
        assert await news(world) == ["silent", "recovered"]

    async def test_how_long_is_up_to_each_source_and_null_is_never(
        self, zendesk: Platform, noor: httpx.AsyncClient, world: World, at: Moves
    ) -> None:
        quiet = await make_intake(noor, "cloudevents", silent_after_seconds=None)
        url = f"/v1/sources/{zendesk.id}"
        quick = await noor.patch(url, json={"silent_after_seconds": 3600}, headers=etag(zendesk.source))
        await watch(world)
        at(timedelta(days=30))
        await watch(world)

        assert quick.json()["silent_after_seconds"] == 3600
        # Also one that never delivered at all.
        assert (await health(noor, zendesk.id))["state"] == "silent"
        assert (await health(noor, quiet["id"]))["state"] == "waiting"
        assert [each for each in await news(world) if each != "updated"] == ["silent"]

    async def test_one_that_is_switched_off_is_not_missed(
        self, zendesk: Platform, noor: httpx.AsyncClient, world: World, at: Moves
    ) -> None:
        url = f"/v1/sources/{zendesk.id}"
        await watch(world)
        off = await noor.patch(url, json={"active": False}, headers=etag(zendesk.source))
        at(timedelta(days=3))
        await watch(world)
        assert (await health(noor, zendesk.id))["state"] == "inactive"
        await noor.patch(url, json={"active": True}, headers=etag(off))
        await watch(world)
        at(timedelta(days=3, hours=23))
        await watch(world)

        assert (await health(noor, zendesk.id))["state"] == "waiting"
        assert [each for each in await news(world) if each != "updated"] == []

    async def test_the_source_itself_stays_as_it_is(
        self, zendesk: Platform, noor: httpx.AsyncClient, world: World, at: Moves
    ) -> None:
        """Whoever is about to change it is not told that it is stale because the worker looked."""
        await watch(world)
        at(timedelta(days=2))
        await watch(world)

        changed = await noor.patch(f"/v1/sources/{zendesk.id}", json={"description": "x"}, headers=etag(zendesk.source))

        assert changed.status_code == 200


class TestUnmapped:
    async def test_suddenly_only_unmapped_codes(
        self, zendesk: Platform, noor: httpx.AsyncClient, world: World, at: Moves
    ) -> None:
        await zendesk.deliver(codes("RES", 1, 5))
        at(timedelta(minutes=10))
        await zendesk.deliver(codes("NEW", 10, 19))
        await watch(world)
        before = (await health(noor, zendesk.id))["state"]
        await zendesk.deliver(codes("OTHER", 30, 1))
        await watch(world)
        during = (await health(noor, zendesk.id))["state"]
        mapping = {"kind": "disposition", "code": "NEW", "outcomes": ["other"]}
        await noor.post(f"/v1/sources/{zendesk.id}/outcome-mappings", json=mapping)
        at(timedelta(minutes=20))
        await zendesk.deliver(codes("NEW", 40, 1))
        await watch(world)

        assert (before, during, (await health(noor, zendesk.id))["state"]) == ("healthy", "unmapped", "healthy")
        assert await news(world) == ["unmapped", "recovered"]

    async def test_one_that_never_had_a_mapped_code_is_new_and_not_ill(
        self, zendesk: Platform, noor: httpx.AsyncClient
    ) -> None:
        await zendesk.deliver(codes("NEW", 1, 40))

        assert (await health(noor, zendesk.id))["state"] == "healthy"

    async def test_a_weekend_between_does_not_hide_it(self, zendesk: Platform, world: World, at: Moves) -> None:
        await zendesk.deliver(codes("RES", 1, 5))
        await watch(world)
        at(timedelta(days=9))
        await watch(world)
        await zendesk.deliver(codes("NEW", 10, 20))
        await watch(world)

        assert await news(world) == ["silent", "unmapped"]


class TestRefusing:
    async def test_at_least_half_of_ten_within_an_hour(
        self, zendesk: Platform, noor: httpx.AsyncClient, world: World, at: Moves
    ) -> None:
        good, bad = codes("RES", 1, 5), [ticket(number, ended="x") for number in range(5)]
        await zendesk.deliver([*good, *bad[:4]])
        await watch(world)
        before = (await health(noor, zendesk.id))["state"]
        await zendesk.deliver(bad[4:])
        await watch(world)
        during = (await health(noor, zendesk.id))["state"]
        at(timedelta(hours=2))
        await watch(world)

        assert (before, during, (await health(noor, zendesk.id))["state"]) == ("healthy", "refusing", "healthy")
        assert await news(world) == ["refusing", "recovered"]


class TestDuty:
    async def test_the_worker_does_it_and_says_how_late(self, zendesk: Platform, world: World, at: Moves) -> None:
        await world.alone()
        worker = Worker(world.database, Wakeup(), 0.05)
        assert "watch_sources" in REGULARLY
        await worker.sweep(everyone=True)
        at(timedelta(days=1, seconds=30))
        await worker.sweep(everyone=True)

        assert await news(world) == ["silent"]
        assert REGISTRY.get_sample_value("ballast_worker_lag_seconds", {"duty": "watch_sources"}) == 30

    async def test_it_is_safe_to_do_twice_at_once(self, zendesk: Platform, world: World, at: Moves) -> None:
        await world.alone()
        await watch(world)
        at(timedelta(days=1))
        workers = [Worker(world.database, Wakeup(), 0.05) for _ in range(4)]
        await asyncio.gather(*(worker.sweep(everyone=True) for worker in workers))

        assert await news(world) == ["silent"]

    async def test_who_may_read_it(
        self, zendesk: Platform, amira: httpx.AsyncClient, mallory: httpx.AsyncClient, world: World
    ) -> None:
        reader = await world.client("sources:read")
        url = f"/v1/sources/{zendesk.id}/health"

        assert [(await who.get(url)).status_code for who in (reader, amira, mallory)] == [200, 403, 404]
