"""What load balancers and monitoring ask: is it up, is it ready, how is it doing."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.orm import Session

from app.main import create_app
from app.middleware import RateLimiter
from app.readiness import PATIENCE_SECONDS
from app.settings import Settings
from tests.world import World

KEY = "a-key-for-metrics"


@pytest.fixture
def probe(stranger: httpx.AsyncClient) -> httpx.AsyncClient:
    """A load balancer: it has no credential."""
    return stranger


@pytest.fixture
def keyed(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = app.state.settings.model_copy(update={"metrics_key": SecretStr(KEY)})
    monkeypatch.setitem(app.state._state, "settings", settings)


def hangs(seconds: float) -> Callable[..., Any]:
    async def run(*_: Any) -> None:
        await asyncio.sleep(seconds)

    return run


def assert_unready(response: httpx.Response, code: str) -> None:
    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"]
    assert response.json()["code"] == code


class TestHealth:
    async def test_never_touches_the_database(
        self, probe: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app.state.database, "run", hangs(60))
        response = await probe.get("/healthz")
        assert response.status_code == 200
        assert response.json() == {"status": "ok"}
        assert response.headers["Cache-Control"] == "no-store"

    async def test_answers_also_while_stopping(
        self, probe: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(app.state._state, "stopped", True)
        assert (await probe.get("/healthz")).status_code == 200
        assert (await probe.get("/readyz")).status_code == 503

    async def test_probes_are_not_counted_against_a_limit(
        self, probe: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(app.state._state, "limiter", RateLimiter(1))
        answers = [await probe.get(path) for path in ("/healthz", "/readyz") * 3]
        assert [answer.status_code for answer in answers] == [200] * 6


class TestReadiness:
    async def test_is_ready(self, probe: httpx.AsyncClient) -> None:
        response = await probe.get("/readyz")
        assert response.status_code == 200
        assert response.json() == {"status": "ready"}

    async def test_is_not_while_draining(
        self, probe: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app.state.readiness, "draining", True)
        assert_unready(await probe.get("/readyz"), "stopping")

    async def test_is_not_when_the_database_takes_more_than_a_second(
        self, probe: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        may_go_on = asyncio.Event()
        hanging = type("Hanging", (), {"run": staticmethod(lambda *_: may_go_on.wait())})
        monkeypatch.setattr(app.state.readiness, "database", hanging)
        assert_unready(await asyncio.wait_for(probe.get("/readyz"), 20), "database_unreachable")
        assert PATIENCE_SECONDS <= 1
        may_go_on.set()
        await asyncio.wait([app.state.readiness._asking])  # the question is still open: the next test asks anew

    async def test_is_not_when_the_database_refuses(
        self, probe: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(*_: Any) -> None:
            raise ConnectionRefusedError

        monkeypatch.setattr(app.state.database, "run", refuse)
        assert_unready(await probe.get("/readyz"), "database_unreachable")

    async def test_is_not_on_a_database_of_another_level(
        self, probe: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert (await probe.get("/readyz")).status_code == 200
        with monkeypatch.context() as patch:
            patch.setitem(app.state.readiness.__dict__, "expected", "one later")
            assert_unready(await probe.get("/readyz"), "wrong_migration_level")
        assert (await probe.get("/readyz")).status_code == 200

    async def test_many_probes_take_one_connection(
        self, probe: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked, run = [], app.state.database.run

        async def counted(work: Callable[[Session], Any]) -> Any:
            asked.append(work)
            return await run(work)

        monkeypatch.setattr(app.state.database, "run", counted)
        answers = await asyncio.gather(*(probe.get("/readyz") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(asked) < 5


class TestMetrics:
    async def test_are_not_there_without_a_key_or_a_port(self, probe: httpx.AsyncClient) -> None:
        assert (await probe.get("/metrics")).status_code == 404

    @pytest.mark.usefixtures("keyed")
    @pytest.mark.parametrize(
        "given", ["", "Bearer", f"Bearer {KEY}x", f"Basic {KEY}", f"bearer {KEY}", KEY, "Bearer ä"]
    )
    async def test_need_exactly_the_key(self, probe: httpx.AsyncClient, given: str) -> None:
        response = await probe.get("/metrics", headers=[(b"Authorization", given.encode())])
        assert response.status_code == 401
        assert KEY not in response.text

    @pytest.mark.usefixtures("keyed")
    async def test_are_not_there_beside_a_port_of_their_own(
        self, probe: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = app.state.settings.model_copy(update={"metrics_port": 9100})
        monkeypatch.setitem(app.state._state, "settings", settings)
        assert (await probe.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})).status_code == 404

    @pytest.mark.usefixtures("keyed")
    async def test_count_requests_and_connections_and_name_nobody(
        self, probe: httpx.AsyncClient, world: World, amira: httpx.AsyncClient
    ) -> None:
        await amira.get("/v1/organisation")
        await amira.get(f"/v1/nothing-like-{world.slug}")

        response = await probe.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})

        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        lines = response.text.splitlines()
        assert any(line.startswith('ballast_requests_total{method="GET",route="/v1/organisation",') for line in lines)
        assert "ballast_pool_connections 8.0" in lines
        assert any(line.startswith("ballast_pool_connections_in_use ") for line in lines)
        for private in (world.slug, str(world.id), "Harbour", "amira", str(world.people["amira"])):
            assert private not in response.text


class TestTelemetry:
    @pytest.mark.parametrize("wanted", [False, True])
    def test_is_wired_and_off_unless_wanted(self, wanted: bool) -> None:
        configured = create_app(Settings(telemetry=wanted))._telemetry
        assert (configured["tracing"], configured["metrics"], configured["auto_configure"]) == (wanted,) * 3
        assert configured["logs"] is False  # they would quote exceptions
        assert Settings.model_fields["telemetry"].default is False
