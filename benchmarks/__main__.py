"""``make bench``: the service against its limits and peers, side by side in one run on this machine.

Each pair is measured in turns (A B A B ...), and the median of the ratios is printed: a drift of the machine's speed
hits both. Absolute rates mean little elsewhere; the ratios do.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from app import auth, crypto, embedded, migrate
from app.database import Database, make_engine
from app.models import Client, ClientKey, Employee, OutcomeMapping, Source
from app.models.base import folded
from app.models.call_event import CodeKind
from app.services import organisation as organisations
from app.settings import Settings
from benchmarks import batches, intake, load, sealing

OURS, LIMIT, UNSEALED = 8791, 8792, 8793


@dataclass(frozen=True)
class Ground:
    """What the measured requests refer to."""

    key: str
    organisation_id: UUID
    employee_id: str
    user_name: str
    source_id: str


def lay(session: Session, people: int) -> Ground:
    """Make an organisation with ``people`` employees, a client with a key, and a source."""
    organisation_id = organisations.create(session, "Bench", f"bench-{time.time_ns()}").id
    client = Client(organisation_id=organisation_id, name="bench", scopes=["employees:read", "call-events:write"])
    session.add(client)
    session.flush()
    key, digest = auth.make_key(organisation_id)
    session.add(ClientKey(organisation_id=organisation_id, client_id=client.id, digest=digest, last_four=key[-4:]))
    source = Source(organisation_id=organisation_id, name="Calls", name_key="calls", client_id=client.id)
    employees = [
        Employee(
            organisation_id=organisation_id,
            user_name=f"person{number}",
            user_name_key=folded(f"person{number}"),
            display_name=f"Person {number}",
            external_id=f"agent-{number}",
            email=f"person{number}@bench.example",
            title="Advisor",
            department="Legal advice line",
        )
        for number in range(people)
    ]
    session.add_all([source, *employees])
    session.flush()
    session.add_all(
        OutcomeMapping(
            organisation_id=organisation_id,
            source_id=source.id,
            kind=CodeKind.disposition,
            code=code,
            code_key=code,
            outcomes=[code],
        )
        for code in ("abusive", "resolved")
    )
    someone = employees[people // 2]
    return Ground(key, organisation_id, str(someone.id), someone.user_name, str(source.id))


@contextmanager
def serving(application: str, port: int, environment: dict[str, str]) -> Iterator[None]:
    """Run an ASGI application on loopback, on one process, until the block ends."""
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port), "--log-level", "warning"]
    command += ["--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=log)
        try:
            _wait_for(port)
            yield
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"the server on port {port} did not start")


async def compare(name: str, request: bytes, limit_request: bytes, rounds: int, seconds: float) -> None:
    """Measure both servers in turns and print the median rates and the median ratio."""
    await load.run(OURS, request, connections=4, seconds=1)
    await load.run(LIMIT, limit_request, connections=4, seconds=1)
    pairs = []
    for _ in range(rounds):
        limit = await load.run(LIMIT, limit_request, connections=8, seconds=seconds)
        ours = await load.run(OURS, request, connections=8, seconds=seconds)
        if limit.refused or ours.refused:
            raise SystemExit(f"{name}: {ours.refused} of ours and {limit.refused} of the limit's answers were not 2xx")
        pairs.append((ours.rate, limit.rate))
    report(name, pairs)


def report(name: str, pairs: list[tuple[float, float]], unit: str = "requests/s") -> None:
    """Print one line of the table."""
    ratios = sorted(ours / limit for ours, limit in pairs)
    ours, limit = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"{name:34} ours {ours:9.0f}  limit {limit:9.0f} {unit:10}  ratio {statistics.median(ratios):5.2f}"
        f"  ({ratios[0]:.2f}-{ratios[-1]:.2f})",
        flush=True,
    )


async def measure(urls: migrate.Urls, data_dir: Path, rounds: int, seconds: float) -> None:
    """Run every comparison."""
    settings = Settings(data_dir=data_dir)
    await migrate.migrate(urls)
    database = Database(make_engine(urls.application, settings))
    ground = await database.run(lay, 1000)
    address = await database.run(intake.lay, ground.organisation_id)
    url = make_url(urls.application)
    dsn = f"postgresql://{url.username}@/{url.database}?host={url.query['host']}"
    environment = {"BENCH_URL": urls.application, "BENCH_DSN": dsn, "BENCH_DATA_DIR": str(data_dir)}
    with (
        serving("benchmarks.ours:application", OURS, environment),
        serving("benchmarks.limit:application", LIMIT, environment),
    ):
        one = load.get(f"/v1/employees/{ground.employee_id}", ground.key)
        await compare("GET one employee", one, one, rounds, seconds)
        many = load.get("/v1/employees?limit=50", ground.key)
        await compare("list of 50 employees", many, load.get("/v1/employees", ground.key), rounds, seconds)
        await batches.measure(ground.key, ground.source_id, dsn, OURS, LIMIT, rounds, report)
        intake.measure(ground.key, ground.source_id, address, OURS, rounds, report)
    database.vault = crypto.vault_of(settings)
    employee_id = UUID(ground.employee_id)
    record_id = await database.run(sealing.lay, ground.organisation_id, employee_id, 60)
    token = auth.DevelopmentIssuer.load(data_dir).issue(ground.organisation_id, ground.user_name)
    with (
        serving("benchmarks.ours:application", OURS, environment),
        serving("benchmarks.unsealed:application", UNSEALED, environment),
    ):
        await sealing.measure(token, record_id, OURS, UNSEALED, rounds, seconds, report)
    await database.close()


def main() -> None:
    """Start a PostgreSQL of its own, durable as in production, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as folder, embedded.start(Path(folder)) as server:
        urls = asyncio.run(migrate.prepare_embedded(server.url))
        asyncio.run(measure(urls, Path(folder), arguments.rounds, arguments.seconds))
    for module in ("webhooks", "mentor_matching"):
        subprocess.run([sys.executable, "-m", f"benchmarks.{module}"], check=True)


if __name__ == "__main__":
    main()
