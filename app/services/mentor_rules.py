"""What has to hold for two people to be a pair: asked when it is proposed, and again when it is accepted."""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, Uuid, bindparam, cast, func, select, union_all
from sqlalchemy.orm import Session

from app import access, queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault, Forbidden, Unprocessable
from app.models import Employee, MentorAssignment, MentorProfile
from app.models.mentor import OPEN, TAKING_A_PLACE, AssignmentKind
from app.relations import ORGANISATION

PERSON, PAIR, PROFILE = Employee.__table__, MentorAssignment.__table__, MentorProfile.__table__
MENTOR, MENTEE = bindparam("mentor", type_=Uuid()), bindparam("mentee", type_=Uuid())
SELF_MENTORING = "Nobody mentors themself."
# In id order, as everyone locks, and without the key, so that what refers to these people is not held up.
HOLD_TWO = (
    select(PERSON.c.id)
    .where(PERSON.c.organisation_id == ORGANISATION, PERSON.c.id.in_((MENTOR, MENTEE)))
    .order_by(PERSON.c.id)
    .with_for_update(key_share=True)
)
PEOPLE = select(PERSON.c.id, PERSON.c.active, PERSON.c.manager_id).where(
    PERSON.c.organisation_id == ORGANISATION, PERSON.c.id.in_((MENTOR, MENTEE))
)
PLACES = select(
    PROFILE.c.capacity,
    PROFILE.c.accepting,
    select(func.count())
    .where(PAIR.c.organisation_id == ORGANISATION, PAIR.c.mentor_id == MENTOR, PAIR.c.state.in_(TAKING_A_PLACE))
    .scalar_subquery()
    .label("taken"),
).where(PROFILE.c.organisation_id == ORGANISATION, PROFILE.c.employee_id == MENTOR)
OPEN_PAIR = select(PAIR.c.id).where(
    PAIR.c.organisation_id == ORGANISATION,
    PAIR.c.mentor_id == MENTOR,
    PAIR.c.mentee_id == MENTEE,
    PAIR.c.state.in_(OPEN),
)
COVERED = select(PAIR.c.id).where(
    PAIR.c.organisation_id == ORGANISATION,
    PAIR.c.mentee_id == MENTEE,
    PAIR.c.kind == AssignmentKind.ongoing,
    PAIR.c.state.in_(TAKING_A_PLACE),
    PAIR.c.focus_pillars.bool_op("&&")(cast(bindparam("focus"), ARRAY(Text()))),
)


def require_may(session: Session, caller: Caller, action: str, employee_id: UUID, pointer: str) -> None:
    """Raise Unprocessable for somebody who is not there, Forbidden where the caller may not do this for them."""
    may = access.predicate_about(caller, "mentor_assignment", action, PERSON.c.id)
    query = select(may).where(PERSON.c.organisation_id == ORGANISATION, PERSON.c.id == bindparam("id"))
    found = execute(session, query, {**queries.parameters(caller), "id": employee_id}).one_or_none()
    if found is None:
        raise Unprocessable(faults=[Fault(pointer, "unknown_reference", "There is no such row.")])
    if not found[0]:
        raise Forbidden("not_allowed", "You may know of this person, but not do this for them.")


def hold_two(session: Session, caller: Caller, mentor_id: UUID, mentee_id: UUID) -> None:
    """Let one transaction at a time decide about the pairs of two people. Take it before any of those is locked."""
    execute(session, HOLD_TWO, _values(caller, mentor_id, mentee_id))


def hold_pair(session: Session, caller: Caller, assignment_id: UUID) -> None:
    """Hold the two people of a pair, where the caller may know of it."""
    values = {**queries.parameters(caller), "id": assignment_id}
    execute(session, _hold_pair(caller.kind, caller.roles), values)


@cache
def _hold_pair(kind: str, roles: frozenset[str]) -> Select[Any]:
    may = access._predicate("mentor_assignment", "read", kind, roles)
    row = (PAIR.c.organisation_id == ORGANISATION, PAIR.c.id == bindparam("id"), may)
    both = union_all(select(PAIR.c.mentor_id.label("id")).where(*row), select(PAIR.c.mentee_id).where(*row))
    return (
        select(PERSON.c.id)
        .where(PERSON.c.organisation_id == ORGANISATION, PERSON.c.id.in_(select(both.subquery().c.id)))
        .order_by(PERSON.c.id)
        .with_for_update(of=PERSON, key_share=True)
    )


def _values(caller: Caller, mentor_id: UUID, mentee_id: UUID) -> dict[str, Any]:
    return {"organisation_id": caller.organisation_id, "mentor": mentor_id, "mentee": mentee_id}


def require_two(session: Session, caller: Caller, mentor_id: UUID, mentee_id: UUID) -> None:
    """Raise Conflict where the two can never be a pair as things stand. Both people are held."""
    if mentor_id == mentee_id:
        raise Conflict("self_mentoring", SELF_MENTORING)
    people = {row.id: row for row in execute(session, PEOPLE, _values(caller, mentor_id, mentee_id))}
    if not (people[mentor_id].active and people[mentee_id].active):
        raise Conflict("person_inactive", "One of the two has left the organisation.")
    if people[mentee_id].manager_id == mentor_id:
        raise Conflict("line_manager", "A mentor is somebody other than the line manager: it has to be safe to speak.")


def require_new(session: Session, caller: Caller, mentor_id: UUID, mentee_id: UUID) -> None:
    """Raise Conflict where the two are an open pair already, and where the mentor is not to be asked."""
    values = _values(caller, mentor_id, mentee_id)
    if execute(session, OPEN_PAIR, values).first():
        raise Conflict("pair_already_open", "The two are a pair already, or it is proposed.")
    places = execute(session, PLACES, values).one_or_none()
    if places is not None and not places.accepting and mentor_id != caller.employee_id:
        raise Conflict("mentor_not_accepting", "The mentor takes nobody on at present.")


def require_place(session: Session, caller: Caller, mentor_id: UUID, mentee_id: UUID) -> None:
    """Raise Conflict for somebody without a profile, and for a mentor without a free place."""
    places = execute(session, PLACES, _values(caller, mentor_id, mentee_id)).one_or_none()
    if places is None:
        raise Conflict("not_a_mentor", "The person has no mentor profile.")
    if places.taken >= places.capacity:
        detail = f"The mentor already has {places.taken} of {places.capacity} mentees."
        raise Conflict("mentor_at_capacity", detail)


def require_uncovered(
    session: Session, caller: Caller, mentor_id: UUID, mentee_id: UUID, kind: AssignmentKind, focus: Sequence[str]
) -> None:
    """Raise Conflict where the mentee has another ongoing mentor on one of these pillars. Once is never too much."""
    values = {**_values(caller, mentor_id, mentee_id), "focus": list(focus)}
    if kind == AssignmentKind.ongoing and execute(session, COVERED, values).first():
        raise Conflict("focus_already_covered", "The mentee has a mentor on one of these pillars already.")
