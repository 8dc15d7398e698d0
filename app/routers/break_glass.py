"""Reading in an emergency over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.models.break_glass import BreakGlassState
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.access_log import BreakGlassCreate, BreakGlassOut, OpenedReferrals
from app.schemas.base import HistoryEntry, Page
from app.services import break_glass

router = APIRouter(prefix="/v1/break-glass-requests", tags=["Break-glass"], route_class=Route)


@router.get("")
@allows("break_glass_request", "read")
async def list_break_glass_requests(
    call: Call, paging: Paged, state: BreakGlassState | None = None, employee_id: UUID | None = None
) -> Page[BreakGlassOut]:
    """List the requests that you made, and those that you may decide about, the newest first."""
    return await call.page(break_glass.list_, paging, {"state": state, "employee_id": employee_id})


@router.post("", status_code=201)
@allows("break_glass_request", "create")
async def create_break_glass_request(call: Call, data: BreakGlassCreate) -> BreakGlassOut:
    """Ask to read a person's EAP referrals, once, in an emergency. The answer is the same whether there are any."""
    return await call(break_glass.create, data)


@router.get("/{request_id}")
@allows("break_glass_request", "read")
async def read_break_glass_request(call: Call, request_id: UUID) -> BreakGlassOut:
    """Read one request."""
    return await call(break_glass.read, request_id)


@router.get("/{request_id}/history")
@allows("break_glass_request", "read")
async def list_break_glass_history(call: Call, paging: Paged, request_id: UUID) -> Page[HistoryEntry]:
    """List who asked, approved, denied and read, and when, the newest first."""
    return await call.page(break_glass.list_history, paging, request_id)


@router.post("/{request_id}/approve")
@allows("break_glass_request", "approve")
async def approve_break_glass_request(call: Call, request_id: UUID) -> BreakGlassOut:
    """Approve within an hour, as somebody else than who asks. One with a delay needs two who approve."""
    return await call(break_glass.approve, request_id)


@router.post("/{request_id}/deny")
@allows("break_glass_request", "deny")
async def deny_break_glass_request(call: Call, request_id: UUID) -> BreakGlassOut:
    """Deny, also what was approved and is not used yet."""
    return await call(break_glass.deny, request_id)


@router.post("/{request_id}/open")
@allows("break_glass_request", "open", secret="referrals")  # noqa: S106 - the name of a field
async def open_break_glass_request(call: Call, request_id: UUID) -> OpenedReferrals:
    """Read the person's referrals, once, within an hour of the approval. The person is told."""
    return await call(break_glass.open_, request_id)
