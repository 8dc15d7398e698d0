"""Teams: who works together, and who leads them and so sees them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.errors import Conflict, NotFound
from app.models import Employee, ServiceArea, Team, TeamMember
from app.models.base import folded
from app.schemas.team import TeamCreate, TeamMemberCreate, TeamUpdate

TABLE, MEMBERS = Team.__table__, TeamMember.__table__
TEAMS = queries.Listing(
    "team",
    sorts={"id": TABLE.c.id, "name": TABLE.c.name_key},
    filters={
        "external_id": TABLE.c.external_id == bindparam("external_id"),
        "name": TABLE.c.name_key == bindparam("name"),
        "lead_id": TABLE.c.lead_id == bindparam("lead_id"),
        "service_area_id": TABLE.c.service_area_id == bindparam("service_area_id"),
    },
)
TEAM_MEMBERS = queries.Listing(
    "team_member",
    sorts={"id": MEMBERS.c.id},
    filters={
        "team_id": MEMBERS.c.team_id == bindparam("team_id"),
        "employee_id": MEMBERS.c.employee_id == bindparam("employee_id"),
    },
    syncs=False,
)


COUNT_MEMBERS_CHANGED = (
    update_of(Team)
    .where(Team.organisation_id == bindparam("tenant"), Team.id == bindparam("team"))
    .values(members_version=Team.members_version + 1, members_changed_at=bindparam("now"))
    .execution_options(synchronize_session=False)
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the organisation's teams."""
    if filters.get("name") is not None:
        filters = {**filters, "name": folded(filters["name"])}
    return queries.paginate(session, caller, TEAMS, paging, filters)


def read(session: Session, caller: Caller, team_id: UUID) -> Mapping[str, Any]:
    """Return one team. Raise NotFound where it is absent."""
    return queries.read(session, caller, "team", team_id)


def create(session: Session, caller: Caller, data: TeamCreate) -> Mapping[str, Any]:
    """Add a team. A taken name or external id is a conflict, and so is a lead who has left."""
    given = data.given()
    _check_references(session, caller, given)
    team = Team(organisation_id=caller.organisation_id, name_key=folded(data.name), **given)
    session.add(team)
    events.record(session, caller, "team.created", team)
    return read(session, caller, team.id)


def update(session: Session, caller: Caller, team_id: UUID, data: TeamUpdate) -> Mapping[str, Any]:
    """Change a team. A taken name or external id is a conflict, and so is a lead who has left."""
    team = queries.get_allowed(session, caller, Team, team_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(team, name) != value}
    _check_references(session, caller, changed)
    for name, value in changed.items():
        setattr(team, name, value)
    if changed:
        team.name_key = folded(team.name)
        events.record(session, caller, "team.updated", team, details={"fields": sorted(changed)})
    return read(session, caller, team_id)


def delete(session: Session, caller: Caller, team_id: UUID) -> None:
    """Remove a team with its memberships; the people stay."""
    team = queries.get_allowed(session, caller, Team, team_id, "delete")
    of_team = (TeamMember.organisation_id == caller.organisation_id, TeamMember.team_id == team_id)
    members = session.execute(select(TeamMember.id, TeamMember.employee_id).where(*of_team)).all()
    gone = [events.Change("team_member.deleted", row.id, 1, row.employee_id) for row in members]
    events.record_changes(session, caller, "team_member", gone)
    events.record(session, caller, "team.deleted", team)
    session.execute(delete_from(TeamMember).where(*of_team))
    session.delete(team)
    try:
        session.flush()
    except IntegrityError:
        raise Conflict("in_use", "Support prompts were raised for this team, so it stays.") from None


def list_members(
    session: Session, caller: Caller, paging: queries.Paging, team_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of a team's memberships, of the people whom the caller may know of."""
    read(session, caller, team_id)
    return queries.paginate(session, caller, TEAM_MEMBERS, paging, {**filters, "team_id": team_id})


def add_member(session: Session, caller: Caller, team_id: UUID, data: TeamMemberCreate) -> Mapping[str, Any]:
    """Add a person to a team. A person who is in it already is a conflict."""
    read(session, caller, team_id)
    queries.get_owned(session, caller, Employee, data.employee_id, "/employee_id")
    member = TeamMember(organisation_id=caller.organisation_id, team_id=team_id, employee_id=data.employee_id)
    session.add(member)
    count_members_changed(session, caller, team_id)
    events.record(session, caller, "team_member.created", member)
    return queries.read(session, caller, "team_member", member.id)


def remove_member(session: Session, caller: Caller, team_id: UUID, member_id: UUID) -> None:
    """Take a person out of a team. Raise NotFound where the membership is of another team."""
    member = queries.get_allowed(session, caller, TeamMember, member_id, "delete")
    if member.team_id != team_id:
        raise NotFound
    events.record(session, caller, "team_member.deleted", member)
    session.delete(member)
    count_members_changed(session, caller, team_id)
    session.flush()


def count_members_changed(session: Session, caller: Caller, team_id: UUID) -> None:
    """Note that a team has other members than before. The team's own version, which is its ETag, stays."""
    session.execute(COUNT_MEMBERS_CHANGED, {"tenant": caller.organisation_id, "team": team_id, "now": clock.now()})


def _check_references(session: Session, caller: Caller, given: Mapping[str, Any]) -> None:
    if given.get("lead_id") is not None:
        lead = queries.get_owned(session, caller, Employee, given["lead_id"], "/lead_id")
        if not lead.active:
            raise Conflict("lead_not_active", "Who leads a team must be an active employee.")
    if given.get("service_area_id") is not None:
        queries.get_owned(session, caller, ServiceArea, given["service_area_id"], "/service_area_id")
