"""What is done to a coaching session, over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.routing import Route, allows
from app.schemas.base import Reason
from app.schemas.coaching_session import Completion, InvitationAnswer, PeopleChange, Reschedule, Schedule, SessionOut
from app.schemas.session_note import Acknowledgement
from app.services import session_lifecycle as lifecycle
from app.services import session_planning as planning

router = APIRouter(prefix="/v1/coaching-sessions/{session_id}", tags=["Coaching sessions"], route_class=Route)


@router.post("/schedule")
@allows("coaching_session", "schedule")
async def schedule_coaching_session(call: Call, session_id: UUID, data: Schedule | None = None) -> SessionOut:
    """Agree to a request, at the time that it names or at another. 409 `double_booked` says who is not free."""
    return await call(planning.schedule, session_id, data or Schedule())


@router.post("/decline")
@allows("coaching_session", "decline")
async def decline_coaching_session(call: Call, session_id: UUID, data: Reason | None = None) -> SessionOut:
    """Decline a request, with a word for who asked."""
    return await call(lifecycle.decline, session_id, data)


@router.post("/answer")
@allows("coaching_session", "answer")
async def answer_coaching_session(call: Call, session_id: UUID, data: InvitationAnswer) -> SessionOut:
    """Say whether one comes. Who declines is free at that time."""
    return await call(planning.answer, session_id, data)


@router.post("/reschedule")
@allows("coaching_session", "reschedule")
async def reschedule_coaching_session(call: Call, session_id: UUID, data: Reschedule) -> SessionOut:
    """Move a session to another time. Everybody is asked again."""
    return await call(planning.reschedule, session_id, data)


@router.post("/change-people")
@allows("coaching_session", "change_people")
async def change_coaching_session_people(call: Call, session_id: UUID, data: PeopleChange) -> SessionOut:
    """Hand a session to another coach, invite more people, take some off: all at once, or nothing."""
    return await call(planning.change_people, session_id, data)


@router.post("/start")
@allows("coaching_session", "start")
async def start_coaching_session(call: Call, session_id: UUID) -> SessionOut:
    """Say that a session begins: half an hour before its time at the earliest."""
    return await call(lifecycle.start, session_id)


@router.post("/complete")
@allows("coaching_session", "complete")
async def complete_coaching_session(call: Call, session_id: UUID, data: Completion | None = None) -> SessionOut:
    """Say that a session was held, and who was not there. Not before it has begun."""
    return await call(lifecycle.complete, session_id, data)


@router.post("/mark-no-show")
@allows("coaching_session", "mark_no_show")
async def mark_coaching_session_no_show(call: Call, session_id: UUID, data: Reason | None = None) -> SessionOut:
    """Say that nobody came. Not before it was to begin."""
    return await call(lifecycle.mark_no_show, session_id, data)


@router.post("/acknowledge")
@allows("coaching_session", "acknowledge")
async def acknowledge_coaching_session(call: Call, session_id: UUID, data: Acknowledgement | None = None) -> SessionOut:
    """Say, as somebody who was there, that it was held. When all have said so, it is acknowledged."""
    return await call(lifecycle.acknowledge, session_id, data)


@router.post("/cancel")
@allows("coaching_session", "cancel")
async def cancel_coaching_session(call: Call, session_id: UUID, data: Reason | None = None) -> SessionOut:
    """Call a session off, or take a request back. Its people are free again."""
    return await call(lifecycle.cancel, session_id, data)
