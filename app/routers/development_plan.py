"""Development plans over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.development_plan import PlanState
from app.models.goal import Health
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import Day, HistoryEntry, Page, Reason, SyncPage
from app.schemas.development_plan import PlanCounts, PlanCreate, PlanOut, PlanSummary, PlanUpdate
from app.services import development_plan as plans
from app.services import history, plan_counts, plan_summary

router = APIRouter(prefix="/v1/development-plans", tags=["Development plans"], route_class=Route)

PillarKey = Annotated[str | None, Query(max_length=63, description="The key of a pillar.")]
DueBefore = Annotated[Day | None, Query(description="Due before this day.")]
Overdue = Annotated[bool | None, Query(description="Whether the last day has passed and it is still under way.")]


@router.get("")
@allows("development_plan", "read")
async def list_development_plans(
    call: Call,
    paging: Synced,
    employee_id: UUID | None = None,
    team_id: UUID | None = None,
    service_area_id: UUID | None = None,
    state: PlanState | None = None,
    pillar: PillarKey = None,
    health: Health | None = None,
    due_before: DueBefore = None,
    overdue: Overdue = None,
) -> SyncPage[PlanOut]:
    """List plans: one's own, and those of the people whom one leads. Pillar and health are those of visible goals."""
    filters = {
        "employee_id": employee_id,
        "team_id": team_id,
        "service_area_id": service_area_id,
        "state": state,
        "pillar": pillar,
        "health": health,
        "due_before": due_before,
        "overdue": overdue,
    }
    return await call.page(plans.list_, paging, filters)


@router.post("", status_code=201)
@allows("development_plan", "create")
async def create_development_plan(call: Call, data: PlanCreate) -> PlanOut:
    """Draft one's own plan, or propose one to somebody whom one leads."""
    return await call(plans.create, data)


@router.get("/counts")
@allows("development_plan", "count")
async def count_development_plans(call: Call) -> PlanCounts:
    """Count plans and goals for the programme lead. Private goals do not count, and small numbers are not shown."""
    return await call(plan_counts.read)


@router.get("/{plan_id}")
@allows("development_plan", "read")
async def read_development_plan(call: Call, plan_id: UUID) -> PlanOut:
    """Read one plan. Its goals move neither its version nor its times."""
    return await call(plans.read, plan_id)


@router.patch("/{plan_id}")
@allows("development_plan", "update")
async def update_development_plan(call: Call, plan_id: UUID, data: PlanUpdate) -> PlanOut:
    """Change a plan by a JSON merge patch: its owner until it ends, whoever leads them while it is proposed."""
    return await call(plans.update, plan_id, data)


@router.post("/{plan_id}/accept")
@allows("development_plan", "accept")
async def accept_development_plan(call: Call, plan_id: UUID, data: Reason | None = None) -> PlanOut:
    """Take a proposal up as a draft of one's own."""
    return await call(plans.move, plan_id, "accept", data)


@router.post("/{plan_id}/decline")
@allows("development_plan", "decline")
async def decline_development_plan(call: Call, plan_id: UUID, data: Reason | None = None) -> PlanOut:
    """Decline a proposal. A reason is welcome, not asked for."""
    return await call(plans.move, plan_id, "decline", data)


@router.post("/{plan_id}/activate")
@allows("development_plan", "activate")
async def activate_development_plan(call: Call, plan_id: UUID, data: Reason | None = None) -> PlanOut:
    """Activate a draft and the goals in it. Every draft of a goal must be SMART: 422 names each missing letter."""
    return await call(plans.move, plan_id, "activate", data)


@router.post("/{plan_id}/start-review")
@allows("development_plan", "start_review")
async def start_development_plan_review(call: Call, plan_id: UUID, data: Reason | None = None) -> PlanOut:
    """Begin to review an active plan."""
    return await call(plans.move, plan_id, "start_review", data)


@router.post("/{plan_id}/complete")
@allows("development_plan", "complete")
async def complete_development_plan(call: Call, plan_id: UUID, data: Reason | None = None) -> PlanOut:
    """Complete a plan that is in review, as who leads its owner. Its goals stay as they are."""
    return await call(plans.move, plan_id, "complete", data)


@router.post("/{plan_id}/abandon")
@allows("development_plan", "abandon")
async def abandon_development_plan(call: Call, plan_id: UUID, data: Reason | None = None) -> PlanOut:
    """Give up a draft or an active plan. Its goals stay as they are."""
    return await call(plans.move, plan_id, "abandon", data)


@router.post("/{plan_id}/archive")
@allows("development_plan", "archive")
async def archive_development_plan(call: Call, plan_id: UUID, data: Reason | None = None) -> PlanOut:
    """Put a plan away that is completed, abandoned or declined."""
    return await call(plans.move, plan_id, "archive", data)


@router.get("/{plan_id}/history")
@allows("development_plan", "read")
async def list_development_plan_history(call: Call, paging: Paged, plan_id: UUID) -> Page[HistoryEntry]:
    """List who changed a plan, when and why, the newest first."""
    return await call.page(history.list_, paging, "development_plan", plan_id)


@router.get("/{plan_id}/summary")
@allows("development_plan", "read")
async def read_development_plan_summary(call: Call, plan_id: UUID) -> PlanSummary:
    """Read how the goals of a plan come along, per pillar and week: a radar and a line, ready to draw."""
    return await call(plan_summary.read, plan_id)
