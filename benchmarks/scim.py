"""``python -m benchmarks.scim``: SCIM beside bare endpoints of the same process with the same JSON from memory.

Ratios are bare/SCIM, as the published figures of other servers are given: smaller is better. *bare* is a route of the
application, before all others as SCIM's are: what the application does for every request is in both. *lean* is beside
the application, on the framework alone. All are asked in turns; printed are the median of the ratios, the ratio of the
best rounds, which hear least of what else the machine does, and that of the serving process's processor time.
``BALLAST_WORKER=off`` leaves the worker, which numbers and seals what was written, out of the serving process, as where
``ballast worker`` runs beside it.
"""

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from app import auth, embedded, migrate
from app.database import Database, make_engine, set_tenant
from app.models import Client, ClientKey
from app.services import organisation as organisations
from app.settings import Settings
from benchmarks import load, scim_sizes
from benchmarks.__main__ import serving
from benchmarks.scim_sizes import CORE, ENTERPRISE, MESSAGES, PORT, bearer

FILL = text(
    """
    INSERT INTO employee (organisation_id, id, user_name, user_name_key, display_name, external_id, email, email_key,
        title, department, active, scim_owned, version, created_at, updated_at)
    SELECT :tenant, gen_random_uuid(), 'person' || n, 'person' || n, 'Person ' || n, 'agent-' || n,
        'person' || n || '@bench.example', 'person' || n || '@bench.example', 'Advisor', 'Legal advice line', true,
        ARRAY['external_id', 'user_name', 'display_name', 'title', 'department', 'email', 'active'], 1, now(), now()
    FROM generate_series(1, :people) AS n
    """
)


def lay(session: Session, people: int) -> tuple[str, str]:
    """Make an organisation with ``people`` employees and a provider's key; return the key and the organisation's id."""
    organisation_id = organisations.create(session, "Bench", f"bench-{time.time_ns()}").id
    client = Client(organisation_id=organisation_id, name="provider", scopes=["scim:read", "scim:write"])
    session.add(client)
    session.flush()
    key, digest = auth.make_key(organisation_id)
    session.add(ClientKey(organisation_id=organisation_id, client_id=client.id, digest=digest, last_four=key[-4:]))
    session.flush()
    set_tenant(session, organisation_id)
    session.execute(FILL, {"tenant": organisation_id, "people": people})
    return key, str(organisation_id)


def user(name: str) -> dict[str, Any]:
    """Return a new user with little said of them."""
    return {"schemas": [f"{CORE}User"], "userName": name, "displayName": name, "title": "Advisor", "active": True}


def whole_user(name: str, manager: str) -> dict[str, Any]:
    """Return a new user with all that an identity provider usually says."""
    return {
        **user(f"{name}@bench.example"),
        "schemas": [f"{CORE}User", ENTERPRISE],
        "externalId": name,
        "name": {"givenName": "Person", "familyName": name},
        "emails": [{"value": f"{name}@bench.example", "type": "work", "primary": True}],
        ENTERPRISE: {"employeeNumber": name, "department": "Legal advice line", "manager": {"value": manager}},
    }


class Comparison:
    """Runs requests beside the bare endpoints."""

    def __init__(self, key: str, rounds: int, seconds: float) -> None:
        self.key, self.rounds, self.seconds = key, rounds, seconds

    async def __call__(self, name: str, ours: bytes | Callable[[], bytes], count: int = 1) -> None:
        """Measure all in turns and print the medians, and what the best rounds say."""
        requests = {"ours": ours, "bare": load.get(f"/bare/{count}", self.key), "lean": load.get(f"/lean/{count}", "")}
        rates: dict[str, list[float]] = {kind: [] for kind in requests}
        spent: dict[str, list[float]] = {kind: [] for kind in requests}
        for _ in range(self.rounds):
            for kind, request in requests.items():
                rate, milliseconds = await self._run(name, request)
                rates[kind].append(rate)
                spent[kind].append(milliseconds)
        line = f"{name:22} {statistics.median(rates['ours']):6.0f}/s  {statistics.median(spent['ours']):5.2f} ms"
        for kind in ("bare", "lean"):
            ratio = statistics.median(limit / own for own, limit in zip(rates["ours"], rates[kind], strict=True))
            best = max(rates[kind]) / max(rates["ours"])
            by_cpu = statistics.median(own / limit for own, limit in zip(spent["ours"], spent[kind], strict=True))
            line += (
                f"   {kind} {statistics.median(rates[kind]):6.0f}/s: {ratio:5.1f}, best {best:5.1f}, cpu {by_cpu:5.1f}"
            )
        print(line, flush=True)

    async def _run(self, name: str, request: bytes | Callable[[], bytes]) -> tuple[float, float]:
        """Return the answers a second and the milliseconds of processor time of each."""
        before = await scim_sizes.spent()
        result = await load.run(PORT, request, connections=4, seconds=self.seconds)
        after = await scim_sizes.spent()
        if result.refused:
            raise SystemExit(f"{name}: {result.refused} answers were not 2xx")
        return result.rate, (after["cpu"] - before["cpu"]) / result.requests * 1000


async def measure(key: str, rounds: int, seconds: float) -> None:
    """Compare the operations that providers send most."""
    numbers = itertools.count(time.time_ns())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", headers=bearer(key), timeout=120) as client:
        people = (await client.get("/scim/v2/Users", params={"count": 1000})).json()["Resources"]
    turns = itertools.cycle([each["id"] for each in people])
    one = f"/scim/v2/Users/{people[0]['id']}"
    states = itertools.cycle([state for state in (False, True) for _ in people])

    def change(url: str, **step: Any) -> bytes:
        content = {"schemas": [f"{MESSAGES}PatchOp"], "Operations": [{"op": "Replace", **step}]}
        return load.send("PATCH", url, key, content)

    def create(body: dict[str, Any]) -> bytes:
        return load.send("POST", "/scim/v2/Users", key, body)

    def title(url: str) -> bytes:
        return change(url, path="title", value=f"Advisor {next(numbers)}")

    compare = Comparison(key, rounds, seconds)
    await compare("create", lambda: create(user(f"new-{next(numbers)}")))
    await compare("create, all said", lambda: create(whole_user(f"new-{next(numbers)}", people[0]["id"])))
    await compare("get", load.get(one, key))
    await compare("filter userName eq", load.get("/scim/v2/Users?filter=userName%20eq%20%22PERSON17%22", key))
    await compare("patch", lambda: title(f"/scim/v2/Users/{next(turns)}"))
    await compare("patch, all of one user", lambda: title(one))
    await compare("patch active", lambda: change(f"/scim/v2/Users/{next(turns)}", value={"active": next(states)}))
    await compare("list of 100", load.get("/scim/v2/Users?count=100", key), 100)
    await compare("list of 1000", load.get("/scim/v2/Users?count=1000", key), 1000)


async def everything(people: int, rounds: int, seconds: float) -> None:
    """Start a PostgreSQL of its own, durable as in production, and measure."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        server = embedded.start(data_dir)
        try:
            urls = await migrate.prepare_embedded(server.url)
            await migrate.migrate(urls)
            database = Database(
                make_engine(urls.application, Settings(data_dir=data_dir, statement_timeout_seconds=120))
            )
            key, _ = await database.run(lay, 1000)
            large, _ = await database.run(lay, people)
            await database.close()
            url = make_url(urls.application)
            dsn = f"postgresql://{url.username}@/{url.database}?host={url.query['host']}"
            environment = {"BENCH_URL": urls.application, "BENCH_DSN": dsn, "BENCH_DATA_DIR": folder}
            if rounds:
                with serving("benchmarks.scim_beside:both", PORT, environment):
                    await measure(key, rounds, seconds)
            if people:
                environment |= {"BENCH_STATEMENTS": "1", "BALLAST_WORKER": "off"}  # the requests' own statements
                with serving("benchmarks.scim_beside:both", PORT, environment):
                    await scim_sizes.measure(large)
        finally:
            server.stop()


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description="SCIM beside a bare endpoint")
    parser.add_argument("--people", type=int, default=100_000, help="0 leaves out what is about large organisations")
    parser.add_argument("--rounds", type=int, default=9, help="0 leaves out the comparison")
    parser.add_argument("--seconds", type=float, default=1.0)
    chosen = parser.parse_args()
    asyncio.run(everything(chosen.people, chosen.rounds, chosen.seconds))


if __name__ == "__main__":
    main()
