"""What the worker does for one organisation, in one transaction each: number, expire, purge.

Every duty is safe to repeat and to run at the same time as itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, Uuid, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from app import idempotency, queries
from app.auth import Caller
from app.models import AuditEntry, FeedCounter, Goal, IdempotentAnswer, OutgoingEvent, RefusedCallEvent, SupportPrompt
from app.models.goal import GoalState, Health
from app.models.strain import PromptState
from app.services import goal_health
from app.services import support_prompt as prompts

BATCH = 5_000
FEEDS: Mapping[str, tuple[type[Any], Any]] = {
    queries.AUDIT_FEED: (AuditEntry, AuditEntry.__table__.c.recorded_at),
    "events": (OutgoingEvent, OutgoingEvent.__table__.c.occurred_at),
}
REFUSED_EVENTS_KEPT = timedelta(days=7)
OUTGOING_EVENTS_KEPT = timedelta(days=90)
LOOKED_AT_LEAST_EVERY = timedelta(hours=1)

COUNTERS = (
    select(FeedCounter.feed, FeedCounter.value)
    .where(FeedCounter.organisation_id == bindparam("tenant"))
    .order_by(FeedCounter.feed)
    .with_for_update()
)


@dataclass(frozen=True)
class Done:
    """What became of a duty: how many seconds it came late, and whether a batch was full, so that more may be left."""

    late: float = 0
    more: bool = False


def _numbering(model: type[Any], moment: Any) -> Select[int, datetime]:
    """Return the statement that numbers the first unnumbered rows of a feed in the order of their ids."""
    table, tenant = model.__table__, bindparam("tenant", type_=Uuid())  # a column's name would be taken for its value
    first = (
        select(table.c.id)
        .where(table.c.organisation_id == tenant, table.c.number.is_(None))
        .order_by(table.c.id)
        .limit(bindparam("batch"))
        .subquery("first_rows")
    )
    picked = select(first.c.id, func.row_number().over(order_by=first.c.id).label("place")).subquery("picked")
    numbered = (
        update(table)
        .where(table.c.organisation_id == tenant, table.c.id == picked.c.id)
        .values(number=bindparam("last", type_=table.c.number.type) + picked.c.place)
        .returning(moment.label("moment"))
        .cte("numbered")
    )
    return select(func.count(), func.min(numbered.c.moment)).select_from(numbered)


NUMBERING = {feed: _numbering(model, moment) for feed, (model, moment) in FEEDS.items()}
COUNT_ON = (
    update(FeedCounter)
    .where(FeedCounter.organisation_id == bindparam("tenant"), FeedCounter.feed == bindparam("of_feed"))
    .values(value=FeedCounter.value + bindparam("more"))
)


def number(session: Session, caller: Caller, now: datetime) -> Done:
    """Give committed audit entries and outgoing events their numbers: without gaps, in the order of their ids.

    The locked counter is what makes it exact: the numbers of one batch are committed before the next batch begins. A
    row that is committed later than others with higher ids gets the next number; readers never go past it.
    """
    late, more = 0.0, False
    counters = session.execute(COUNTERS, {"tenant": caller.organisation_id}).all()
    for feed, last in counters:
        values = {"tenant": caller.organisation_id, "batch": BATCH, "last": last}
        count, oldest = session.execute(NUMBERING[feed], values).one()
        if count:
            at = {"tenant": caller.organisation_id, "of_feed": feed, "more": count}
            session.connection().execute(COUNT_ON, at)
            late, more = max(late, (now - oldest).total_seconds()), more or count == BATCH
    return Done(late, more)


def expire(session: Session, caller: Caller, now: datetime) -> Done:
    """Mark the support prompts whose time is over as expired."""
    oldest = session.scalar(_first_expiry(caller).where(SupportPrompt.expires_at <= now))
    if oldest is None:
        return Done()
    count = prompts.expire(session, caller, now)
    return Done((now - oldest).total_seconds(), more=count == prompts.AT_ONCE)


def lapse(session: Session, caller: Caller, now: datetime) -> Done:
    """Mark the goals whose agreed rhythm of updates has passed as not updated."""
    oldest = session.scalar(_first_lapse(caller).where(Goal.update_due_at <= now))
    if oldest is None:
        return Done()
    count = goal_health.lapse(session, caller, now)
    return Done((now - oldest).total_seconds(), more=count == goal_health.AT_ONCE)


def purge(session: Session, caller: Caller, now: datetime) -> Done:
    """Remove stored answers, refused call events and outgoing events whose time is over."""
    answers, refused = IdempotentAnswer.__table__, RefusedCallEvent.__table__
    counts = [
        _remove(session, caller, answers.c.key_digest, answers.c.created_at < now - idempotency.LIFETIME),
        _remove(session, caller, refused.c.id, refused.c.created_at < now - REFUSED_EVENTS_KEPT),
        _remove_outgoing(session, caller, now - OUTGOING_EVENTS_KEPT),
    ]
    return Done(more=max(counts) == BATCH)


def _remove(session: Session, caller: Caller, key: Any, is_over: Any) -> int:
    table: Any = key.table
    mine = table.c.organisation_id == caller.organisation_id
    return _count(session, delete(table).where(mine, key.in_(select(key).where(mine, is_over).limit(BATCH))))


def _remove_outgoing(session: Session, caller: Caller, before: datetime) -> int:
    """Remove old outgoing events: ids grow with time, so that the first rows are the oldest, without another index."""
    table: Any = OutgoingEvent.__table__
    mine = table.c.organisation_id == caller.organisation_id
    oldest = select(table.c.id, table.c.occurred_at).where(mine, table.c.number.is_not(None))
    first = oldest.order_by(table.c.id).limit(BATCH).subquery()
    over = select(first.c.id).where(first.c.occurred_at < before)
    return _count(session, delete(table).where(mine, table.c.id.in_(over)))


def _count(session: Session, statement: Any) -> int:
    return int(session.connection().execute(statement).rowcount)


def next_due(session: Session, caller: Caller, now: datetime) -> datetime:
    """Return when there will be something to do for an organisation, if nobody writes."""
    expiry = session.scalar(_first_expiry(caller).where(SupportPrompt.expires_at > now))
    due = session.scalar(_first_lapse(caller).where(Goal.update_due_at > now))
    return min(moment for moment in (expiry, due, now + LOOKED_AT_LEAST_EVERY) if moment is not None)


def _first_lapse(caller: Caller) -> Select[datetime | None]:
    return select(func.min(Goal.update_due_at)).where(
        Goal.organisation_id == caller.organisation_id,
        Goal.state == GoalState.active,
        Goal.health != Health.not_updated,
    )


def _first_expiry(caller: Caller) -> Select[datetime | None]:
    return select(func.min(SupportPrompt.expires_at)).where(
        SupportPrompt.organisation_id == caller.organisation_id, SupportPrompt.state == PromptState.offered
    )
