"""Coaching sessions: planned by who coaches, asked for by anyone, and changed by those who take part."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.call import Answer as Reply
from app.errors import Conflict, Fault, Forbidden, Unprocessable
from app.models import CoachingSession, Organisation, SessionAttendee, SupportPrompt
from app.models.base import new_id
from app.models.coaching_session import LONGEST, SessionKind, SessionState
from app.policy import POLICY
from app.queries import get_allowed
from app.schemas.coaching_session import SHORTEST_SECONDS, DebriefCreate, SessionCreate, SessionUpdate
from app.services import session_booking as bookings
from app.services import session_link as links
from app.services import session_reading as reading
from app.services import session_roster as roster
from app.services import work_pattern as work_patterns
from app.services.practice import require_pillars
from app.services.session_roster import Taken

AGO, AHEAD = timedelta(days=1), timedelta(days=731)
SHORTEST = timedelta(seconds=SHORTEST_SECONDS)
# What somebody who is only invited may change.
TO_TALK_OF = frozenset({"agenda"})
WHERE = frozenset({"location", "meeting_url"})


def create(session: Session, caller: Caller, data: SessionCreate) -> Mapping[str, Any]:
    """Plan a session, or ask for one. It is scheduled at once where its coach or a client says when.

    Raise Unprocessable for people whom the caller may not name and for times out of reach, Conflict for people who do
    not fit the kind and, where it is scheduled, for somebody who is not free.
    """
    row = _plan(session, caller, data)
    links.add_many(session, caller, row, data.goal_ids, data.call_event_ids)
    return reading.read(session, caller, row.id)


def request_debrief(session: Session, caller: Caller, prompt_id: UUID, data: DebriefCreate) -> Reply:
    """Ask for a debrief that grows out of a prompt that was accepted, with the prompt's signal linked.

    Raise Conflict where one is there already. The prompt and the signal are shown to their person alone.
    """
    prompt = get_allowed(session, caller, SupportPrompt, prompt_id, "request_debrief")
    taken = select(CoachingSession.id).where(
        CoachingSession.organisation_id == caller.organisation_id,
        CoachingSession.prompt_id == prompt.id,
        CoachingSession.state.not_in((SessionState.declined, SessionState.cancelled, SessionState.no_show)),
    )
    if session.execute(taken).first() is not None:
        raise Conflict("debrief_exists", "There is a debrief for this prompt already.")
    wanted = SessionCreate(kind=SessionKind.debrief, **data.model_dump())
    row = _plan(session, caller, wanted, prompt_id=prompt.id, signal_id=prompt.signal_id)
    links.add_many(session, caller, row, [], data.call_event_ids)
    return Reply(reading.read(session, caller, row.id), 201, {"Location": f"/v1/coaching-sessions/{row.id}"})


def _plan(session: Session, caller: Caller, data: SessionCreate, **origin: Any) -> CoachingSession:
    require_times(data.starts_at, data.ends_at)
    require_pillars(session, caller, data.pillars)
    attendee_ids = attendees_of(caller, data.attendee_ids, data.coach_id)
    require_people(session, caller, data.kind, data.coach_id, data.attendee_ids, attendee_ids)
    active = bookings.hold(session, caller, [*attendee_ids, *([data.coach_id] if data.coach_id else [])])
    bookings.require_active(active)
    zone = data.time_zone or zone_of(session, caller, data.coach_id)
    values = data.model_dump(exclude={"attendee_ids", "goal_ids", "call_event_ids", "time_zone"})
    row = CoachingSession(
        organisation_id=caller.organisation_id,
        id=new_id(),
        **values,
        **origin,
        time_zone=zone,
        requested_by_id=caller.employee_id,
        state=SessionState.requested,
    )
    settles = caller.kind == "client" or caller.employee_id == data.coach_id
    session.add(row)
    session.flush()
    roster.invite(session, caller, row, attendee_ids)
    if settles and data.coach_id is not None and data.starts_at is not None:
        row.state, row.scheduled_at = SessionState.scheduled, clock.now()
        taken = Taken(row, roster.of(session, caller, [row.id]), active)
        bookings.occupy(session, caller, [taken.booking()])
    record(session, caller, row, str(row.state), attendee_ids, {"state": row.state})
    return row


def attendees_of(caller: Caller, named: Sequence[UUID], coach_id: UUID | None) -> list[UUID]:
    """Return who is to be invited: those named, else the caller, unless they coach."""
    if not named and caller.employee_id is not None and caller.employee_id != coach_id:
        return [caller.employee_id]
    return list(named)


def require_people(
    session: Session,
    caller: Caller,
    kind: str,
    coach_id: UUID | None,
    named: Sequence[UUID],
    attendee_ids: Sequence[UUID],
) -> None:
    """Raise unless the caller may bring these people together: as one of them, or as the lead of all invited."""
    pointers = {f"/attendee_ids/{index}": each for index, each in enumerate(named)}
    if coach_id is not None:
        pointers["/coach_id"] = coach_id
    roster.require_known(session, caller, pointers)
    roster.require_fitting(kind, coach_id, attendee_ids)
    if caller.employee_id in (None, coach_id, *attendee_ids):
        return
    if set(roster.among(session, caller, "read", attendee_ids)) != set(attendee_ids):
        raise Forbidden("not_allowed", "Ask for a session of your own, or for people whom you lead.")


def require_times(starts_at: datetime | None, ends_at: datetime | None) -> None:
    """Raise Unprocessable for one time without the other, for a length out of bounds, and for a start out of reach."""
    if (starts_at is None) != (ends_at is None):
        pointer = "/starts_at" if starts_at is None else "/ends_at"
        raise Unprocessable(faults=[Fault(pointer, "missing", "starts_at and ends_at go together.")])
    if starts_at is None or ends_at is None:
        return
    if not SHORTEST <= ends_at - starts_at <= LONGEST:
        detail = "It has to end 5 minutes to 12 hours after it begins."
        raise Unprocessable(faults=[Fault("/ends_at", "invalid_length", detail)])
    require_reach(starts_at)


def require_reach(starts_at: datetime) -> None:
    """Raise Unprocessable for a start that lies more than a day back or more than two years ahead."""
    now = clock.now()
    if not now - AGO <= starts_at <= now + AHEAD:
        detail = "Must lie at most a day back and at most two years ahead."
        raise Unprocessable(faults=[Fault("/starts_at", "out_of_reach", detail)])


def zone_of(session: Session, caller: Caller, coach_id: UUID | None) -> str:
    """Return the zone in which a time is told where none is named: the coach's, the caller's, the organisation's."""
    person_id = coach_id or caller.employee_id
    if person_id is None:
        return session.get_one(Organisation, caller.organisation_id).time_zone
    return work_patterns.of(session, caller, [person_id])[person_id].time_zone


def update(session: Session, caller: Caller, session_id: UUID, data: SessionUpdate) -> Mapping[str, Any]:
    """Change what a session is about, and where. Who is only invited may change the agenda."""
    reading.require_part(session, caller, session_id)
    row = get_allowed(session, caller, CoachingSession, session_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(row, name) != value}
    if not changed:
        return reading.read(session, caller, session_id)
    mine = caller.kind != "person" or caller.employee_id in (row.coach_id, row.requested_by_id)
    if not mine and changed.keys() - TO_TALK_OF:
        raise Forbidden("not_allowed", "Beside the agenda this is for the coach, or for who asked for it.")
    if "pillars" in changed:
        require_pillars(session, caller, changed["pillars"])
    people = [each.employee_id for each in roster.of(session, caller, [session_id])]
    roster.require_fitting(changed.get("kind", row.kind), row.coach_id, people)
    for name, value in changed.items():
        setattr(row, name, value)
    row.sequence += bool(changed.keys() & WHERE)
    record(session, caller, row, "updated", people, {"fields": sorted(changed)})
    return reading.read(session, caller, session_id)


def record(
    session: Session,
    caller: Caller,
    row: CoachingSession,
    verb: str,
    people: Sequence[UUID],
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write down what became of a session; of one between two, that it is about who is coached."""
    subject = people[0] if len(people) == 1 else None
    events.record(session, caller, f"coaching_session.{verb}", row, subject_id=subject, details=details)


def ids_of(attendees: Sequence[SessionAttendee]) -> list[UUID]:
    """Return who they are."""
    return [each.employee_id for each in attendees]


def next_state(row: CoachingSession, action: str) -> SessionState:
    """Return the state that an action leads to from where a session is."""
    return SessionState(POLICY["coaching_session", action].moves[row.state])  # type: ignore[index]  # a verb has moves
