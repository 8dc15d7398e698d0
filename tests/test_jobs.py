"""Jobs: done once by one of many workers, taken up again after a crash, seen while they run, stopped when asked to."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app import jobs
from app.auth import Caller
from app.job_runner import JobRunner
from app.jobs import JobFailed, Kind, NotHeld, Run
from app.models import DirectoryEntry, MentorMatch
from app.models.organisation import OrganisationState
from app.services import mentor_match_run
from app.worker import schedule
from tests.matches import MATCHES, ask, look
from tests.mentors import Time
from tests.plans import done
from tests.world import World

Work = Callable[[Run], Awaitable[None]]


def runner(world: World, work: Work, *, seconds: float = 30) -> JobRunner:
    """Return a runner whose matchings are this work."""
    return JobRunner(world.database, 0.02, {"mentor_match": Kind(MentorMatch, work, seconds)}, 0.03)


def held(world: World, claimed: tuple[UUID, UUID] | None) -> Run:
    assert claimed is not None
    return Run(world.database, Kind(MentorMatch, finish, 30), world.id, *claimed)


async def claim(world: World) -> tuple[UUID, UUID] | None:
    return await world.database.run(jobs.claim, world.id, MentorMatch)


async def finish(run: Run) -> None:
    await run.succeed(lambda _session, _caller, match: setattr(match, "pair_count", 0))


async def requested(world: World, noor: httpx.AsyncClient) -> dict[str, Any]:
    return await ask(noor, [world.people["amira"]])


async def due_at(world: World) -> Any:
    query = text("SELECT due_at FROM organisation_directory WHERE organisation_id = :id")
    return await world.run(lambda session: session.execute(query, {"id": world.id}).scalar_one())


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = asyncio.get_running_loop().time() + 20
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


class TestOnce:
    async def test_many_workers_do_each_job_once(self, world: World, noor: httpx.AsyncClient) -> None:
        wanted = {(await requested(world, noor))["id"] for _ in range(8)}
        did: list[str] = []

        async def work(run: Run) -> None:
            did.append(str(run.id))
            await asyncio.sleep(0.01)
            await finish(run)

        await asyncio.gather(*(runner(world, work).attend(world.id) for _ in range(4)))

        assert sorted(did) == sorted(wanted)
        states = {match["state"] for match in (await done(await noor.get(MATCHES)))["data"]}
        assert states == {"succeeded"}

    async def test_that_of_a_killed_worker_is_taken_up_after_its_hold(
        self, world: World, noor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        time = Time(monkeypatch)
        match = await requested(world, noor)
        killed = held(world, await claim(world))
        assert await claim(world) is None

        time.pass_by(seconds=jobs.LEASE.total_seconds() + 1)
        second = held(world, await claim(world))

        assert second.id == killed.id
        assert not await killed.renew()
        with pytest.raises(NotHeld):
            await finish(killed)
        await killed.give_back()
        assert (await look(noor, match))["state"] == "running"
        await finish(second)
        assert (await look(noor, match))["state"] == "succeeded"

    async def test_a_hold_that_is_renewed_lasts(
        self, world: World, noor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        time = Time(monkeypatch)
        await requested(world, noor)
        run = held(world, await claim(world))

        for _ in range(3):
            time.pass_by(seconds=jobs.LEASE.total_seconds() - 1)
            assert await run.renew()

        assert await claim(world) is None

    async def test_one_that_never_comes_to_an_end_is_given_up(
        self, world: World, noor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The process that does the work is killed each time, as one that takes too much of the machine would be."""
        monkeypatch.setattr(mentor_match_run, "MODULE", "tests.no_such_module")
        match = await requested(world, noor)

        assert await JobRunner(world.database, 1).attend(world.id) == jobs.MOST_ATTEMPTS

        match = await look(noor, match)
        assert (match["state"], match["failure"]) == ("failed", "given_up")


class TestWhileItRuns:
    async def test_progress_is_seen(self, world: World, noor: httpx.AsyncClient) -> None:
        match = await requested(world, noor)

        async def work(run: Run) -> None:
            run.tell(40)
            run.tell(30)

            async def seen() -> bool:
                found = await look(noor, match)
                return bool(found["progress"] == 40 and found["state"] == "running" and found["started_at"])

            await until(seen)
            run.tell(100)  # that it is done, its result says
            await finish(run)

        await runner(world, work).attend(world.id)

        assert (await look(noor, match))["progress"] == 100

    async def test_one_that_is_cancelled_is_stopped(self, world: World, noor: httpx.AsyncClient) -> None:
        match, stopped = await requested(world, noor), []

        async def work(_run: Run) -> None:
            await done(await noor.post(f"{MATCHES}/{match['id']}/cancel"))
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stopped.append(match["id"])
                raise

        await asyncio.wait_for(runner(world, work).attend(world.id), 20)

        assert stopped == [match["id"]]
        assert (await look(noor, match))["state"] == "cancelled"

    async def test_one_that_takes_too_long_fails(self, world: World, noor: httpx.AsyncClient) -> None:
        match = await requested(world, noor)

        await runner(world, lambda _: asyncio.sleep(60), seconds=0.1).attend(world.id)

        match = await look(noor, match)
        assert (match["state"], match["failure"]) == ("failed", "took_too_long")

    async def test_one_that_cannot_succeed_says_why(self, world: World, noor: httpx.AsyncClient) -> None:
        match = await requested(world, noor)

        async def work(_run: Run) -> None:
            raise JobFailed("too_large")

        assert await runner(world, work).attend(world.id) == 1

        match = await look(noor, match)
        assert (match["state"], match["failure"], match["allowed_actions"]) == ("failed", "too_large", [])

    async def test_its_result_is_whole_or_not_there(self, world: World, noor: httpx.AsyncClient) -> None:
        match = await requested(world, noor)

        def spoil(_session: Session, _caller: Caller, row: MentorMatch) -> None:
            row.pair_count = 7
            raise ZeroDivisionError

        async def work(run: Run) -> None:
            await run.succeed(spoil)

        assert await runner(world, work).attend(world.id) == jobs.MOST_ATTEMPTS

        match = await look(noor, match)
        assert (match["state"], match["pair_count"]) == ("failed", None)


class TestLoop:
    @pytest.fixture(autouse=True)
    async def alone(self, world: World) -> None:
        others = update(DirectoryEntry).where(DirectoryEntry.organisation_id != world.id)
        await world.run(lambda session: session.execute(others.values(state=OrganisationState.closed)))

    async def test_finds_what_waits_and_gives_back_what_it_does_when_it_stops(
        self, world: World, noor: httpx.AsyncClient
    ) -> None:
        match = await requested(world, noor)
        loop = asyncio.create_task(runner(world, lambda _: asyncio.sleep(60)).run())

        async def running() -> bool:
            return bool((await look(noor, match))["state"] == "running")

        await until(running)
        loop.cancel()
        await asyncio.wait([loop])

        assert loop.cancelled()
        assert (await look(noor, match))["state"] == "queued"
        query = text("SELECT attempts FROM mentor_match")
        assert await world.run(lambda session: session.scalar(query)) == 0, "a stop is no failure of the job"
        assert await runner(world, finish).attend(world.id) == 1

    async def test_the_directory_says_when_to_look(
        self, world: World, noor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        time = Time(monkeypatch)

        async def scheduled() -> timedelta:
            await world.run(schedule, Caller(world.id, "system", None), time.now)
            left: timedelta = await due_at(world) - time.now
            return left

        assert await scheduled() > timedelta(minutes=10)
        await requested(world, noor)
        assert await due_at(world) == time.now
        assert await scheduled() == timedelta(0)
        run = held(world, await claim(world))
        assert await scheduled() == jobs.LEASE
        await finish(run)
        assert await scheduled() > timedelta(minutes=10)
