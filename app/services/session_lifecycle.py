"""How a session goes on: declined, called off, begun, held, missed, acknowledged."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.errors import Conflict, Fault, Unprocessable
from app.models import CoachingSession, SessionAttendee
from app.models.coaching_session import Answer, SessionState
from app.models.session_note import Visibility
from app.queries import get_allowed
from app.schemas.base import Reason
from app.schemas.coaching_session import Completion
from app.schemas.session_note import Acknowledgement
from app.services import coaching_session as sessions
from app.services import session_booking as bookings
from app.services import session_note as notes
from app.services import session_reading as reading
from app.services import session_roster as roster


def decline(session: Session, caller: Caller, session_id: UUID, data: Reason | None = None) -> Mapping[str, Any]:
    """Decline a request, with a word for who asked."""
    return _close(session, caller, session_id, "decline", data)


def cancel(session: Session, caller: Caller, session_id: UUID, data: Reason | None = None) -> Mapping[str, Any]:
    """Call a session off, or take a request back. Its people are free again."""
    return _close(session, caller, session_id, "cancel", data)


def mark_no_show(session: Session, caller: Caller, session_id: UUID, data: Reason | None = None) -> Mapping[str, Any]:
    """Say that nobody came. Raise Conflict before it was to begin."""
    return _close(session, caller, session_id, "mark_no_show", data)


def _close(session: Session, caller: Caller, session_id: UUID, action: str, data: Reason | None) -> Mapping[str, Any]:
    row = get_allowed(session, caller, CoachingSession, session_id, action)
    if action == "mark_no_show":
        _require_begun(row, clock.now())
    close(session, caller, row, sessions.next_state(row, action), data.reason if data is not None else None)
    return reading.read(session, caller, session_id)


def close(session: Session, caller: Caller, row: CoachingSession, state: SessionState, reason: str | None) -> None:
    """End a locked session without its being held, and give its people their time back."""
    before = row.state
    row.state, row.closed_at, row.reason = state, clock.now(), reason
    row.sequence += state == SessionState.cancelled
    bookings.free(session, caller, [row.id])
    _record(session, caller, row, before, roster.of(session, caller, [row.id]), reason)


def start(session: Session, caller: Caller, session_id: UUID) -> Mapping[str, Any]:
    """Say that a session begins. Raise Conflict earlier than half an hour before its time."""
    row = get_allowed(session, caller, CoachingSession, session_id, "start")
    now = clock.now()
    if row.starts_at is not None and now < row.starts_at - reading.EARLY:
        raise Conflict("too_early", "It begins later: start it half an hour before its time at the earliest.")
    before = row.state
    row.state, row.started_at = SessionState.in_progress, now
    _record(session, caller, row, before, roster.of(session, caller, [row.id]), None)
    return reading.read(session, caller, session_id)


def complete(session: Session, caller: Caller, session_id: UUID, data: Completion | None = None) -> Mapping[str, Any]:
    """Say that a session was held, and who was not there. Who declined was not.

    Raise Conflict before it has begun, and where nobody was there; Unprocessable for somebody who was not invited.
    """
    data = data or Completion()
    row = get_allowed(session, caller, CoachingSession, session_id, "complete")
    _require_begun(row, clock.now())
    attendees = roster.of(session, caller, [row.id])
    _note_absence(attendees, data)
    before = row.state
    row.state, row.completed_at = SessionState.completed, clock.now()
    row.started_at = row.started_at or row.starts_at
    bookings.free(session, caller, [row.id])
    _record(session, caller, row, before, attendees, data.reason)
    return reading.read(session, caller, session_id)


def _note_absence(attendees: Sequence[SessionAttendee], data: Completion) -> None:
    invited = {each.employee_id for each in attendees}
    faults = [
        Fault(f"/absent_ids/{index}", "unknown_reference", "This person is not invited.")
        for index, each in enumerate(data.absent_ids)
        if each not in invited
    ]
    if faults:
        raise Unprocessable(faults=faults)
    for each in attendees:
        each.attended = each.employee_id not in data.absent_ids and each.answer != Answer.declined
    if not any(each.attended for each in attendees):
        raise Conflict("nobody_there", "Nobody was there: mark it as a no-show.")


def acknowledge(
    session: Session, caller: Caller, session_id: UUID, data: Acknowledgement | None = None
) -> Mapping[str, Any]:
    """Say, as somebody who was there, that a session was held. When all have said so, it is acknowledged."""
    reading.require_part(session, caller, session_id)
    row = get_allowed(session, caller, CoachingSession, session_id, "acknowledge")
    attendees = roster.of(session, caller, [row.id])
    mine = next(each for each in attendees if each.employee_id == caller.employee_id)
    if not mine.attended:
        raise Conflict("not_attended", "Who was not there has nothing to acknowledge.")
    if mine.acknowledged_at is not None:
        raise Conflict("already_acknowledged", "You have acknowledged it already.")
    mine.acknowledged_at = row.updated_at = clock.now()
    before = row.state
    if all(each.acknowledged_at is not None for each in attendees if each.attended):
        row.state, row.acknowledged_at = SessionState.acknowledged, clock.now()
    details = {"from": before, "state": row.state}
    sessions.record(session, caller, row, "acknowledged", sessions.ids_of(attendees), details)
    if data is not None and data.words is not None:
        notes.make(session, caller, session_id, data.words, Visibility.shared_with_attendees)
    return reading.read(session, caller, session_id)


def _require_begun(row: CoachingSession, now: datetime) -> None:
    if row.started_at is None and (row.starts_at is None or now < row.starts_at):
        raise Conflict("not_begun", "It has not begun yet.")


def _record(
    session: Session,
    caller: Caller,
    row: CoachingSession,
    before: str,
    attendees: Sequence[SessionAttendee],
    reason: str | None,
) -> None:
    details = {"from": before, "state": row.state, **({"reason": reason} if reason is not None else {})}
    verb = "started" if row.state == SessionState.in_progress else str(row.state)
    sessions.record(session, caller, row, verb, sessions.ids_of(attendees), details)
