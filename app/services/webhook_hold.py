"""Who may send to which endpoint: one worker at a time holds one, by a token, until a moment that it puts off.

Organisations are listed without a lock, then each is looked at by itself: so it works on a Citus cluster,
too. Holding an endpoint is no change of it that its client would see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, TIMESTAMP, Uuid, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from app import clock
from app.database import execute, set_tenant
from app.models import DirectoryEntry, WebhookDelivery, WebhookEndpoint
from app.models.organisation import OrganisationState
from app.models.webhook import DeliveryState

HELD = timedelta(seconds=10)
NOBODY: Mapping[UUID, float] = {}

DIRECTORY: Any = DirectoryEntry.__table__
ENDPOINT: Any = WebhookEndpoint.__table__
DELIVERY: Any = WebhookDelivery.__table__
MOMENT = TIMESTAMP(timezone=True)
TENANT = bindparam("tenant", type_=Uuid())  # a column's name would be taken for its value
THIS, HOLDER = bindparam("endpoint", type_=Uuid()), bindparam("holder", type_=Uuid())
NOW = bindparam("at", type_=MOMENT)

DUE = (
    select(DIRECTORY.c.organisation_id)
    .where(DIRECTORY.c.state == OrganisationState.active, DIRECTORY.c.deliver_at <= NOW)
    .order_by(DIRECTORY.c.deliver_at)
)
# Held while the next moment is computed, or a mark that is made meanwhile would be lost.
MARK = select(DIRECTORY.c.deliver_at).where(DIRECTORY.c.organisation_id == TENANT).with_for_update(key_share=True)
FREE_MARK = MARK.with_for_update(key_share=True, skip_locked=True)
SET_MARK = update(DIRECTORY).where(DIRECTORY.c.organisation_id == TENANT).values(deliver_at=NOW)
FIRST_DUE = (
    select(func.min(DELIVERY.c.due_at))
    .where(
        DELIVERY.c.organisation_id == TENANT,
        DELIVERY.c.endpoint_id == ENDPOINT.c.id,
        DELIVERY.c.state == DeliveryState.pending,
    )
    .scalar_subquery()
)
QUEUES = select(ENDPOINT.c.id, ENDPOINT.c.lease_until, ENDPOINT.c.failing_since, FIRST_DUE.label("first_due")).where(
    ENDPOINT.c.organisation_id == TENANT, ENDPOINT.c.active
)
QUEUE = select(FIRST_DUE).select_from(ENDPOINT)
QUEUE = QUEUE.where(ENDPOINT.c.organisation_id == TENANT, ENDPOINT.c.id == THIS, ENDPOINT.c.active)
FREE = (
    select(ENDPOINT.c.id)
    .where(
        ENDPOINT.c.organisation_id == TENANT,
        ENDPOINT.c.id.in_(select(func.unnest(bindparam("endpoints", type_=ARRAY(Uuid()))))),
        ENDPOINT.c.active,
        or_(ENDPOINT.c.lease_until.is_(None), ENDPOINT.c.lease_until <= NOW),
    )
    .order_by(ENDPOINT.c.id)
    .with_for_update(key_share=True, skip_locked=True)
)
HOLD = (
    update(ENDPOINT)
    .where(ENDPOINT.c.organisation_id == TENANT, ENDPOINT.c.id == THIS)
    .values(lease_token=HOLDER, lease_until=bindparam("until", type_=MOMENT), updated_at=ENDPOINT.c.updated_at)
)
LET_GO = (
    update(ENDPOINT)
    .where(ENDPOINT.c.organisation_id == TENANT, ENDPOINT.c.id == THIS, ENDPOINT.c.lease_token == HOLDER)
    .values(
        lease_token=bindparam("nobody", type_=Uuid()),
        lease_until=bindparam("until", type_=MOMENT),
        updated_at=ENDPOINT.c.updated_at,
    )
)


@dataclass(frozen=True, slots=True)
class Held:
    """An endpoint that this worker may send to, as long as it holds it."""

    organisation_id: UUID
    id: UUID
    token: UUID


@dataclass(frozen=True, slots=True)
class Survey:
    """What of one organisation was taken hold of, and since when its oldest delivery is due. ``more`` may be left."""

    taken: Sequence[Held] = ()
    due_since: datetime | None = None
    more: bool = False


def due(session: Session) -> list[UUID]:
    """Return the organisations for which something is to be sent, who waits longest first."""
    return list(execute(session, DUE, {"at": clock.now()}).scalars())


def take_hold(session: Session, organisation_id: UUID, most: int, served: Mapping[UUID, float] = NOBODY) -> Survey:
    """Take hold of at most so many endpoints of one organisation that something is due for, and note when to look next.

    First come those that do not fail, of these who was never ``served``, or longest ago. Of an organisation that
    another worker is just looking at nothing is taken.
    """
    set_tenant(session, organisation_id)
    tenant, now = {"tenant": organisation_id}, clock.now()
    if execute(session, FREE_MARK, tenant).first() is None:
        return Survey()
    queues = execute(session, QUEUES, tenant).all()
    waiting = [row for row in queues if row.first_due is not None and row.first_due <= now]
    free = [row for row in waiting if row.lease_until is None or row.lease_until <= now]
    free.sort(key=lambda row: (row.failing_since is not None, served.get(row.id, 0.0), row.first_due))
    wanted = {**tenant, "at": now, "endpoints": [row.id for row in free[:most]]}
    taken = [Held(organisation_id, each, uuid4()) for each in execute(session, FREE, wanted).scalars()] if free else []
    for held in taken:
        execute(session, HOLD, {**tenant, "endpoint": held.id, "holder": held.token, "until": now + HELD})
    held_until = {held.id: now + HELD for held in taken}
    next_at = [_next(row.first_due, held_until.get(row.id, row.lease_until)) for row in queues if row.first_due]
    execute(session, SET_MARK, {**tenant, "at": min(next_at, default=None)})
    due_since = min((row.first_due for row in waiting), default=None)
    return Survey(taken, due_since, more=len(free) > len(taken))


def _next(due_at: datetime, held_until: datetime | None) -> datetime:
    return max(due_at, held_until) if held_until else due_at


def let_go(session: Session, held: Held, pause_until: datetime | None = None) -> None:
    """Let others take hold of an endpoint: now, or after a pause that its receiver asked for."""
    set_tenant(session, held.organisation_id)
    tenant = {"tenant": held.organisation_id, "endpoint": held.id}
    nobody = uuid4() if pause_until else None
    execute(session, LET_GO, {**tenant, "holder": held.token, "nobody": nobody, "until": pause_until})
    marked = execute(session, MARK, {"tenant": held.organisation_id}).scalar_one()
    first_due = execute(session, QUEUE, tenant).scalar()
    if first_due is not None:
        next_at = _next(first_due, pause_until)
        if marked is None or next_at < marked:
            execute(session, SET_MARK, {"tenant": held.organisation_id, "at": next_at})
