"""Support prompts over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.strain import PromptKind, PromptState
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, SyncPage
from app.schemas.support_prompt import PromptAnswer, SupportPromptOut
from app.services import history
from app.services import support_prompt as prompts

router = APIRouter(prefix="/v1/support-prompts", tags=["Support prompts"], route_class=Route)

OfTeam = Annotated[UUID | None, Query(description="About this team, or for its members.")]


@router.get("")
@allows("support_prompt", "read")
async def list_support_prompts(
    call: Call,
    paging: Synced,
    state: PromptState | None = None,
    employee_id: UUID | None = None,
    team_id: OfTeam = None,
    kind: PromptKind | None = None,
) -> SyncPage[SupportPromptOut]:
    """List prompts: a person their own, a lead their reports' open ones, the programme lead those about teams."""
    filters = {"state": state, "employee_id": employee_id, "team_id": team_id, "kind": kind}
    return await call.page(prompts.list_, paging, filters)


@router.get("/{prompt_id}")
@allows("support_prompt", "read")
async def read_support_prompt(call: Call, prompt_id: UUID) -> SupportPromptOut:
    """Read one prompt. Show it between calls, never during one."""
    return await call(prompts.read, prompt_id)


@router.post("/{prompt_id}/accept")
@allows("support_prompt", "accept")
async def accept_support_prompt(call: Call, prompt_id: UUID, _answer: PromptAnswer | None = None) -> SupportPromptOut:
    """Accept an offer. Once more is the same answer."""
    return await call(prompts.answer, prompt_id, "accept")


@router.post("/{prompt_id}/decline")
@allows("support_prompt", "decline")
async def decline_support_prompt(call: Call, prompt_id: UUID, _answer: PromptAnswer | None = None) -> SupportPromptOut:
    """Decline an offer: no reason is asked for, and nothing follows from it. Once more is the same answer."""
    return await call(prompts.answer, prompt_id, "decline")


@router.post("/{prompt_id}/complete")
@allows("support_prompt", "complete")
async def complete_support_prompt(call: Call, prompt_id: UUID, _answer: PromptAnswer | None = None) -> SupportPromptOut:
    """Say that what was accepted is done. Once more is the same answer."""
    return await call(prompts.answer, prompt_id, "complete")


@router.get("/{prompt_id}/history")
@allows("support_prompt", "read")
async def list_support_prompt_history(call: Call, paging: Paged, prompt_id: UUID) -> Page[HistoryEntry]:
    """List what became of this prompt and when, the newest first."""
    return await call.page(history.list_, paging, "support_prompt", prompt_id)
