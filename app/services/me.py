"""Who the caller is, and by which scopes, roles and relations they may do things."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller, ClientKeyCredential, Credential
from app.models import ClientKey, Employee, Team, TeamMember
from app.relations import ME, ORGANISATION
from app.services import access_notice as access_notices

REPORTS = select(func.count()).where(
    Employee.organisation_id == ORGANISATION, Employee.manager_id == ME, Employee.active
)
TEAMS = select(Team.id).where(Team.organisation_id == ORGANISATION, Team.lead_id == ME).order_by(Team.id)
MEMBERS = (
    select(func.count(TeamMember.employee_id.distinct()))
    .join(Team, (Team.organisation_id == TeamMember.organisation_id) & (Team.id == TeamMember.team_id))
    .join(Employee, (Employee.organisation_id == TeamMember.organisation_id) & (Employee.id == TeamMember.employee_id))
    .where(TeamMember.organisation_id == ORGANISATION, Team.lead_id == ME, Employee.active)
)


def read(session: Session, caller: Caller, credential: Credential | None) -> Mapping[str, Any]:
    """Return who the caller is. ``credential`` is what they came with."""
    return {
        "kind": caller.kind,
        "organisation": queries.read(session, caller, "organisation", caller.organisation_id),
        "employee": queries.read(session, caller, "employee", caller.employee_id) if caller.employee_id else None,
        "client": _client(session, caller, credential),
        "scopes": sorted(caller.scopes),
        "roles": sorted(caller.roles),
        "relations": _relations(session, caller) if caller.employee_id else [],
        "access_notices": access_notices.count_unread(session, caller) if caller.employee_id else 0,
    }


def _client(session: Session, caller: Caller, credential: Credential | None) -> Mapping[str, Any] | None:
    if caller.client_id is None or not isinstance(credential, ClientKeyCredential):
        return None
    key = session.execute(
        select(ClientKey.id, ClientKey.last_four, ClientKey.expires_at).where(
            ClientKey.organisation_id == caller.organisation_id, ClientKey.digest == credential.digest
        )
    ).one()
    return {**queries.read(session, caller, "client", caller.client_id), "key": key._asdict()}


def _relations(session: Session, caller: Caller) -> list[Mapping[str, Any]]:
    values = {"organisation_id": caller.organisation_id, "me": caller.id}
    relations: list[Mapping[str, Any]] = []
    reports = session.execute(REPORTS, values).scalar_one()
    if reports:
        relations.append({"relation": "line_manager", "employees": reports, "team_ids": []})
    teams = session.execute(TEAMS, values).scalars().all()
    if teams:
        members = session.execute(MEMBERS, values).scalar_one()
        relations.append({"relation": "team_lead", "employees": members, "team_ids": teams})
    return relations
