"""The unit of work under pressure: callers who go away, a pool that is full, locks, dead connections, a forced stop."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from app import migrate
from app.database import Database, make_engine
from app.settings import Settings
from tests.probe import (
    POOL,
    Work,
    application,
    becomes_clean,
    caller,
    emptied,
    keep,
    kept,
    sleep,
    sleeping,
    small_pool,
    tables,
)

probe = pytest.fixture(tables, scope="module", name="probe")
own = pytest.fixture(small_pool, name="own")
probing = pytest.fixture(application, name="probing")
http = pytest.fixture(caller, name="http")
empty = pytest.fixture(emptied, autouse=True, name="empty")


class TestGoneCallers:
    async def test_a_cancelled_request_leaves_the_pool_clean(
        self, http: httpx.AsyncClient, probing: FastAPI, own: Database, database: Database
    ) -> None:
        probing.state.work = sleep(0.7)
        requests = [asyncio.create_task(http.post("/probe")) for _ in range(2 * POOL)]
        await sleeping(POOL, database)

        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)

        assert all(request.cancelled() for request in requests)
        assert await becomes_clean(own, database)
        assert own.engine.pool.checkedin() == POOL  # type: ignore[attr-defined]  # none was torn and thrown away
        probing.state.work = keep(1)
        assert (await http.post("/probe")).status_code == 200

    async def test_a_change_under_way_is_finished_rather_than_torn(
        self, http: httpx.AsyncClient, probing: FastAPI, own: Database, database: Database
    ) -> None:
        probing.state.work = lambda session: sleep(0.3)(session) and keep(7)(session)
        request = asyncio.create_task(http.post("/probe"))
        await sleeping(1, database)

        request.cancel()

        assert await becomes_clean(own, database)
        assert await kept(database) == [7]

    async def test_an_abandoned_statement_ends_with_the_statement_time_out(
        self, urls: migrate.Urls, settings: Settings, database: Database, probe: None
    ) -> None:
        hasty = settings.model_copy(update={"pool_size": 1, "statement_timeout_seconds": 0.5})
        own = Database(make_engine(urls.application, hasty, role=urls.application_role))
        request = asyncio.create_task(own.run(sleep(60)))
        await sleeping(1, database)

        request.cancel()

        assert await becomes_clean(own, database)
        await own.close()

    async def test_a_forced_stop_leaves_no_statement_running(
        self, http: httpx.AsyncClient, probing: FastAPI, own: Database, database: Database
    ) -> None:
        probing.state.work = sleep(60)
        requests = [asyncio.create_task(http.post("/probe")) for _ in range(POOL)]
        await sleeping(POOL, database)

        await asyncio.wait_for(own.close(), 20)

        assert await becomes_clean(own, database)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)

    async def test_a_patient_stop_lets_requests_finish(
        self, http: httpx.AsyncClient, probing: FastAPI, own: Database, database: Database
    ) -> None:
        probing.state.work = sleep(0.4)
        requests = [asyncio.create_task(http.post("/probe")) for _ in range(POOL)]
        await sleeping(POOL, database)

        await own.close(patience=20)

        assert [response.status_code for response in await asyncio.gather(*requests)] == [200] * POOL


class TestBusy:
    async def test_an_exhausted_pool_answers_503_within_a_second(
        self, http: httpx.AsyncClient, probing: FastAPI, own: Database, database: Database
    ) -> None:
        probing.state.work = sleep(2.5)
        holders = [asyncio.create_task(http.post("/probe")) for _ in range(POOL)]
        await sleeping(POOL, database)

        refused = [asyncio.create_task(http.post("/probe")) for _ in range(10)]
        still = await http.get("/probe/still")
        assert (still.status_code, [each for each in refused if each.done()]) == (200, [])
        responses = await asyncio.gather(*refused)

        assert own.engine.pool.timeout() <= 1  # type: ignore[attr-defined]  # of a QueuePool
        assert [holder for holder in holders if holder.done()] == []
        assert {response.status_code for response in responses} == {503}
        assert {response.headers["Retry-After"] for response in responses} == {"1"}
        assert [(await holder).status_code for holder in holders] == [200] * POOL
        assert await becomes_clean(own, database)

    async def test_a_statement_that_takes_too_long_answers_503(self, http: httpx.AsyncClient, probing: FastAPI) -> None:
        def work(session: Session) -> None:
            session.execute(text("SET LOCAL statement_timeout = 100"))
            session.execute(text("SELECT pg_sleep(60)"))

        probing.state.work = work

        response = await http.post("/probe")

        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")

    async def test_a_lock_that_is_not_given_answers_503(
        self, http: httpx.AsyncClient, probing: FastAPI, own: Database
    ) -> None:
        probing.state.work = keep(1)
        await http.post("/probe")

        def work(session: Session) -> dict[str, int]:
            session.execute(text("SET LOCAL lock_timeout = 100"))
            session.execute(text("UPDATE probe.kept SET touched = touched + 1"))
            return {"value": 1}

        def holding(session: Session) -> httpx.Response:
            work(session)
            probing.state.work = work
            return await_only(http.post("/probe"))

        assert (await own.run(holding)).status_code == 503


class TestRetry:
    async def test_of_two_that_lock_each_other_out_both_succeed(
        self, http: httpx.AsyncClient, probing: FastAPI, database: Database
    ) -> None:
        for value in (1, 2):
            probing.state.work = keep(value)
            await http.post("/probe")
        runs: list[int] = []
        both_hold_one = asyncio.Event()
        touch = text("UPDATE probe.kept SET touched = touched + 1 WHERE value = :value")

        def work_of(first: int, second: int) -> Work:
            def work(session: Session) -> dict[str, int]:
                session.execute(touch, {"value": first})
                runs.append(first)
                if len(runs) == 2:
                    both_hold_one.set()
                await_only(both_hold_one.wait())
                session.execute(touch, {"value": second})
                return {"value": first}

            return work

        async def send(work: Work) -> httpx.Response:
            probing.state.work = work
            return await http.post("/probe")

        responses = await asyncio.gather(send(work_of(1, 2)), send(work_of(2, 1)))

        assert [response.status_code for response in responses] == [200, 200]
        assert len(runs) == 3
        total = text("SELECT sum(touched) FROM probe.kept")
        assert await database.run(lambda session: session.execute(total).scalar_one()) == 4

    async def test_a_serialization_failure_is_repeated(
        self, http: httpx.AsyncClient, probing: FastAPI, database: Database
    ) -> None:
        probing.state.work = keep(1)
        await http.post("/probe")
        touch = text("UPDATE probe.kept SET touched = touched + 1")
        runs: list[int] = []

        def work(session: Session) -> dict[str, int]:
            session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            session.execute(text("SELECT * FROM probe.kept"))
            if not runs:
                await_only(database.run(lambda session: session.execute(touch)))
            runs.append(1)
            session.execute(touch)
            return {"value": len(runs)}

        probing.state.work = work

        response = await http.post("/probe")

        assert (response.status_code, response.json()) == (200, {"value": 2})

    async def test_only_once(self, http: httpx.AsyncClient, probing: FastAPI) -> None:
        runs = []

        def work(session: Session) -> None:
            runs.append(1)
            session.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"))

        probing.state.work = work

        response = await http.post("/probe")

        assert (response.status_code, len(runs)) == (503, 2)

    @pytest.fixture
    async def killer(self, urls: migrate.Urls, settings: Settings) -> AsyncIterator[Database]:
        """Somebody who may end the sessions of the pool."""
        database = Database(make_engine(urls.owner if urls.application_role else urls.application, settings))
        yield database
        await database.close()

    async def test_connections_that_died_in_the_pool_are_survived(
        self, http: httpx.AsyncClient, probing: FastAPI, own: Database, killer: Database
    ) -> None:
        pids: set[int] = set()
        each_has_one = asyncio.Event()

        def note(session: Session) -> dict[str, int]:
            pids.add(session.execute(text("SELECT pg_backend_pid()")).scalar_one())
            if len(pids) == POOL:
                each_has_one.set()
            await_only(each_has_one.wait())
            return {"value": 1}

        probing.state.work = note
        await asyncio.gather(*(http.post("/probe") for _ in range(POOL)))
        assert len(pids) == POOL
        end = text("SELECT pg_terminate_backend(pid, 1000) FROM unnest(CAST(:pids AS integer[])) AS pid")
        await killer.run(lambda session: session.execute(end, {"pids": list(pids)}).all())
        probing.state.work = keep(1)

        responses = [await http.post("/probe") for _ in range(1)]

        assert [response.status_code for response in responses] == [200]
        probing.state.work = sleep(0)
        assert {(await http.post("/probe")).status_code for _ in range(POOL)} == {200}

    async def test_one_that_dies_in_the_middle_of_the_work_is_survived(
        self, http: httpx.AsyncClient, probing: FastAPI, killer: Database, database: Database
    ) -> None:
        end, runs = text("SELECT pg_terminate_backend(:pid, 1000)"), []

        def work(session: Session) -> dict[str, int]:
            keep(1)(session)
            runs.append(session.execute(text("SELECT pg_backend_pid()")).scalar_one())
            if len(runs) == 1:
                await_only(killer.run(lambda session: session.execute(end, {"pid": runs[0]}).all()))
            session.execute(text("SELECT 1"))
            return {"value": 1}

        probing.state.work = work

        response = await http.post("/probe")

        assert (response.status_code, len(runs)) == (200, 2)
        assert await kept(database) == [1]
