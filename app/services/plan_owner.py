"""What plans, goals and reviews share: their owner, one change at a time for each, and filters by who the owner is."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Select, bindparam, cast, func, select
from sqlalchemy.orm import Session

from app import access, clock, queries
from app.auth import Caller
from app.errors import Conflict, Fault, Unprocessable
from app.models import Employee, TeamMember
from app.policy import MODELS
from app.relations import ORGANISATION

PERSON, MEMBER = Employee.__table__, TeamMember.__table__
NOW = bindparam("now", type_=Employee.__table__.c.created_at.type)
TODAY = cast(func.timezone("UTC", NOW), Date)

OF_TEAM = select(MEMBER.c.employee_id).where(
    MEMBER.c.organisation_id == ORGANISATION, MEMBER.c.team_id == bindparam("team_id")
)
OF_AREA = select(PERSON.c.id).where(
    PERSON.c.organisation_id == ORGANISATION, PERSON.c.service_area_id == bindparam("service_area_id")
)
HOLD = (
    select(PERSON.c.id)
    .where(PERSON.c.organisation_id == ORGANISATION, PERSON.c.id == bindparam("person"))
    .with_for_update(key_share=True)
)


def today() -> Any:
    """Return the day that it is in UTC: what is due on a day is overdue when that day has ended there."""
    return clock.now().date()


def filters_by_owner(owner: ColumnElement[Any]) -> dict[str, ColumnElement[bool]]:
    """Return the filters of a list by the person, the team and the service area that its rows are about."""
    return {
        "employee_id": owner == bindparam("employee_id"),
        "team_id": owner.in_(OF_TEAM),
        "service_area_id": owner.in_(OF_AREA),
    }


def hold(session: Session, caller: Caller, employee_id: UUID) -> None:
    """Let one transaction at a time change the plans, goals and reviews of one person, until it ends.

    Take it before any of those rows is locked. The directory's own references to the person are not held up.
    """
    session.execute(HOLD, {"organisation_id": caller.organisation_id, "person": employee_id})


def hold_owner(session: Session, caller: Caller, resource: str, row_id: UUID) -> None:
    """Hold the person whom a row is about, where the caller may know of the row."""
    session.execute(_hold_owner(resource, caller.kind, caller.roles), {**queries.parameters(caller), "id": row_id})


@cache
def _hold_owner(resource: str, kind: str, roles: frozenset[str]) -> Select[Any]:
    model, owner = MODELS[resource]
    table: Any = model.__table__
    return (
        select(PERSON.c.id)
        .join(table, (table.c.organisation_id == PERSON.c.organisation_id) & (owner == PERSON.c.id))
        .where(PERSON.c.organisation_id == ORGANISATION, table.c.organisation_id == ORGANISATION)
        .where(table.c.id == bindparam("id"), access._predicate(resource, "read", kind, roles))
        .with_for_update(of=PERSON, key_share=True)
    )


def owner_of_new(session: Session, caller: Caller, resource: str, employee_id: UUID | None) -> Employee:
    """Return whom a new row is to be about: the one named, else the caller. Raise Conflict for one who has left."""
    if employee_id is None:
        employee_id = caller.employee_id
    if employee_id is None:
        raise Unprocessable(faults=[Fault("/employee_id", "missing", "A client has to say whose it is.")])
    employee = queries.get_subject(session, caller, resource, "create", employee_id)
    if not employee.active:
        raise Conflict("employee_inactive", "The person has left the organisation.")
    return employee
