"""Employees over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, Reason, SyncPage
from app.schemas.employee import (
    AgentAliasCreate,
    AgentAliasOut,
    EmployeeBatch,
    EmployeeBatchResult,
    EmployeeCreate,
    EmployeeOut,
    EmployeeUpdate,
)
from app.services import agent_alias as aliases
from app.services import employee as employees
from app.services import employee_sync, history

router = APIRouter(prefix="/v1/employees", tags=["Employees"], route_class=Route)

Active = Annotated[bool | None, Query(description="Only active people, or only those who have left.")]
Text = Annotated[str | None, Query(max_length=200)]


@router.get("")
@allows("employee", "read")
async def list_employees(
    call: Call,
    paging: Synced,
    active: Active = None,
    external_id: Text = None,
    user_name: Text = None,
    manager_id: UUID | None = None,
    service_area_id: UUID | None = None,
    team_id: UUID | None = None,
) -> SyncPage[EmployeeOut]:
    """List the people that the caller may know of."""
    filters = {
        "active": active,
        "external_id": external_id,
        "user_name": user_name,
        "manager_id": manager_id,
        "service_area_id": service_area_id,
        "team_id": team_id,
    }
    return await call.page(employees.list_, paging, filters)


@router.post("", status_code=201)
@allows("employee", "create")
async def create_employee(call: Call, data: EmployeeCreate) -> EmployeeOut:
    """Add one person. A sync is better served by the batch."""
    return await call(employees.create, data)


@router.post("/batch")
@allows("employee", "create", batch=True)
async def sync_employees(call: Call, data: EmployeeBatch) -> EmployeeBatchResult:
    """Upsert up to 1,000 people by their external id, each on its own, with a result per item in order.

    Whoever is named is here: one who had left is reactivated, unless `active` is false. Managers are named by their
    external id and may come later, in this batch or another. An item is judged by how things stand after the whole
    batch, so two people may swap user names. What is unchanged is not touched. Send the same batch again whenever you
    are not sure that it arrived.

    `dry_run` says what would change. `mode: complete` also reports who is missing, and deactivates them only where
    `deactivate_missing` asks for it; nobody is ever deleted. See `after` for organisations of more than 1,000 people.
    """
    return await call(employee_sync.sync, data)


@router.get("/{employee_id}")
@allows("employee", "read")
async def read_employee(call: Call, employee_id: UUID) -> EmployeeOut:
    """Read one person."""
    return await call(employees.read, employee_id)


@router.patch("/{employee_id}")
@allows("employee", "update")
async def update_employee(call: Call, employee_id: UUID, data: EmployeeUpdate) -> EmployeeOut:
    """Change one person by a JSON merge patch."""
    return await call(employees.update, employee_id, data)


@router.post("/{employee_id}/deactivate")
@allows("employee", "deactivate")
async def deactivate_employee(call: Call, employee_id: UUID, data: Reason | None = None) -> EmployeeOut:
    """Deactivate a leaver: their access ends with the next request, their history stays."""
    return await call(employees.deactivate, employee_id, data)


@router.post("/{employee_id}/reactivate")
@allows("employee", "reactivate")
async def reactivate_employee(call: Call, employee_id: UUID, data: Reason | None = None) -> EmployeeOut:
    """Take a person back, with their history."""
    return await call(employees.reactivate, employee_id, data)


@router.get("/{employee_id}/history")
@allows("employee", "read")
async def list_employee_history(call: Call, paging: Paged, employee_id: UUID) -> Page[HistoryEntry]:
    """List who changed what of this person's record, when and why, the newest first."""
    return await call.page(history.list_, paging, "employee", employee_id)


@router.get("/{employee_id}/agent-aliases")
@allows("agent_alias", "read")
async def list_agent_aliases(call: Call, paging: Paged, employee_id: UUID) -> Page[AgentAliasOut]:
    """List the names that call platforms use for this person."""
    return await call.page(aliases.list_, paging, employee_id)


@router.post("/{employee_id}/agent-aliases", status_code=201)
@allows("agent_alias", "create")
async def create_agent_alias(call: Call, employee_id: UUID, data: AgentAliasCreate) -> AgentAliasOut:
    """Say that a platform's agent is this person. Call events kept as unmatched are attached, and signals follow."""
    return await call(aliases.create, employee_id, data)


@router.delete("/{employee_id}/agent-aliases/{alias_id}", status_code=204)
@allows("agent_alias", "delete", unversioned=True)
async def delete_agent_alias(call: Call, employee_id: UUID, alias_id: UUID) -> None:
    """Forget a name. Call events that it attached stay."""
    return await call(aliases.delete, employee_id, alias_id)
