"""Teams over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, SyncPage
from app.schemas.team import TeamCreate, TeamMemberCreate, TeamMemberOut, TeamOut, TeamUpdate
from app.services import history
from app.services import team as teams

router = APIRouter(prefix="/v1/teams", tags=["Teams"], route_class=Route)

Text = Annotated[str | None, Query(max_length=200)]


@router.get("")
@allows("team", "read")
async def list_teams(
    call: Call,
    paging: Synced,
    name: Text = None,
    external_id: Text = None,
    lead_id: UUID | None = None,
    service_area_id: UUID | None = None,
) -> SyncPage[TeamOut]:
    """List the organisation's teams."""
    filters = {"name": name, "external_id": external_id, "lead_id": lead_id, "service_area_id": service_area_id}
    return await call.page(teams.list_, paging, filters)


@router.post("", status_code=201)
@allows("team", "create")
async def create_team(call: Call, data: TeamCreate) -> TeamOut:
    """Add a team."""
    return await call(teams.create, data)


@router.get("/{team_id}")
@allows("team", "read")
async def read_team(call: Call, team_id: UUID) -> TeamOut:
    """Read one team."""
    return await call(teams.read, team_id)


@router.patch("/{team_id}")
@allows("team", "update")
async def update_team(call: Call, team_id: UUID, data: TeamUpdate) -> TeamOut:
    """Change a team by a JSON merge patch."""
    return await call(teams.update, team_id, data)


@router.delete("/{team_id}", status_code=204)
@allows("team", "delete")
async def delete_team(call: Call, team_id: UUID) -> None:
    """Remove a team with its memberships. The people stay."""
    return await call(teams.delete, team_id)


@router.get("/{team_id}/history")
@allows("team", "read")
async def list_team_history(call: Call, paging: Paged, team_id: UUID) -> Page[HistoryEntry]:
    """List who changed what of this team, when and why, the newest first."""
    return await call.page(history.list_, paging, "team", team_id)


@router.get("/{team_id}/members")
@allows("team_member", "read")
async def list_team_members(
    call: Call, paging: Paged, team_id: UUID, employee_id: UUID | None = None
) -> Page[TeamMemberOut]:
    """List who is in the team, of the people whom the caller may know of."""
    return await call.page(teams.list_members, paging, team_id, {"employee_id": employee_id})


@router.post("/{team_id}/members", status_code=201)
@allows("team_member", "create")
async def create_team_member(call: Call, team_id: UUID, data: TeamMemberCreate) -> TeamMemberOut:
    """Add a person to the team."""
    return await call(teams.add_member, team_id, data)


@router.delete("/{team_id}/members/{member_id}", status_code=204)
@allows("team_member", "delete", unversioned=True)
async def delete_team_member(call: Call, team_id: UUID, member_id: UUID) -> None:
    """Take a person out of the team."""
    return await call(teams.remove_member, team_id, member_id)
