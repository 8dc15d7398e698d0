"""Whose time a session takes up: nobody is booked twice, however many ask at once.

Every booking is made while its people are held, in the order of their ids. What one transaction has booked, the next
one that holds any of the same people sees.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, TIMESTAMP, Uuid, bindparam, delete, func, insert, select
from sqlalchemy.orm import Session

from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault
from app.models import Employee, SessionBooking
from app.models.coaching_session import LONGEST
from app.relations import ORGANISATION

PERSON, BOOKED = Employee.__table__, SessionBooking.__table__
MOMENTS, IDS = ARRAY(TIMESTAMP(timezone=True)), ARRAY(Uuid())
MOST_FAULTS = 100

HOLD = (
    select(PERSON.c.id, PERSON.c.active)
    .where(
        PERSON.c.organisation_id == ORGANISATION, PERSON.c.id.in_(select(func.unnest(bindparam("people", type_=IDS))))
    )
    .order_by(PERSON.c.id)
    .with_for_update(key_share=True, of=PERSON)
)
WANTED = (
    func.unnest(bindparam("starts", type_=MOMENTS), bindparam("ends", type_=MOMENTS), bindparam("people", type_=IDS))
    .table_valued("starts_at", "ends_at", "employee_id", name="wanted")
    .render_derived()
)
# Nothing is longer than the longest session, so that the index by start is read from there on.
CLASHES = (
    select(WANTED.c.starts_at, WANTED.c.employee_id)
    .distinct()
    .select_from(
        WANTED.join(
            BOOKED,
            (BOOKED.c.organisation_id == ORGANISATION)
            & (BOOKED.c.employee_id == WANTED.c.employee_id)
            & (BOOKED.c.starts_at < WANTED.c.ends_at)
            & (BOOKED.c.starts_at > WANTED.c.starts_at - LONGEST)
            & (BOOKED.c.ends_at > WANTED.c.starts_at),
        )
    )
    .order_by(WANTED.c.starts_at, WANTED.c.employee_id)
)
FREE = delete(SessionBooking).where(
    BOOKED.c.organisation_id == ORGANISATION,
    BOOKED.c.session_id.in_(select(func.unnest(bindparam("sessions", type_=IDS)))),
)


@dataclass(frozen=True, slots=True)
class Booking:
    """A time that a session takes up of some people."""

    session_id: UUID
    starts_at: datetime
    ends_at: datetime
    people: frozenset[UUID]


def hold(session: Session, caller: Caller, people: Iterable[UUID]) -> dict[UUID, bool]:
    """Let one transaction at a time book these people, until it ends; return for each whether they are active.

    Take it before any session is locked.
    """
    values = {"organisation_id": caller.organisation_id, "people": sorted(set(people))}
    return {row.id: row.active for row in session.execute(HOLD, values)}


def require_active(active: Mapping[UUID, bool]) -> None:
    """Raise Conflict where somebody has left the organisation."""
    gone = [each for each, is_active in active.items() if not is_active]
    if gone:
        faults = [Fault(f"/people/{each}", "employee_inactive", "This person has left.") for each in gone]
        raise Conflict("employee_inactive", "Somebody has left the organisation.", faults=faults)


def clashes(session: Session, caller: Caller, bookings: Sequence[Booking]) -> list[tuple[datetime, UUID]]:
    """Return at which starts which people are not free. What these sessions took up before has to be free already."""
    wanted = [(each.starts_at, each.ends_at, person) for each in bookings for person in each.people]
    values = {
        "organisation_id": caller.organisation_id,
        "starts": [start for start, _, _ in wanted],
        "ends": [end for _, end, _ in wanted],
        "people": [person for _, _, person in wanted],
    }
    found = {(row.starts_at, row.employee_id) for row in execute(session, CLASHES, values)} if wanted else set()
    return sorted(found | _among(wanted))


def _among(wanted: Collection[tuple[datetime, datetime, UUID]]) -> set[tuple[datetime, UUID]]:
    """Return which of these bookings overlap an earlier one among them."""
    in_order = sorted(wanted, key=lambda each: (each[2], each[0]))
    return {(b[0], b[2]) for a, b in pairwise(in_order) if a[2] == b[2] and b[0] < a[1]}


def occupy(session: Session, caller: Caller, bookings: Sequence[Booking], *, tell_when: bool = False) -> None:
    """Let sessions take up these times, in place of what they took up before. Their people have to be held.

    Raise Conflict ``double_booked``, which says who is not free (and, ``tell_when``, at which of several times), and
    nothing of why: what else fills somebody's time is theirs.
    """
    free(session, caller, [each.session_id for each in bookings])
    found = clashes(session, caller, bookings)
    if found:
        faults = [_fault(start, person, tell_when) for start, person in found[:MOST_FAULTS]]
        raise Conflict("double_booked", "Not everybody is free at that time.", faults=faults)
    rows = [
        {
            "organisation_id": caller.organisation_id,
            "employee_id": person,
            "starts_at": each.starts_at,
            "ends_at": each.ends_at,
            "session_id": each.session_id,
        }
        for each in bookings
        for person in sorted(each.people)
    ]
    if rows:
        session.execute(insert(SessionBooking), rows)


def free(session: Session, caller: Caller, session_ids: Iterable[UUID]) -> None:
    """Give back the time that these sessions take up."""
    session.flush()
    execute(session, FREE, {"organisation_id": caller.organisation_id, "sessions": list(session_ids)})


def _fault(start: datetime, person: UUID, tell_when: bool) -> Fault:
    place = f"/occurrences/{start.isoformat()}" if tell_when else ""
    return Fault(f"{place}/people/{person}", "double_booked", "This person is not free then.")


def busy(session: Session, caller: Caller, people: Collection[UUID], start: datetime, end: datetime) -> list[Any]:
    """Return from when to when these people are taken up between two moments: ``employee_id, starts_at, ends_at``."""
    query = select(BOOKED.c.employee_id, BOOKED.c.starts_at, BOOKED.c.ends_at).where(
        BOOKED.c.organisation_id == caller.organisation_id,
        BOOKED.c.employee_id.in_(people),
        BOOKED.c.starts_at < end,
        BOOKED.c.starts_at > start - LONGEST,
        BOOKED.c.ends_at > start,
    )
    return list(session.execute(query))
