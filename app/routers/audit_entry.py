"""Audit entries over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.audit_entry import AuditEntryOut
from app.schemas.base import Moment, Page
from app.services import audit_entry as audit_entries

router = APIRouter(prefix="/v1/audit-entries", tags=["Audit"], route_class=Route)

Text = Annotated[str | None, Query(max_length=100)]


@router.get("")
@allows("audit_entry", "read")
async def list_audit_entries(
    call: Call,
    paging: Paged,
    action: Text = None,
    resource: Text = None,
    resource_id: UUID | None = None,
    subject_id: UUID | None = None,
    actor_id: UUID | None = None,
    recorded_after: Moment | None = None,
    recorded_before: Moment | None = None,
) -> Page[AuditEntryOut]:
    """List who did what and when, the oldest first; `sort=-id` turns it. For auditors."""
    filters = {
        "action": action,
        "resource": resource,
        "resource_id": resource_id,
        "subject_id": subject_id,
        "actor_id": actor_id,
        "recorded_after": recorded_after,
        "recorded_before": recorded_before,
    }
    return await call.page(audit_entries.list_, paging, filters)
