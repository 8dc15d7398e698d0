"""Builders of webhook endpoints and events: through HTTP where there is a way, and what the database holds of them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import events
from app.auth import Caller
from app.models import Pillar
from app.models.base import new_id
from app.worker import AT_ONCE, Worker
from tests.world import World

WEBHOOKS, EVENTS = "/v1/webhook-endpoints", "/v1/events"
RECEIVER = "https://hooks.example.com/ballast"


async def done(response: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


async def endpoint(client: httpx.AsyncClient, *event_types: str, **fields: Any) -> dict[str, Any]:
    """Make an endpoint for these types, all of them where none is named."""
    body = {"url": RECEIVER, "event_types": list(event_types or ("*",)), **fields}
    return await done(await client.post(WEBHOOKS, json=body), 201)


async def id_of(client: httpx.AsyncClient) -> str:
    """Return the id of a client."""
    return str((await done(await client.get("/v1/me")))["client"]["id"])


async def work(world: World) -> None:
    """Number what was written, and queue it for the endpoints, as a worker does right after a commit."""
    await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, AT_ONCE)


def add_pillar(session: Session, world: World, key: str) -> str:
    """Make a pillar, which records ``pillar.created``, and return its id."""
    pillar = Pillar(organisation_id=world.id, id=new_id(), key=key, name=key, description="Made up.")
    session.add(pillar)
    events.record(session, Caller(world.id, "system", None), "pillar.created", pillar)
    return str(pillar.id)


async def happen(world: World, *keys: str) -> list[str]:
    """Let something happen for each of these keys, in a transaction each. Return what it happened to."""
    return [await world.run(add_pillar, world, key) for key in keys]


async def read_on(
    client: httpx.AsyncClient, after: str | None = None, **query: Any
) -> tuple[list[dict[str, Any]], str]:
    """Return the events from a cursor on, until there are no more, and the cursor for what comes later."""
    found: list[dict[str, Any]] = []
    while True:
        params = {**query, **({"after": after} if after is not None else {})}
        page = await done(await client.get(EVENTS, params=params))
        assert len(page["data"]) <= query.get("limit", 50)
        found, after = [*found, *page["data"]], page["next_cursor"]
        assert after is not None
        if not page["has_more"]:
            return found, after


async def at_the_end(client: httpx.AsyncClient, **query: Any) -> str:
    """Return a cursor after everything that happened so far."""
    return (await read_on(client, **query))[1]


def about(shown: Sequence[dict[str, Any]]) -> list[str]:
    """Return what events are about."""
    return [event["data"]["id"] for event in shown]


def types(shown: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in shown]


async def rows(world: World, query: str, **values: Any) -> list[Any]:
    return list(await world.run(lambda session: session.execute(text(query), values).all()))


async def queued(world: World, of: dict[str, Any], *, state: str = "pending") -> list[Any]:
    """Return what is queued for an endpoint, in the order in which it is delivered."""
    query = "SELECT * FROM webhook_delivery WHERE endpoint_id = :id AND state = :state ORDER BY due_at, id"
    return await rows(world, query, id=UUID(of["id"]), state=state)


async def change(world: World, statement: str, **values: Any) -> None:
    """Change rows as no part of the API does."""
    await world.run(lambda session: session.execute(text(statement), values))
