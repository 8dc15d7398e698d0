"""What takes up people's time or gives it back: agreeing to a session, moving it, changing its people, answering it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.errors import Conflict, Fault, Forbidden, Unprocessable
from app.models import CoachingSession
from app.models.coaching_session import Answer, SessionState
from app.schemas.coaching_session import InvitationAnswer, PeopleChange, Reschedule, Schedule
from app.services import coaching_session as sessions
from app.services import session_booking as bookings
from app.services import session_reading as reading
from app.services import session_roster as roster
from app.services.session_roster import Taken


def schedule(session: Session, caller: Caller, session_id: UUID, data: Schedule) -> Mapping[str, Any]:
    """Agree to a request, at the time that it names or at another, and invite its people.

    Raise Conflict where no time or no coach is named, where somebody has left, and where somebody is not free.
    """
    also = {"/coach_id": data.coach_id} if data.coach_id is not None else {}
    if caller.employee_id is not None:
        also |= {"/": caller.employee_id}
    taken = roster.take(session, caller, session_id, "schedule", also)
    row = taken.session
    row.coach_id = _coach_of(caller, row, data)
    roster.require_fitting(row.kind, row.coach_id, sessions.ids_of(taken.attendees))
    sessions.require_times(data.starts_at, data.ends_at)
    _set_time(row, data.starts_at or row.starts_at, data.ends_at or row.ends_at, data.time_zone)
    if row.starts_at is None:
        raise Conflict("no_time", "The request names no time: say when.")
    sessions.require_reach(row.starts_at)
    bookings.require_active({each: taken.active[each] for each in taken.people})
    row.state, row.scheduled_at, row.reason = SessionState.scheduled, clock.now(), data.reason
    bookings.occupy(session, caller, [taken.booking()])
    details = {"from": SessionState.requested, "state": row.state, **_reason(data.reason)}
    sessions.record(session, caller, row, "scheduled", sessions.ids_of(taken.attendees), details)
    return reading.read(session, caller, session_id)


def _coach_of(caller: Caller, row: CoachingSession, data: Schedule) -> UUID:
    """Return who coaches: whom the request names, else the person who takes it, else whom a client names."""
    named = row.coach_id or (caller.employee_id if caller.kind == "person" else data.coach_id)
    if named is None:
        raise Unprocessable(faults=[Fault("/coach_id", "missing", "The request names no coach: say who it is.")])
    if data.coach_id not in (None, named):
        raise Forbidden("not_allowed", "Agree for yourself; to hand a session over, change its people.")
    return named


def reschedule(session: Session, caller: Caller, session_id: UUID, data: Reschedule) -> Mapping[str, Any]:
    """Move a session to another time. Everybody is asked again, also who had declined the time before."""
    taken = roster.take(session, caller, session_id, "reschedule")
    row = taken.session
    before = (row.starts_at, row.ends_at, row.time_zone)
    _set_time(row, data.starts_at, data.ends_at, data.time_zone)
    if before == (row.starts_at, row.ends_at, row.time_zone):
        return reading.read(session, caller, session_id)
    sessions.require_times(row.starts_at, row.ends_at)
    bookings.require_active(taken.active)
    ask_again(caller, taken)
    row.sequence, row.reason = row.sequence + 1, data.reason
    bookings.occupy(session, caller, [taken.booking()])
    details = {"from": _iso(before[0]), "to": _iso(row.starts_at), **_reason(data.reason)}
    sessions.record(session, caller, row, "rescheduled", sessions.ids_of(taken.attendees), details)
    return reading.read(session, caller, session_id)


def ask_again(caller: Caller, taken: Taken) -> None:
    """Take back the answers that were given to another time; who moves the session has answered by that."""
    for attendee in taken.attendees:
        if attendee.employee_id != caller.employee_id:
            attendee.answer, attendee.answered_at, attendee.answer_note = Answer.needs_action, None, None


def change_people(session: Session, caller: Caller, session_id: UUID, data: PeopleChange) -> Mapping[str, Any]:
    """Hand a session to another coach, invite more people, take some off: at once, or not at all.

    Raise Unprocessable for people whom the caller may not name, Conflict for those who do not fit or are not free.
    """
    also = {f"/add_ids/{index}": each for index, each in enumerate(data.add_ids)}
    also |= {"/coach_id": data.coach_id} if data.coach_id is not None else {}
    taken = roster.take(session, caller, session_id, "change_people", also)
    row, before = taken.session, taken.session.coach_id
    gone = [each for each in taken.attendees if each.employee_id in data.remove_ids]
    _require_there(data, gone)
    for attendee in gone:
        attendee.removed_at = clock.now()
    row.coach_id = data.coach_id or row.coach_id
    added = [each for each in data.add_ids if each not in sessions.ids_of(taken.attendees)]
    if not gone and not added and row.coach_id == before:
        return reading.read(session, caller, session_id)
    roster.invite(session, caller, row, added)
    after = Taken(row, roster.of(session, caller, [session_id]), taken.active)
    roster.require_fitting(row.kind, row.coach_id, sessions.ids_of(after.attendees))
    bookings.require_active({each: taken.active[each] for each in also.values()})
    if row.state == SessionState.scheduled:
        bookings.occupy(session, caller, [after.booking()])
    row.updated_at = clock.now()
    details = {**people_details(added, sessions.ids_of(gone)), **_reason(data.reason)}
    details |= {"coach_id": str(row.coach_id)} if row.coach_id != before else {}
    sessions.record(session, caller, row, "people_changed", sessions.ids_of(after.attendees), details)
    if caller.kind == "person" and before == caller.employee_id != row.coach_id:
        return reading.read_as_left(session, caller, session_id)
    return reading.read(session, caller, session_id)


def people_details(added: Sequence[UUID], removed: Sequence[UUID]) -> dict[str, Any]:
    """Return who was invited and who was taken off, as a detail of the history."""
    return {"added": [str(each) for each in added], "removed": [str(each) for each in removed]}


def _require_there(data: PeopleChange, gone: list[Any]) -> None:
    found = {each.employee_id for each in gone}
    faults = [
        Fault(f"/remove_ids/{index}", "unknown_reference", "This person is not invited.")
        for index, each in enumerate(data.remove_ids)
        if each not in found
    ]
    faults += [
        Fault(f"/remove_ids/{index}", "contradiction", "Somebody cannot be invited and taken off at once.")
        for index, each in enumerate(data.remove_ids)
        if each in data.add_ids
    ]
    if faults:
        raise Unprocessable(faults=faults)


def answer(session: Session, caller: Caller, session_id: UUID, data: InvitationAnswer) -> Mapping[str, Any]:
    """Say whether one comes. Who declines is free at that time; who comes after all has to be free still."""
    reading.require_part(session, caller, session_id)
    taken = roster.take(session, caller, session_id, "answer")
    mine = taken.attendee(caller.employee_id)
    if (mine.answer, mine.answer_note) == (data.answer, data.note):
        return reading.read(session, caller, session_id)
    mine.answer, mine.answer_note, mine.answered_at = Answer(data.answer), data.note, clock.now()
    bookings.occupy(session, caller, [taken.booking()])
    taken.session.updated_at = clock.now()
    people = sessions.ids_of(taken.attendees)
    sessions.record(session, caller, taken.session, "answered", people, {"answer": data.answer})
    return reading.read(session, caller, session_id)


def _set_time(row: CoachingSession, starts_at: datetime | None, ends_at: datetime | None, zone: str | None) -> None:
    row.starts_at, row.ends_at, row.time_zone = starts_at, ends_at, zone or row.time_zone


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _reason(reason: str | None) -> dict[str, str]:
    return {"reason": reason} if reason is not None else {}
