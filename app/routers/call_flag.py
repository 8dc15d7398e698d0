"""A person's own call flags, and the pause of their prompts, over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.base import Page
from app.schemas.call_flag import CallFlagCreate, CallFlagOut
from app.schemas.employee import PromptPause
from app.schemas.support_prompt import PromptPauseOut
from app.services import call_flag as flags
from app.services import support_prompt as prompts

router = APIRouter(prefix="/v1/me", tags=["Me"], route_class=Route)

TakenBack = Annotated[bool | None, Query(description="Only flags taken back, or only those that stand.")]


@router.get("/call-flags")
@allows("call_flag", "read")
async def list_call_flags(
    call: Call, paging: Paged, call_event_id: UUID | None = None, taken_back: TakenBack = None
) -> Page[CallFlagOut]:
    """List your flags. Nobody else sees them."""
    return await call.page(flags.list_, paging, {"call_event_id": call_event_id, "taken_back": taken_back})


@router.post("/call-flags", status_code=201)
@allows("call_flag", "create")
async def create_call_flag(call: Call, data: CallFlagCreate) -> CallFlagOut:
    """Flag a call of yours as hard. It counts like a coded outcome; what follows from it is yours alone."""
    return await call(flags.create, data)


@router.get("/call-flags/{flag_id}")
@allows("call_flag", "read")
async def read_call_flag(call: Call, flag_id: UUID) -> CallFlagOut:
    """Read one of your flags."""
    return await call(flags.read, flag_id)


@router.post("/call-flags/{flag_id}/take-back")
@allows("call_flag", "take_back")
async def take_back_call_flag(call: Call, flag_id: UUID) -> CallFlagOut:
    """Take a flag back. What followed from it is superseded."""
    return await call(flags.take_back, flag_id)


@router.get("/prompt-pause")
@allows("employee", "pause_prompts")
async def read_prompt_pause(call: Call) -> PromptPauseOut:
    """Say until when you want no support prompts."""
    return await call(prompts.read_pause)


@router.post("/prompt-pause")
@allows("employee", "pause_prompts")
async def pause_prompts(call: Call, data: PromptPause) -> PromptPauseOut:
    """Pause support prompts until a moment, or, with null, let them come again. Nobody else learns of it."""
    return await call(prompts.pause, data)
