"""The names that call platforms use for an employee."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import NotFound
from app.models import AgentAlias, CallEvent, Source
from app.models.base import folded
from app.schemas.employee import AgentAliasCreate
from app.services import matching

TABLE, CALLS = AgentAlias.__table__, CallEvent.__table__
ATTACHED = (
    select(func.count())
    .select_from(CALLS)
    .where(
        CALLS.c.organisation_id == TABLE.c.organisation_id,
        CALLS.c.employee_id == TABLE.c.employee_id,
        CALLS.c.agent_key == TABLE.c.agent_key,
        or_(TABLE.c.source_id.is_(None), CALLS.c.source_id == TABLE.c.source_id),
    )
    .scalar_subquery()
)
ALIASES = queries.Listing(
    "agent_alias",
    sorts={"id": TABLE.c.id, "agent_ref": TABLE.c.agent_key},
    filters={"employee_id": TABLE.c.employee_id == bindparam("employee_id")},
    syncs=False,
    extra=(ATTACHED.label("attached_call_events"),),
)
COUNT = select(ATTACHED).where(
    TABLE.c.organisation_id == bindparam("organisation_id"), TABLE.c.id == bindparam("alias_id")
)


def list_(session: Session, caller: Caller, paging: queries.Paging, employee_id: UUID) -> Mapping[str, Any]:
    """Return a page of a person's aliases. Raise NotFound for a person who is not the caller's to know of."""
    queries.read(session, caller, "employee", employee_id)
    return queries.paginate(session, caller, ALIASES, paging, {"employee_id": employee_id})


def create(session: Session, caller: Caller, employee_id: UUID, data: AgentAliasCreate) -> Mapping[str, Any]:
    """Say that an agent is this person, and attach what was kept as unmatched. Raise Conflict for a name in use."""
    matching.hold(session, caller)
    queries.read(session, caller, "employee", employee_id)
    if data.source_id is not None:
        queries.get_owned(session, caller, Source, data.source_id, "/source_id")
    alias = AgentAlias(
        organisation_id=caller.organisation_id,
        employee_id=employee_id,
        source_id=data.source_id,
        agent_ref=data.agent_ref,
        agent_key=folded(data.agent_ref),
    )
    session.add(alias)
    events.record(session, caller, "agent_alias.created", alias)
    matching.attach(session, caller, [employee_id])
    count = session.execute(COUNT, {"organisation_id": caller.organisation_id, "alias_id": alias.id}).scalar_one()
    return {**queries.read(session, caller, "agent_alias", alias.id), "attached_call_events": count}


def delete(session: Session, caller: Caller, employee_id: UUID, alias_id: UUID) -> None:
    """Forget a name. Call events that it attached stay."""
    alias = queries.get_allowed(session, caller, AgentAlias, alias_id, "delete")
    if alias.employee_id != employee_id:
        raise NotFound
    events.record(session, caller, "agent_alias.deleted", alias)
    session.delete(alias)
