"""Lists as JSON lines: whole, flat, and never in anyone's way."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app import call, migrate
from app.database import Database, make_engine
from app.main import create_app
from app.settings import Settings
from tests.operations import Operation, Stage, every_operation, named, staged
from tests.world import World

pytestmark = pytest.mark.broad

LISTS = [operation for operation in every_operation() if operation.is_list]
LINES = {"Accept": "application/jsonl"}


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "STREAM_PAGE", 2)


@pytest.fixture(scope="module")
async def stage(app: FastAPI, database: Database) -> AsyncIterator[Stage]:
    world = await World(app, database).build()
    yield await staged(world)
    await world.close()


@dataclass
class Reader:
    """Somebody who reads an answer as slowly as the test wants, as a server hands it over: one piece at a time."""

    app: FastAPI
    token: str
    path: str = "/v1/employees"
    pieces: list[bytes] = field(default_factory=list)
    ended: bool = False
    status: int = 0
    _may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    _got_one: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {self.token}".encode()), (b"accept", b"application/jsonl")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        await self.app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.ended = not message.get("more_body")
        self.pieces.append(message["body"])
        self._got_one.set()
        if not self.ended:
            await self._may_go_on.wait()

    async def first_piece(self) -> None:
        await asyncio.wait_for(self._got_one.wait(), 20)

    def go_on(self) -> None:
        self._may_go_on.set()

    def names(self) -> list[str]:
        return [json.loads(line)["user_name"] for line in b"".join(self.pieces).splitlines()]


@pytest.mark.parametrize("operation", LISTS, ids=named)
async def test_every_list_can_be_streamed_whole(operation: Operation, stage: Stage) -> None:
    caller, url = stage.caller(operation), operation.url(stage.mine)

    streamed = await caller.get(url, headers=LINES)
    paged = await caller.get(url, params={"limit": 200})

    assert streamed.status_code == 200
    assert streamed.headers["Content-Type"] == "application/jsonl"
    assert streamed.headers["X-Request-Id"]
    lines = [json.loads(line) for line in streamed.text.splitlines()]
    assert lines == paged.json()["data"]
    assert streamed.text.endswith("\n")


@pytest.mark.parametrize("operation", LISTS, ids=named)
async def test_what_nobody_can_give_is_not_acceptable(operation: Operation, stage: Stage) -> None:
    for kind in ("text/html", "application/xml", "image/*"):
        response = await stage.caller(operation).get(operation.url(stage.mine), headers={"Accept": kind})
        assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")


async def test_a_refusal_is_still_a_problem(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/v1/employees", headers=LINES)).status_code == 401
    for query, status in ({"cursor": "x"}, 400), ({"limit": "0"}, 422), ({"x": "1"}, 422), ({"sort": "x"}, 422):
        assert (await client.get("/v1/employees", params=query, headers=LINES)).status_code == status


async def test_rows_that_come_meanwhile_disturb_nothing(world: World, app: FastAPI) -> None:
    for number in range(6):
        await world.hire(f"m{number}")
    reader = Reader(app, await world.key())
    reading = asyncio.create_task(reader.read())
    await reader.first_piece()
    before = set(world.people)

    await world.hire("newcomer")
    reader.go_on()
    await reading

    names = reader.names()
    assert len(names) == len(set(names))
    assert before <= set(names)
    assert reader.ended


@pytest.mark.parametrize("who", ["client", "hana"])
async def test_ends_abnormally_when_access_ends(world: World, app: FastAPI, who: str) -> None:
    reader = Reader(app, await world.key() if who == "client" else world.token(who))
    reading = asyncio.create_task(reader.read())
    await reader.first_piece()
    revoke = "UPDATE client SET revoked_at = now()" if who == "client" else "UPDATE employee SET active = false"

    await world.run(lambda session: session.execute(text(revoke)))
    reader.go_on()

    with pytest.raises(Exception, match="response already started"):
        await reading
    assert (reader.status, reader.ended, len(reader.pieces)) == (200, False, 1)


async def test_slow_readers_hold_no_connection(world: World, urls: migrate.Urls, settings: Settings) -> None:
    """Four of them on a pool of four, each stopped in the middle, and somebody else is served at once."""
    small = settings.model_copy(update={"pool_size": 4})
    own = Database(make_engine(urls.application, small, role=urls.application_role))
    app = create_app(settings, own)
    here = World(app, own, id=world.id)
    readers = [Reader(app, await world.key()) for _ in range(4)]
    reading = [asyncio.create_task(reader.read()) for reader in readers]
    await asyncio.gather(*(reader.first_piece() for reader in readers))
    client = await here.client()

    response = await client.get("/v1/organisation")

    assert response.status_code == 200
    assert own.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of a QueuePool
    for reader in readers:
        reader.go_on()
    await asyncio.gather(*reading)
    assert all(reader.ended and sorted(reader.names()) == sorted(world.people) for reader in readers)
    await here.close()
    await own.close()


async def test_is_flat_however_many_rows_there_are(world: World, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """No piece is larger than a page, and none is made before the one before it was taken."""
    monkeypatch.setattr(call, "STREAM_PAGE", 10)
    for number in range(60):
        await world.hire(f"m{number}")
    reader = Reader(app, await world.key())
    reading = asyncio.create_task(reader.read())
    await reader.first_piece()
    await asyncio.sleep(0.05)
    assert len(reader.pieces) == 1

    reader.go_on()
    await reading

    assert max(piece.count(b"\n") for piece in reader.pieces) == 10
    assert len(reader.names()) == len(world.people)
