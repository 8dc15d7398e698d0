"""Mentees and mentors as the fit between them sees them: however many, in the same five statements."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Uuid, bindparam, func, or_, select
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.database import execute
from app.models import Employee, Goal, MentorAssignment, MentorProfile
from app.models.goal import GoalState
from app.models.mentor import OPEN
from app.relations import ORGANISATION
from app.services import mentor_profile as profiles
from app.services import work_pattern as work_patterns
from app.services.mentor_fit import Interval, Mentee, Mentor, Shift, in_week, language
from app.services.work_pattern import Hours

PERSON, PROFILE, GOAL, PAIR = (model.__table__ for model in (Employee, MentorProfile, Goal, MentorAssignment))
MENTEES = select(func.unnest(bindparam("mentees", type_=ARRAY(Uuid()))).label("id"))
MENTORS = select(func.unnest(bindparam("mentors", type_=ARRAY(Uuid()))).label("id"))
FIND_MENTORS = (
    select(
        PROFILE.c.id.label("profile_id"),
        PROFILE.c.employee_id,
        PROFILE.c.pillars,
        PROFILE.c.capacity,
        PROFILE.c.accepting,
        PROFILE.c.languages,
        PROFILE.c.time_zone,
        PROFILE.c.hours,
        PERSON.c.display_name,
        PERSON.c.service_area_id,
        profiles.TAKEN.label("taken"),
    )
    .join(PERSON, (PERSON.c.organisation_id == PROFILE.c.organisation_id) & (PERSON.c.id == PROFILE.c.employee_id))
    .where(PROFILE.c.organisation_id == ORGANISATION, PERSON.c.active)
    .where(or_(bindparam("every_mentor", type_=Boolean()), PROFILE.c.employee_id.in_(MENTORS)))
    .order_by(PROFILE.c.employee_id)
)
FIND_MENTEES = (
    select(PERSON.c.id, PERSON.c.manager_id, PERSON.c.service_area_id, PERSON.c.active)
    .where(PERSON.c.organisation_id == ORGANISATION, PERSON.c.id.in_(MENTEES))
    .order_by(PERSON.c.id)
)
# A private goal counts for nobody but its owner, who is the one asking.
_NAMED = (
    select(GOAL.c.employee_id, func.unnest(GOAL.c.pillars).label("pillar"))
    .where(GOAL.c.organisation_id == ORGANISATION, GOAL.c.employee_id.in_(MENTEES))
    .where(GOAL.c.state.in_((GoalState.draft, GoalState.active)))
    .where(or_(~GOAL.c.private, GOAL.c.employee_id == bindparam("owner", type_=Uuid())))
    .distinct()
    .subquery()
)
FIND_PILLARS = select(_NAMED.c.employee_id, func.array_agg(_NAMED.c.pillar).label("pillars")).group_by(
    _NAMED.c.employee_id
)
FIND_PAIRS = (
    select(PAIR.c.mentee_id, func.array_agg(PAIR.c.mentor_id).label("mentors"))
    .where(PAIR.c.organisation_id == ORGANISATION, PAIR.c.mentee_id.in_(MENTEES), PAIR.c.state.in_(OPEN))
    .group_by(PAIR.c.mentee_id)
)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Mentees and mentors by the ids of the people, and what is shown of the mentors beside."""

    mentees: dict[UUID, Mentee]
    mentors: dict[UUID, Mentor]
    names: dict[UUID, str]
    profile_ids: dict[UUID, UUID]


def load(
    session: Session,
    caller: Caller,
    mentee_ids: Collection[UUID],
    *,
    mentor_ids: Collection[UUID] | None = None,
    focus: str | None = None,
    with_private: bool = False,
) -> Candidates:
    """Return these mentees, and all active people with a mentor profile or those named.

    ``with_private`` lets the private goals of the caller count, and of nobody else: only for their own eyes.
    """
    values = {
        "organisation_id": caller.organisation_id,
        "mentees": list(mentee_ids),
        "mentors": list(mentor_ids or ()),
        "every_mentor": mentor_ids is None,
        "owner": caller.employee_id if with_private else None,
    }
    people, offers, pillars, pairs = (
        execute(session, query, values).all() for query in (FIND_MENTEES, FIND_MENTORS, FIND_PILLARS, FIND_PAIRS)
    )
    everyone = {row.id for row in people} | {row.employee_id for row in offers}
    patterns = work_patterns.of(session, caller, everyone)
    wanted = {row.employee_id: frozenset(row.pillars) for row in pillars}
    paired = {row.mentee_id: frozenset(row.mentors) for row in pairs}
    mentees = (_mentee(row, patterns[row.id], wanted, paired, focus) for row in people)
    mentors = (_mentor(row, patterns[row.employee_id]) for row in offers)
    return Candidates(
        {mentee.id: mentee for mentee in mentees},
        {mentor.id: mentor for mentor in mentors},
        {row.employee_id: row.display_name for row in offers},
        {row.employee_id: row.profile_id for row in offers},
    )


def _mentee(
    row: Any,
    pattern: work_patterns.Pattern,
    wanted: dict[UUID, frozenset[str]],
    paired: dict[UUID, frozenset[UUID]],
    focus: str | None,
) -> Mentee:
    return Mentee(
        id=row.id,
        manager_id=row.manager_id,
        pillars=wanted.get(row.id, frozenset()),
        focus=focus,
        languages=frozenset(map(language, pattern.languages)),
        hours=_known_hours(pattern),
        service_area_id=row.service_area_id,
        active=row.active,
        paired_with=paired.get(row.id, frozenset()),
    )


def _mentor(row: Any, pattern: work_patterns.Pattern) -> Mentor:
    hours = _known_hours(pattern, row.time_zone)
    if row.hours is not None:
        hours = _week(work_patterns.read_hours(row.hours), row.time_zone or pattern.time_zone, _monday())
    return Mentor(
        id=row.employee_id,
        pillars=frozenset(row.pillars),
        languages=frozenset(map(language, row.languages or pattern.languages)),
        hours=hours,
        service_area_id=row.service_area_id,
        capacity=row.capacity,
        load=row.taken,
        accepting=row.accepting,
    )


def _known_hours(pattern: work_patterns.Pattern, time_zone: str | None = None) -> tuple[Interval, ...]:
    """Return the hours of a pattern that somebody has said; of the default week nobody knows whether it is true."""
    return () if pattern.is_default else _week(pattern.hours, time_zone or pattern.time_zone, _monday())


@lru_cache(maxsize=2048)
def _week(hours: tuple[Hours, ...], time_zone: str, monday: date) -> tuple[Interval, ...]:
    return in_week(map(_shift, hours), time_zone, monday)


def _shift(hours: Hours) -> Shift:
    start, end = (each.hour * 60 + each.minute for each in (hours.starts_at, hours.ends_at))
    return Shift(hours.weekday - 1, start, end if end > start else end + 24 * 60)


def _monday() -> date:
    today = clock.now().date()
    return today - timedelta(days=today.weekday())
