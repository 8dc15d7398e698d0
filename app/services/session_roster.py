"""Who is on a session: whom the caller may name, who is invited, and holding them all before it is locked."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, bindparam, func, select
from sqlalchemy.orm import Session

from app import access, clock, queries
from app.auth import Caller
from app.errors import Conflict, Fault, Forbidden, Unprocessable
from app.models import CoachingSession, Employee, SessionAttendee
from app.models.coaching_session import Answer, SessionKind
from app.relations import ORGANISATION
from app.schemas.coaching_session import MOST_ATTENDEES
from app.services import session_booking as bookings
from app.services.session_booking import Booking

PERSON, ATTENDED, SESSION = Employee.__table__, SessionAttendee.__table__, CoachingSession.__table__
# Between how many people, beside the coach.
ALONE = frozenset({SessionKind.one_to_one, SessionKind.coach_the_coach, SessionKind.peer})


@dataclass(frozen=True)
class Taken:
    """A session that is locked, its people held."""

    session: CoachingSession
    attendees: list[SessionAttendee]
    active: Mapping[UUID, bool]

    @property
    def people(self) -> frozenset[UUID]:
        """Who is booked: the coach, and everybody who has not declined."""
        return everyone(self.session.coach_id, (a for a in self.attendees if a.answer != Answer.declined))

    def attendee(self, employee_id: UUID | None) -> SessionAttendee:
        """Return the one attendee. Raise Forbidden where it is not one."""
        found = next((each for each in self.attendees if each.employee_id == employee_id), None)
        if found is None:
            raise Forbidden("not_allowed", "Only somebody who is invited can do this.")
        return found

    def booking(self) -> Booking:
        """Return what a session with a time takes up."""
        row = self.session
        return Booking(row.id, cast(datetime, row.starts_at), cast(datetime, row.ends_at), self.people)


def everyone(coach_id: UUID | None, attendees: Iterable[SessionAttendee]) -> frozenset[UUID]:
    """Return the ids of a coach, where there is one, and of attendees."""
    return frozenset(each.employee_id for each in attendees) | ({coach_id} if coach_id is not None else frozenset())


def require_known(session: Session, caller: Caller, named: Mapping[str, UUID]) -> None:
    """Raise Unprocessable, naming where, for people whom the caller may not name in a session.

    Those that are not there, have no business with the caller or belong to another organisation look the same.
    """
    found = set(among(session, caller, "create", named.values()))
    faults = [
        Fault(pointer, "unknown_reference", "There is no such person whom you may name.")
        for pointer, employee_id in named.items()
        if employee_id not in found
    ]
    if faults:
        raise Unprocessable(faults=faults)


def among(session: Session, caller: Caller, action: str, people: Iterable[UUID]) -> Sequence[UUID]:
    """Return those of some people to whom the caller stands as the policy asks for that action on attendees."""
    values = {**queries.parameters(caller), "people": list(set(people))}
    return session.execute(_among(action, caller.kind, caller.roles), values).scalars().all()


@cache
def _among(action: str, kind: str, roles: frozenset[str]) -> Select[Any]:
    may = access._predicate_about("session_attendee", action, kind, roles, PERSON.c.id)
    asked = func.unnest(bindparam("people", type_=ARRAY(Uuid())))
    return select(PERSON.c.id).where(PERSON.c.organisation_id == ORGANISATION, PERSON.c.id.in_(select(asked)), may)


def take(
    session: Session, caller: Caller, session_id: UUID, action: str, also: Mapping[str, UUID] | None = None
) -> Taken:
    """Return a session to act on, its people and ``also`` these held, and it locked. Raise as ``get_allowed`` does."""
    queries.read(session, caller, "coaching_session", session_id)
    if also:
        require_known(session, caller, also)
    active = bookings.hold(session, caller, {*people_of(session, caller, [session_id]), *(also or {}).values()})
    row = queries.get_allowed(session, caller, CoachingSession, session_id, action)
    attendees = of(session, caller, [session_id])
    if not everyone(row.coach_id, attendees) <= active.keys():
        raise Conflict("changed_meanwhile", "Others take part since a moment ago. Read it again, then repeat.")
    return Taken(row, attendees, active)


def people_of(session: Session, caller: Caller, session_ids: Collection[UUID]) -> set[UUID]:
    """Return who coaches these sessions or is invited to them, as of now."""
    coaches = select(SESSION.c.coach_id).where(
        SESSION.c.organisation_id == caller.organisation_id,
        SESSION.c.id.in_(session_ids),
        SESSION.c.coach_id.is_not(None),
    )
    attending = select(ATTENDED.c.employee_id).where(
        ATTENDED.c.organisation_id == caller.organisation_id,
        ATTENDED.c.session_id.in_(session_ids),
        ATTENDED.c.removed_at.is_(None),
    )
    return set(session.execute(coaches.union(attending)).scalars())


def of(session: Session, caller: Caller, session_ids: Collection[UUID]) -> list[SessionAttendee]:
    """Return who is invited to these sessions, as rows to change, in the order in which they were invited."""
    query = select(SessionAttendee).where(
        SessionAttendee.organisation_id == caller.organisation_id,
        SessionAttendee.session_id.in_(session_ids),
        SessionAttendee.removed_at.is_(None),
    )
    fresh = query.order_by(SessionAttendee.id).execution_options(populate_existing=True)
    return list(session.execute(fresh).scalars())


def invite(session: Session, caller: Caller, row: CoachingSession, employee_ids: Iterable[UUID]) -> None:
    """Invite people who are held; somebody who was taken off before is invited anew."""
    before = select(SessionAttendee).where(
        SessionAttendee.organisation_id == caller.organisation_id, SessionAttendee.session_id == row.id
    )
    known = {each.employee_id: each for each in session.execute(before).scalars()}
    for employee_id in employee_ids:
        attendee = known.get(employee_id)
        if attendee is None:
            attendee = SessionAttendee(
                organisation_id=caller.organisation_id, session_id=row.id, employee_id=employee_id
            )
            session.add(attendee)
        mine = employee_id == caller.employee_id
        attendee.removed_at, attendee.answer_note = None, None
        attendee.answer = Answer.accepted if mine else Answer.needs_action
        attendee.answered_at = clock.now() if mine else None
    session.flush()


def require_fitting(kind: str, coach_id: UUID | None, attendee_ids: Collection[UUID]) -> None:
    """Raise Conflict for a coach who is their own attendee, and for more or fewer people than a kind is for."""
    if coach_id in attendee_ids:
        raise Conflict("own_coach", "Nobody coaches themself: name somebody else as coach or attendee.")
    if not attendee_ids:
        raise Conflict("nobody_invited", "Somebody has to be invited, beside the coach.")
    if kind in ALONE and len(attendee_ids) > 1:
        raise Conflict("too_many_people", "This kind of session is between two. A group or a debrief may be of more.")
    if len(attendee_ids) > MOST_ATTENDEES:
        raise Conflict("too_many_people", f"At most {MOST_ATTENDEES} people can be invited.")
