"""A person's calls and flags, read for many people at once and put into order."""

import struct
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, func, select, text
from sqlalchemy.orm import Session

from app.auth import Caller
from app.database import execute
from app.services.strain_conditions import Call, ticks
from app.services.strain_reading import EVENTS, FLAGS, Span, by_person, for_each, of_person, span_values, spans_table

ANY_FLAG = "flag"
# A flag is placed by its call's end. This is how far that may have moved since the call was flagged.
MOVED_AT_MOST = timedelta(days=1)
NO_PLACE = -1


def _flags_query() -> Select[Any]:
    span, f, e = spans_table(), FLAGS.c, EVENTS.c
    same = and_(e.organisation_id == f.organisation_id, e.id == f.call_event_id)
    at = func.coalesce(e.ended_at, f.occurred_at)
    counts = and_(e.employee_id == f.employee_id, e.voided_at.is_(None), e.disputed_at.is_(None))
    on_call, event_id = func.coalesce(counts, False).label("on_call"), e.id.label("call_event_id")
    flags = (
        select(f.employee_id, at.label("at"), f.id, f.kind, on_call, event_id)
        .select_from(FLAGS.outerjoin(EVENTS, same))
        .where(of_person(span, FLAGS, f.occurred_at, MOVED_AT_MOST), f.taken_back_at.is_(None))
        .where(at >= span.c.since, at <= span.c.until)
        .correlate(span)
    )
    return for_each(span, flags)


OWN_FLAGS = _flags_query()
# A person's calls come as one value each, packed as PostgreSQL sends them: of thousands of calls a batch, most are only
# passed over, and each value of each row would be made into an object first. Ties are broken by what the source calls
# them, never by our ids or by what came first.
CALLS = text(
    r"""
    SELECT span.person, packed.calls, packed.outcomes
    FROM unnest(
        CAST(:people AS uuid[]), CAST(:all_from AS timestamptz[]),
        CAST(:hard_from AS timestamptz[]), CAST(:untils AS timestamptz[])
    ) AS span (person, all_from, hard_from, until)
    CROSS JOIN LATERAL (
        SELECT string_agg(one.call, CAST('' AS bytea)) AS calls, string_agg(one.outcomes, ',') AS outcomes FROM (
            SELECT
                timestamptz_send(e.ended_at) || uuid_send(e.id)
                || coalesce(timestamptz_send(coalesce(e.answered_at,
                    e.ended_at - make_interval(secs => e.talk_seconds + coalesce(e.hold_seconds, 0)))), :unknown)
                || coalesce(timestamptz_send(coalesce(e.wrapup_ended_at,
                    e.ended_at + make_interval(secs => e.wrapup_seconds))), :unknown) AS call,
                array_to_string(e.outcomes, ' ') AS outcomes
            FROM call_event AS e
            WHERE e.organisation_id = :organisation_id AND e.employee_id = span.person
                AND e.ended_at >= least(span.all_from, span.hard_from) AND e.ended_at <= span.until
                AND (e.ended_at >= span.all_from OR e.outcomes && CAST(:hard AS text[])
                    OR e.id = ANY(CAST(:flagged AS uuid[])))
                AND e.voided_at IS NULL AND e.disputed_at IS NULL
            ORDER BY e.ended_at, e.contact_id COLLATE "C", e.source_id, e.agent_key COLLATE "C"
        ) AS one
    ) AS packed
    WHERE packed.calls IS NOT NULL
    """
)
RECORD = struct.Struct(">q16sqq")
UNKNOWN = -(2**63)


class Reach(NamedTuple):
    """From when on to read a person's hard calls, from when on all of them, and until when."""

    hard_from: datetime
    all_from: datetime
    until: datetime


class OwnFlag(NamedTuple):
    """A flag that stands, at the end of its call."""

    at: datetime
    id: UUID
    kind: str | None
    on_call: bool
    call_event_id: UUID | None

    @property
    def key(self) -> str:
        return self.kind or ANY_FLAG


def read_calls(
    session: Session, caller: Caller, reaches: Mapping[UUID, Reach], hard: Collection[str], flagged: Collection[UUID]
) -> dict[UUID, list[Call]]:
    """Return everyone's calls that count, in order, without flags.

    From ``hard_from`` on, those with one of the ``hard`` outcomes and those ``flagged``; from ``all_from`` on, all.
    """
    values = call_values(caller, reaches, hard, flagged)
    return {row.person: _unpacked(row.calls, row.outcomes) for row in execute(session, CALLS, values)}


def call_values(
    caller: Caller, reaches: Mapping[UUID, Reach], hard: Collection[str], flagged: Collection[UUID]
) -> dict[str, Any]:
    """Return the parameters of ``CALLS``."""
    return {
        "organisation_id": caller.organisation_id,
        "people": list(reaches),
        "all_from": [reach.all_from for reach in reaches.values()],
        "hard_from": [reach.hard_from for reach in reaches.values()],
        "untils": [reach.until for reach in reaches.values()],
        "hard": list(hard),
        "flagged": list(flagged),
        "unknown": UNKNOWN.to_bytes(8, signed=True),
    }


def _unpacked(calls: bytes, outcomes: str) -> list[Call]:
    rows = zip(RECORD.iter_unpack(calls), map(_words, outcomes.split(",")), strict=True)
    return [
        Call(at, place, event_id, words, None if start == UNKNOWN else start, None if busy == UNKNOWN else busy)
        for place, ((at, event_id, start, busy), words) in enumerate(rows)
    ]


@lru_cache(maxsize=4096)
def _words(outcomes: str) -> tuple[str, ...]:
    return tuple(outcomes.split())


def read_flags(session: Session, caller: Caller, spans: Mapping[UUID, Span]) -> dict[UUID, list[OwnFlag]]:
    """Return everyone's flags that stand."""
    rows = execute(session, OWN_FLAGS, span_values(caller, spans))
    return {person: [OwnFlag(*row[1:]) for row in run] for person, run in by_person(rows).items()}


def with_flags(calls: Sequence[Call], flags: Sequence[OwnFlag]) -> list[Call] | None:
    """Return the calls with the person's flags on them, in order, or None where there are none.

    A flag whose call does not count (it is not known, was voided, is disputed or somebody else's) is a call of its own:
    the person's word stands.
    """
    if not flags:
        return None
    on = {flag.call_event_id.bytes: flag for flag in flags if flag.on_call and flag.call_event_id}
    flagged = [call._replace(flag_id=on[call.id].id, flag=on[call.id].key) if call.id in on else call for call in calls]
    flagged += (
        Call(ticks(flag.at), NO_PLACE, flag.id.bytes, (), flag_id=flag.id, flag=flag.key, coded=False)
        for flag in flags
        if not flag.on_call
    )
    return sorted(flagged)
