"""The feed of events: the source of truth beside the webhooks. Nothing is skipped, and nothing hidden can be counted.

A page shows numbered events alone, up to the number that had been given when it was asked for, so that who commits
late comes later. The cursor holds these numbers, sealed: it looks new each time and always has the same length.
"""

import heapq
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Integer, Row, Select, Text, Uuid, bindparam, column, func, select, true
from sqlalchemy.orm import Session

from app import clock, queries
from app.auth import Caller
from app.crypto import Vault
from app.database import execute
from app.errors import BadRequest, Gone
from app.models import FeedCounter
from app.models.webhook import MessageFormat
from app.relations import ORGANISATION
from app.webhooks import message as event_message
from app.webhooks.access import FEEDS, Feed, matching

KEPT = timedelta(days=90)
# No transaction lasts longer: what was written so long before a moment was committed, and so numbered, before what
# came after it.
LONGEST_TRANSACTION = timedelta(minutes=10)
PURPOSE = "event-cursor"
STATE = struct.Struct(">8s3q")  # the shape of the question; two numbers; a moment in microseconds
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBER, LIMIT = BigInteger(), Integer()

COUNTERS = select(FeedCounter.feed, FeedCounter.value).where(FeedCounter.organisation_id == ORGANISATION)


@dataclass(frozen=True)
class Question:
    """What a page of the feed is asked for. ``after`` is a cursor as the caller sent it."""

    vault: Vault
    limit: int
    after: str | None = None
    types: tuple[str, ...] = ("*",)
    since: datetime | None = None

    @property
    def shape(self) -> bytes:
        return sha256("\n".join(sorted(self.types)).encode()).digest()[:8]


@dataclass(frozen=True)
class Position:
    """Up to which number each feed was read, and when that was, or when the last event that was shown occurred.

    Of what comes after, nothing that occurred before ``since`` is wanted.
    """

    numbers: Mapping[str, int]
    moment: datetime
    since: datetime


def page(session: Session, caller: Caller, question: Question, public_url: str) -> Mapping[str, Any]:
    """Return the next events that the caller may see, and the cursor to go on from, now or later.

    Raise BadRequest for a cursor that was not given out for these types, Gone for one that is so old that what came
    after it is no longer kept.
    """
    last = {row.feed: row.value for row in execute(session, COUNTERS, {"organisation_id": caller.organisation_id})}
    now = clock.now()
    position = _resumed(caller, question, now) if question.after is not None else _first(session, caller, question, now)
    found = {feed.name: _events(session, caller, feed, question, position, last[feed.name]) for feed in FEEDS}
    merged = heapq.merge(*found.values(), key=lambda row: row.occurred_at)
    shown = [row for row, _ in zip(merged, range(question.limit), strict=False)]
    reached = _reached(found, shown, position, last, now)
    return {
        "data": [_told(row, caller.organisation_id, public_url) for row in shown],
        "next_cursor": _sealed(caller, question, reached),
        "has_more": sum(map(len, found.values())) > len(shown),
    }


def _told(row: Row[Any], organisation_id: UUID, public_url: str) -> dict[str, Any]:
    message = event_message.message(row._asdict(), MessageFormat.standard, public_url, organisation_id)
    return {"id": row.id, **message}


def _reached(
    found: Mapping[str, Sequence[Row[Any]]],
    shown: Sequence[Row[Any]],
    position: Position,
    last: Mapping[str, int],
    now: datetime,
) -> Position:
    """Return where the next page goes on: of a feed that was read to its end, after the last number that was given."""
    numbers, moments, ids = {}, [now], {row.id for row in shown}
    for name, rows in found.items():
        of_it = [row for row in rows if row.id in ids]
        if len(of_it) == len(rows):
            numbers[name] = max(last[name], position.numbers[name])
        else:
            numbers[name] = of_it[-1].number if of_it else position.numbers[name]
            moments.append(of_it[-1].occurred_at if of_it else position.moment)
    return Position(numbers, min(moments), position.since)


def _events(
    session: Session, caller: Caller, feed: Feed, question: Question, position: Position, last: int
) -> Sequence[Row[Any]]:
    types = matching(question.types, feed.types(caller.scopes))
    if not types or position.numbers[feed.name] >= last:
        return ()
    values = {
        **queries.parameters(caller),
        "types": sorted(types),
        "after": position.numbers[feed.name],
        "last": last,
        "since": position.since,
        "page_limit": question.limit + 1,
    }
    return execute(session, _page(feed), values).all()


@cache
def _page(feed: Feed) -> Select[Any]:
    """Return the statement for a page: a short walk along the index for each type, whatever else the feed holds."""
    table = feed.table
    wanted = (
        func.unnest(bindparam("types", type_=ARRAY(Text)))
        .table_valued(column("type", Text), name="wanted")
        .render_derived()
    )
    of_type = (
        select(*(table.c[name] for name in ("id", "number", "type", "occurred_at", "data")))
        .where(
            table.c.organisation_id == ORGANISATION,
            table.c.type == wanted.c.type,
            table.c.number > bindparam("after", type_=NUMBER),
            table.c.number <= bindparam("last", type_=NUMBER),
            table.c.occurred_at >= bindparam("since", type_=table.c.occurred_at.type),
            feed.seen(),
        )
        .order_by(table.c.number)
        .limit(bindparam("page_limit", type_=LIMIT))
        .correlate(wanted)
        .lateral("of_type")
    )
    whole = select(of_type).select_from(wanted.join(of_type, true()))
    return whole.order_by(of_type.c.number).limit(bindparam("page_limit", type_=LIMIT))


def _first(session: Session, caller: Caller, question: Question, now: datetime) -> Position:
    """Return where to begin without a cursor: just before a moment, or before all that is kept."""
    begin = max(question.since or EPOCH, now - KEPT)
    return Position({feed.name: number_before(session, caller, feed, begin) for feed in FEEDS}, begin, begin)


def _resumed(caller: Caller, question: Question, now: datetime) -> Position:
    try:
        opened = question.vault.open_text(PURPOSE, caller.organisation_id, question.after or "")
    except ValueError:
        opened = bytes(STATE.size)
    shape, *numbers, moment = STATE.unpack(opened)
    if shape != question.shape:
        raise BadRequest("invalid_cursor", "The cursor is not one of this feed with these types.")
    reached = EPOCH + moment * MICROSECOND
    if reached < now - KEPT:
        raise Gone(
            "cursor_too_old",
            f"Events are kept for {KEPT.days} days, and some of those after this cursor are gone. Start without one.",
        )
    names = (feed.name for feed in FEEDS)
    return Position(dict(zip(names, numbers, strict=True)), reached, question.since or EPOCH)


def _sealed(caller: Caller, question: Question, reached: Position) -> str:
    numbers = (reached.numbers[feed.name] for feed in FEEDS)
    state = STATE.pack(question.shape, *numbers, (reached.moment - EPOCH) // MICROSECOND)
    return question.vault.seal_text(PURPOSE, caller.organisation_id, state)


def number_before(session: Session, caller: Caller, feed: Feed, moment: datetime) -> int:
    """Return a number that comes before those of all events of a feed that occurred at a moment or later.

    Found by the ids, which grow with time, without an index of its own.
    """
    before = moment - LONGEST_TRANSACTION
    values = {"organisation_id": caller.organisation_id, "id": _least_id(before), "before": before}
    return execute(session, _last_before(feed), values).scalar_one_or_none() or 0


def _least_id(moment: datetime) -> UUID:
    """Return the least UUIDv7 that could have been made at a moment."""
    milliseconds = (moment - EPOCH) // timedelta(milliseconds=1)
    return UUID(int=max(milliseconds, 0) << 80)


@cache
def _last_before(feed: Feed) -> Select[Any]:
    table = feed.table
    return (
        select(table.c.number)
        .where(
            table.c.organisation_id == ORGANISATION,
            table.c.id < bindparam("id", type_=Uuid()),
            table.c.occurred_at < bindparam("before", type_=table.c.occurred_at.type),
            table.c.number.is_not(None),
        )
        .order_by(table.c.id.desc())
        .limit(1)
    )
