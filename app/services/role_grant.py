"""Role grants: nobody grants themself one, and what opens sensitive records needs a second person."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.errors import Conflict
from app.models import Employee, Organisation, RoleGrant
from app.models.client import GrantState, Role
from app.schemas.base import Reason
from app.schemas.role_grant import RoleGrantCreate

SENSITIVE = frozenset({Role.eap_coordinator, Role.auditor, Role.data_protection_officer})

TABLE = RoleGrant.__table__
GRANTS = queries.Listing(
    "role_grant",
    sorts={"id": TABLE.c.id},
    filters={
        "employee_id": TABLE.c.employee_id == bindparam("employee_id"),
        "role": TABLE.c.role == bindparam("role"),
        "state": TABLE.c.state == bindparam("state"),
    },
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the grants that the caller may know of."""
    page = queries.paginate(session, caller, GRANTS, paging, filters)
    return {**page, "data": [_shown(caller, grant) for grant in page["data"]]}


def read(session: Session, caller: Caller, grant_id: UUID) -> Mapping[str, Any]:
    """Return one grant."""
    return _shown(caller, queries.read(session, caller, "role_grant", grant_id))


def _shown(caller: Caller, grant: dict[str, Any]) -> dict[str, Any]:
    if grant.get("is_mine") or grant["granted_by"] == _name(caller):
        return {**grant, "allowed_actions": [action for action in grant["allowed_actions"] if action != "approve"]}
    return grant


def create(session: Session, caller: Caller, data: RoleGrantCreate) -> Mapping[str, Any]:
    """Grant a role, or ask for it where it is a sensitive one. Raise Conflict for oneself, a leaver or a repetition."""
    if data.employee_id == caller.employee_id:
        raise Conflict("self_grant", "Nobody grants themself a role: ask another programme lead.")
    grant = _grant(session, caller, data.employee_id, data.role, data.reason)
    return read(session, caller, grant.id)


def grant_by_operator(session: Session, caller: Caller, employee_id: UUID, role: Role) -> RoleGrant:
    """Grant a role from the command line: how the first programme lead is made.

    An operator is one person too: a sensitive role stays pending until a programme lead approves it.
    """
    return _grant(session, caller, employee_id, role, None)


def _grant(session: Session, caller: Caller, employee_id: UUID, role: Role, reason: str | None) -> RoleGrant:
    employee = queries.get_owned(session, caller, Employee, employee_id, "/employee_id")
    _require_active(employee)
    grant = RoleGrant(
        organisation_id=caller.organisation_id,
        employee_id=employee_id,
        role=role,
        state=GrantState.pending if role in SENSITIVE else GrantState.active,
        granted_by=_name(caller),
        reason=reason,
    )
    session.add(grant)
    _record(session, caller, "role_grant.created", grant, reason)
    return grant


def approve(session: Session, caller: Caller, grant_id: UUID) -> Mapping[str, Any]:
    """Let a sensitive role take effect. Raise Conflict for whoever asked for it, and for whom it is for."""
    grant = queries.get_allowed(session, caller, RoleGrant, grant_id, "approve")
    if grant.employee_id == caller.employee_id:
        raise Conflict("self_grant", "Nobody approves a role of their own: ask another programme lead.")
    if grant.granted_by == _name(caller):
        raise Conflict("second_person_needed", "You asked for it: another programme lead has to approve.")
    _require_active(queries.get_owned(session, caller, Employee, grant.employee_id, "/employee_id"))
    grant.state, grant.approved_by, grant.approved_at = GrantState.active, _name(caller), clock.now()
    _record(session, caller, "role_grant.approved", grant)
    return read(session, caller, grant_id)


def revoke(session: Session, caller: Caller, grant_id: UUID, data: Reason | None = None) -> Mapping[str, Any]:
    """End a role, with the next request. Raise Conflict for the last programme lead."""
    grant = queries.get_allowed(session, caller, RoleGrant, grant_id, "revoke")
    if grant.role == Role.programme_lead:
        _require_another_lead(session, caller, grant)
    grant.state, grant.revoked_at = GrantState.revoked, clock.now()
    _record(session, caller, "role_grant.revoked", grant, data.reason if data else None)
    return read(session, caller, grant_id)


def _require_another_lead(session: Session, caller: Caller, grant: RoleGrant) -> None:
    """Raise Conflict where nobody else leads. Two who leave at once wait for each other, at the organisation's row."""
    session.execute(select(Organisation.id).where(Organisation.id == caller.organisation_id).with_for_update())
    leads = session.execute(
        select(RoleGrant.employee_id)
        .join(
            Employee,
            (Employee.organisation_id == RoleGrant.organisation_id) & (Employee.id == RoleGrant.employee_id),
        )
        .where(
            RoleGrant.organisation_id == caller.organisation_id,
            RoleGrant.role == Role.programme_lead,
            RoleGrant.state == GrantState.active,
            Employee.active,
        )
    ).scalars()
    if set(leads) == {grant.employee_id}:
        raise Conflict("last_programme_lead", "Nobody else leads the programme: grant the role to someone else first.")


def _require_active(employee: Employee) -> None:
    if not employee.active:
        raise Conflict("employee_inactive", "The person has left the organisation.")


def _record(session: Session, caller: Caller, action: str, grant: RoleGrant, reason: str | None = None) -> None:
    details = {"role": grant.role, "state": grant.state} | ({"reason": reason} if reason else {})
    events.record(session, caller, action, grant, subject_id=grant.employee_id, details=details)


def _name(caller: Caller) -> str:
    return "operator" if caller.kind == "system" else f"{caller.kind}:{caller.id}"
