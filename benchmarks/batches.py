"""Batches of call events: ours against the limit over HTTP, against the bare insert, and against one by one."""

import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg

from app.auth import parse_key
from benchmarks import bare

SIZE = 500
BATCHES = 20
PEOPLE = 100
STARTED = datetime.now(UTC) - timedelta(days=20)
_numbers = count()


def events(source_id: str, many: int = SIZE) -> list[dict[str, Any]]:
    """Return new call events in the order of time: each person ends a call every six minutes, one in ten is hard."""
    made = []
    for _ in range(many):
        number = next(_numbers)
        ended = STARTED + timedelta(minutes=6) * (number // PEOPLE) + timedelta(seconds=number % PEOPLE)
        made.append(
            {
                "source_id": source_id,
                "event_id": f"event-{number}",
                "contact_id": f"contact-{number}",
                "agent": {"ref": f"agent-{number % PEOPLE}"},
                "queue": {"ref": "legal"},
                "channel": "voice",
                "direction": "inbound",
                "started_at": (ended - timedelta(minutes=4)).isoformat(),
                "ended_at": ended.isoformat(),
                "durations": {"talk_s": 200, "hold_s": 10},
                "result": "answered",
                "ended_by": "customer",
                "disposition": {"code": "abusive" if number % 10 == number // PEOPLE % 10 else "resolved"},
            }
        )
    return made


def _bodies(source_id: str) -> list[bytes]:
    return [json.dumps({"events": events(source_id)}).encode() for _ in range(BATCHES)]


def _post(port: int, key: str, path: str, bodies: list[bytes]) -> float:
    """Send the bodies one after the other on one connection; return the seconds it took."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    started = time.perf_counter()
    for body in bodies:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300 or b'"refused":0' not in content.replace(b" ", b""):
            raise SystemExit(f"a batch was answered {answer.status}: {content[:300]!r}")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


async def _bare(dsn: str, key: str, source_id: str) -> float:
    """Insert the same rows with asyncpg alone, without HTTP, parsing or evaluation; return the seconds it took."""
    connection = await asyncpg.connect(dsn)
    credential = parse_key(key)
    batches = [bare.columns(credential.organisation_id, UUID(source_id), events(source_id)) for _ in range(BATCHES)]
    started = time.perf_counter()
    for columns in batches:
        async with connection.transaction():
            await connection.execute("SELECT set_tenant($1)", credential.organisation_id)
            await bare.insert(connection, columns)
    seconds = time.perf_counter() - started
    await connection.close()
    return seconds


async def measure(
    key: str,
    source_id: str,
    dsn: str,
    ours: int,
    limit: int,
    rounds: int,
    report: Callable[..., None],
) -> None:
    """Measure in turns and report events a second."""
    path = "/v1/call-events/batch"
    against_limit, against_bare = [], []
    for _ in _warm(rounds):
        limited = SIZE * BATCHES / _post(limit, key, path, _bodies(source_id))
        mine = SIZE * BATCHES / _post(ours, key, path, _bodies(source_id))
        naked = SIZE * BATCHES / await _bare(dsn, key, source_id)
        against_limit.append((mine, limited))
        against_bare.append((mine, naked))
    report("batches of 500 events, over HTTP", against_limit[1:], "events/s")
    report("  the same against the bare insert", against_bare[1:], "events/s")
    singles = [json.dumps(event).encode() for event in events(source_id, 300)]
    connection_seconds = _post_singles(ours, key, singles)
    by_one = len(singles) / connection_seconds
    batched = statistics.median(mine for mine, _ in against_limit[1:])
    report("  the same against one by one", [(batched, by_one)], "events/s")


def _warm(rounds: int) -> Iterator[int]:
    """One round more than is counted: the first one warms up."""
    yield from range(rounds + 1)


def _post_singles(port: int, key: str, bodies: list[bytes]) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    started = time.perf_counter()
    for body in bodies:
        connection.request("POST", "/v1/call-events", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 201:
            raise SystemExit(f"an event was answered {answer.status}: {content[:300]!r}")
    return time.perf_counter() - started
