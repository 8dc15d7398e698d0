"""Many new people at once, in a fixed number of statements."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, func, or_, select
from sqlalchemy.orm import Session

from app import events
from app.auth import Caller
from app.errors import Conflict
from app.models import Employee
from app.models.base import folded
from app.relations import ORGANISATION
from app.schemas.employee import EmployeeCreate
from app.services import matching
from app.services.employee import INSERT, KEYS, link_reports, lock_names, names_of, new_row

TABLE = Employee.__table__
# What one of many may leave out: rows that are written at once have the same columns.
NOTHING_SAID = dict.fromkeys((*EmployeeCreate.model_fields, *KEYS.values(), "manager_external_id"))


def _texts(name: str) -> Any:
    return select(func.unnest(bindparam(name, type_=ARRAY(Text()))).label("text"))


TAKEN = select(TABLE.c.user_name_key, TABLE.c.external_id).where(
    TABLE.c.organisation_id == ORGANISATION,
    or_(TABLE.c.user_name_key.in_(_texts("names")), TABLE.c.external_id.in_(_texts("keys"))),
)
AWAITED = (
    select(TABLE.c.manager_external_id)
    .where(TABLE.c.organisation_id == ORGANISATION, TABLE.c.manager_external_id.in_(_texts("keys")))
    .distinct()
)


def create_many(
    session: Session, caller: Caller, people: Sequence[tuple[EmployeeCreate, Mapping[str, Any]]]
) -> list[UUID | Conflict]:
    """Add people in a fixed number of statements, and return each one's id, or why they were not added.

    Their managers and service areas are ones that the caller has looked up. See ``create`` for the rest.
    """
    lock_names(session, caller)
    names, keys = _taken(session, caller, [data for data, _ in people])
    results: list[UUID | Conflict] = []
    added: list[dict[str, Any]] = []
    for data, provider in people:
        name = folded(data.user_name)
        if name in names or (data.external_id is not None and data.external_id in keys):
            results.append(Conflict("already_exists", "There is one like it already."))
            continue
        names.add(name)
        keys.add(data.external_id)
        added.append({**NOTHING_SAID, **new_row(caller, data.given(), provider)})
        results.append(added[-1]["id"])
    if added:
        session.connection().execute(INSERT, added)
        changes = [events.Change("employee.created", values["id"], 1, values["id"]) for values in added]
        events.record_changes(session, caller, "employee", changes)
        rows = [SimpleNamespace(**row) for row in added]
        _link_reports_of_many(session, caller, rows)
        matching.attach_named(session, caller, [name for row in rows for name in names_of(row)])
    return results


def _taken(session: Session, caller: Caller, people: Sequence[EmployeeCreate]) -> tuple[set[str], set[str | None]]:
    """Return the folded user names and the external ids, of those that are asked for, that somebody has."""
    values = {
        "organisation_id": caller.organisation_id,
        "names": [folded(data.user_name) for data in people],
        "keys": [data.external_id for data in people if data.external_id is not None],
    }
    rows = session.execute(TAKEN, values).all()
    return {row.user_name_key for row in rows}, {row.external_id for row in rows if row.external_id is not None}


def _link_reports_of_many(session: Session, caller: Caller, added: Sequence[Any]) -> None:
    keys = {employee.external_id: employee for employee in added if employee.external_id is not None}
    if keys:
        values = {"organisation_id": caller.organisation_id, "keys": list(keys)}
        for key in session.execute(AWAITED, values).scalars().all():
            link_reports(session, caller, keys[key])
