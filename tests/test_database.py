"""The unit of work: one request, one transaction, committed before the answer or not at all."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, text
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from app.database import Database
from app.models import Organisation
from tests.probe import application, caller, emptied, keep, kept, small_pool, tables
from tests.world import World

probe = pytest.fixture(tables, scope="module", name="probe")
own = pytest.fixture(small_pool, name="own")
probing = pytest.fixture(application, name="probing")
http = pytest.fixture(caller, name="http")
empty = pytest.fixture(emptied, autouse=True, name="empty")


class TestCommit:
    async def test_a_change_is_kept_once_it_is_answered(
        self, http: httpx.AsyncClient, probing: FastAPI, database: Database
    ) -> None:
        probing.state.work = keep(1)

        response = await http.post("/probe")

        assert (response.status_code, response.json()) == (200, {"value": 1})
        assert await kept(database) == [1]

    @pytest.mark.parametrize(("value", "status"), [(-1, 500), (-2, 503)], ids=["a rule raises", "connection lost"])
    async def test_a_failing_commit_is_never_a_success(
        self, http: httpx.AsyncClient, probing: FastAPI, database: Database, value: int, status: int
    ) -> None:
        probing.state.work = keep(value)

        response = await http.post("/probe")

        assert response.status_code == status
        assert "canary" not in response.text
        assert await kept(database) == []

    async def test_a_commit_whose_outcome_is_unknown_does_not_promise_that_nothing_changed(
        self, http: httpx.AsyncClient, probing: FastAPI
    ) -> None:
        probing.state.work = keep(-2)

        response = await http.post("/probe")

        assert response.json()["code"] == "outcome_unknown"
        assert "Nothing was changed" not in response.text

    async def test_a_constraint_that_fails_at_commit_is_a_conflict(
        self, http: httpx.AsyncClient, probing: FastAPI, database: Database
    ) -> None:
        probing.state.work = keep(5)
        await http.post("/probe")

        response = await http.post("/probe")

        assert response.status_code == 409
        assert await kept(database) == [5]

    async def test_an_answer_that_cannot_be_rendered_rolls_back(
        self, http: httpx.AsyncClient, probing: FastAPI, database: Database
    ) -> None:
        probing.state.work = lambda session: keep(2)(session) and {"value": "not a number"}

        response = await http.post("/probe")

        assert response.status_code == 500
        assert await kept(database) == []

    async def test_an_error_rolls_back(self, http: httpx.AsyncClient, probing: FastAPI, database: Database) -> None:
        def work(session: Session) -> None:
            keep(3)(session)
            raise ZeroDivisionError("canary")

        probing.state.work = work

        response = await http.post("/probe")

        assert response.status_code == 500
        assert "canary" not in response.text
        assert await kept(database) == []


class TestOneTransaction:
    @pytest.fixture
    def trace(self, own: Database, probing: FastAPI) -> list[str]:
        """What happens, in order: begin, statements, commit or rollback, and the start of the answer."""
        seen: list[str] = []
        engine = own.engine.sync_engine
        event.listen(engine, "begin", lambda _: seen.append("begin"))
        event.listen(engine, "commit", lambda _: seen.append("commit"))
        event.listen(engine, "rollback", lambda _: seen.append("rollback"))
        event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_: seen.append(statement))
        return seen

    def told(self, app: FastAPI, world: World, token: str, seen: list[str]) -> httpx.AsyncClient:
        async def telling(scope: Any, receive: Any, send: Any) -> None:
            async def tell(message: Any) -> None:
                if message["type"] == "http.response.start":
                    seen.append("answer")
                await send(message)

            await app(scope, receive, tell)

        return httpx.AsyncClient(
            transport=httpx.ASGITransport(telling, raise_app_exceptions=False),
            base_url="http://ballast.test",
            headers={"Authorization": f"Bearer {token}"},
        )

    @pytest.mark.parametrize("who", ["client", "amira"])
    async def test_begins_with_authentication_and_ends_before_the_answer(
        self, probing: FastAPI, world: World, trace: list[str], who: str
    ) -> None:
        token = await world.key() if who == "client" else world.token(who)
        requests: list[dict[str, Any]] = [
            {"method": "GET", "url": "/v1/organisation"},
            {"method": "POST", "url": "/probe/known"},
            {"method": "POST", "url": "/probe/known", "headers": {"Idempotency-Key": "k"}},
        ]
        async with self.told(probing, world, token, trace) as caller:
            for number, request in enumerate(requests):
                probing.state.work = keep(number)
                trace.clear()
                response = await caller.request(**request)

                assert response.status_code == 200
                assert trace[0] == "begin"
                assert "FROM authenticate_" in trace[1]
                assert trace[-2:] == ["commit", "answer"]
                assert [trace.count(word) for word in ("begin", "commit", "rollback", "answer")] == [1, 1, 0, 1]

    async def test_a_bad_body_takes_one_too_and_changes_nothing(
        self, probing: FastAPI, world: World, trace: list[str]
    ) -> None:
        async with self.told(probing, world, await world.key(), trace) as caller:
            response = await caller.patch("/v1/organisation", json={"x": 1}, headers={"If-Match": "*"})

        assert response.status_code == 422
        assert [trace.count(word) for word in ("begin", "answer")] == [1, 1]
        assert len(trace) == 4


class TestStale:
    async def overtaken(self, world: World, probing: FastAPI, headers: dict[str, str]) -> httpx.Response:
        def overtake(session: Session) -> None:
            session.execute(text("UPDATE organisation SET version = version + 1"))

        def work(session: Session) -> dict[str, int]:
            organisation = session.get_one(Organisation, world.id)
            await_only(world.run(overtake))
            organisation.name = "Overtaken"
            session.flush()
            return {"value": 1}

        probing.state.work = work
        here = World(probing, world.database, id=world.id)
        async with await here.client() as caller:
            return await caller.post("/probe/known", headers=headers)

    async def test_a_stale_version_is_a_conflict(self, world: World, probing: FastAPI) -> None:
        response = await self.overtaken(world, probing, {})

        assert (response.status_code, response.json()["code"]) == (409, "changed_meanwhile")

    async def test_it_is_a_failed_precondition_where_one_was_sent(self, world: World, probing: FastAPI) -> None:
        response = await self.overtaken(world, probing, {"If-Match": '"1"'})

        assert (response.status_code, response.json()["code"]) == (412, "stale_version")
