"""Signals that compare a person with their team: which days are to be looked at, and what they say."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, Date, Text, Uuid, any_, bindparam, cast, collate, func, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on
from sqlalchemy.orm import Session

from app.auth import Caller
from app.database import execute
from app.models import CallEvent, Employee, Team, TeamMember
from app.services import strain_calls
from app.services import strain_reading as reading
from app.services.strain_conditions import Rule
from app.services.strain_evaluation import Change, Stored, compare
from app.services.strain_exposure import Flagged, Shift, TeamDays, evaluate, look_back_days, start_of

KIND = "above_team_median"
ORGANISATION, PEOPLE = reading.ORGANISATION, reading.PEOPLE
TEAM, MEMBER, PERSON, EVENT = (model.__table__ for model in (Team, TeamMember, Employee, CallEvent))

TEAMS_OF = select(MEMBER.c.team_id).where(
    MEMBER.c.organisation_id == ORGANISATION, MEMBER.c.employee_id == any_(PEOPLE)
)
LOCK = (
    select(TEAM.c.id, TEAM.c.last_call_on, MEMBER.c.employee_id)
    .join(MEMBER, (MEMBER.c.organisation_id == TEAM.c.organisation_id) & (MEMBER.c.team_id == TEAM.c.id))
    .where(TEAM.c.organisation_id == ORGANISATION, TEAM.c.id.in_(TEAMS_OF))
    .order_by(TEAM.c.id, MEMBER.c.employee_id)
    .with_for_update(of=TEAM, key_share=True)
)
MOVE_ON = (
    update(Team)
    .where(TEAM.c.organisation_id == bindparam("of"), TEAM.c.id == bindparam("team"))
    .values(last_call_on=bindparam("day"), updated_at=TEAM.c.updated_at)
)
LARGE = (
    select(MEMBER.c.team_id)
    .where(MEMBER.c.organisation_id == ORGANISATION, MEMBER.c.team_id.in_(TEAMS_OF))
    .group_by(MEMBER.c.team_id)
    .having(func.count() >= bindparam("least"))
)
# One person has one team to be compared with: the first, by id, of those that are large enough.
COMPARED_IN = (
    select(MEMBER.c.employee_id, MEMBER.c.team_id, PERSON.c.service_area_id)
    .join(PERSON, (PERSON.c.organisation_id == MEMBER.c.organisation_id) & (PERSON.c.id == MEMBER.c.employee_id))
    .ext(distinct_on(MEMBER.c.employee_id))
    .where(MEMBER.c.organisation_id == ORGANISATION, MEMBER.c.employee_id == any_(PEOPLE), MEMBER.c.team_id.in_(LARGE))
    .order_by(MEMBER.c.employee_id, MEMBER.c.team_id)
)
IN_ORDER = (EVENT.c.ended_at, collate(EVENT.c.contact_id, "C"), EVENT.c.source_id, collate(EVENT.c.agent_key, "C"))
IS_HARD = EVENT.c.outcomes.bool_op("&&")(bindparam("hard", type_=ARRAY(Text())))
DAY = cast(func.timezone(bindparam("zone"), EVENT.c.ended_at), Date).label("day")
SHIFTS = (
    select(
        EVENT.c.employee_id,
        DAY,
        func.array_agg(aggregate_order_by(EVENT.c.id, *IN_ORDER), type_=ARRAY(Uuid())).filter(IS_HARD).label("hard"),
    )
    .where(EVENT.c.organisation_id == ORGANISATION, EVENT.c.employee_id == any_(PEOPLE))
    .where(EVENT.c.ended_at >= bindparam("since"), EVENT.c.ended_at < bindparam("until"))
    .where(EVENT.c.voided_at.is_(None), EVENT.c.disputed_at.is_(None))
    .group_by(EVENT.c.employee_id, DAY)
    .order_by(EVENT.c.employee_id, DAY)
)


Changes = list[tuple[UUID, Rule | None, Change]]


@dataclass(slots=True)
class LockedTeam:
    """A team of touched people: the latest day with a call that strain knows of, and everyone in it."""

    last_call_on: date | None
    members: list[UUID]


class Touch(NamedTuple):
    """When a person was touched first and last (None: not known)."""

    first: datetime
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Scope:
    """What every step here goes by."""

    session: Session
    caller: Caller
    setting: reading.Setting
    private_only: bool

    def read(self, statement: Any, **values: Any) -> Any:
        return execute(self.session, statement, {"organisation_id": self.caller.organisation_id, **values})


def lock(session: Session, caller: Caller, people: Collection[UUID]) -> dict[UUID, LockedTeam]:
    """Lock every team of these people in the order of their ids, before any person is locked, and return them."""
    teams: dict[UUID, LockedTeam] = {}
    values = {"organisation_id": caller.organisation_id, "people": list(people)}
    for row in execute(session, LOCK, values):
        teams.setdefault(row.id, LockedTeam(row.last_call_on, [])).members.append(row.employee_id)
    return teams


def follow(
    scope: Scope,
    teams: Mapping[UUID, LockedTeam],
    touches: Mapping[UUID, Touch],
    latest_calls: Mapping[UUID, datetime],
) -> Changes:
    """Return how the signals of whole teams have to change, for every day that is over and may have another answer."""
    todo = {
        team_id: days for team_id, team in teams.items() if (days := _days(scope, team_id, team, touches, latest_calls))
    }
    changes: Changes = []
    for rule in scope.setting.rules if todo else ():
        if rule.kind == KIND:
            everyone = sorted({member for team_id in todo for member in teams[team_id].members})
            compared_in = read_subjects(scope, rule, everyone)
            for team_id, days in todo.items():
                subjects = compared_in.get(team_id)
                if subjects:
                    changes += _of_team(scope, rule, teams[team_id].members, subjects, days)
    return changes


def read_subjects(scope: Scope, rule: Rule, people: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Return by team which of the people are compared in it, and are the rule's to speak about."""
    least = max(rule.condition["minimum_team"], scope.setting.minimum_group_size)
    subjects: dict[UUID, list[UUID]] = defaultdict(list)
    for person, team_id, area in scope.read(COMPARED_IN, people=people, least=least):
        if rule.covers(area):
            subjects[team_id].append(person)
    return subjects


class Days(NamedTuple):
    """The first and last day to look at, and the last one on which something was touched (None: not known)."""

    first: date
    last: date
    touched: date | None


def _days(
    scope: Scope,
    team_id: UUID,
    team: LockedTeam,
    touches: Mapping[UUID, Touch],
    latest_calls: Mapping[UUID, datetime],
) -> Days | None:
    """Return which days of a team are over and were touched, or have just come to be over; note the latest day."""
    zone = scope.setting.zone
    mine = [touches[member] for member in team.members if member in touches]
    calls = [latest_calls[member] for member in team.members if member in latest_calls]
    first = min(_day(touch.first, zone) for touch in mine)
    lasts = [touch.last and _day(touch.last, zone) for touch in mine]
    latest = max((_day(call, zone) for call in calls), default=None)
    known = team.last_call_on
    if latest is not None and (known is None or latest > known):
        scope.session.connection().execute(
            MOVE_ON, {"of": scope.caller.organisation_id, "team": team_id, "day": latest}
        )
        first, known, lasts = min(first, known or first), latest, [*lasts, known]
    if known is None or first >= known:
        return None
    return Days(first, known - timedelta(days=1), None if None in lasts else max(filter(None, lasts)))


def _of_team(scope: Scope, rule: Rule, members: Sequence[UUID], subjects: Sequence[UUID], days: Days) -> Changes:
    if days.touched is not None:
        reach = timedelta(days=look_back_days(rule) + 1) + rule.cooldown
        near = min(days.last, days.touched + reach)
        changes = _on_days(scope, rule, members, subjects, days._replace(last=near))
        if near == days.last or all(change.settled for _, _, change in changes):
            return changes
    return _on_days(scope, rule, members, subjects, days)


def _on_days(scope: Scope, rule: Rule, members: Sequence[UUID], subjects: Sequence[UUID], days: Days) -> Changes:
    zone = scope.setting.zone
    team_days = TeamDays(days.first, days.last, zone, members, subjects)
    first, end = (start_of(day + timedelta(days=1), zone) for day in (days.first, days.last))
    shifts = _with_flags(scope, rule, team_days, read_shifts(scope, rule, team_days))
    spans = {subject: reading.Span(first, end) for subject in subjects}
    stored = {
        person: [signal for signal in signals if signal.finding.rule_id == rule.id]
        for person, signals in reading.read_stored(scope.session, scope.caller, spans, [rule]).items()
    }
    open_ = {person: [s for s in signals if _is_open(s, rule, first)] for person, signals in stored.items()}
    fixed = {person: [s.finding for s in signals if not _is_open(s, rule, first)] for person, signals in stored.items()}
    public = {p: [s.finding for s in open_.get(p, ()) if not s.finding.private] for p in subjects}
    found = evaluate(
        rule, shifts, team_days, fixed, scope.setting.minimum_group_size, public if scope.private_only else None
    )
    return [
        (person, rule, compare(rule, open_.get(person, ()), fixed.get(person, ()), found[person], end))
        for person in subjects
    ]


def _is_open(stored: Stored, rule: Rule, first: datetime) -> bool:
    return stored.finding.triggered_at >= first and stored.finding.rule_version == rule.version


def _looked_at(rule: Rule, days: TeamDays) -> reading.Span:
    since = start_of(days.first - timedelta(days=look_back_days(rule)), days.zone)
    return reading.Span(since, start_of(days.last + timedelta(days=1), days.zone))


def read_shifts(scope: Scope, rule: Rule, days: TeamDays) -> dict[UUID, list[Shift]]:
    """Return the shifts of every member that the days look back to, by code alone."""
    since, until = _looked_at(rule, days)
    values = {"since": since, "until": until, "hard": sorted(rule.hard), "zone": days.zone.key}
    shifts: dict[UUID, list[Shift]] = defaultdict(list)
    for person, day, hard in scope.read(SHIFTS, people=list(days.members), **values):
        shifts[person].append(Shift(day, tuple(hard or ())))
    return shifts


def _with_flags(
    scope: Scope, rule: Rule, days: TeamDays, shifts: Mapping[UUID, list[Shift]]
) -> Mapping[UUID, list[Shift]]:
    """Return the shifts, the subjects' with their flags."""
    since, until = _looked_at(rule, days)
    spans = {subject: reading.Span(since, until - timedelta(microseconds=1)) for subject in days.subjects}
    flags = strain_calls.read_flags(scope.session, scope.caller, spans)
    return {**shifts, **{p: _flagged(rule, shifts.get(p, ()), sorted(own), days.zone) for p, own in flags.items()}}


def _flagged(rule: Rule, coded: Iterable[Shift], flags: Iterable[strain_calls.OwnFlag], zone: ZoneInfo) -> list[Shift]:
    """Put a person's flags on their shifts. A flag on a call that a code made hard adds nothing."""
    shifts = {shift.day: shift for shift in coded}
    for flag in flags:
        day = _day(flag.at, zone)
        shift = shifts.setdefault(day, Shift(day, coded=False))
        event_id = flag.call_event_id if flag.on_call else None
        if flag.key in rule.hard and event_id not in shift.hard:
            shifts[day] = shift._replace(flagged=(*shift.flagged, Flagged(flag.id, event_id)))
    return [shifts[day] for day in sorted(shifts)]


def _day(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()
