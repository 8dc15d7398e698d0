"""Goal templates over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.models.goal import TemplateState
from app.routers.development_plan import PillarKey
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, Reason, SyncPage
from app.schemas.goal_template import Assignment, AssignmentResults, TemplateCreate, TemplateOut, TemplateUpdate
from app.services import goal_template as templates
from app.services import history

router = APIRouter(prefix="/v1/goal-templates", tags=["Goal templates"], route_class=Route)


@router.get("")
@allows("goal_template", "read")
async def list_goal_templates(
    call: Call, paging: Synced, pillar: PillarKey = None, state: TemplateState | None = None
) -> SyncPage[TemplateOut]:
    """List the templates, of one pillar or of all."""
    return await call.page(templates.list_, paging, {"pillar": pillar, "state": state})


@router.post("", status_code=201)
@allows("goal_template", "create")
async def create_goal_template(call: Call, data: TemplateCreate) -> TemplateOut:
    """Add a template."""
    return await call(templates.create, data)


@router.get("/{template_id}")
@allows("goal_template", "read")
async def read_goal_template(call: Call, template_id: UUID) -> TemplateOut:
    """Read one template."""
    return await call(templates.read, template_id)


@router.patch("/{template_id}")
@allows("goal_template", "update")
async def update_goal_template(call: Call, template_id: UUID, data: TemplateUpdate) -> TemplateOut:
    """Change a template by a JSON merge patch. Goals that were made from it stay as they are."""
    return await call(templates.update, template_id, data)


@router.post("/{template_id}/archive")
@allows("goal_template", "archive")
async def archive_goal_template(call: Call, template_id: UUID, data: Reason | None = None) -> TemplateOut:
    """Take a template out of use."""
    return await call(templates.archive, template_id, data)


@router.post("/{template_id}/assign")
@allows("goal_template", "assign")
async def assign_goal_template(call: Call, template_id: UUID, data: Assignment) -> AssignmentResults:
    """Give up to 500 people a draft made from the template, with a result for each. They make it theirs."""
    return await call(templates.assign, template_id, data)


@router.get("/{template_id}/history")
@allows("goal_template", "read")
async def list_goal_template_history(call: Call, paging: Paged, template_id: UUID) -> Page[HistoryEntry]:
    """List who changed a template, when and why, the newest first."""
    return await call.page(history.list_, paging, "goal_template", template_id)
