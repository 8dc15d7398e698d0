"""Mentor assignments, the meetings of a pair and suggestions over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.mentor import AssignmentKind, AssignmentState, MeetingState, PairHealth
from app.routers.development_plan import PillarKey
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Moment, Page, Reason, SyncPage
from app.schemas.mentor_assignment import (
    AssignmentCreate,
    AssignmentOut,
    AssignmentUpdate,
    MeetingCreate,
    MeetingOut,
    Suggestions,
)
from app.services import mentor_assignment as pairs
from app.services import mentor_meeting as meetings
from app.services import mentor_reasons

PREFIX = "/mentor-assignments"
router = APIRouter(prefix="/v1", tags=["Mentors"], route_class=Route)

Either = Annotated[UUID | None, Query(description="Either of the two.")]
Mine = Annotated[bool | None, Query(description="Whether the caller is one of the two.")]
AwaitsMe = Annotated[bool | None, Query(description="Whether it is proposed, and the caller's to accept or decline.")]
Overdue = Annotated[bool | None, Query(description="Whether the agreed days have passed since they last met.")]
DueBefore = Annotated[Moment | None, Query(description="To meet before this moment, by the agreed days.")]
Most = Annotated[int, Query(ge=1, le=50, description="How many at most.")]


@router.get(PREFIX)
@allows("mentor_assignment", "read")
async def list_mentor_assignments(
    call: Call,
    paging: Synced,
    employee_id: Either = None,
    mentor_id: UUID | None = None,
    mentee_id: UUID | None = None,
    team_id: UUID | None = None,
    service_area_id: UUID | None = None,
    pillar: PillarKey = None,
    kind: AssignmentKind | None = None,
    state: AssignmentState | None = None,
    mine: Mine = None,
    awaits_me: AwaitsMe = None,
    health: PairHealth | None = None,
    overdue: Overdue = None,
    due_before: DueBefore = None,
) -> SyncPage[AssignmentOut]:
    """List pairs: one's own, and those of people whom one leads. By how they go, only those that one may follow."""
    filters = {
        "employee_id": employee_id,
        "mentor_id": mentor_id,
        "mentee_id": mentee_id,
        "team_id": team_id,
        "service_area_id": service_area_id,
        "pillar": pillar,
        "kind": kind,
        "state": state,
        "mine": mine,
        "awaits_me": awaits_me,
        "health": health,
        "overdue": overdue,
        "due_before": due_before,
    }
    return await call.page(pairs.list_, paging, filters)


@router.post(PREFIX, status_code=201)
@allows("mentor_assignment", "create")
async def propose_mentor_assignment(call: Call, data: AssignmentCreate) -> AssignmentOut:
    """Propose a mentor for a mentee: as either of the two, as who leads the mentee, or as a programme lead."""
    return await call(pairs.propose, data)


@router.get(PREFIX + "/{assignment_id}")
@allows("mentor_assignment", "read")
async def read_mentor_assignment(call: Call, assignment_id: UUID) -> AssignmentOut:
    """Read one pair."""
    return await call(pairs.read, assignment_id)


@router.patch(PREFIX + "/{assignment_id}")
@allows("mentor_assignment", "update")
async def update_mentor_assignment(call: Call, assignment_id: UUID, data: AssignmentUpdate) -> AssignmentOut:
    """Change what the two have agreed, by a JSON merge patch."""
    return await call(pairs.update, assignment_id, data)


@router.post(PREFIX + "/{assignment_id}/accept")
@allows("mentor_assignment", "accept")
async def accept_mentor_assignment(call: Call, assignment_id: UUID, data: Reason | None = None) -> AssignmentOut:
    """Agree, for one's own side. When both have, the pair is active; every rule is asked once more."""
    return await call(pairs.accept, assignment_id, data)


@router.post(PREFIX + "/{assignment_id}/decline")
@allows("mentor_assignment", "decline")
async def decline_mentor_assignment(call: Call, assignment_id: UUID, data: Reason | None = None) -> AssignmentOut:
    """Decline a proposal, or take back one's own. A reason is welcome and not needed."""
    return await call(pairs.move, assignment_id, "decline", data)


@router.post(PREFIX + "/{assignment_id}/pause")
@allows("mentor_assignment", "pause")
async def pause_mentor_assignment(call: Call, assignment_id: UUID, data: Reason | None = None) -> AssignmentOut:
    """Pause a pair. It keeps its place with the mentor, and is not flagged."""
    return await call(pairs.move, assignment_id, "pause", data)


@router.post(PREFIX + "/{assignment_id}/resume")
@allows("mentor_assignment", "resume")
async def resume_mentor_assignment(call: Call, assignment_id: UUID, data: Reason | None = None) -> AssignmentOut:
    """Go on after a pause. The agreed days count from now."""
    return await call(pairs.move, assignment_id, "resume", data)


@router.post(PREFIX + "/{assignment_id}/complete")
@allows("mentor_assignment", "complete")
async def complete_mentor_assignment(call: Call, assignment_id: UUID, data: Reason | None = None) -> AssignmentOut:
    """Say that a pair has done what it was for. The two can meet again in a new one."""
    return await call(pairs.move, assignment_id, "complete", data)


@router.post(PREFIX + "/{assignment_id}/end")
@allows("mentor_assignment", "end")
async def end_mentor_assignment(call: Call, assignment_id: UUID, data: Reason | None = None) -> AssignmentOut:
    """End a pair early. It is nobody's fault, and needs no reason."""
    return await call(pairs.move, assignment_id, "end", data)


@router.get(PREFIX + "/{assignment_id}/history")
@allows("mentor_assignment", "follow")
async def list_mentor_assignment_history(call: Call, paging: Paged, assignment_id: UUID) -> Page[HistoryEntry]:
    """List what became of a pair, when and why, the newest first."""
    return await call.page(pairs.read_history, paging, assignment_id)


@router.get(PREFIX + "/{assignment_id}/meetings")
@allows("mentor_meeting", "read")
async def list_mentor_meetings(
    call: Call, paging: Synced, assignment_id: UUID, state: MeetingState | None = None
) -> SyncPage[MeetingOut]:
    """List when a pair met, the withdrawn ones too."""
    return await call.page(meetings.list_, paging, assignment_id, {"state": state})


@router.post(PREFIX + "/{assignment_id}/meetings", status_code=201)
@allows("mentor_meeting", "create")
async def record_mentor_meeting(call: Call, assignment_id: UUID, data: MeetingCreate) -> MeetingOut:
    """Note that the two met, as either of them. What they spoke about is theirs."""
    return await call(meetings.record, assignment_id, data)


@router.get(PREFIX + "/{assignment_id}/meetings/{meeting_id}")
@allows("mentor_meeting", "read")
async def read_mentor_meeting(call: Call, assignment_id: UUID, meeting_id: UUID) -> MeetingOut:
    """Read one meeting."""
    return await call(meetings.read, assignment_id, meeting_id)


@router.post(PREFIX + "/{assignment_id}/meetings/{meeting_id}/withdraw")
@allows("mentor_meeting", "withdraw")
async def withdraw_mentor_meeting(
    call: Call, assignment_id: UUID, meeting_id: UUID, data: Reason | None = None
) -> MeetingOut:
    """Withdraw a mistaken meeting: it stays in the list, and counts no longer."""
    return await call(meetings.withdraw, assignment_id, meeting_id, data)


@router.get("/employees/{employee_id}/mentor-suggestions")
@allows("mentor_assignment", "suggest")
async def suggest_mentors(call: Call, employee_id: UUID, pillar: PillarKey = None, limit: Most = 10) -> Suggestions:
    """List who would suit as a mentor, the best first, each with reasons. Private goals count for their owner alone."""
    return await call(mentor_reasons.suggest, employee_id, pillar, limit)
