"""When a pair met: noted by either of the two, never about what; a mistaken one is withdrawn and counts no longer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.errors import Fault, NotFound, Unprocessable
from app.models import MentorAssignment, MentorMeeting
from app.models.mentor import MeetingState
from app.schemas.base import Reason
from app.schemas.mentor_assignment import MeetingCreate
from app.services import mentor_assignment as pairs
from app.services import mentor_rhythm as rhythm

TABLE = MentorMeeting.__table__
MEETINGS = queries.Listing(
    "mentor_meeting",
    sorts={"id": TABLE.c.id, "met_at": TABLE.c.met_at},
    filters={
        "assignment_id": TABLE.c.assignment_id == bindparam("assignment_id"),
        "state": TABLE.c.state == bindparam("state"),
    },
)


def list_(
    session: Session, caller: Caller, paging: queries.Paging, assignment_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of a pair's meetings. Raise Forbidden for who sees that there is a pair, and not how it goes."""
    pairs.require_follower(session, caller, assignment_id)
    return queries.paginate(session, caller, MEETINGS, paging, {**filters, "assignment_id": assignment_id})


def read(session: Session, caller: Caller, assignment_id: UUID, meeting_id: UUID) -> Mapping[str, Any]:
    """Return one meeting. Raise NotFound for one of another pair."""
    meeting = queries.read(session, caller, "mentor_meeting", meeting_id)
    if meeting["assignment_id"] != assignment_id:
        raise NotFound
    return meeting


def record(session: Session, caller: Caller, assignment_id: UUID, data: MeetingCreate) -> Mapping[str, Any]:
    """Note that the two met. The agreed days count from the latest meeting on, and a flag that is answered goes."""
    pair = queries.get_allowed(session, caller, MentorAssignment, assignment_id, "record_meeting")
    met_at = data.met_at or clock.now()
    _check(pair, met_at, data.next_planned_at)
    meeting = MentorMeeting(
        organisation_id=caller.organisation_id,
        assignment_id=pair.id,
        mentor_id=pair.mentor_id,
        mentee_id=pair.mentee_id,
        noted_by_id=caller.employee_id,
        met_at=met_at,
        duration_seconds=data.duration_seconds,
        next_planned_at=data.next_planned_at,
        state=MeetingState.recorded,
    )
    session.add(meeting)
    _follow(session, caller, pair, meeting, "recorded")
    return read(session, caller, assignment_id, meeting.id)


def withdraw(
    session: Session, caller: Caller, assignment_id: UUID, meeting_id: UUID, data: Reason | None
) -> Mapping[str, Any]:
    """Let a mistaken meeting count no longer; it stays in the list, marked. Also after the pair has closed."""
    meeting = queries.get_allowed(session, caller, MentorMeeting, meeting_id, "withdraw")
    if meeting.assignment_id != assignment_id:
        raise NotFound
    pair = session.get_one(MentorAssignment, (caller.organisation_id, assignment_id), with_for_update=True)
    meeting.state, meeting.withdrawn_at = MeetingState.withdrawn, clock.now()
    _follow(session, caller, pair, meeting, "withdrawn", data.reason if data is not None else None)
    return read(session, caller, assignment_id, meeting_id)


def _check(pair: MentorAssignment, met_at: datetime, next_at: datetime | None) -> None:
    faults = []
    if met_at > clock.now():
        faults.append(Fault("/met_at", "in_the_future", "Must not lie ahead."))
    if met_at < rhythm.began(pair):
        faults.append(Fault("/met_at", "before_start", "Must not lie before the pair began."))
    if next_at is not None and next_at <= met_at:
        faults.append(Fault("/next_planned_at", "before_meeting", "Must lie after this meeting."))
    if faults:
        raise Unprocessable(faults=faults)


def _follow(
    session: Session,
    caller: Caller,
    pair: MentorAssignment,
    meeting: MentorMeeting,
    verb: str,
    reason: str | None = None,
) -> None:
    """Write what a meeting brings: its own entry, and a new version of its pair, counted anew."""
    details = {"reason": reason} if reason is not None else {}
    events.record(session, caller, f"mentor_meeting.{verb}", meeting, subject_id=pair.mentee_id, details=details)
    _count(session, caller, pair)
    rhythm.settle(pair)
    pair.updated_at = clock.now()
    told = {"meeting": str(meeting.id), "health": pair.health}
    events.record(session, caller, "mentor_assignment.met", pair, subject_id=pair.mentee_id, details=told)


def _count(session: Session, caller: Caller, pair: MentorAssignment) -> None:
    """Let what a pair says of its meetings follow from those that count."""
    counting = (
        TABLE.c.organisation_id == caller.organisation_id,
        TABLE.c.assignment_id == pair.id,
        TABLE.c.state == MeetingState.recorded,
    )
    latest = (
        select(TABLE.c.met_at, TABLE.c.next_planned_at, func.count().over().label("held"))
        .where(*counting)
        .order_by(TABLE.c.met_at.desc(), TABLE.c.id.desc())
        .limit(1)
    )
    found: Any = session.execute(latest).one_or_none()
    pair.meetings_held = found.held if found is not None else 0
    pair.last_met_at = found.met_at if found is not None else None
    pair.next_planned_at = found.next_planned_at if found is not None else None
