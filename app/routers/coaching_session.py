"""Coaching sessions over HTTP: planned, asked for, found, and read."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.coaching_session import SessionKind, SessionState
from app.routers.development_plan import PillarKey
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Moment, Page, SyncPage
from app.schemas.coaching_session import (
    DebriefCreate,
    FreeSlots,
    LinkCreate,
    LinkOut,
    SessionCounts,
    SessionCreate,
    SessionOut,
    SessionUpdate,
)
from app.services import coaching_session as sessions
from app.services import free_slots, session_counts
from app.services import session_link as links
from app.services import session_reading as reading

router = APIRouter(prefix="/v1/coaching-sessions", tags=["Coaching sessions"], route_class=Route)
debriefs = APIRouter(prefix="/v1/support-prompts", tags=["Coaching sessions"], route_class=Route)

TakesPart = Annotated[UUID | None, Query(description="Coaches it or is invited to it.")]
Before = Annotated[Moment | None, Query(description="Begins before this moment.")]
After = Annotated[Moment | None, Query(description="Ends after this moment.")]
DueToStart = Annotated[bool | None, Query(description="Whether its time has come, and nobody has begun it.")]
Overdue = Annotated[bool | None, Query(description="Whether its time is over, and nobody has said that it was held.")]
Unacknowledged = Annotated[bool | None, Query(description="Whether it was held, and waits for an acknowledgement.")]
WithWhom = Annotated[
    list[UUID] | None, Query(max_length=20, description="Whose free time, once for each; left out, your own.")
]
From = Annotated[Moment | None, Query(description="The window's beginning; left out, now.")]
To = Annotated[
    Moment | None, Query(description="The window's end, at most 31 days later; left out, a week after its beginning.")
]
Minutes = Annotated[int, Query(ge=5, le=720, description="How long the session is to be.")]
Most = Annotated[int, Query(ge=1, le=200, description="At most so many slots.")]


@router.get("")
@allows("coaching_session", "read")
async def list_coaching_sessions(
    call: Call,
    paging: Synced,
    employee_id: TakesPart = None,
    team_id: UUID | None = None,
    service_area_id: UUID | None = None,
    coach_id: UUID | None = None,
    series_id: UUID | None = None,
    pillar: PillarKey = None,
    kind: SessionKind | None = None,
    state: SessionState | None = None,
    starts_before: Before = None,
    ends_after: After = None,
    due_to_start: DueToStart = None,
    overdue: Overdue = None,
    unacknowledged: Unacknowledged = None,
) -> SyncPage[SessionOut]:
    """List sessions: one's own, and the schedule of the people whom one leads. A coach also finds open requests."""
    filters = {
        "employee_id": employee_id,
        "team_id": team_id,
        "service_area_id": service_area_id,
        "coach_id": coach_id,
        "series_id": series_id,
        "pillar": pillar,
        "kind": kind,
        "state": state,
        "starts_before": starts_before,
        "ends_after": ends_after,
        "due_to_start": due_to_start,
        "overdue": overdue,
        "unacknowledged": unacknowledged,
    }
    return await call.page(reading.list_, paging, filters)


@router.post("", status_code=201)
@allows("coaching_session", "create")
async def create_coaching_session(call: Call, data: SessionCreate) -> SessionOut:
    """Plan a session, or ask for one. Who coaches it schedules it at once; from others it is a request."""
    return await call(sessions.create, data)


@router.get("/counts")
@allows("coaching_session", "count")
async def count_coaching_sessions(call: Call) -> SessionCounts:
    """Count the sessions that were held in the last twelve whole months, naming nobody."""
    return await call(session_counts.read)


@router.get("/free-slots")
@allows("session_attendee", "read")
async def find_free_slots(
    call: Call,
    employee_id: WithWhom = None,
    starts_after: From = None,
    ends_before: To = None,
    minutes: Minutes = 45,
    most: Most = 50,
) -> FreeSlots:
    """Find times at which all these people work and are free. Of what else fills their time nothing is told."""
    length = timedelta(minutes=minutes)
    return await call(free_slots.find, employee_id, starts_after, ends_before, length, most)


@router.get("/{session_id}")
@allows("coaching_session", "read")
async def read_coaching_session(call: Call, session_id: UUID) -> SessionOut:
    """Read one session. Who only leads somebody in it sees when it is, what kind, and its state."""
    return await call(reading.read, session_id)


@router.patch("/{session_id}")
@allows("coaching_session", "update")
async def update_coaching_session(call: Call, session_id: UUID, data: SessionUpdate) -> SessionOut:
    """Change what a session is about, and where, by a JSON merge patch. Who is only invited may change the agenda."""
    return await call(sessions.update, session_id, data)


@router.get("/{session_id}/history")
@allows("coaching_session", "read")
async def list_coaching_session_history(call: Call, paging: Paged, session_id: UUID) -> Page[HistoryEntry]:
    """List what became of a session, when and why, the newest first. For those who take part."""
    return await call.page(reading.read_history, paging, session_id)


@router.get("/{session_id}/links")
@allows("session_link", "read")
async def list_session_links(call: Call, paging: Paged, session_id: UUID) -> Page[LinkOut]:
    """List the goals and calls that a session is to speak of, of those that one may see."""
    return await call.page(links.list_, paging, session_id)


@router.post("/{session_id}/links", status_code=201)
@allows("session_link", "create")
async def create_session_link(call: Call, session_id: UUID, data: LinkCreate) -> LinkOut:
    """Link a goal or a call that one may see. It is shown to no one who could not see it before."""
    return await call(links.create, session_id, data)


@router.delete("/{session_id}/links/{link_id}", status_code=204)
@allows("session_link", "delete", unversioned=True)
async def delete_session_link(call: Call, session_id: UUID, link_id: UUID) -> None:
    """Take a link off."""
    return await call(links.delete, session_id, link_id)


@debriefs.post("/{prompt_id}/debrief", status_code=201)
@allows("coaching_session", "take_up")
async def request_debrief(call: Call, prompt_id: UUID, data: DebriefCreate | None = None) -> SessionOut:
    """Ask for a debrief that grows out of a prompt that one has accepted, with its signal linked."""
    return await call(sessions.request_debrief, prompt_id, data or DebriefCreate())
