"""Work patterns over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.routing import Route, allows
from app.schemas.work_pattern import WorkPatternOut, WorkPatternPut
from app.services import work_pattern as work_patterns

router = APIRouter(prefix="/v1/employees", tags=["Employees"], route_class=Route)


@router.get("/{employee_id}/work-pattern")
@allows("work_pattern", "read")
async def read_work_pattern(call: Call, employee_id: UUID) -> WorkPatternOut:
    """Read when a person works. Where nobody has said so, the default week is shown and labelled as such."""
    return await call(work_patterns.read, employee_id)


@router.put("/{employee_id}/work-pattern")
@allows("work_pattern", "update")
async def put_work_pattern(call: Call, employee_id: UUID, data: WorkPatternPut) -> WorkPatternOut:
    """Say when a person works. The first time, `If-Match` is the ETag of the default week, `"0"`."""
    return await call(work_patterns.put, employee_id, data)
