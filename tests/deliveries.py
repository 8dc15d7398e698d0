"""Endpoints, what is to be delivered to them, and whoever delivers it, made directly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app import clock
from app.crypto import Vault
from app.models import Client, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from app.models.webhook import DeliveryKind
from app.outgoing.rules import OF_A_LAPTOP
from app.settings import Settings
from app.webhooks import keys as webhook_keys
from app.webhooks.deliverer import Deliverer
from app.webhooks.keys import WebhookKeys
from tests.receiver import Received, answer
from tests.world import World

# What lets a test's receiver be reached: it speaks HTTP on a port of this machine.
INNER = {"outgoing_http": True, "outgoing_ports": (), "outgoing_networks": OF_A_LAPTOP}
# What whoever queues something does last in its transaction.
MARK = text(
    "UPDATE organisation_directory SET deliver_at = LEAST(COALESCE(deliver_at, :at), :at)"
    " WHERE organisation_id = :organisation"
)


@dataclass(frozen=True)
class Made:
    """An endpoint with its keys in plain."""

    id: UUID
    keys: WebhookKeys


async def make_endpoint(world: World, url: str, *scopes: str, **fields: Any) -> Made:
    """Make an endpoint of a client of its own, which has these scopes beside the one for webhooks."""
    made, keys, vault = uuid7(), webhook_keys.make(), _vault(world)

    def make(session: Session) -> None:
        client = Client(organisation_id=world.id, id=uuid7(), name=f"told {made}", scopes=["webhooks:read", *scopes])
        session.add(client)
        session.flush()
        values = {"event_types": ["*"], "position": 0, "provider_position": 0, **fields}
        session.add(
            WebhookEndpoint(
                organisation_id=world.id,
                id=made,
                client_id=client.id,
                url=url,
                keys=webhook_keys.seal_keys(vault, world.id, made, keys),
                **values,
            )
        )

    await world.run(make)
    return Made(made, keys)


def _vault(world: World) -> Vault:
    vault: Vault = world.app.state.vault
    return vault


async def queue(world: World, endpoint: Made, many: int = 1, **fields: Any) -> list[UUID]:
    """Queue messages for an endpoint and return the ids of their events, in the order in which they are due."""
    now = clock.now()

    def add(session: Session) -> list[UUID]:
        events = [uuid7() for _ in range(many)]
        values = {"kind": DeliveryKind.event, "type": "goal.created", "occurred_at": now, "due_at": now, **fields}
        session.add_all(
            WebhookDelivery(
                organisation_id=world.id,
                endpoint_id=endpoint.id,
                event_id=event_id,
                data={"id": str(event_id), "version": 1},
                **values,
            )
            for event_id in events
        )
        session.flush()
        session.execute(MARK, {"organisation": world.id, "at": now})
        return events

    return list(await world.run(add))


async def deliveries(world: World, endpoint: Made) -> list[Row[Any]]:
    """Return the deliveries of an endpoint, the oldest first."""
    query = select(WebhookDelivery.__table__).where(
        WebhookDelivery.organisation_id == world.id, WebhookDelivery.endpoint_id == endpoint.id
    )
    return list(await world.run(lambda session: session.execute(query.order_by(WebhookDelivery.id)).all()))


async def attempts(world: World, endpoint: Made) -> list[Row[Any]]:
    """Return every attempt at an endpoint, in order."""
    table: Any = WebhookAttempt.__table__
    delivery: Any = WebhookDelivery.__table__
    query = (
        select(table)
        .join(
            delivery, (delivery.c.organisation_id == table.c.organisation_id) & (delivery.c.id == table.c.delivery_id)
        )
        .where(table.c.organisation_id == world.id, delivery.c.endpoint_id == endpoint.id)
        .order_by(table.c.delivery_id, table.c.number)
    )
    return list(await world.run(lambda session: session.execute(query).all()))


async def row(world: World, endpoint: Made) -> Row[Any]:
    """Return an endpoint as it stands in the database."""
    query = select(WebhookEndpoint.__table__).where(
        WebhookEndpoint.organisation_id == world.id, WebhookEndpoint.id == endpoint.id
    )
    found: Row[Any] = await world.run(lambda session: session.execute(query).one())
    return found


async def pending(world: World) -> int:
    query = select(func.count()).where(WebhookDelivery.organisation_id == world.id, WebhookDelivery.state == "pending")
    return int(await world.run(lambda session: session.scalar(query)))


async def deliver_at(world: World) -> datetime | None:
    query = text("SELECT deliver_at FROM organisation_directory WHERE organisation_id = :id")
    found: datetime | None = await world.run(lambda session: session.execute(query, {"id": world.id}).scalar_one())
    return found


async def is_due(world: World) -> bool:
    """Return whether somebody looks at once what is to be delivered."""
    found = await deliver_at(world)
    return found is not None and found <= clock.now()


async def execute(world: World, statement: str, **values: Any) -> None:
    await world.run(lambda session: session.execute(text(statement), {"organisation": world.id, **values}))


def deliverer(world: World, **changes: Any) -> Deliverer:
    settings: Settings = world.app.state.settings
    return Deliverer(world.database, settings.model_copy(update={**INNER, "worker_interval_seconds": 0.05, **changes}))


@asynccontextmanager
async def delivering(work: Deliverer) -> AsyncIterator[Deliverer]:
    """Let a deliverer work within the block, and stop it in good order."""
    task = asyncio.create_task(work.run())
    try:
        yield work
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 10) -> None:
    """Wait until something is so."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def until_tried(world: World, endpoint: Made, times: int = 1) -> None:
    """Wait until so many attempts were written down."""

    async def tried() -> bool:
        return len(await attempts(world, endpoint)) >= times

    await until(tried)


async def until_done(*worlds: World, seconds: float = 20) -> None:
    """Wait until nothing is pending."""

    async def done() -> bool:
        return not sum([await pending(world) for world in worlds])

    await until(done, seconds)


def taking(seconds: float, said: bytes = answer()) -> Callable[[Received, asyncio.StreamWriter], Any]:
    """Return a receiver's answer that takes its time."""

    async def take(*_: Any) -> bytes:
        await asyncio.sleep(seconds)
        return said

    return take
