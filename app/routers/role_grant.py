"""Role grants over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.models.client import GrantState, Role
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, Reason, SyncPage
from app.schemas.role_grant import RoleGrantCreate, RoleGrantOut
from app.services import history
from app.services import role_grant as role_grants

router = APIRouter(prefix="/v1/role-grants", tags=["Role grants"], route_class=Route)


@router.get("")
@allows("role_grant", "read")
async def list_role_grants(
    call: Call,
    paging: Synced,
    employee_id: UUID | None = None,
    role: Role | None = None,
    state: GrantState | None = None,
) -> SyncPage[RoleGrantOut]:
    """List who holds which role, who is waiting for one, and who held one. People see their own."""
    filters = {"employee_id": employee_id, "role": role, "state": state}
    return await call.page(role_grants.list_, paging, filters)


@router.post("", status_code=201)
@allows("role_grant", "create")
async def create_role_grant(call: Call, data: RoleGrantCreate) -> RoleGrantOut:
    """Grant a role. A sensitive one (EAP coordinator, auditor, data-protection officer) waits for a second person."""
    return await call(role_grants.create, data)


@router.get("/{grant_id}")
@allows("role_grant", "read")
async def read_role_grant(call: Call, grant_id: UUID) -> RoleGrantOut:
    """Read one grant."""
    return await call(role_grants.read, grant_id)


@router.post("/{grant_id}/approve")
@allows("role_grant", "approve")
async def approve_role_grant(call: Call, grant_id: UUID) -> RoleGrantOut:
    """Approve a pending grant, as a programme lead who neither asked for it nor is the one it is for."""
    return await call(role_grants.approve, grant_id)


@router.post("/{grant_id}/revoke")
@allows("role_grant", "revoke")
async def revoke_role_grant(call: Call, grant_id: UUID, data: Reason | None = None) -> RoleGrantOut:
    """End a role, or take a request back. It ends with the person's next request; people may give up their own."""
    return await call(role_grants.revoke, grant_id, data)


@router.get("/{grant_id}/history")
@allows("role_grant", "read")
async def list_role_grant_history(call: Call, paging: Paged, grant_id: UUID) -> Page[HistoryEntry]:
    """List who granted, approved and revoked, when and why, the newest first."""
    return await call.page(history.list_, paging, "role_grant", grant_id)
