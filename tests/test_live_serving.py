"""Streams of a whole service: hundreds of them over few connections, in several processes, and its stop."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest

from app.auth import DevelopmentIssuer
from tests.service import Service, serving, sql
from tests.streams import MINE, until

pytestmark = pytest.mark.slow

PEOPLE, OF_EACH = 50, 10
BACKENDS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ballast%'"
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    with TemporaryDirectory(prefix="ballast-streams-") as folder:
        yield Path(folder, ".data")


@dataclass
class Reader:
    """One open connection, and the events that came over it."""

    told: list[tuple[str, Any]] = field(default_factory=list)
    ended: bool = False

    def has(self, name: str) -> bool:
        return any(told == name for told, _ in self.told)

    async def read(self, lines: asyncio.StreamReader) -> None:
        name = ""
        while line := (await lines.readline()).decode():
            kind, _, value = line.strip().partition(": ")
            if kind == "event":
                name = value
            elif kind == "data":
                self.told.append((name, json.loads(value)))
        self.ended = True


@asynccontextmanager
async def following(service: Service, target: str, headers: dict[str, str] | None = None) -> AsyncIterator[Reader]:
    """Follow a stream over a connection of its own."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    lines, connection = await asyncio.open_connection(host, int(port))
    sent = {"Host": "ballast.test", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    connection.write(f"GET {target} HTTP/1.1\r\n{head}\r\n".encode())
    assert await lines.readline() == b"HTTP/1.1 200 OK\r\n"
    reader = Reader()
    task = asyncio.create_task(reader.read(lines))
    try:
        yield reader
    finally:
        connection.close()
        task.cancel()
        await asyncio.wait([task])


def hired(service: Service) -> list[dict[str, str]]:
    """Have the HR system sync people, and return the headers with which each of them asks."""
    names = [f"agent-{number}" for number in range(PEOPLE)]
    people = [{"external_id": name, "user_name": name, "display_name": name} for name in names]
    hr = service.key("HR system")
    made = httpx.post(f"{service.url}/v1/employees/batch", json={"employees": people}, headers=hr, timeout=60)
    assert made.status_code in (200, 202), made.text
    organisation_id = UUID(service.get("/v1/organisation", "Employee").json()["id"])
    issuer = DevelopmentIssuer.load(service.data_dir)
    return [{"Authorization": f"Bearer {issuer.issue(organisation_id, name)}"} for name in names]


async def flag(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """Say that a call was hard, for which a break is offered; again where the service is too busy just now."""
    ask = partial(http.post, "/v1/me/call-flags", json={}, headers=headers)
    while (answer := await ask()).status_code == 503:  # noqa: ASYNC110  # the answer says how long to wait
        await asyncio.sleep(float(answer.headers["Retry-After"]))
    assert answer.status_code == 201, answer.text


async def test_five_hundred_cost_no_connection_each(data_dir: Path) -> None:
    with serving(data_dir, POOL_SIZE="4", LOG_LEVEL="debug") as service:
        people = hired(service)
        process, before = psutil.Process(service.process.pid), sql(data_dir, BACKENDS)
        memory = process.memory_info().rss
        async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=service.url, timeout=60) as http:
            made = await http.post("/v1/me/support-prompts/stream-tickets", headers=people[0])
            ticket = made.json()["ticket"]
            by_ticket = await stack.enter_async_context(following(service, f"{MINE}?ticket={ticket}"))
            started = time.monotonic()
            readers: list[list[Reader]] = []
            for headers in people:
                number = OF_EACH - 1 if headers is people[0] else OF_EACH
                follow = [stack.enter_async_context(following(service, MINE, headers)) for _ in range(number)]
                readers.append([await each for each in follow])
            readers[0].append(by_ticket)
            everyone = [reader for theirs in readers for reader in theirs]
            assert len(everyone) == 500
            await until(lambda: all(reader.has("snapshot") for reader in everyone), PATIENCE_SECONDS)
            opened = time.monotonic() - started
            grown = (process.memory_info().rss - memory) / 500 / 1024
            assert int(before) <= 5
            assert int(sql(data_dir, BACKENDS)) <= 5, "four of the pool and one that listens"

            started = time.monotonic()
            await flag(http, people[0])
            await until(lambda: all(reader.has("support_prompt.offered") for reader in readers[0]))
            first = time.monotonic() - started
            assert not any(reader.has("support_prompt.offered") for theirs in readers[1:] for reader in theirs)

            started = time.monotonic()
            await asyncio.gather(*(flag(http, each) for each in people[1:]))
            asked = time.monotonic()
            assert (await http.get("/v1/organisation", headers=people[0])).status_code == 200
            answered = time.monotonic() - asked
            await until(lambda: all(reader.has("support_prompt.offered") for reader in everyone), PATIENCE_SECONDS)
            told = time.monotonic() - started
            assert all(len(reader.told) == 2 for reader in everyone)
            assert answered < 1

            started = time.monotonic()
            service.process.terminate()
            await until(lambda: all(reader.ended for reader in everyone), PATIENCE_SECONDS)
            assert await asyncio.to_thread(service.wait) == 0
            stopped = time.monotonic() - started
            assert all(reader.told[-1] == ("closed", {"reason": "stopping"}) for reader in everyone)
        print(  # noqa: T201  # the figures of the operators' page, with `pytest -s`
            f"opened in {opened:.1f} s, {grown:.0f} KB each; one told in {first * 1000:.0f} ms, 490 in {told:.2f} s;"
            f" another request answered in {answered * 1000:.0f} ms; stopped in {stopped:.1f} s"
        )
        assert grown < 300
        assert stopped < 10
        written = service.errors.read_text()
        assert written.count(MINE) >= 500
        assert "blst_" not in written
        assert "Traceback" not in written


async def test_every_process_tells_its_own(data_dir: Path) -> None:
    with serving(data_dir, "--workers", "2") as service:
        headers = service.key("Employee")
        async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=service.url, timeout=60) as http:
            follow = [stack.enter_async_context(following(service, MINE, headers)) for _ in range(10)]
            readers = [await each for each in follow]
            await until(lambda: all(reader.has("snapshot") for reader in readers), PATIENCE_SECONDS)
            open_in = [_connections(child) for child in psutil.Process(service.process.pid).children(recursive=True)]
            assert sum(count > 0 for count in open_in) == 2, open_in

            await flag(http, headers)

            await until(lambda: all(reader.has("support_prompt.offered") for reader in readers))
        assert service.stop() == 0


def _connections(process: psutil.Process) -> int:
    try:
        return sum(each.status == psutil.CONN_ESTABLISHED for each in process.net_connections("tcp"))
    except psutil.Error:
        return 0
