"""Whatever is sent, and whatever fails: no log line, refusal or metric repeats it."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.call import Call
from app.database import Database
from app.main import create_app
from app.routing import Route, allows, public
from app.settings import Settings
from app.telemetry import JsonLines, exposition
from tests.operations import Stage, every_operation, leaves, staged, with_leaf
from tests.world import World

CANARY = "canary7f3a"

broken = APIRouter(route_class=Route)


@broken.post("/broken/{name}")
@public
async def break_down(name: str) -> dict[str, str]:
    """Fail with what was sent."""
    raise ValueError(f"{name} {CANARY}") from KeyError(CANARY)


@broken.post("/broken-database/{kind}")
@allows("organisation", "read")
async def break_database(call: Call, kind: str) -> dict[str, str]:
    """Fail in the database with what was sent."""
    statements = {
        "type": f"SELECT CAST('{CANARY}' AS uuid)",
        "raise": f"DO $$ BEGIN RAISE EXCEPTION '{CANARY}' USING DETAIL = '{CANARY}'; END $$",
        "table": f"SELECT * FROM {CANARY}",
        "null": f"INSERT INTO team (organisation_id, id, name) SELECT id, id, '{CANARY}' FROM organisation",
        "number": "SELECT CAST(:value AS integer)",
    }

    def work(session: Session, _caller: Any) -> None:
        session.execute(text(statements[kind]), {"value": CANARY} if kind == "number" else {})

    return await call(work)  # type: ignore[no-any-return]


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Return what every logger of the process writes, as it would stand in the log."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    found: list[str] = []
    quiet = [logging.getLogger(name) for name in ("httpx", "httpcore", "asyncio")]  # the test's own client
    for logger in quiet:
        logger.propagate = False
    yield found
    for logger in quiet:
        logger.propagate = True
    root.removeHandler(handler)
    root.setLevel(level)
    found += stream.getvalue().splitlines()
    assert found, "nothing was logged"
    for line in found:
        json.loads(line)
        assert CANARY not in line, line
    assert CANARY not in exposition().decode()


@pytest.fixture
async def stage(database: Database, settings: Settings) -> AsyncIterator[Stage]:
    app: FastAPI = create_app(settings, database)
    app.router.routes.extend(broken.routes)
    world = await World(app, database).build()
    yield await staged(world)
    await world.close()


HEADERS = {
    "User-Agent": CANARY,
    "Referer": f"https://{CANARY}.example/",
    "Cookie": f"session={CANARY}",
    "X-Forwarded-For": CANARY,
    "Accept-Language": CANARY,
    "Idempotency-Key": CANARY,
    "X-Request-Id": f"{CANARY} is not a sound id",
}


@pytest.mark.broad
async def test_of_every_operation(stage: Stage, lines: list[str]) -> None:
    for operation in every_operation():
        caller = stage.caller(operation)
        request = operation.request(stage.mine, headers=HEADERS)
        requests = [request, {**request, "url": f"{request['url']}?{CANARY}={CANARY}"}]
        requests += [{**request, "url": f"{request['url']}?{name}={CANARY}"} for name in operation.route.known_queries]
        requests += [{**request, "headers": {**request["headers"], "If-Match": f'"{CANARY}"'}}]
        if "{" in operation.path:
            requests += [{**request, "url": operation.path.replace("{", CANARY).replace("}", "")}]
        if operation.takes_body:
            body = operation.body(stage.mine, whole=True)
            texts = [place for place, leaf in leaves(body) if isinstance(leaf, str)]
            filled = body
            for place in texts:
                filled = with_leaf(filled, place, CANARY)
            requests += [{**request, "json": filled}, {**request, "json": {CANARY: CANARY}}]
            requests += [{**request, "json": with_leaf(body, place, CANARY)} for place in texts]
        for each in requests:
            response = await caller.request(**each)
            if response.status_code >= 400 and CANARY not in (each.get("json") or {}):
                assert CANARY not in response.text, (operation.name, response.text)
            assert response.status_code < 500, (operation.name, response.text)


async def test_of_faults_of_ours(stage: Stage, lines: list[str]) -> None:
    requests = [f"/broken/{CANARY}?{CANARY}=1", f"/broken/{CANARY}"]
    requests += [f"/broken-database/{kind}" for kind in ("type", "raise", "table", "null", "number")]
    for url in requests:
        response = await stage.client.post(url, headers=HEADERS)
        assert response.status_code in (404, 422, 500), response.text
        assert CANARY not in response.text


async def test_a_fault_says_its_kind_and_place(stage: Stage, lines: list[str], caplog: Any) -> None:
    with caplog.at_level(logging.ERROR):
        await stage.stranger.post(f"/broken/{CANARY}", headers={"X-Request-Id": "mine"})

    (record,) = [record for record in caplog.records if record.name == "ballast.errors"]
    line = json.loads(JsonLines().format(record))
    assert line["event"] == "unexpected error"
    assert line["error"] == "ValueError"
    assert line["exception"]["kind"] == "ValueError"
    assert any("break_down" in place for place in line["exception"]["at"])


async def test_of_credentials(stage: Stage, lines: list[str]) -> None:
    key = await stage.world.key()
    for credential in (CANARY, f"Bearer {CANARY}", f"Bearer {key[:-4]}{CANARY}", f"Basic {CANARY}"):
        response = await stage.stranger.get("/v1/me", headers={"Authorization": credential})
        assert response.status_code == 401
        assert CANARY not in response.text
    tokens = [
        stage.world.token("amira", sub=CANARY),
        stage.world.token("amira", aud=CANARY),
        stage.world.token("amira", iss=f"https://{CANARY}.example"),
    ]
    for token in tokens:
        response = await stage.stranger.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 401
        assert CANARY not in response.text


async def test_of_methods_and_paths(stage: Stage, lines: list[str]) -> None:
    for method, url in (
        ("GET", f"/{CANARY}"),
        (CANARY.upper(), "/v1/me"),
        (CANARY, f"/v1/{CANARY}"),
        ("GET", f"/v1/employees/{CANARY}"),
        ("DELETE", f"/docs/assets/{CANARY}"),
    ):
        response = await stage.client.request(method, url)
        assert response.status_code in (404, 405)
        assert CANARY not in response.text


async def test_a_log_line_says_whose_request_it_was_and_nothing_personal(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await stage.client.get(f"/v1/employees/{stage.mine['employee']}", headers={"X-Request-Id": "mine"})

    (record,) = [record for record in caplog.records if record.name == "ballast.access"]
    line = json.loads(JsonLines().format(record))
    assert line.pop("milliseconds") >= 0
    assert line.pop("at")
    assert line == {
        "level": "info",
        "logger": "ballast.access",
        "event": "request",
        "request_id": "mine",
        "organisation_id": str(stage.world.id),
        "status": 200,
        "method": "GET",
        "route": "/v1/employees/{employee_id}",
    }


async def test_no_metric_names_an_organisation_or_a_strangers_word(stage: Stage) -> None:
    await stage.client.get("/v1/organisation")
    await stage.stranger.request("FANCYWORD", "/v1/organisation")
    await stage.stranger.request("GET", "/fancy/path")

    text_of_metrics = exposition().decode()

    assert 'route="/v1/organisation"' in text_of_metrics
    for word in (str(stage.world.id), stage.world.slug, "FANCYWORD", "fancy"):
        assert word not in text_of_metrics
