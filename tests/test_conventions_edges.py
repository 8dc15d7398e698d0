"""What surrounds every request: its id, safe headers, other origins, the rate limit, the end of the service."""

import re
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database import Database
from app.main import create_app
from app.middleware import RateLimiter
from app.problems import MEDIA_TYPE
from app.settings import Settings
from tests.operations import every_operation
from tests.world import World

ORIGIN = "https://app.harbour.example"
PATHS = sorted({operation.path for operation in every_operation() if "{" not in operation.path})


@pytest.fixture
async def here(world: World, database: Database, settings: Settings) -> AsyncIterator[World]:
    """The organisation behind an application that trusts one origin."""
    app = create_app(settings.model_copy(update={"cors_origins": (ORIGIN,)}), database)
    here = World(app, database, id=world.id, people=world.people)
    yield here
    await here.close()


class TestRequestId:
    async def test_is_on_every_answer(self, stranger: httpx.AsyncClient) -> None:
        for path in (*PATHS, "/nothing", "/docs"):
            for method in ("GET", "DELETE", "OPTIONS"):
                response = await stranger.request(method, path)
                assert UUID(response.headers["X-Request-Id"]).version == 4, path
                assert response.headers["X-Content-Type-Options"] == "nosniff", path
                assert response.headers["Cache-Control"], path

    async def test_is_the_callers_where_it_is_a_sound_one(self, stranger: httpx.AsyncClient) -> None:
        response = await stranger.get("/v1/me", headers={"X-Request-Id": "order-7:a.b_c"})

        assert response.headers["X-Request-Id"] == "order-7:a.b_c"

    @pytest.mark.parametrize("unsound", [b"", b" ", b"a b", b"x" * 65, b"<script>", b"a\tb", b"\xe9"])
    async def test_is_ours_where_it_is_not(self, stranger: httpx.AsyncClient, unsound: bytes) -> None:
        response = await stranger.get("/v1/me", headers=[(b"X-Request-Id", unsound)])

        assert UUID(response.headers["X-Request-Id"]).version == 4

    async def test_is_kept_with_the_change(self, client: httpx.AsyncClient, world: World) -> None:
        body = {"user_name": "robin", "display_name": "Robin"}
        await client.post("/v1/employees", json=body, headers={"X-Request-Id": "order-7"})

        query = text("SELECT request_id FROM audit_entry WHERE action = 'employee.created'")
        assert await world.run(lambda session: session.execute(query).scalars().all()) == ["order-7"]


class TestHeaders:
    async def test_an_answer_is_never_stored_by_a_cache(self, client: httpx.AsyncClient) -> None:
        for path in ("/v1/organisation", "/v1/employees", "/v1/nothing"):
            assert (await client.get(path)).headers["Cache-Control"] == "no-store"


class TestOtherOrigins:
    async def test_a_trusted_one_may_do_all_that_the_api_needs(self, here: World) -> None:
        asked = "authorization, content-type, if-match, if-none-match, idempotency-key, x-request-id"
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            headers = {
                "Origin": ORIGIN,
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": asked,
            }
            response = await here.http().options("/v1/employees", headers=headers)
            assert response.status_code == 200, response.text
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert method in response.headers["Access-Control-Allow-Methods"]
            allowed = response.headers["Access-Control-Allow-Headers"].lower()
            assert set(asked.split(", ")) <= set(allowed.split(", "))
            assert "Access-Control-Allow-Credentials" not in response.headers

    async def test_it_can_read_the_headers_that_it_needs(self, here: World) -> None:
        client = await here.client()
        for path in ("/v1/organisation", "/v1/nothing", "/v1/employees?limit=0"):
            response = await client.get(path, headers={"Origin": ORIGIN})
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
            exposed = set(response.headers["Access-Control-Expose-Headers"].split(", "))
            assert exposed >= {
                "ETag",
                "Location",
                "X-Request-Id",
                "Retry-After",
                "RateLimit",
                "Idempotency-Replayed",
                "Allow",
                "WWW-Authenticate",
            }

    async def test_another_one_gets_nothing(self, here: World) -> None:
        for origin in ("https://evil.example", "https://app.harbour.example.evil.example", "null"):
            headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
            preflight = await here.http().options("/v1/employees", headers=headers)
            response = await (await here.client()).get("/v1/organisation", headers={"Origin": origin})
            assert preflight.status_code == 400
            for answer in (preflight, response):
                assert "Access-Control-Allow-Origin" not in answer.headers

    async def test_without_configured_ones_there_are_none(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/v1/organisation", headers={"Origin": ORIGIN})

        assert response.status_code == 200
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


class TestRateLimit:
    PER_MINUTE = 5
    REMAINING = re.compile(r'"caller";r=(\d+);t=(\d+)')

    @pytest.fixture
    async def limited(self, world: World, database: Database, settings: Settings) -> AsyncIterator[World]:
        app = create_app(settings.model_copy(update={"rate_limit_per_minute": self.PER_MINUTE}), database)
        limited = World(app, database, id=world.id, people=world.people)
        yield limited
        await limited.close()

    async def test_counts_down_and_then_refuses(self, limited: World) -> None:
        client = await limited.client()
        for remaining in range(self.PER_MINUTE - 1, -1, -1):
            response = await client.get("/v1/organisation")
            assert response.status_code == 200
            assert response.headers["RateLimit-Policy"] == '"caller";q=5;w=60'
            found = self.REMAINING.fullmatch(response.headers["RateLimit"])
            assert found is not None
            assert int(found.group(1)) == remaining
            assert 1 <= int(found.group(2)) <= 60

        refused = await client.get("/v1/organisation")

        assert refused.status_code == 429
        assert refused.headers["Content-Type"] == MEDIA_TYPE
        assert 1 <= int(refused.headers["Retry-After"]) <= 60 / self.PER_MINUTE + 1
        assert refused.json()["code"] == "rate_limited"
        assert self.REMAINING.fullmatch(refused.headers["RateLimit"])

    async def test_is_each_callers_own(self, limited: World) -> None:
        first, second, amira = await limited.client(), await limited.client(), limited.person("amira")
        statuses = [(await first.get("/v1/organisation")).status_code for _ in range(self.PER_MINUTE + 1)]

        assert statuses[-1] == 429
        assert (await second.get("/v1/organisation")).status_code == 200
        assert (await amira.get("/v1/organisation")).status_code == 200

    async def test_is_a_persons_whatever_token_they_use(self, limited: World) -> None:
        statuses = [
            (await limited.http(limited.token("amira", jti=f"{n}")).get("/v1/organisation")).status_code
            for n in range(self.PER_MINUTE + 1)
        ]

        assert statuses == [200] * self.PER_MINUTE + [429]

    async def test_leaves_what_needs_no_caller_alone(self, limited: World) -> None:
        statuses = {
            (await limited.http().get("/docs/assets/favicon.svg")).status_code for _ in range(2 * self.PER_MINUTE)
        }

        assert statuses == {200}

    async def test_keeps_a_bounded_memory(self, limited: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Made-up keys of the right form are many, and each would be remembered."""
        monkeypatch.setattr(RateLimiter, "MOST_CALLERS", 10)
        limiter: RateLimiter = limited.app.state.limiter
        for _ in range(30):
            await limited.http(await limited.key()).get("/v1/organisation")

        assert len(limiter._next) <= 10

    async def test_is_there_again_after_a_while(self, limited: World, monkeypatch: pytest.MonkeyPatch) -> None:
        client = await limited.client()
        refused = [await client.get("/v1/organisation") for _ in range(self.PER_MINUTE + 1)][-1]
        assert refused.status_code == 429
        later = time.monotonic() + int(refused.headers["Retry-After"])

        monkeypatch.setattr(
            "app.middleware.time", SimpleNamespace(monotonic=lambda: later, perf_counter=time.perf_counter)
        )

        assert (await client.get("/v1/organisation")).status_code == 200


class TestStopping:
    async def test_turns_callers_elsewhere(self, world: World, database: Database, settings: Settings) -> None:
        app: FastAPI = create_app(settings, database)
        here = World(app, database, id=world.id)
        client = await here.client()
        app.state.stopped = True

        response = await client.get("/v1/organisation")

        assert (response.status_code, response.json()["code"]) == (503, "stopping")
        assert response.headers["Retry-After"]
        assert (await client.get("/healthz")).status_code != 503
        await here.close()
