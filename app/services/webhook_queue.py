"""What is to be delivered: events become one delivery for each endpoint that wants them and may be told of them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Row,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    column,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import listener, queries
from app.auth import Caller
from app.database import execute
from app.models import Client, DirectoryEntry, FeedCounter, WebhookDelivery, WebhookEndpoint
from app.models.base import new_id
from app.models.webhook import DeliveryKind, DeliveryState
from app.relations import ORGANISATION
from app.webhooks.access import FEEDS, Feed, matching

# An endpoint that is off keeps its queue so long; after that nothing is queued for it.
QUEUE_KEPT = timedelta(days=7)
# About so many deliveries are made in one transaction: of fewer events where many endpoints want them.
BATCH, LEAST = 5_000, 100

ENDPOINT: Any = WebhookEndpoint.__table__
DELIVERY: Any = WebhookDelivery.__table__
CLIENT: Any = Client.__table__
MOMENT = ENDPOINT.c.disabled_at.type

COUNTERS = select(FeedCounter.feed, FeedCounter.value).where(FeedCounter.organisation_id == ORGANISATION)
OFF_SINCE = func.coalesce(ENDPOINT.c.disabled_at, ENDPOINT.c.paused_at)
# Nobody deletes an endpoint under our hands; whoever delivers to it goes on.
BEHIND = (
    select(
        *(ENDPOINT.c[name] for name in ("id", "client_id", "event_types", "position", "provider_position")),
        CLIENT.c.scopes,
    )
    .select_from(
        ENDPOINT.join(
            CLIENT, and_(CLIENT.c.organisation_id == ENDPOINT.c.organisation_id, CLIENT.c.id == ENDPOINT.c.client_id)
        )
    )
    .where(
        ENDPOINT.c.organisation_id == ORGANISATION,
        CLIENT.c.revoked_at.is_(None),
        or_(ENDPOINT.c.active, bindparam("off_since", type_=MOMENT) < OFF_SINCE),
        or_(
            ENDPOINT.c.position < bindparam("events", type_=BigInteger()),
            ENDPOINT.c.provider_position < bindparam("provider_events", type_=BigInteger()),
        ),
    )
    .order_by(ENDPOINT.c.id)
    .with_for_update(of=ENDPOINT, key_share=True, read=True)
)
TENANT = bindparam("tenant", type_=Uuid())  # in an UPDATE a column's name would be taken for its value
SOONER = (
    update(DirectoryEntry)
    .where(
        DirectoryEntry.organisation_id == TENANT,
        or_(DirectoryEntry.deliver_at.is_(None), DirectoryEntry.deliver_at > bindparam("at", type_=MOMENT)),
    )
    .values(deliver_at=bindparam("at", type_=MOMENT))
)


DUE = select(DirectoryEntry.deliver_at).where(
    DirectoryEntry.organisation_id == TENANT, DirectoryEntry.deliver_at <= bindparam("at", type_=MOMENT)
)


def deliver_soon(session: Session, organisation_id: UUID, now: datetime) -> None:
    """Note that something is to be delivered. The worker, which looks next, wakes whoever delivers."""
    execute(session, SOONER, {"tenant": organisation_id, "at": now})


def fan_out(session: Session, caller: Caller, now: datetime) -> tuple[int, bool]:
    """Queue the events that endpoints were not served yet, a batch of each feed.

    Wake whoever delivers, where something is to be delivered now. Return how many deliveries were made, and whether
    there is more. Done twice it is done once.
    """
    counters = {row.feed: row.value for row in execute(session, COUNTERS, {"organisation_id": caller.organisation_id})}
    values = {"organisation_id": caller.organisation_id, "off_since": now - QUEUE_KEPT}
    endpoints = execute(session, BEHIND, {**values, **{feed.name: counters[feed.name] for feed in FEEDS}}).all()
    made, more = 0, False
    for feed in FEEDS:
        behind = [each for each in endpoints if each._mapping[feed.position] < counters[feed.name]]
        if behind:
            first = min(each._mapping[feed.position] for each in behind)
            last = min(first + max(BATCH // len(behind), LEAST), counters[feed.name])
            made += _serve(session, caller, feed, behind, first, last, now)
            more = more or last < counters[feed.name]
    at = {"tenant": caller.organisation_id, "at": now}
    if made:
        execute(session, SOONER, at)
    if made or execute(session, DUE, at).one_or_none() is not None:
        listener.notify(session, listener.DELIVER, [caller.organisation_id])
    return made, more


def _serve(
    session: Session, caller: Caller, feed: Feed, endpoints: Sequence[Row[Any]], first: int, last: int, now: datetime
) -> int:
    """Queue what each of these endpoints wants of the events after ``first`` up to ``last``."""
    between = {"organisation_id": caller.organisation_id, "after": first, "last": last}
    occurred = execute(session, _types_between(feed), between).scalars().all()
    made = 0
    for endpoint in endpoints:
        client = Caller(caller.organisation_id, "client", endpoint.client_id, frozenset(endpoint.scopes))
        types = matching(endpoint.event_types, feed.types(client.scopes)).intersection(occurred)
        if types:
            which = {"types": sorted(types), "after": endpoint._mapping[feed.position], "last": last}
            found = execute(session, _between(feed), {**queries.parameters(client), **which}).scalars().all()
            made += queue(session, caller, feed, endpoint.id, found, DeliveryKind.event, now)
    moved = {"tenant": caller.organisation_id, "ids": [each.id for each in endpoints], "reached": last}
    execute(session, _move(feed), moved)
    return made


def queue(
    session: Session,
    caller: Caller,
    feed: Feed,
    endpoint_id: UUID,
    event_ids: Sequence[UUID],
    kind: DeliveryKind,
    now: datetime,
) -> int:
    """Make a delivery for each of these events, which the endpoint's client may see, and return how many are new."""
    if not event_ids:
        return 0
    values = {
        "organisation_id": caller.organisation_id,
        "endpoint": endpoint_id,
        "delivery_ids": [new_id() for _ in event_ids],
        "event_ids": list(event_ids),
        "of_kind": kind,
        "at": now,
    }
    return int(execute(session, _queue(feed), values).rowcount)


@cache
def _types_between(feed: Feed) -> Select[Any]:
    return select(feed.table.c.type).where(*_numbers(feed)).distinct()


@cache
def _between(feed: Feed) -> Select[Any]:
    wanted = feed.table.c.type.in_(select(func.unnest(bindparam("types", type_=ARRAY(Text)))))
    return select(feed.table.c.id).where(*_numbers(feed), wanted, feed.seen()).order_by(feed.table.c.number)


def _numbers(feed: Feed) -> tuple[ColumnElement[bool], ...]:
    return (
        feed.table.c.organisation_id == ORGANISATION,
        feed.table.c.number > bindparam("after", type_=BigInteger()),
        feed.table.c.number <= bindparam("last", type_=BigInteger()),
    )


@cache
def _move(feed: Feed) -> Any:
    """Note how far endpoints were served. That is no change of theirs: the time of their last change stays."""
    place = ENDPOINT.c[feed.position]
    return (
        update(ENDPOINT)
        .where(
            ENDPOINT.c.organisation_id == TENANT,
            ENDPOINT.c.id.in_(select(func.unnest(bindparam("ids", type_=ARRAY(Uuid))))),
            place < bindparam("reached", type_=BigInteger()),
        )
        .values({place: bindparam("reached", type_=BigInteger()), ENDPOINT.c.updated_at: ENDPOINT.c.updated_at})
    )


@cache
def _queue(feed: Feed) -> Any:
    new = (
        func.unnest(bindparam("delivery_ids", type_=ARRAY(Uuid)), bindparam("event_ids", type_=ARRAY(Uuid)))
        .table_valued(column("delivery_id", Uuid), column("event_id", Uuid), name="new")
        .render_derived()
    )
    at, event = bindparam("at", type_=MOMENT), feed.table
    made: Mapping[str, Any] = {
        "organisation_id": event.c.organisation_id,
        "id": new.c.delivery_id,
        "endpoint_id": bindparam("endpoint", type_=Uuid()),
        "event_id": event.c.id,
        "kind": bindparam("of_kind", type_=Text()),
        "type": event.c.type,
        "occurred_at": event.c.occurred_at,
        "data": event.c.data,
        "state": literal(DeliveryState.pending, Text()),
        "attempts": literal(0, Integer()),
        "due_at": at,
        "created_at": at,
    }
    rows = (
        select(*(value.label(name) for name, value in made.items()))
        .select_from(new.join(event, event.c.id == new.c.event_id))
        .where(event.c.organisation_id == ORGANISATION)
    )
    return insert(DELIVERY).from_select(list(made), rows).on_conflict_do_nothing()


def withhold(session: Session, caller: Caller, client_id: UUID, but: Collection[str] = ()) -> None:
    """Drop what waits for a client's endpoints, but for these types: it may no longer be told of the others."""
    of_client = select(ENDPOINT.c.id).where(
        ENDPOINT.c.organisation_id == caller.organisation_id, ENDPOINT.c.client_id == client_id
    )
    session.execute(
        DELIVERY.delete().where(
            DELIVERY.c.organisation_id == caller.organisation_id,
            DELIVERY.c.endpoint_id.in_(of_client),
            DELIVERY.c.state == DeliveryState.pending,
            DELIVERY.c.type.not_in(sorted(but)),
        )
    )
