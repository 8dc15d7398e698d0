"""Deliveries: what waits for an endpoint, what became of it, and when it is forgotten."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller
from app.database import execute
from app.errors import NotFound
from app.events import OF_PROVIDERS
from app.models import EapCase, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from app.models.webhook import DeliveryState
from app.relations import ORGANISATION
from app.services.webhook_queue import OFF_SINCE, QUEUE_KEPT
from app.webhooks.access import CONSENT_WITHDRAWN

FINISHED_KEPT = timedelta(days=30)
PURGED_AT_ONCE = 5_000

TABLE: Any = WebhookDelivery.__table__
ENDPOINT: Any = WebhookEndpoint.__table__
ATTEMPT: Any = WebhookAttempt.__table__
DELIVERIES = queries.Listing(
    "webhook_delivery",
    sorts={"id": TABLE.c.id},
    filters={
        "endpoint_id": TABLE.c.endpoint_id == bindparam("endpoint_id"),
        "state": TABLE.c.state == bindparam("state"),
        "kind": TABLE.c.kind == bindparam("kind"),
        "type": TABLE.c.type == bindparam("type"),
        "event_id": TABLE.c.event_id == bindparam("event_id"),
    },
    default_sort="-id",
    syncs=False,
)
TRIES = (
    select(ATTEMPT)
    .where(ATTEMPT.c.organisation_id == ORGANISATION, ATTEMPT.c.delivery_id == bindparam("delivery"))
    .order_by(ATTEMPT.c.number)
)


def list_(
    session: Session, caller: Caller, paging: queries.Paging, endpoint_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of what was, or is to be, delivered to one endpoint, the newest first."""
    queries.read(session, caller, "webhook_endpoint", endpoint_id)
    return queries.paginate(session, caller, DELIVERIES, paging, {**filters, "endpoint_id": endpoint_id})


def read(session: Session, caller: Caller, endpoint_id: UUID, delivery_id: UUID) -> Mapping[str, Any]:
    """Return one delivery with its attempts. Raise NotFound for one of another endpoint."""
    row = queries.read(session, caller, "webhook_delivery", delivery_id)
    if row["endpoint_id"] != endpoint_id:
        raise NotFound
    tries = execute(session, TRIES, {"organisation_id": caller.organisation_id, "delivery": delivery_id})
    return {**row, "tries": [each._asdict() for each in tries]}


def purge(session: Session, caller: Caller, now: datetime) -> int:
    """Let the queues go of endpoints that have been off for too long, and forget what was done long ago.

    Return how many rows that was at most of one kind: as many as are done at once where more may be left.
    """
    mine = TABLE.c.organisation_id == caller.organisation_id
    off = select(ENDPOINT.c.id).where(
        ENDPOINT.c.organisation_id == caller.organisation_id, ~ENDPOINT.c.active, now - QUEUE_KEPT >= OFF_SINCE
    )
    let_go = select(TABLE.c.id).where(mine, TABLE.c.state == DeliveryState.pending, TABLE.c.endpoint_id.in_(off))
    over = select(TABLE.c.id).where(mine, TABLE.c.finished_at < now - FINISHED_KEPT)
    connection = session.connection()
    failed = connection.execute(
        update(TABLE)
        .where(mine, TABLE.c.id.in_(let_go.limit(PURGED_AT_ONCE)))
        .values(state=DeliveryState.failed, due_at=None, finished_at=now)
    )
    gone = connection.execute(delete(TABLE).where(mine, TABLE.c.id.in_(over.limit(PURGED_AT_ONCE))))
    return max(failed.rowcount, gone.rowcount)


def withdraw_case(session: Session, caller: Caller, case: EapCase) -> None:
    """Drop what waits to be told of a case that its provider may no longer see."""
    session.execute(
        delete(TABLE).where(
            TABLE.c.organisation_id == caller.organisation_id,
            TABLE.c.state == DeliveryState.pending,
            TABLE.c.type.in_(sorted(OF_PROVIDERS - {CONSENT_WITHDRAWN})),
            TABLE.c.data["id"].astext == str(case.id),
        )
    )


def forget_cases(session: Session, caller: Caller, client_id: UUID) -> None:
    """Forget what a client was told of the cases of a provider that it acted for, and when: others see its endpoints.

    From now on people may.
    """
    of_client = (ENDPOINT.c.organisation_id == caller.organisation_id, ENDPOINT.c.client_id == client_id)
    session.execute(
        delete(TABLE).where(
            TABLE.c.organisation_id == caller.organisation_id,
            TABLE.c.type.in_(sorted(OF_PROVIDERS)),
            TABLE.c.endpoint_id.in_(select(ENDPOINT.c.id).where(*of_client)),
        )
    )
    session.execute(
        update(ENDPOINT)
        .where(*of_client, or_(ENDPOINT.c.last_delivered_at.is_not(None), ENDPOINT.c.failing_since.is_not(None)))
        .values(last_delivered_at=None, failing_since=None, updated_at=ENDPOINT.c.updated_at)
    )
