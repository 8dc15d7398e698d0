"""What the evaluation of strain reads: each thing once, for all touched people together."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    ColumnElement,
    Interval,
    Select,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session

from app.auth import Caller
from app.database import execute
from app.models import CallEvent, CallFlag, Employee, Organisation, StrainRule, StrainSignal
from app.models.strain import SignalState
from app.services.strain_conditions import TICK, Rule
from app.services.strain_evaluation import Finding, Stored

ORGANISATION = bindparam("organisation_id", type_=Uuid())
PEOPLE = bindparam("people", type_=ARRAY(Uuid()))
EVENTS, FLAGS, SIGNALS = CallEvent.__table__, CallFlag.__table__, StrainSignal.__table__
RULE, SETTINGS, PERSON = StrainRule.__table__, Organisation.__table__, Employee.__table__


def spans_table() -> Any:
    """Return the people to look at, each with the first and the last moment, as a table."""
    moments = ARRAY(TIMESTAMP(timezone=True))
    return (
        func.unnest(PEOPLE, bindparam("froms", type_=moments), bindparam("untils", type_=moments))
        .table_valued("person", "since", "until", name="span")
        .render_derived()
    )


def for_each(span: Any, query: Select[Any]) -> Select[Any]:
    """Return a query run for each person's span.

    The offset keeps the planner from joining the whole organisation's rows with the spans: it walks the index of each
    person's own, so that what else is stored costs nothing.
    """
    found = query.offset(literal_column("0")).lateral("found")
    return select(*found.c).select_from(span.join(found, true()))


def of_person(
    span: Any, table: Any, moment: ColumnElement[Any], margin: timedelta = timedelta(0)
) -> ColumnElement[bool]:
    """Return the clause that a row is of the span's person and, give or take a margin, within the span."""
    mine = and_(table.c.organisation_id == ORGANISATION, table.c.employee_id == span.c.person)
    return and_(mine, moment >= span.c.since - margin, moment <= span.c.until + margin)


def _stored_query() -> Select[Any]:
    span, s = spans_table(), SIGNALS.c
    cool_downs = bindparam("cool_downs", type_=ARRAY(Interval()))
    rule = (
        func.unnest(bindparam("rules", type_=ARRAY(Uuid())), cool_downs)
        .table_valued("id", "cool_down", name="rule")
        .render_derived()
    )
    in_span = s.triggered_at >= span.c.since
    evidence = (case((in_span, ids), else_=cast([], ARRAY(Uuid()))) for ids in (s.call_event_ids, s.call_flag_ids))
    longest = bindparam("longest", type_=Interval())
    signals = (
        select(
            *(s.employee_id, s.id, s.rule_id, s.rule_version, s.triggered_at, s.private, s.window_from),
            *(s.measure, s.threshold, *evidence),
        )
        .select_from(SIGNALS.outerjoin(rule, rule.c.id == s.rule_id))
        .where(s.organisation_id == ORGANISATION, s.employee_id == span.c.person)
        .where(s.triggered_at > span.c.since - longest, s.triggered_at <= span.c.until)
        .where(or_(in_span, s.triggered_at > span.c.since - rule.c.cool_down))
        .where(s.state == literal_column(f"'{SignalState.raised}'"))
        .correlate(span)
    )
    return for_each(span, signals)


STORED = _stored_query()
ENABLED = and_(RULE.c.organisation_id == SETTINGS.c.id, RULE.c.enabled, RULE.c.retired_at.is_(None))
RULES = (
    select(
        *(SETTINGS.c.time_zone, SETTINGS.c.minimum_group_size, SETTINGS.c.team_prompt_signals),
        *(SETTINGS.c.team_prompt_days, *RULE.c),
    )
    .select_from(SETTINGS.outerjoin(RULE, ENABLED))
    .where(SETTINGS.c.id == ORGANISATION)
    .order_by(RULE.c.id)
)
LOCK = (
    select(PERSON.c.id, PERSON.c.service_area_id, PERSON.c.active, PERSON.c.prompts_paused_until)
    .where(PERSON.c.organisation_id == ORGANISATION, PERSON.c.id == any_(PEOPLE))
    .order_by(PERSON.c.id)
    .with_for_update(key_share=True)
)
IDS = bindparam("ids", type_=ARRAY(Uuid()))
STANDING = (
    select(EVENTS.c.id, EVENTS.c.employee_id)
    .where(EVENTS.c.organisation_id == ORGANISATION, EVENTS.c.id == any_(IDS))
    .where(EVENTS.c.voided_at.is_(None), EVENTS.c.disputed_at.is_(None))
    .union_all(
        select(FLAGS.c.id, FLAGS.c.employee_id)
        .where(FLAGS.c.organisation_id == ORGANISATION, FLAGS.c.id == any_(IDS))
        .where(FLAGS.c.taken_back_at.is_(None))
    )
)


class Person(NamedTuple):
    """A touched employee, locked."""

    id: UUID
    service_area_id: UUID | None
    active: bool
    prompts_paused_until: datetime | None


@dataclass(frozen=True, slots=True)
class Setting:
    """The organisation's rules in force, and what else the evaluation goes by."""

    rules: Sequence[Rule]
    zone: ZoneInfo
    minimum_group_size: int
    team_prompt_signals: int = 0
    team_prompt_days: int = 0


class Span(NamedTuple):
    """From when to when to look at one person."""

    since: datetime
    until: datetime


def rule_of(row: Mapping[str, Any]) -> Rule:
    """Return a stored rule made ready for evaluation."""
    hard = frozenset(key for key, severity in row["severity"].items() if severity >= row["hard_severity"])
    condition, areas = row["condition"], frozenset(row["service_area_ids"])
    cooldown = timedelta(seconds=row["cooldown_seconds"])
    return Rule(row["id"], row["version"], condition["kind"], condition, hard, cooldown, areas, row)


def read_setting(session: Session, caller: Caller) -> Setting:
    """Return the rules that are enabled, in the order of their ids, with the organisation's settings."""
    rows = execute(session, RULES, {"organisation_id": caller.organisation_id}).mappings().all()
    rules, first = [rule_of(dict(row)) for row in rows if row["id"] is not None], rows[0]
    limits = (first["minimum_group_size"], first["team_prompt_signals"], first["team_prompt_days"])
    return Setting(rules, ZoneInfo(first["time_zone"]), *limits)


def lock_people(session: Session, caller: Caller, ids: Collection[UUID]) -> dict[UUID, Person]:
    """Lock employees in the order of their ids, so that two evaluations of one person wait for each other."""
    values = {"organisation_id": caller.organisation_id, "people": sorted(ids)}
    return {row.id: Person._make(row) for row in execute(session, LOCK, values)}


def span_values(caller: Caller, spans: Mapping[UUID, Span]) -> dict[str, Any]:
    """Return the parameters of a query over spans."""
    return {
        "organisation_id": caller.organisation_id,
        "people": list(spans),
        "froms": [span.since for span in spans.values()],
        "untils": [span.until for span in spans.values()],
    }


def by_person(rows: Iterable[Any]) -> dict[UUID, list[Any]]:
    """Return rows by their first column; they come in runs of one person."""
    found: dict[UUID, list[Any]] = {}
    for person, run in groupby(rows, key=itemgetter(0)):
        found.setdefault(person, []).extend(run)
    return found


def read_stored(
    session: Session, caller: Caller, spans: Mapping[UUID, Span], rules: Sequence[Rule]
) -> dict[UUID, list[Stored]]:
    """Return everyone's live signals: of all rules within the spans, and before them those that may still cool down.

    Only those within the spans come with what they rest on: of the others, just the moment matters.
    """
    values = {
        "rules": [rule.id for rule in rules],
        "cool_downs": [rule.cooldown for rule in rules],
        "longest": max((rule.cooldown for rule in rules), default=timedelta(0)) + TICK,
    }
    found = by_person(execute(session, STORED, span_values(caller, spans) | values))
    return {person: [_stored(*row) for row in run] for person, run in found.items()}


def _stored(_person: UUID, signal_id: UUID, *values: Any) -> Stored:
    *told, events, flags = values
    return Stored(signal_id, Finding._make((*told, tuple(events), tuple(flags))))


def read_untrue(session: Session, caller: Caller, stored: Sequence[tuple[UUID, Stored]]) -> list[tuple[UUID, Stored]]:
    """Return those of the signals, given with their people, that rest on a call or flag which counts no longer."""
    ids = [one for _, signal in stored for one in _evidence(signal.finding)]
    if not ids:
        return []
    rows = execute(session, STANDING, {"organisation_id": caller.organisation_id, "ids": ids})
    standing = {(row.employee_id, row.id) for row in rows}
    return [
        (person, signal)
        for person, signal in stored
        if any((person, one) not in standing for one in _evidence(signal.finding))
    ]


def _evidence(finding: Finding) -> tuple[UUID, ...]:
    return (*finding.call_event_ids, *finding.call_flag_ids)
