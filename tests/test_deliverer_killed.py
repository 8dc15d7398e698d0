"""Workers that are killed at any instant: no event is lost, and what comes again comes with the same `webhook-id`."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy.orm import Session

from app import launch
from app.auth import Caller
from app.services import client as clients
from app.services import organisation as organisations
from app.settings import Settings
from tests.receiver import Received, Receiver, answer
from tests.running import ROOT, Service, serving

pytestmark = pytest.mark.slow

KILLS = 20
# `ballast worker`, but an endpoint is held for 2 s: of those that a killed one held for 10 s nobody else could go on.
WORKER = """
from datetime import timedelta
from app.services import webhook_hold
webhook_hold.HELD = timedelta(seconds=2)
from app import cli
from app.webhooks import courier
courier.LOOKED_AT_EVERY_SECONDS = 0.5
import sys
sys.argv = ["ballast", "worker"]
cli.main()
"""
PATHS = "abcd"
SCOPES = ("employees:read", "employees:write", "webhooks:read", "webhooks:write")
REACHABLE = {
    "BALLAST_OUTGOING_HTTP": "true",
    "BALLAST_OUTGOING_PORTS": "all",
    "BALLAST_OUTGOING_NETWORKS": "127.0.0.1",
    "BALLAST_WORKER": "off",
}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    for name, value in REACHABLE.items():
        monkeypatch.setenv(name, value)
    with serving(tmp_path, REACHABLE) as service:
        yield service


@pytest.fixture
def key(service: Service) -> str:
    """The key of a client of an organisation of the service."""
    settings = Settings(data_dir=Path(service.environment["BALLAST_DATA_DIR"]))

    def make(session: Session) -> str:
        made = organisations.create(session, "Killed", "killed")
        return clients.create_client(session, Caller(made.id, "system", None), "Told", list(SCOPES))[1]

    with launch.ground(settings) as ground:
        return asyncio.run(launch.run_once(ground, settings, make))


@contextmanager
def workers(service: Service, log: Path, many: int) -> Iterator["Workers"]:
    """Run several `ballast worker`s on the service's database."""
    with log.open("ab") as file:
        running = Workers(service.environment | REACHABLE, file, [])
        try:
            for _ in range(many):
                running.start()
            yield running
        finally:
            for process in running.processes:
                process.terminate()
            for process in running.processes:
                process.wait(30)


class Workers:
    def __init__(self, environment: dict[str, str], log: Any, processes: list["subprocess.Popen[bytes]"]) -> None:
        self.environment, self.log, self.processes = environment, log, processes

    def start(self) -> None:
        command = [sys.executable, "-c", WORKER]
        self.processes.append(
            subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=self.log, stderr=self.log)
        )

    def kill_one(self, port: int) -> None:
        """Kill one as it stands, if possible one that is just connected to this port, and start another."""
        process = random.choice([each for each in self.processes if _is_connected(each, port)] or self.processes)
        process.kill()
        process.wait(10)
        self.processes.remove(process)
        self.start()


def _is_connected(process: "subprocess.Popen[bytes]", port: int) -> bool:
    connections = psutil.Process(process.pid).net_connections("tcp4")
    return any(tuple(each.raddr)[1:] == (port,) for each in connections)


async def take(_received: Received, _writer: asyncio.StreamWriter) -> bytes:
    """Take a request, in a time that gives kills something to hit."""
    await asyncio.sleep(random.uniform(0.01, 0.1))
    return answer()


async def produce(http: httpx.AsyncClient, until: asyncio.Event) -> list[str]:
    """Create people until told to stop, and return the ids of those that were acknowledged."""
    made: list[str] = []
    number = 0
    while not until.is_set():
        number += 1
        people = [
            {"external_id": f"p-{number}-{each}", "user_name": f"p-{number}-{each}", "display_name": "Someone"}
            for each in range(2)
        ]
        done = await http.post("/v1/employees/batch", json={"employees": people})
        assert done.is_success, done.text
        made += [result["id"] for result in done.json()["results"]]
        await asyncio.sleep(0.1)
    return made


async def follow(http: httpx.AsyncClient) -> dict[str, str]:
    """Return the events of the feed: by the id of what each is about, its own."""
    found: dict[str, str] = {}
    query = {"limit": "200", "type": "employee.created"}
    while True:
        answered = await http.get("/v1/events", params=query)
        page = answered.json()
        assert answered.status_code == 200, page
        found |= {event["data"]["id"]: event["id"] for event in page["data"]}
        if not page["has_more"]:
            return found
        query["after"] = page["next_cursor"]


async def test_killed_twenty_times_under_load_loses_nothing(service: Service, key: str, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    with ExitStack() as stack:
        running = stack.enter_context(workers(service, tmp_path / "workers.log", 2))
        async with Receiver(take) as receiver, httpx.AsyncClient(base_url=service.url, headers=headers) as http:
            for place, path in enumerate(PATHS):
                message_format = ("standard", "cloudevents")[place % 2]
                body = {"url": f"{receiver.url}/{path}", "event_types": ["employee.*"], "format": message_format}
                made = await http.post("/v1/webhook-endpoints", json={**body, "concurrency": 10})
                assert made.status_code == 201, made.text
            stop = asyncio.Event()
            producing = asyncio.create_task(produce(http, stop))
            for _ in range(KILLS):
                await asyncio.sleep(random.uniform(0, 0.8))
                await until_busy(receiver)
                await asyncio.to_thread(running.kill_one, receiver.port)
            stop.set()
            people = await producing
            started = time.monotonic()
            while missing := left(receiver, people):
                assert time.monotonic() - started < 60, f"{len(missing)} deliveries are missing"
                await asyncio.sleep(0.2)
            drained = time.monotonic() - started
            events = await follow(http)
    report = check(receiver.received, people, events)
    assert report["repeats"], "no kill has hit anything"
    sys.stdout.write(json.dumps({**report, "kills": KILLS, "seconds_to_drain": round(drained, 1)}))  # pytest -s
    assert "Traceback" not in (tmp_path / "workers.log").read_text(encoding="utf-8")


async def until_busy(receiver: Receiver) -> None:
    """Wait, but not for ever, until something is under way: a kill at rest shows little."""
    for _ in range(750):
        if receiver.at_once:
            return
        await asyncio.sleep(0.02)


def left(receiver: Receiver, people: list[str]) -> set[tuple[str, str]]:
    """Return what was not received yet: by path, whom it is about."""
    came = {(each.path[-1], json.loads(each.body)["data"]["id"]) for each in tuple(receiver.received)}
    return {(path, person) for path in PATHS for person in people} - came


def check(received: list[Received], people: list[str], events: dict[str, str]) -> dict[str, int]:
    """Check that each event came to each endpoint, under its own id and with one body, however often."""
    assert set(people) <= events.keys()
    bodies: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in received:
        about = json.loads(each.body)["data"]["id"]
        bodies[each.path, each.headers["webhook-id"]].add(each.body)
        ids[each.path, about].add(each.headers["webhook-id"])
    assert {len(same) for same in bodies.values()} == {1}
    assert all(same == {events[about]} for (_, about), same in ids.items())
    return {
        "events": len(people),
        "deliveries": len(ids),
        "received": len(received),
        "repeats": len(received) - len(ids),
    }
