"""The worker: it numbers what has committed without gaps, removes what has run out, and lets no failure spread."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app import clock, duties, worker
from app.auth import Caller
from app.models import (
    AuditEntry,
    DirectoryEntry,
    FeedCounter,
    IdempotentAnswer,
    OutgoingEvent,
    RefusedCallEvent,
    SupportPrompt,
)
from app.models.strain import PromptKind
from app.wakeup import Wakeup
from app.worker import AT_ONCE, REGULARLY, Worker
from tests.world import World, etag

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def two_organisations(world: World, elsewhere: World) -> None:
    await world.alone(elsewhere)
    world.app.state.wakeup(world.id)
    await world.app.state.wakeup.wait(1)  # takes what earlier tests noted


@pytest.fixture
def work(world: World) -> Worker:
    return Worker(world.database, Wakeup(), 0.05)


async def write(world: World, many: int = 1) -> list[UUID]:
    """Write audit entries and outgoing events as changes do, and return the entries' ids."""
    return list(await world.run(lambda session: [_entry(session, world) for _ in range(many)]))


def _entry(session: Session, world: World) -> UUID:
    session.execute(
        insert(OutgoingEvent).values(organisation_id=world.id, type="x.y", resource="x", resource_id=uuid7(), data={})
    )
    entry_id = uuid7()
    session.execute(insert(AuditEntry).values(id=entry_id, **_audit(world)))
    return entry_id


def _audit(world: World) -> dict[str, Any]:
    about = {"action": "x.y", "resource": "x", "resource_id": uuid7(), "actor_kind": "system", "details": {}}
    return {"organisation_id": world.id, **about}


async def numbers(world: World, model: type[AuditEntry | OutgoingEvent] = AuditEntry) -> dict[UUID, int | None]:
    """Return the numbers of a feed's rows, in the order of their ids."""
    query = select(model.id, model.number).where(model.organisation_id == world.id).order_by(model.id)
    return {row.id: row.number for row in await world.run(lambda session: session.execute(query).all())}


async def counter(world: World, feed: str) -> int:
    query = select(FeedCounter.value).where(FeedCounter.organisation_id == world.id, FeedCounter.feed == feed)
    return int(await world.run(lambda session: session.scalar(query)))


async def due_at(world: World) -> datetime:
    query = select(DirectoryEntry.due_at).where(DirectoryEntry.organisation_id == world.id)
    found: datetime = await world.run(lambda session: session.scalar(query))
    return found


async def set_due(world: World, moment: datetime) -> None:
    await world.run(
        lambda session: session.execute(
            text("UPDATE organisation_directory SET due_at = :at WHERE organisation_id = :id"),
            {"at": moment, "id": world.id},
        )
    )


@asynccontextmanager
async def transaction(world: World) -> AsyncIterator[AsyncConnection]:
    """A transaction of the organisation on a connection of its own, which the test ends."""
    async with world.database.engine.connect() as connection:
        await connection.execute(text("SELECT set_tenant(:id)"), {"id": world.id})
        yield connection


async def until(condition: Any, seconds: float = 10) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(task: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(task)
    yield
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


class TestNumber:
    async def test_in_the_order_of_ids_without_gaps_in_both_feeds(self, world: World, work: Worker) -> None:
        await write(world, 5)

        await work.attend(world.id, AT_ONCE)

        for model, feed in ((AuditEntry, "audit"), (OutgoingEvent, "events")):
            given = list((await numbers(world, model)).values())
            assert given == list(range(1, len(given) + 1))
            assert await counter(world, feed) == len(given)

    async def test_who_commits_late_gets_the_next_number(self, world: World, work: Worker) -> None:
        await work.attend(world.id, AT_ONCE)
        last = await counter(world, "audit")
        async with transaction(world) as late:
            late_id = uuid7()
            await late.execute(insert(AuditEntry).values(id=late_id, **_audit(world)))
            (early_id,) = await write(world)
            assert late_id < early_id

            await work.attend(world.id, AT_ONCE)
            assert (await numbers(world))[early_id] == last + 1
            await late.commit()

        await work.attend(world.id, AT_ONCE)
        assert (await numbers(world))[late_id] == last + 2
        assert await counter(world, "audit") == last + 2

    async def test_full_batches_follow_each_other(
        self, world: World, work: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(duties, "BATCH", 3)
        await write(world, 7)

        await work.attend(world.id, AT_ONCE)

        given = list((await numbers(world)).values())
        assert given == list(range(1, len(given) + 1))

    async def test_many_workers_at_once_give_no_number_twice(self, world: World) -> None:
        workers = [Worker(world.database, Wakeup(), 1) for _ in range(4)]
        for _ in range(5):
            await asyncio.gather(write(world, 4), *(each.attend(world.id, AT_ONCE) for each in workers))
        await workers[0].attend(world.id, AT_ONCE)

        given = sorted(number or 0 for number in (await numbers(world)).values())
        assert given == list(range(1, len(given) + 1))

    async def test_the_counter_alone_keeps_it_exact(self, world: World) -> None:
        await write(world, 20)
        caller = Caller(world.id, "system", None)
        await asyncio.gather(*(world.run(duties.number, caller, clock.now()) for _ in range(4)))

        given = list((await numbers(world)).values())
        assert given == list(range(1, len(given) + 1))
        assert await counter(world, "audit") == len(given)

    async def test_rolled_back_numbering_leaves_no_gap(self, world: World, work: Worker) -> None:
        def number_and_fail(session: Session, caller: Caller, now: datetime) -> duties.Done:
            duties.number(session, caller, now)
            raise RuntimeError

        await work.attend(world.id, {"number": number_and_fail})
        await work.attend(world.id, AT_ONCE)

        given = list((await numbers(world)).values())
        assert given == list(range(1, len(given) + 1))

    async def test_what_another_worker_is_doing_is_left_to_it_and_looked_at_again(
        self, world: World, work: Worker
    ) -> None:
        await set_due(world, clock.now() + timedelta(hours=1))
        async with transaction(world) as other:
            number = {"number": worker.lock_number(world.id, "number")}
            await other.execute(text("SELECT pg_advisory_xact_lock(:number)"), number)
            await work.attend(world.id, AT_ONCE)
            assert set((await numbers(world)).values()) == {None}
            await other.rollback()

        await work.sweep()
        assert None not in (await numbers(world)).values()

    async def test_says_how_late_it_was(self, world: World, work: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        await write(world)
        ahead = clock.now() + timedelta(seconds=90)
        monkeypatch.setattr(clock, "now", lambda: ahead)

        late = await work.attend(world.id, AT_ONCE)

        assert 90 <= late["number"] < 120


class TestLoop:
    async def test_numbers_at_once_what_this_process_wrote(self, world: World, noor: httpx.AsyncClient) -> None:
        work = Worker(world.database, world.app.state.wakeup, 30)

        async def all_numbered() -> bool:
            return None not in (await numbers(world)).values()

        async with running(work.run()):
            await until(all_numbered)  # the first sweep is over
            before = await noor.get("/v1/organisation")
            await noor.patch("/v1/organisation", json={"name": "Pier"}, headers=etag(before))
            assert await counter(world, "audit") < len(await numbers(world)) or await all_numbered()
            await until(all_numbered, 5)

    async def test_looks_again_after_a_commit_that_was_slow(self, world: World) -> None:
        wakeup = Wakeup()
        async with transaction(world) as slow, running(Worker(world.database, wakeup, 0.2).run()):
            await slow.execute(insert(AuditEntry).values(id=uuid7(), **_audit(world)))
            wakeup(world.id)
            await asyncio.sleep(0.1)
            await slow.commit()

            async def all_numbered() -> bool:
                return None not in (await numbers(world)).values()

            await until(all_numbered)

    async def test_attends_to_what_is_due_and_to_nothing_else(self, world: World, work: Worker) -> None:
        await set_due(world, clock.now() + timedelta(hours=1))
        await work.sweep()
        assert set((await numbers(world)).values()) == {None}

        await world.database.run(worker.mark_due, [world.id])
        await work.sweep()
        assert None not in (await numbers(world)).values()
        assert await due_at(world) > clock.now()

    async def test_attends_to_everyone_now_and_then(self, world: World, work: Worker) -> None:
        await set_due(world, clock.now() + timedelta(hours=1))
        await work.sweep(everyone=True)
        assert None not in (await numbers(world)).values()

    async def test_leaves_closed_organisations_alone(self, world: World, work: Worker) -> None:
        await world.run(
            lambda session: session.execute(
                text("UPDATE organisation_directory SET state = 'closed' WHERE organisation_id = :id"), {"id": world.id}
            )
        )
        await work.sweep(everyone=True)
        assert set((await numbers(world)).values()) == {None}

    async def test_is_due_when_the_next_prompt_runs_out(self, world: World, work: Worker) -> None:
        expires_at = clock.now().replace(microsecond=0) + timedelta(minutes=7)
        prompt = SupportPrompt(
            organisation_id=world.id,
            employee_id=world.people["amira"],
            kind=PromptKind.take_break,
            message="A break?",
            expires_at=expires_at,
        )
        await world.run(lambda session: session.add(prompt))
        await work.sweep(everyone=True)
        assert await due_at(world) == expires_at

    async def test_is_announced_to_workers_elsewhere(self, world: World) -> None:
        await set_due(world, clock.now() + timedelta(hours=1))
        wakeup = Wakeup()

        async def is_due() -> bool:
            return await due_at(world) <= clock.now()

        async with running(worker.announce(world.database, wakeup, 0.05)):
            wakeup(world.id)
            await until(is_due)
            await set_due(world, clock.now() + timedelta(hours=1))  # attended to, before a slow commit
            await until(is_due)


class TestFailure:
    @pytest.fixture
    def broken(self, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Numbering that fails for this organisation alone."""

        def number(session: Session, caller: Caller, now: datetime) -> duties.Done:
            if caller.organisation_id == world.id:
                raise ZeroDivisionError("canary 4711")
            return duties.number(session, caller, now)

        with monkeypatch.context() as patch:
            patch.setattr(worker, "REGULARLY", {**REGULARLY, "number": number})
            yield

    @pytest.mark.usefixtures("broken")
    async def test_in_one_organisation_stops_neither_the_others_nor_the_other_duties(
        self, world: World, elsewhere: World, work: Worker, caplog: pytest.LogCaptureFixture
    ) -> None:
        await forgotten(world)
        failed = _sample("ballast_worker_runs_total", duty="number", result="failed")

        with caplog.at_level(logging.ERROR, "ballast.worker"):
            await work.sweep(everyone=True)

        assert set((await numbers(world)).values()) == {None}
        assert None not in (await numbers(elsewhere)).values()
        assert await counts(world) == (0, 0, 0)
        assert _sample("ballast_worker_runs_total", duty="number", result="failed") == failed + 1
        assert [record.message for record in caplog.records] == ["duty failed"]

    @pytest.mark.usefixtures("broken")
    async def test_shows_as_growing_lag_until_it_is_mended(self, world: World, work: Worker) -> None:
        await work.sweep(everyone=True)
        await asyncio.sleep(0.05)
        await work.sweep(everyone=True)
        assert _sample("ballast_worker_lag_seconds", duty="number") >= 0.05

        await work.attend(world.id, AT_ONCE)
        await work.sweep()
        assert _sample("ballast_worker_lag_seconds", duty="number") < 0.05

    async def test_of_the_database_is_outlived(
        self, world: World, work: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(*_: Any) -> None:
            raise ConnectionError

        with monkeypatch.context() as patch:
            patch.setattr(world.database, "run", refuse)
            await work.sweep(everyone=True)
        await work.sweep(everyone=True)
        assert None not in (await numbers(world)).values()


async def forgotten(world: World) -> None:
    """Make one of each thing whose time was over long ago."""
    old = datetime(2020, 1, 1, tzinfo=UTC)
    await _make_each(world, old, old, old)


async def _make_each(world: World, answered: datetime, refused: datetime, occurred: datetime) -> None:
    answer = IdempotentAnswer(
        organisation_id=world.id,
        key_digest=uuid7().bytes,
        fingerprint=b"",
        status=200,
        headers={},
        body=b"",
        created_at=answered,
    )
    refusal = RefusedCallEvent(organisation_id=world.id, payload={}, errors=[], created_at=refused)
    event = OutgoingEvent(
        organisation_id=world.id,
        type="old.one",
        resource="x",
        resource_id=uuid7(),
        data={},
        number=10**6 + occurred.year,
        occurred_at=occurred,
    )
    await world.run(lambda session: session.add_all([answer, refusal, event]))


async def counts(world: World) -> tuple[int, ...]:
    """Return how many stored answers, refused call events and old outgoing events there are."""

    def count(session: Session) -> tuple[int, ...]:
        mine = [
            select(func.count()).select_from(model).where(model.organisation_id == world.id)
            for model in (IdempotentAnswer, RefusedCallEvent, OutgoingEvent)
        ]
        mine[2] = mine[2].where(OutgoingEvent.type == "old.one")
        return tuple(session.scalar(query) or 0 for query in mine)

    return tuple(await world.run(count))


class TestExpire:
    async def test_prompts_whose_time_is_over(
        self, world: World, work: Worker, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expires_at = clock.now() + timedelta(minutes=5)
        prompt = SupportPrompt(
            organisation_id=world.id,
            employee_id=world.people["amira"],
            kind=PromptKind.take_break,
            message="A break?",
            expires_at=expires_at,
        )
        await world.run(lambda session: session.add(prompt))
        await work.sweep(everyone=True)
        assert await state(world, prompt.id) == "offered"

        monkeypatch.setattr(clock, "now", lambda: expires_at + timedelta(seconds=3))
        await work.sweep()

        assert await state(world, prompt.id) == "expired"
        assert None not in (await numbers(world)).values()
        assert _sample("ballast_worker_lag_seconds", duty="expire") == pytest.approx(3)


async def state(world: World, prompt_id: UUID) -> str:
    query = select(SupportPrompt.state).where(SupportPrompt.organisation_id == world.id, SupportPrompt.id == prompt_id)
    return str(await world.run(lambda session: session.scalar(query)))


class TestPurge:
    @pytest.mark.parametrize(
        ("answered", "refused", "occurred", "left"),
        [
            (timedelta(hours=23), timedelta(days=6.9), timedelta(days=89), (1, 1, 1)),
            (timedelta(hours=25), timedelta(days=6.9), timedelta(days=89), (0, 1, 1)),
            (timedelta(hours=23), timedelta(days=7.1), timedelta(days=89), (1, 0, 1)),
            (timedelta(hours=23), timedelta(days=6.9), timedelta(days=91), (1, 1, 0)),
        ],
    )
    async def test_removes_each_thing_in_its_time(
        self,
        world: World,
        answered: timedelta,
        refused: timedelta,
        occurred: timedelta,
        left: tuple[int, ...],
    ) -> None:
        await _make_each(world, NOON - answered, NOON - refused, NOON - occurred)
        caller = Caller(world.id, "system", None)
        await world.run(lambda session: duties.purge(session, caller, NOON))
        assert await counts(world) == left

    async def test_leaves_other_organisations_alone(self, world: World, elsewhere: World) -> None:
        await forgotten(world)
        await forgotten(elsewhere)
        await world.run(duties.purge, Caller(world.id, "system", None), NOON)
        assert await counts(world) == (0, 0, 0)
        assert await counts(elsewhere) == (1, 1, 1)

    async def test_full_batches_follow_each_other(
        self, world: World, work: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(3):
            await world.run(
                lambda session: session.add(
                    RefusedCallEvent(organisation_id=world.id, payload={}, errors=[], created_at=NOON)
                )
            )
        monkeypatch.setattr(duties, "BATCH", 1)
        monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(days=8))
        await work.attend(world.id, {"purge": duties.purge})
        assert await counts(world) == (0, 0, 0)


def _sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
