"""``python -m benchmarks.scim``: SCIM beside a bare endpoint of the same process with the same JSON from memory.

Ratios are bare/SCIM, as the published figures of other servers are given: smaller is better.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import tempfile
import time
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
from benchmarks import load
from benchmarks.__main__ import serving

PORT = 8794
CORE = "urn:ietf:params:scim:schemas:core:2.0:"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0:"
FILL = text(
    """
    INSERT INTO employee (organisation_id, id, user_name, user_name_key, display_name, external_id, email, email_key,
        title, department, active, version, created_at, updated_at)
    SELECT :tenant, gen_random_uuid(), 'person' || n, 'person' || n, 'Person ' || n, 'agent-' || n,
        'person' || n || '@bench.example', 'person' || n || '@bench.example', 'Advisor', 'Legal advice line', true, 1,
        now(), now()
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
    """Return a new user."""
    return {"schemas": [f"{CORE}User"], "userName": name, "displayName": name, "title": "Advisor", "active": True}


async def compare(name: str, ours: Any, bare: bytes, rounds: int, seconds: float) -> None:
    """Measure both in turns and print the medians."""
    pairs = []
    for _ in range(rounds):
        limit = await load.run(PORT, bare, connections=4, seconds=seconds)
        own = await load.run(PORT, ours, connections=4, seconds=seconds)
        if own.refused or limit.refused:
            raise SystemExit(f"{name}: {own.refused} and {limit.refused} answers were not 2xx")
        pairs.append((own.rate, limit.rate))
    ratio = statistics.median(limit / own for own, limit in pairs)
    own, limit = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{name:22} {own:8.1f}/s   bare {limit:8.1f}/s   bare/scim {ratio:6.1f}", flush=True)


async def measure(key: str, rounds: int, seconds: float) -> None:
    """Compare the operations that providers send most."""
    numbers = itertools.count()
    run = time.time_ns()
    one, hundred, thousand = (load.get(f"/bare/{count}", key) for count in (1, 100, 1000))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", headers=bearer(key), timeout=120) as client:
        someone = (await client.get("/scim/v2/Users", params={"count": 1})).json()["Resources"][0]
    path = f"/scim/v2/Users/{someone['id']}"
    await compare(
        "create",
        lambda: load.send("POST", "/scim/v2/Users", key, user(f"new-{run}-{next(numbers)}")),
        one,
        rounds,
        seconds,
    )
    await compare("get", load.get(path, key), one, rounds, seconds)
    by_name = "/scim/v2/Users?filter=userName%20eq%20%22PERSON17%22"
    await compare("filter userName eq", load.get(by_name, key), one, rounds, seconds)

    def patch() -> bytes:
        steps = [{"op": "Replace", "path": "title", "value": f"Advisor {next(numbers)}"}]
        return load.send("PATCH", path, key, {"schemas": [f"{MESSAGES}PatchOp"], "Operations": steps})

    await compare("patch", patch, one, rounds, seconds)
    await compare("list of 100", load.get("/scim/v2/Users?count=100", key), hundred, rounds, seconds)
    await compare("list of 1000", load.get("/scim/v2/Users?count=1000", key), thousand, rounds, seconds)


def bearer(key: str) -> dict[str, str]:
    """Return the headers of a provider."""
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/scim+json"}


async def sizes(key: str, people: int) -> None:
    """Time a bulk request, members of a large group, and the walk through everybody while others write."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{PORT}/scim/v2", headers=bearer(key), timeout=300
    ) as client:
        data = [{"method": "POST", "path": "/Users", "bulkId": str(n), "data": user(f"bulk-{n}")} for n in range(1000)]
        started = time.perf_counter()
        answer = await client.post("/Bulk", json={"schemas": [f"{MESSAGES}BulkRequest"], "Operations": data})
        assert {each["status"] for each in answer.json()["Operations"]} == {"201"}
        print(f"bulk of 1000 creates   {time.perf_counter() - started:8.2f} s", flush=True)

        seen: list[str] = []
        cursor: str | None = ""
        started, pages = time.perf_counter(), []
        while cursor is not None:
            at = time.perf_counter()
            page = (await client.get("/Users", params={"cursor": cursor, "count": 1000})).json()
            pages.append(time.perf_counter() - at)
            seen += [each["id"] for each in page["Resources"]]
            cursor = page.get("nextCursor")
            await client.post("/Users", json=user(f"while-walking-{time.time_ns()}"))
        assert len(set(seen)) == len(seen) >= people
        took = time.perf_counter() - started
        print(
            f"walk of {len(seen)} by cursor: {took:.1f} s, page p50 {statistics.median(pages) * 1000:.0f} ms",
            flush=True,
        )

        for size in (1000, 10_000, 50_000):
            await _members(client, seen[:size], seen[size])


async def _members(client: httpx.AsyncClient, members: list[str], other: str) -> None:
    group = {"schemas": [f"{CORE}Group"], "displayName": f"Group {time.time_ns()}"}
    url = f"/Groups/{(await client.post('/Groups', json=group)).json()['id']}"
    for start in range(0, len(members), 10_000):
        some = [{"value": each} for each in members[start : start + 10_000]]
        body = {"schemas": [f"{MESSAGES}PatchOp"], "Operations": [{"op": "add", "path": "members", "value": some}]}
        answer = await client.patch(url, content=json.dumps(body))
        assert answer.status_code == 204, answer.text
    times: dict[str, list[float]] = {"add": [], "remove": []}
    for _ in range(15):
        for op, step in (
            ("add", {"op": "add", "path": "members", "value": [{"value": other}]}),
            ("remove", {"op": "remove", "path": f'members[value eq "{other}"]'}),
        ):
            at = time.perf_counter()
            answer = await client.patch(url, json={"schemas": [f"{MESSAGES}PatchOp"], "Operations": [step]})
            assert answer.status_code == 204
            times[op].append((time.perf_counter() - at) * 1000)
    spent = ", ".join(f"{op} one {statistics.median(each):.1f} ms" for op, each in times.items())
    print(f"group of {len(members):6}: {spent}", flush=True)


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
            with serving("benchmarks.scim_beside:application", PORT, environment):
                await measure(key, rounds, seconds)
                await sizes(large, people)
        finally:
            server.stop()


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description="SCIM beside a bare endpoint")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    chosen = parser.parse_args()
    asyncio.run(everything(chosen.people, chosen.rounds, chosen.seconds))


if __name__ == "__main__":
    main()
