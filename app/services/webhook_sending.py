"""What whoever sends to an endpoint needs of the database: to load what is due, and to write what came of it.

What is written of a delivery counts only where nobody else has written of it since, so that a worker that has lost its
hold undoes nothing. None of this changes an endpoint as its client sees it, but where it is disabled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Row, Text, Uuid, bindparam, column, exists, func, insert, select, update
from sqlalchemy.orm import Session

from app import clock, events, master_keys
from app.auth import Caller
from app.database import execute, set_tenant
from app.models import EapProviderClient, WebhookAttempt, WebhookEndpoint
from app.models.base import new_id
from app.models.webhook import DeliveryState, DisabledReason, MessageFormat
from app.reasons import Sentence
from app.services.webhook_hold import DELIVERY, ENDPOINT, HELD, HOLDER, MOMENT, NOW, TENANT, THIS, Held
from app.webhooks import keys as webhook_keys
from app.webhooks.keys import WebhookKeys

DISABLED_AFTER = timedelta(days=5)

BINDING: Any = EapProviderClient.__table__
# What an EAP provider is told stands in no metric: nobody else is to count it.
IS_COUNTED = ~exists(
    select(1).where(BINDING.c.organisation_id == TENANT, BINDING.c.client_id == ENDPOINT.c.client_id)
).correlate(ENDPOINT)
GO_ON = (
    update(ENDPOINT)
    .where(
        ENDPOINT.c.organisation_id == TENANT,
        ENDPOINT.c.id == THIS,
        ENDPOINT.c.lease_token == HOLDER,
        ENDPOINT.c.active,
    )
    .values(lease_until=bindparam("until", type_=MOMENT), updated_at=ENDPOINT.c.updated_at)
    .returning(
        *(ENDPOINT.c[name] for name in ("url", "format", "concurrency", "version", "failing_since")),
        *(ENDPOINT.c[name] for name in ("keys", "previous_keys", "previous_keys_until")),
        IS_COUNTED.label("is_counted"),
    )
)
FAILING = (
    update(ENDPOINT)
    .where(ENDPOINT.c.organisation_id == TENANT, ENDPOINT.c.id == THIS, ENDPOINT.c.lease_token == HOLDER)
    .values(
        failing_since=func.coalesce(ENDPOINT.c.failing_since, bindparam("since", type_=MOMENT)),
        updated_at=ENDPOINT.c.updated_at,
    )
)
DELIVERED = FAILING.values(
    failing_since=bindparam("since", type_=MOMENT),
    last_delivered_at=func.greatest(ENDPOINT.c.last_delivered_at, bindparam("delivered", type_=MOMENT)),
)
NEXT = (
    select(
        *(DELIVERY.c[name] for name in ("id", "event_id", "kind", "type", "occurred_at", "data", "attempts", "due_at"))
    )
    .where(
        DELIVERY.c.organisation_id == TENANT,
        DELIVERY.c.endpoint_id == THIS,
        DELIVERY.c.state == DeliveryState.pending,
        DELIVERY.c.due_at <= NOW,
        DELIVERY.c.id.not_in(select(func.unnest(bindparam("under_way", type_=ARRAY(Uuid()))))),
    )
    .order_by(DELIVERY.c.due_at, DELIVERY.c.id)
    .limit(bindparam("most", type_=Integer()))
)
_CAME = (
    func.unnest(
        *(bindparam(name, type_=ARRAY(kind)) for name, kind in (("ids", Uuid()), ("tried", Integer()))),
        *(
            bindparam(name, type_=ARRAY(kind))
            for name, kind in (("states", Text()), ("due", MOMENT), ("ended", MOMENT))
        ),
    )
    .table_valued(
        *(column("id", Uuid), column("tried", Integer), column("state", Text)),
        *(column("due", MOMENT), column("ended", MOMENT)),
        name="came",
    )
    .render_derived()
)
WRITE = (
    update(DELIVERY)
    .where(
        DELIVERY.c.organisation_id == TENANT,
        DELIVERY.c.id == _CAME.c.id,
        DELIVERY.c.state == DeliveryState.pending,
        DELIVERY.c.attempts == _CAME.c.tried,
    )
    .values(state=_CAME.c.state, attempts=_CAME.c.tried + 1, due_at=_CAME.c.due, finished_at=_CAME.c.ended)
    .returning(DELIVERY.c.id)
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is needed to send: ``keys`` are those that sign now, the newest first."""

    url: str
    format: MessageFormat
    concurrency: int
    version: int
    failing_since: datetime | None
    keys: tuple[WebhookKeys, ...]
    is_counted: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, and what it makes of its delivery. ``due_at`` is when the next one is due: none where it is over."""

    delivery_id: UUID
    number: int
    attempted_at: datetime
    duration_ms: int
    status: int | None
    failure: str | None
    answer: str | None
    state: DeliveryState
    due_at: datetime | None
    disables: DisabledReason | None = None

    @property
    def is_delivered(self) -> bool:
        return self.state == DeliveryState.delivered


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be sent next. No ``endpoint`` means that it is not held any more, or switched off."""

    endpoint: Endpoint | None
    deliveries: Sequence[Row[Any]] = ()


def exchange(session: Session, held: Held, came: Sequence[Attempt], under_way: Sequence[UUID], most: int) -> Turn:
    """Write what came of attempts, go on holding the endpoint, and return what is due next, but what is under way."""
    set_tenant(session, held.organisation_id)
    caller, now = Caller(held.organisation_id, "system", None), clock.now()
    of_endpoint = {"tenant": held.organisation_id, "endpoint": held.id, "holder": held.token}
    # First of all, since whoever changes an endpoint locks it before its deliveries.
    row = execute(session, GO_ON, {**of_endpoint, "until": now + HELD}).first()
    if came and (written := _write(session, held, came)) and row is not None:
        _note_health(session, of_endpoint, written)
        if (reason := _reason_to_disable(row.failing_since, written, now)) is not None:
            _disable(session, caller, held, reason, now)
            return Turn(None)
    if row is None:
        return Turn(None)
    if not most:
        return Turn(_endpoint(session, held, row, now))
    wanted = {**of_endpoint, "at": now, "under_way": list(under_way), "most": most}
    del wanted["holder"]
    return Turn(_endpoint(session, held, row, now), execute(session, NEXT, wanted).all())


def _endpoint(session: Session, held: Held, row: Row[Any], now: datetime) -> Endpoint:
    vault, sealed = master_keys.vault_of(session), [row.keys]
    if row.previous_keys is not None and row.previous_keys_until > now:
        sealed.append(row.previous_keys)
    keys = tuple(webhook_keys.open_keys(vault, held.organisation_id, held.id, each) for each in sealed)
    return Endpoint(
        row.url, MessageFormat(row.format), row.concurrency, row.version, row.failing_since, keys, row.is_counted
    )


def _write(session: Session, held: Held, came: Sequence[Attempt]) -> list[Attempt]:
    """Write attempts and what they make of their deliveries; return those that nobody else had written of."""
    came = sorted(came, key=lambda attempt: attempt.delivery_id)
    values = {
        "tenant": held.organisation_id,
        "ids": [attempt.delivery_id for attempt in came],
        "tried": [attempt.number - 1 for attempt in came],
        "states": [str(attempt.state) for attempt in came],
        "due": [attempt.due_at for attempt in came],
        "ended": [None if attempt.due_at else _ended_at(attempt) for attempt in came],
    }
    ours = set(execute(session, WRITE, values).scalars())
    written = [attempt for attempt in came if attempt.delivery_id in ours]
    if written:
        session.connection().execute(insert(WebhookAttempt), [_row(held, attempt) for attempt in written])
    return written


def _ended_at(attempt: Attempt) -> datetime:
    return attempt.attempted_at + timedelta(milliseconds=attempt.duration_ms)


def _row(held: Held, attempt: Attempt) -> Mapping[str, Any]:
    shown = ("delivery_id", "number", "attempted_at", "duration_ms", "status", "failure", "answer")
    return {
        "organisation_id": held.organisation_id,
        "id": new_id(),
        **{name: getattr(attempt, name) for name in shown},
    }


def _note_health(session: Session, of_endpoint: Mapping[str, Any], written: Sequence[Attempt]) -> None:
    """Note since when every attempt has failed, and when one last did not."""
    in_order = sorted(written, key=_ended_at)
    last = max((at for at, attempt in enumerate(in_order) if attempt.is_delivered), default=None)
    failed = in_order[0 if last is None else last + 1 :]
    since = failed[0].attempted_at if failed else None
    if last is None:
        execute(session, FAILING, {**of_endpoint, "since": since})
    else:
        execute(session, DELIVERED, {**of_endpoint, "since": since, "delivered": _ended_at(in_order[last])})


def _reason_to_disable(
    failing_since: datetime | None, written: Sequence[Attempt], now: datetime
) -> DisabledReason | None:
    if any(attempt.disables for attempt in written):
        return DisabledReason.gone
    if failing_since is None or any(attempt.is_delivered for attempt in written):
        return None
    return DisabledReason.failing if failing_since <= now - DISABLED_AFTER else None


def _disable(session: Session, caller: Caller, held: Held, reason: DisabledReason, now: datetime) -> None:
    endpoint = session.get_one(WebhookEndpoint, (held.organisation_id, held.id))
    endpoint.active, endpoint.disabled_at, endpoint.disabled_reason = False, now, reason
    endpoint.lease_token = endpoint.lease_until = None
    details = {"state": "disabled", "reason": Sentence(reason)}
    events.record(session, caller, "webhook_endpoint.disabled", endpoint, details=details)
