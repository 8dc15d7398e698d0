"""Sources and call events for the tests of intake, over HTTP."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only
from uuid_utils.compat import uuid7

from app.auth import Caller
from app.services import strain
from tests.world import World

MAPPINGS = [
    {"kind": "disposition", "code": "RES", "outcomes": ["resolved"]},
    {"kind": "disposition", "code": "ABUSE", "outcomes": ["unresolved", "abusive"]},
]


async def make_source(client: httpx.AsyncClient, name: str = "Switchboard", **fields: Any) -> str:
    """Make a source with two mapped codes and return its id."""
    response = await client.post("/v1/sources", json={"name": name, "outcome_mappings": MAPPINGS, **fields})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def call(source_id: str | None, **fields: Any) -> dict[str, Any]:
    """Return an event about a call that Amira took, with an id and a contact of its own unless told otherwise."""
    event = {
        "source_id": source_id,
        "event_id": f"event-{uuid7().hex}",
        "contact_id": f"contact-{uuid7().hex}",
        "agent": {"ref": "amira"},
        "ended_at": "2026-03-04T10:05:00Z",
        **fields,
    }
    return {name: value for name, value in event.items() if value is not None}


async def post(client: httpx.AsyncClient, event: dict[str, Any]) -> dict[str, Any]:
    """Post one event that is taken, and return the call event."""
    response = await client.post("/v1/call-events", json=event)
    assert response.status_code in (200, 201), response.text
    found: dict[str, Any] = response.json()
    return found


async def post_batch(client: httpx.AsyncClient, *events: Any) -> dict[str, Any]:
    """Post a batch and return what became of it."""
    response = await client.post("/v1/call-events/batch", json={"events": events})
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    return found


def statuses(answer: dict[str, Any]) -> list[str]:
    return [result["status"] for result in answer["results"]]


async def count(world: World, table: str) -> int:
    """Return how many rows of a table the organisation has."""

    def read(session: Session) -> int:
        return int(session.scalar(text(f"SELECT count(*) FROM {table} WHERE organisation_id = :id"), {"id": world.id}))

    return int(await world.run(read))


class Held:
    """Work in a transaction that is held open after its last statement, until it is let go."""

    def __init__(self, world: World, work: Callable[..., Any], *args: Any) -> None:
        self.done, self.go = asyncio.Event(), asyncio.Event()
        self.task = asyncio.ensure_future(world.run(self._perform, Caller(world.id, "system", None), work, *args))

    def _perform(self, session: Session, caller: Caller, work: Callable[..., Any], *args: Any) -> None:
        work(session, caller, *args)
        session.flush()
        self.done.set()
        await_only(self.go.wait())

    async def while_waiting(self, other: Coroutine[Any, Any, Any]) -> Any:
        """Start ``other``, see that it waits for this transaction, let this go, and return what ``other`` returns."""
        await self.done.wait()
        waiting = asyncio.ensure_future(other)
        await asyncio.sleep(0.3)
        assert not waiting.done()
        self.go.set()
        await self.task
        return await waiting


class Followed(list[dict[UUID, tuple[str, str]]]):
    """Whose signals were brought up to date, from when until when, call by call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        monkeypatch.setattr(strain, "follow", self._follow)

    def _follow(self, _session: Any, _caller: Any, touched: Any, until: Any = None, **_: Any) -> None:
        latest = until or touched
        self.append({person: (touched[person].isoformat(), latest[person].isoformat()) for person in touched})
