"""Nobody waits for anybody else's receiver; workers share the sending, stop in good order, and wake each other."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app import clock
from app import listener as listeners
from app.database import Database, make_engine
from app.listener import Listener
from app.migrate import Urls
from app.outgoing import connections, guard
from app.settings import Settings
from app.webhooks import courier, deliverer
from tests import deliveries as made
from tests.deliveries import Made, delivering, make_endpoint, queue, taking, until, until_done, until_tried
from tests.probe import AS_SIGNED_IN
from tests.receiver import Receiver, answer
from tests.world import World

BROKEN = answer("500 Internal Server Error")


@pytest.fixture(autouse=True)
async def two_organisations(world: World, elsewhere: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.alone(elsewhere)
    monkeypatch.setattr(courier, "LINGER_SECONDS", 0.1)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


class TestSending:
    async def test_is_shared_by_workers_side_by_side_without_doing_anything_twice(
        self, world: World, receiver: Receiver, urls: Urls, settings: Settings
    ) -> None:
        endpoints = [await make_endpoint(world, receiver.url, concurrency=3) for _ in range(6)]
        events = [each for endpoint in endpoints for each in await queue(world, endpoint, 40)]
        beside = Database(make_engine(urls.application, settings, role=urls.application_role), world.database.vault)
        other = made.deliverer(world)
        other.database = beside
        try:
            async with delivering(made.deliverer(world)), delivering(other):
                await until_done(world)
        finally:
            await beside.close()
        assert Counter(each.headers["webhook-id"] for each in receiver.received) == Counter(map(str, events))

    async def test_is_as_many_at_once_as_the_endpoint_wants(self, world: World, receiver: Receiver) -> None:
        receiver.answer = taking(0.05)
        endpoint = await make_endpoint(world, receiver.url, concurrency=3)
        await queue(world, endpoint, 12)
        async with delivering(made.deliverer(world)):
            await until_done(world)
        assert (receiver.most_at_once, receiver.connections) == (3, 3)

        failing = await make_endpoint(world, receiver.url, concurrency=3, failing_since=clock.now())
        receiver.most_at_once, receiver.answer = 0, taking(0.05, BROKEN)
        await queue(world, failing, 4)
        async with delivering(made.deliverer(world)):
            await until_tried(world, failing, 4)
        assert receiver.most_at_once == 1

    async def test_does_not_wait_for_receivers_that_hang(
        self, world: World, elsewhere: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With fewer places than would hang: each endpoint may always send one."""
        monkeypatch.setattr(deliverer, "MOST_PLACES", 2)
        async with Receiver(taking(30)) as dead:
            for _ in range(4):
                await queue(world, await make_endpoint(world, dead.url, concurrency=5), 20)
            await asyncio.sleep(0.01)
            good, other = await make_endpoint(world, receiver.url), await make_endpoint(elsewhere, receiver.url)
            await queue(world, good, 50)
            await queue(elsewhere, other, 50)
            work = made.deliverer(world, shutdown_seconds=0.1)
            started = time.monotonic()
            async with delivering(work):
                await until(lambda: _is_delivered(world, good, 50), 5)
                await until(lambda: _is_delivered(elsewhere, other, 50), 5)
                seconds = time.monotonic() - started
                assert dead.most_at_once == 6
            assert seconds < 3
        assert await made.pending(world) == 80

    async def test_of_a_flood_delays_no_other_organisation(
        self, world: World, elsewhere: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deliverer, "MOST_COURIERS", 5)
        monkeypatch.setattr(deliverer, "MOST_OF_ONE", 4)
        monkeypatch.setattr(deliverer, "MOST_PLACES_OF_ONE", 8)
        receiver.answer = taking(0.03)
        for _ in range(8):
            await queue(world, await make_endpoint(world, receiver.url, concurrency=10), 400)
        small = await make_endpoint(elsewhere, receiver.url)
        async with delivering(made.deliverer(world)):
            await until(lambda: _is_delivered(world, None, 20))
            waited = []
            for number in range(1, 6):
                started = time.monotonic()
                await queue(elsewhere, small)
                await until(lambda n=number: _is_delivered(elsewhere, small, n), 5)  # type: ignore[misc]
                waited.append(time.monotonic() - started)
            assert await made.pending(world) > 400, "the flood was not one"
        assert max(waited) < 1.0, waited
        assert receiver.most_at_once <= 4 + 8 + 2

    async def test_gives_everyone_a_turn_where_more_is_to_be_done_than_there_are_couriers(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deliverer, "MOST_COURIERS", 2)
        monkeypatch.setattr(courier, "TURN_SECONDS", 0.2)
        receiver.answer = taking(0.02)
        endpoints = [await make_endpoint(world, receiver.url, concurrency=1) for _ in range(5)]
        for endpoint in endpoints:
            await queue(world, endpoint, 100)

        async def all_begun() -> bool:
            return all([any(each.attempts for each in await made.deliveries(world, one)) for one in endpoints])

        async with delivering(made.deliverer(world)):
            await until(all_begun, 5)
            assert await made.pending(world) > 200

    async def test_ends_soon_after_something_is_withdrawn_or_switched_off(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(courier, "LOOKED_AT_EVERY_SECONDS", 0.1)
        monkeypatch.setattr(courier, "LOW_WATER", 0)
        receiver.answer = taking(0.1)
        off = "UPDATE webhook_endpoint SET active = false, paused_at = now() WHERE organisation_id = :organisation"
        for change in ("DELETE FROM webhook_delivery WHERE organisation_id = :organisation AND state = 'pending'", off):
            endpoint = await make_endpoint(world, receiver.url, concurrency=1)
            await queue(world, endpoint, 30)
            receiver.received.clear()
            async with delivering(made.deliverer(world)):
                await until_tried(world, endpoint)
                await made.execute(world, change)
                sent = len(receiver.received)
                await asyncio.sleep(0.8)
            assert len(receiver.received) <= sent + 3
            assert (await made.row(world, endpoint)).lease_token is None

    async def test_goes_on_after_the_database_was_away(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receiver.answer = taking(0.1)
        endpoint = await make_endpoint(world, receiver.url, concurrency=2)
        events = await queue(world, endpoint, 10)
        work = made.deliverer(world)
        run, is_away = world.database.run, True

        async def sometimes(*arguments: Any) -> Any:
            if is_away and receiver.received:
                raise ConnectionError
            return await run(*arguments)

        async with delivering(work):
            with monkeypatch.context() as patch:
                patch.setattr(world.database, "run", sometimes)
                await asyncio.sleep(0.6)
                is_away = False
                await until_done(world)
        assert Counter(each.headers["webhook-id"] for each in receiver.received) == Counter(map(str, events))
        assert {each.number for each in await made.attempts(world, endpoint)} == {1}

    async def test_pauses_while_it_cannot_know_that_it_still_holds_the_endpoint(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(courier, "HELD_SECONDS", 0.3)
        receiver.answer = taking(0.05)
        endpoint = await make_endpoint(world, receiver.url, concurrency=1)
        await queue(world, endpoint, 40)
        run, is_away = world.database.run, True

        async def sometimes(*arguments: Any) -> Any:
            if is_away and receiver.received:
                raise ConnectionError
            return await run(*arguments)

        async with delivering(made.deliverer(world)):
            with monkeypatch.context() as patch:
                patch.setattr(world.database, "run", sometimes)
                await until(lambda: _has_received(receiver, 1))
                await asyncio.sleep(1.2)
                assert len(receiver.received) <= 9
                is_away = False
                await until_done(world)
        assert len(receiver.received) == 40

    async def test_looks_up_every_name_anew(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The check of an URL when it was registered protects nobody later: a name may mean something else by now."""
        meant = ["127.0.0.1"]
        monkeypatch.setattr(guard, "addresses_of", lambda host, port: [ip_address(meant[0])])
        monkeypatch.setattr(connections, "KEEP_SECONDS", 0.0)
        endpoint = await make_endpoint(world, receiver.url.replace("127.0.0.1", "hooks.example.com"))
        await queue(world, endpoint)
        async with delivering(made.deliverer(world)):
            await until_done(world)
            meant[0] = "169.254.169.254"
            await asyncio.sleep(0.3)
            await queue(world, endpoint)
            await until_tried(world, endpoint, 2)
        assert [each.failure for each in await made.attempts(world, endpoint)] == [None, "address_not_allowed"]


async def _is_delivered(world: World, endpoint: Made | None, many: int) -> bool:
    statement = "SELECT count(*) FROM webhook_delivery WHERE organisation_id = :organisation AND state = 'delivered'"
    if endpoint is not None:
        statement += " AND endpoint_id = :endpoint"
    values = {"organisation": world.id} | ({"endpoint": endpoint.id} if endpoint else {})
    return int(await world.run(lambda session: session.execute(text(statement), values).scalar_one())) >= many


class TestStop:
    async def test_lets_what_is_under_way_end_and_begins_nothing_more(self, world: World, receiver: Receiver) -> None:
        receiver.answer = taking(0.4)
        endpoint = await make_endpoint(world, receiver.url, concurrency=2)
        await queue(world, endpoint, 10)
        async with delivering(made.deliverer(world)):
            await until(lambda: _has_received(receiver, 2))
        assert (len(receiver.received), len(await made.attempts(world, endpoint))) == (2, 2)
        assert await made.pending(world) == 8
        assert (await made.row(world, endpoint)).lease_token is None
        assert await made.is_due(world)  # others take over at once

    async def test_cuts_off_what_takes_too_long(self, world: World, receiver: Receiver) -> None:
        receiver.answer = taking(30)
        endpoint = await make_endpoint(world, receiver.url)
        await queue(world, endpoint)
        started = time.monotonic()
        async with delivering(made.deliverer(world, shutdown_seconds=0.2)):
            await until(lambda: _has_received(receiver, 1))
        assert time.monotonic() - started < 3
        assert await made.attempts(world, endpoint) == []
        assert await made.pending(world) == 1
        assert (await made.row(world, endpoint)).lease_token is None

    async def test_is_begun_before_it_is_cancelled(self, world: World, receiver: Receiver) -> None:
        stopping = False
        work = made.deliverer(world)
        work._is_stopping = lambda: stopping
        endpoint = await make_endpoint(world, receiver.url)
        async with delivering(work):
            await queue(world, endpoint)
            await until_done(world)
            stopping = True
            await asyncio.sleep(0.3)
            await queue(world, endpoint)
            await asyncio.sleep(0.3)
        assert len(receiver.received) == 1


async def _has_received(receiver: Receiver, many: int) -> bool:
    return len(receiver.received) >= many


class TestWaking:
    @pytest.fixture
    async def hears(self, world: World) -> Listener:
        return Listener(world.database.engine)

    async def test_comes_from_who_queues_something(self, world: World, receiver: Receiver, hears: Listener) -> None:
        endpoint = await make_endpoint(world, receiver.url)
        work = made.deliverer(world, worker_interval_seconds=60)
        hears.subscribe(listeners.DELIVER, work.wake)
        listening = asyncio.create_task(hears.run())
        await until(lambda: _is(hears))
        async with delivering(work):
            await asyncio.sleep(0.2)
            for number in (1, 2):
                await queue(world, endpoint)
                await world.run(listeners.notify, listeners.DELIVER, [world.id])
                await until(lambda n=number: _has_received(receiver, n), 2)  # type: ignore[misc]
        listening.cancel()

    async def test_hears_again_after_its_connection_was_lost(
        self, world: World, elsewhere: World, hears: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listeners, "FIRST_PAUSE_SECONDS", 0.05)
        heard: list[UUID] = []
        hears.subscribe(listeners.WORK, heard.append)
        hears.subscribe(listeners.FEED, heard.append)
        listening = asyncio.create_task(hears.run())
        await until(lambda: _is(hears))
        await world.run(listeners.notify, listeners.WORK, [world.id, elsewhere.id])
        await until(lambda: _holds(lambda: set(heard) == {world.id, elsewhere.id}))
        for payload in ("", "nonsense"):
            await made.execute(world, "SELECT pg_notify('ballast_work', :payload)", payload=payload)

        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ballast listener'"
        await world.run(lambda session: [session.execute(each) for each in (AS_SIGNED_IN, text(end))])
        await until(lambda: _holds(lambda: not hears.is_listening))
        await until(lambda: _is(hears))
        heard.clear()
        await world.run(listeners.notify, listeners.FEED, [world.id])
        await until(lambda: _holds(lambda: heard == [world.id]))
        listening.cancel()

    async def test_is_not_needed(self, world: World, receiver: Receiver) -> None:
        endpoint = await make_endpoint(world, receiver.url)
        async with delivering(made.deliverer(world)):
            await asyncio.sleep(0.2)
            await queue(world, endpoint)
            await until_done(world, seconds=2)


async def _is(hears: Listener) -> bool:
    return hears.is_listening


async def _holds(condition: Callable[[], bool]) -> bool:
    return condition()


class TestMetrics:
    async def test_count_outcomes_and_say_how_late_it_is(self, world: World, receiver: Receiver) -> None:
        def sample(name: str, **labels: str) -> float:
            return REGISTRY.get_sample_value(name, labels) or 0.0

        before = {each: sample("ballast_webhook_attempts_total", outcome=each) for each in ("delivered", "retried")}
        timed = sample("ballast_webhook_seconds_count")
        endpoint = await make_endpoint(world, receiver.url)
        await queue(world, endpoint, due_at=clock.now() - timedelta(seconds=90))
        work = made.deliverer(world)
        await work._look()
        assert 90 <= sample("ballast_worker_lag_seconds", duty="deliver") < 120
        async with delivering(work):
            await until_done(world)
            receiver.answer = BROKEN
            await queue(world, endpoint)
            await until_tried(world, endpoint, 2)
            await asyncio.sleep(0.2)
            assert sample("ballast_worker_lag_seconds", duty="deliver") < 5
        for each, count in before.items():
            assert sample("ballast_webhook_attempts_total", outcome=each) == count + 1
        assert sample("ballast_webhook_seconds_count") == timed + 2
