"""``python -m benchmarks.webhooks``: how fast what is pending is delivered, beside as many bare posts of httpx.

One worker delivers to a receiver on loopback, in a process of its own, that does next to nothing: what is measured is
what we add to a request. Both sides have the same number at once. A delivery is loaded, signed twice, sent, and what
came of it is written down durably.
"""

import argparse
import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID

import httpx
import uvloop
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from app import clock, crypto, embedded, migrate
from app.database import Database, make_engine, set_tenant
from app.models import Client, WebhookDelivery, WebhookEndpoint
from app.models.base import new_id
from app.services import organisation as organisations
from app.settings import Settings
from app.webhooks import keys as webhook_keys
from app.webhooks.deliverer import Deliverer
from benchmarks.__main__ import report

CONCURRENCY = 10
BODY = b'{"type":"goal.created","timestamp":"2026-05-04T12:00:00Z","data":{"id":"' + b"x" * 150 + b'"}}'


@contextmanager
def receiving() -> Iterator[str]:
    """Run a receiver and return its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/hooks"
        command = [sys.executable, "-m", "benchmarks.receiver", str(listening.fileno())]
        process = subprocess.Popen(command, pass_fds=[listening.fileno()])
        try:
            yield url
        finally:
            process.terminate()
            process.wait(10)


def lay(session: Session, vault: crypto.Vault, url: str, endpoints: int) -> tuple[UUID, list[UUID]]:
    """Make an organisation with so many endpoints."""
    organisation_id = organisations.create(session, "Bench", f"hooks-{time.time_ns()}").id
    set_tenant(session, organisation_id)
    client = Client(organisation_id=organisation_id, id=new_id(), name="told", scopes=["webhooks:read"])
    session.add(client)
    session.flush()
    made = []
    for _ in range(endpoints):
        endpoint_id = new_id()
        keys = webhook_keys.seal_keys(vault, organisation_id, endpoint_id, webhook_keys.make())
        session.add(
            WebhookEndpoint(
                organisation_id=organisation_id,
                id=endpoint_id,
                client_id=client.id,
                url=url,
                event_types=["*"],
                concurrency=CONCURRENCY // endpoints,
                keys=keys,
                position=0,
                provider_position=0,
            )
        )
        made.append(endpoint_id)
    return organisation_id, made


def queue(session: Session, organisation_id: UUID, endpoints: list[UUID], many: int) -> None:
    """Queue so many messages in all."""
    set_tenant(session, organisation_id)
    now = clock.now()
    rows = [
        {
            "organisation_id": organisation_id,
            "id": new_id(),
            "endpoint_id": endpoints[number % len(endpoints)],
            "event_id": new_id(),
            "kind": "event",
            "type": "development_plan.activated",
            "occurred_at": now,
            "data": {"id": str(new_id()), "version": 3, "state": "active"},
            "state": "pending",
            "due_at": now,
        }
        for number in range(many)
    ]
    session.execute(insert(WebhookDelivery), rows)
    mark = text("UPDATE organisation_directory SET deliver_at = :now WHERE organisation_id = :id")
    session.execute(mark, {"now": now, "id": organisation_id})


def left(session: Session, organisation_id: UUID) -> int:
    set_tenant(session, organisation_id)
    query = select(func.count()).where(
        WebhookDelivery.organisation_id == organisation_id, WebhookDelivery.state == "pending"
    )
    return session.scalar(query) or 0


async def deliver(database: Database, settings: Settings, organisation_id: UUID) -> float:
    """Deliver all that is pending and return how many seconds it took."""
    work = asyncio.create_task(Deliverer(database, settings).run())
    started = time.perf_counter()
    while await database.run(left, organisation_id):  # noqa: ASYNC110  # the work itself is what is measured
        await asyncio.sleep(0.05)
    seconds = time.perf_counter() - started
    work.cancel()
    await asyncio.wait([work])
    return seconds


async def post(url: str, many: int) -> float:
    """Post as many bodies with httpx, and return how many seconds it took."""
    bodies = iter([BODY] * many)
    headers = {"Content-Type": "application/json"}

    async def work(http: httpx.AsyncClient) -> None:
        for body in bodies:
            answer = await http.post(url, content=body, headers=headers)
            assert answer.status_code == 200

    started = time.perf_counter()
    async with httpx.AsyncClient(trust_env=False) as http:
        await asyncio.gather(*(work(http) for _ in range(CONCURRENCY)))
    return time.perf_counter() - started


async def measure(urls: migrate.Urls, data_dir: Path, many: int, rounds: int) -> None:
    """Measure both in turns, with one endpoint and with several."""
    settings = Settings(
        data_dir=data_dir, outgoing_http=True, outgoing_ports=(), outgoing_networks=(ip_network("127.0.0.1/32"),)
    )
    await migrate.migrate(urls)
    database = Database(make_engine(urls.application, settings), crypto.vault_of(settings))
    vault = crypto.vault_of(settings)()
    with receiving() as url:
        for endpoints in (1, 5):
            organisation_id, made = await database.run(lay, vault, url, endpoints)
            pairs = []
            for _ in range(rounds):
                bare = await post(url, many)
                await database.run(queue, organisation_id, made, many)
                pairs.append((many / await deliver(database, settings, organisation_id), many / bare))
            report(f"webhooks, {endpoints} endpoint{'s' * (endpoints > 1)}", pairs, "deliveries/s")
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as folder, embedded.start(Path(folder)) as server:
        urls = asyncio.run(migrate.prepare_embedded(server.url))
        uvloop.run(measure(urls, Path(folder), arguments.many, arguments.rounds))


if __name__ == "__main__":
    main()
