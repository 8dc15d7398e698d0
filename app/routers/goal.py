"""Goals and their progress updates over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.goal import GoalState, Health, Priority, UpdateState
from app.routers.development_plan import DueBefore, PillarKey
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, Reason, SyncPage
from app.schemas.goal import (
    GoalCheck,
    GoalCreate,
    GoalOut,
    GoalUpdate,
    ProgressUpdateCreate,
    ProgressUpdateOut,
    SmartCheck,
)
from app.services import goal as goals
from app.services import history
from app.services import progress_update as updates

router = APIRouter(prefix="/v1/goals", tags=["Goals"], route_class=Route)

Overdue = Annotated[bool | None, Query(description="Whether it is active and its last day has passed.")]


@router.get("")
@allows("goal", "read")
async def list_goals(
    call: Call,
    paging: Synced,
    employee_id: UUID | None = None,
    team_id: UUID | None = None,
    service_area_id: UUID | None = None,
    plan_id: UUID | None = None,
    parent_id: UUID | None = None,
    template_id: UUID | None = None,
    pillar: PillarKey = None,
    state: GoalState | None = None,
    health: Health | None = None,
    priority: Priority | None = None,
    due_before: DueBefore = None,
    overdue: Overdue = None,
) -> SyncPage[GoalOut]:
    """List goals: one's own, and those of the people whom one leads that are not private."""
    filters = {
        "employee_id": employee_id,
        "team_id": team_id,
        "service_area_id": service_area_id,
        "plan_id": plan_id,
        "parent_id": parent_id,
        "template_id": template_id,
        "pillar": pillar,
        "state": state,
        "health": health,
        "priority": priority,
        "due_before": due_before,
        "overdue": overdue,
    }
    return await call.page(goals.list_, paging, filters)


@router.post("", status_code=201)
@allows("goal", "create")
async def create_goal(call: Call, data: GoalCreate) -> GoalOut:
    """Draft a goal, in a plan or outside any. A draft may be incomplete."""
    return await call(goals.create, data)


@router.post("/validate")
@allows("goal", "validate")
async def validate_goal(call: Call, data: GoalCheck) -> SmartCheck:
    """Check a goal against the SMART gate without saving it: which letters are missing, and what would satisfy them."""
    return await call(goals.check, data)


@router.get("/{goal_id}")
@allows("goal", "read")
async def read_goal(call: Call, goal_id: UUID) -> GoalOut:
    """Read one goal."""
    return await call(goals.read, goal_id)


@router.patch("/{goal_id}")
@allows("goal", "update")
async def update_goal(call: Call, goal_id: UUID, data: GoalUpdate) -> GoalOut:
    """Change a draft or an active goal by a JSON merge patch. An active one has to stay SMART."""
    return await call(goals.update, goal_id, data)


@router.post("/{goal_id}/activate")
@allows("goal", "activate")
async def activate_goal(call: Call, goal_id: UUID, data: Reason | None = None) -> GoalOut:
    """Activate a draft, outside any plan or in one that is under way. 422 names the letters of SMART that it lacks."""
    return await call(goals.move, goal_id, "activate", data)


@router.post("/{goal_id}/achieve")
@allows("goal", "achieve")
async def achieve_goal(call: Call, goal_id: UUID, data: Reason | None = None) -> GoalOut:
    """Say that a goal is achieved. One that is done or not done then counts as done."""
    return await call(goals.move, goal_id, "achieve", data)


@router.post("/{goal_id}/miss")
@allows("goal", "miss")
async def miss_goal(call: Call, goal_id: UUID, data: Reason | None = None) -> GoalOut:
    """Say that a goal was missed. What was learned is worth a reason."""
    return await call(goals.move, goal_id, "miss", data)


@router.post("/{goal_id}/abandon")
@allows("goal", "abandon")
async def abandon_goal(call: Call, goal_id: UUID, data: Reason | None = None) -> GoalOut:
    """Give up a goal. It counts no longer in the progress of its parent."""
    return await call(goals.move, goal_id, "abandon", data)


@router.get("/{goal_id}/history")
@allows("goal", "read")
async def list_goal_history(call: Call, paging: Paged, goal_id: UUID) -> Page[HistoryEntry]:
    """List what became of a goal, when and why, the newest first. Of a private time it is not said who."""
    return await call.page(history.list_, paging, "goal", goal_id)


@router.get("/{goal_id}/progress-updates")
@allows("progress_update", "read")
async def list_progress_updates(
    call: Call, paging: Synced, goal_id: UUID, state: UpdateState | None = None
) -> SyncPage[ProgressUpdateOut]:
    """List what was said of a goal's progress, the withdrawn ones too."""
    return await call.page(updates.list_, paging, goal_id, {"state": state})


@router.post("/{goal_id}/progress-updates", status_code=201)
@allows("progress_update", "create")
async def record_progress_update(call: Call, goal_id: UUID, data: ProgressUpdateCreate) -> ProgressUpdateOut:
    """Say how one's own goal is going."""
    return await call(updates.record, goal_id, data)


@router.get("/{goal_id}/progress-updates/{update_id}")
@allows("progress_update", "read")
async def read_progress_update(call: Call, goal_id: UUID, update_id: UUID) -> ProgressUpdateOut:
    """Read one update."""
    return await call(updates.read, goal_id, update_id)


@router.post("/{goal_id}/progress-updates/{update_id}/withdraw")
@allows("progress_update", "withdraw")
async def withdraw_progress_update(
    call: Call, goal_id: UUID, update_id: UUID, data: Reason | None = None
) -> ProgressUpdateOut:
    """Withdraw a mistaken update: it stays in the list, and counts no longer."""
    return await call(updates.withdraw, goal_id, update_id, data)
