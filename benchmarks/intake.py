"""Deliveries to a source's own address: 100 CloudEvents at a time, against the same as a batch of our own JSON."""

import hashlib
import http.client
import json
import statistics
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.database import set_tenant
from app.models import Source, SourceCredential
from benchmarks import batches

SIZE, DELIVERIES = 100, 50
SECRET = "bench-secret-of-a-platform"  # noqa: S105 - of a database that lives as long as the measurement


def lay(session: Session, organisation_id: UUID) -> str:
    """Make a source of CloudEvents with a credential, and return the path of its address."""
    set_tenant(session, organisation_id)
    source = Source(organisation_id=organisation_id, name="Platform", name_key="platform", kind="cloudevents")
    session.add(source)
    session.flush()
    digest = hashlib.sha256(SECRET.encode()).digest()
    mine = {"organisation_id": organisation_id, "source_id": source.id}
    session.add(SourceCredential(**mine, kind="bearer", settings={}, digest=digest, last_four=SECRET[-4:]))
    return f"/v1/intake/{organisation_id}/{source.id}"


def measure(key: str, source_id: str, address: str, port: int, rounds: int, report: Callable[..., None]) -> None:
    """Measure both in turns and report events a second, and how long one delivery takes."""
    pairs, spent = [], []
    for _ in range(rounds + 1):
        plain = _send(port, key, "/v1/call-events/batch", "application/json", _plain(source_id))
        taken = _send(port, SECRET, address, "application/cloudevents-batch+json", _cloud_events(source_id))
        pairs.append((SIZE * DELIVERIES / sum(taken), SIZE * DELIVERIES / sum(plain)))
        spent += taken
    report("deliveries of 100 CloudEvents", pairs[1:], "events/s")
    print(f"  one of them: median {statistics.median(spent) * 1000:.0f} ms, slowest {max(spent) * 1000:.0f} ms")


def _plain(source_id: str) -> list[Any]:
    return [{"events": batches.events(source_id, SIZE)} for _ in range(DELIVERIES)]


def _cloud_events(source_id: str) -> list[Any]:
    return [[_wrapped(event) for event in body["events"]] for body in _plain(source_id)]


def _wrapped(event: dict[str, Any]) -> dict[str, Any]:
    data = {name: value for name, value in event.items() if name not in ("source_id", "event_id")}
    return {"specversion": "1.0", "id": event["event_id"], "source": "urn:bench", "type": "call.ended", "data": data}


def _send(port: int, secret: str, path: str, media_type: str, bodies: list[Any]) -> list[float]:
    """Send bodies one after the other on one connection; return the seconds that each took."""
    connection, spent = http.client.HTTPConnection("127.0.0.1", port), []
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": media_type}
    for body in [json.dumps(each).encode() for each in bodies]:
        started = time.perf_counter()
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        spent.append(time.perf_counter() - started)
        if answer.status != 202 or content["refused"]:
            raise SystemExit(f"a delivery was answered {answer.status}: {str(content)[:300]}")
    connection.close()
    return spent
