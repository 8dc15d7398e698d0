"""What the worker does for one organisation, in one transaction each: number, expire, purge.

Every duty is safe to repeat and to run at the same time as itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, Uuid, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from app import idempotency, jobs, queries
from app.auth import Caller
from app.job_runner import KINDS
from app.listener import FEED, notify
from app.models import (
    AuditEntry,
    BreakGlassRequest,
    FeedCounter,
    Goal,
    IdempotentAnswer,
    MentorAssignment,
    OutgoingEvent,
    ProviderEvent,
    RefusedCallEvent,
    SupportPrompt,
)
from app.models.goal import GoalState, Health
from app.models.strain import PromptState
from app.services import audit_seal as audit_seals
from app.services import break_glass, event_feed, goal_health, mentor_rhythm, review_part
from app.services import mentor_match as matches
from app.services import support_prompt as prompts
from app.services import webhook_delivery as deliveries
from app.services import webhook_queue as queues
from app.webhooks import access as event_access

BATCH = 5_000
FEEDS: Mapping[str, tuple[type[Any], Any]] = {
    queries.AUDIT_FEED: (AuditEntry, AuditEntry.__table__.c.recorded_at),
    "events": (OutgoingEvent, OutgoingEvent.__table__.c.occurred_at),
    "provider_events": (ProviderEvent, ProviderEvent.__table__.c.occurred_at),
}
REFUSED_EVENTS_KEPT = timedelta(days=7)
# An hour longer than the feed promises: what comes after a cursor that is still taken is there.
OUTGOING_EVENTS_KEPT = event_feed.KEPT + timedelta(hours=1)
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
    late, more, numbered = 0.0, False, False
    counters = session.execute(COUNTERS, {"tenant": caller.organisation_id}).all()
    for feed, last in counters:
        values = {"tenant": caller.organisation_id, "batch": BATCH, "last": last}
        count, oldest = session.execute(NUMBERING[feed], values).one()
        if count:
            at = {"tenant": caller.organisation_id, "of_feed": feed, "more": count}
            session.connection().execute(COUNT_ON, at)
            late, more, numbered = max(late, (now - oldest).total_seconds()), more or count == BATCH, True
    if numbered:
        notify(session, FEED, [caller.organisation_id])
    return Done(late, more)


def fan_out(session: Session, caller: Caller, now: datetime) -> Done:
    """Queue what was numbered for the webhook endpoints that want it."""
    _, more = queues.fan_out(session, caller, now)
    return Done(more=more)


def seal(session: Session, caller: Caller, now: datetime) -> Done:
    """Seal what is numbered of the audit, so that a change of it shows. How late it came is how long it could be."""
    more, oldest = audit_seals.seal(session, caller, now)
    return Done((now - oldest).total_seconds() if oldest else 0, more)


def seal_texts(session: Session, caller: Caller, now: datetime) -> Done:  # noqa: ARG001  # the signature of a duty
    """Seal what people wrote before they had keys."""
    return Done(more=review_part.seal_plain(session, caller) == review_part.AT_ONCE)


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


def flag(session: Session, caller: Caller, now: datetime) -> Done:
    """Flag mentor pairs that have not met as agreed, let proposals run out, end what nobody came back to."""
    oldest = session.scalar(_first_of_pairs(caller).where(MentorAssignment.due_at <= now))
    if oldest is None:
        return Done()
    count = mentor_rhythm.sweep(session, caller, now)
    return Done((now - oldest).total_seconds(), more=count == mentor_rhythm.AT_ONCE)


def close_break_glass(session: Session, caller: Caller, now: datetime) -> Done:
    """Let requests to read in an emergency run out."""
    oldest = session.scalar(_first_break_glass(caller).where(BreakGlassRequest.expires_at <= now))
    if oldest is None:
        return Done()
    count = break_glass.expire(session, caller, now)
    return Done((now - oldest).total_seconds(), more=count == break_glass.AT_ONCE)


def purge(session: Session, caller: Caller, now: datetime) -> Done:
    """Remove stored answers, refused call events, events, deliveries and matchings whose time is over."""
    answers, refused = IdempotentAnswer.__table__, RefusedCallEvent.__table__
    counts = [
        _remove(session, caller, answers.c.key_digest, answers.c.created_at < now - idempotency.LIFETIME),
        _remove(session, caller, refused.c.id, refused.c.created_at < now - REFUSED_EVENTS_KEPT),
        *(_remove_events(session, caller, feed.table, now - OUTGOING_EVENTS_KEPT) for feed in event_access.FEEDS),
    ]
    matchings, done = matches.purge(session, caller, now), deliveries.purge(session, caller, now)
    more = matchings == matches.PURGED_AT_ONCE or done == deliveries.PURGED_AT_ONCE
    return Done(more=more or max(counts) == BATCH)


def _remove(session: Session, caller: Caller, key: Any, is_over: Any) -> int:
    table: Any = key.table
    mine = table.c.organisation_id == caller.organisation_id
    return _count(session, delete(table).where(mine, key.in_(select(key).where(mine, is_over).limit(BATCH))))


def _remove_events(session: Session, caller: Caller, table: Any, before: datetime) -> int:
    """Remove old events: ids grow with time, so that the first rows are the oldest, without another index."""
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
    flag_due = session.scalar(_first_of_pairs(caller).where(MentorAssignment.due_at > now))
    closing = session.scalar(_first_break_glass(caller).where(BreakGlassRequest.expires_at > now))
    of_jobs = [jobs.next_due(session, caller, kind.model, now) for kind in KINDS.values()]
    moments = (*of_jobs, closing, expiry, due, flag_due, now + LOOKED_AT_LEAST_EVERY)
    return min(moment for moment in moments if moment is not None)


def _first_of_pairs(caller: Caller) -> Select[datetime | None]:
    return select(func.min(MentorAssignment.due_at)).where(
        MentorAssignment.organisation_id == caller.organisation_id, MentorAssignment.due_at.is_not(None)
    )


def _first_break_glass(caller: Caller) -> Select[datetime | None]:
    return select(func.min(BreakGlassRequest.expires_at)).where(
        BreakGlassRequest.organisation_id == caller.organisation_id, BreakGlassRequest.state.in_(break_glass.OPEN)
    )


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
