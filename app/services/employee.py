"""Employees: the directory that HR keeps, and what follows when somebody comes, changes, leaves or comes back."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Row, Uuid, bindparam, func, insert, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict
from app.models import Employee, ServiceArea, TeamMember
from app.models.base import folded, new_id
from app.schemas.base import Reason
from app.schemas.employee import EmployeeCreate, EmployeeUpdate
from app.services import departure as departures
from app.services import matching

TABLE = Employee.__table__
MEMBERS = TeamMember.__table__
EMPLOYEES = queries.Listing(
    "employee",
    sorts={"id": TABLE.c.id, "user_name": TABLE.c.user_name_key, "display_name": TABLE.c.display_name},
    filters={
        "active": TABLE.c.active == bindparam("active"),
        "external_id": TABLE.c.external_id == bindparam("external_id"),
        "user_name": TABLE.c.user_name_key == bindparam("user_name"),
        "manager_id": TABLE.c.manager_id == bindparam("manager_id"),
        "service_area_id": TABLE.c.service_area_id == bindparam("service_area_id"),
        "team_id": TABLE.c.id.in_(
            select(MEMBERS.c.employee_id).where(
                MEMBERS.c.organisation_id == bindparam("organisation_id"), MEMBERS.c.team_id == bindparam("team_id")
            )
        ),
    },
)

# What a call platform or an identity provider may know a person by: a change can attach call events.
IDENTITY = frozenset({"external_id", "user_name", "email", "employee_number"})
# What is unique, or a line to another person: one change at a time in an organisation, or two could close a circle.
SHARED = frozenset({"external_id", "user_name", "manager_id"})
KEYS = {"user_name": "user_name_key", "email": "email_key"}

# By the connection itself, which is a quarter of the work of the session's own way.
INSERT = insert(Employee)
INSERT_ONE = INSERT.returning(*TABLE.c)

LOCK = func.pg_advisory_xact_lock
LOCK_DIRECTORY = select(LOCK(bindparam("directory", type_=BigInteger())))
LOCK_NAMES = LOCK_DIRECTORY.add_columns(LOCK(bindparam("unmatched", type_=BigInteger())).label("unmatched"))
ORGANISATION = bindparam("organisation_id", type_=Uuid())
IS_AWAITED = select(
    select(TABLE.c.id)
    .where(TABLE.c.organisation_id == ORGANISATION, TABLE.c.manager_external_id == bindparam("key"))
    .exists()
)


def _comes_back() -> Any:
    """Return whether the line of managers above a person comes back to them. A union ends also in a circle."""
    line = (
        select(TABLE.c.manager_id.label("id"))
        .where(TABLE.c.organisation_id == ORGANISATION, TABLE.c.id == bindparam("person", type_=Uuid()))
        .cte("line", recursive=True)
    )
    above = select(TABLE.c.manager_id).where(TABLE.c.organisation_id == ORGANISATION, TABLE.c.id == line.c.id)
    line = line.union(above)
    return select(select(line.c.id).where(line.c.id == bindparam("person", type_=Uuid())).exists())


COMES_BACK = _comes_back()


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the employees whom the caller may know of."""
    if filters.get("user_name") is not None:
        filters = {**filters, "user_name": folded(filters["user_name"])}
    return queries.paginate(session, caller, EMPLOYEES, paging, filters)


def read(session: Session, caller: Caller, employee_id: UUID) -> Mapping[str, Any]:
    """Return one person. Raise NotFound for one whom the caller may not know of."""
    return queries.read(session, caller, "employee", employee_id)


def create(session: Session, caller: Caller, data: EmployeeCreate) -> Mapping[str, Any]:
    """Add a person. Raise Conflict where the user name or the external id is taken."""
    return read(session, caller, add(session, caller, data).id)


def add(session: Session, caller: Caller, data: EmployeeCreate, provider: Mapping[str, Any] | None = None) -> Row[Any]:
    """Add a person and return their row. Raise Conflict where the user name or the external id is taken.

    ``provider`` holds columns that an identity provider alone sets, where it is one that adds them; whom and what the
    data then refers to was looked up.
    """
    given = data.given()
    lock_names(session, caller)
    if provider is None:
        _check_references(session, caller, given)
    row = execute(session, INSERT_ONE, new_row(caller, given, provider or {})).one()
    created = events.Change("employee.created", row.id, row.version, row.id)
    events.record_changes(session, caller, "employee", [created])
    link_reports(session, caller, row)
    matching.attach_named(session, caller, names_of(row))
    return row


def new_row(caller: Caller, given: Mapping[str, Any], provider: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a new person, with the folded forms of what is found by them."""
    keys = {KEYS[name]: folded(value) for name, value in given.items() if name in KEYS and value is not None}
    return {"organisation_id": caller.organisation_id, "id": new_id(), **provider, **given, **keys}


def update(session: Session, caller: Caller, employee_id: UUID, data: EmployeeUpdate) -> Mapping[str, Any]:
    """Change a person. Raise Conflict for a taken name, or a manager who would close a circle."""
    return read(session, caller, change(session, caller, employee_id, data).id)


def change(
    session: Session,
    caller: Caller,
    employee_id: UUID,
    data: EmployeeUpdate,
    provider: Mapping[str, Any] | None = None,
) -> Employee:
    """Change a person and return their row. Raise Conflict for a taken name, or a manager who would close a circle.

    ``provider`` holds columns that an identity provider alone sets, where it is one that changes them; where it is not,
    raise Conflict for a field that one sets.
    """
    given = data.given()
    if given.keys() & SHARED:
        lock_directory(session, caller)
    if given.keys() & IDENTITY:
        matching.hold(session, caller)
    employee = queries.get_allowed(session, caller, Employee, employee_id, "update")
    return alter(session, caller, employee, given, provider)


def alter(
    session: Session,
    caller: Caller,
    employee: Employee,
    given: Mapping[str, Any],
    provider: Mapping[str, Any] | None = None,
) -> Employee:
    """Change a person whose row the caller got to update, having taken first the locks that ``change`` takes for it."""
    if provider is None:
        _check_references(session, caller, given)
    changed = _apply(employee, given)
    if provider is None:
        _require_not_owned(employee, changed)
    else:
        changed += _take(employee, provider)
    if not changed:
        return employee
    session.flush()
    events.record(session, caller, "employee.updated", employee, subject_id=employee.id, details={"fields": changed})
    if "external_id" in changed:
        link_reports(session, caller, employee)
    if "manager_id" in changed:
        _require_no_circle(session, caller, employee)
    if IDENTITY & set(changed):
        matching.attach(session, caller, [employee.id])
    return employee


def deactivate(session: Session, caller: Caller, employee_id: UUID, data: Reason | None) -> Mapping[str, Any]:
    """End a person's access with their next request. Memberships and history stay. Twice is the same answer."""
    return _set_active(session, caller, employee_id, "deactivate", data)


def reactivate(session: Session, caller: Caller, employee_id: UUID, data: Reason | None) -> Mapping[str, Any]:
    """Take a person back as they were. Twice is the same answer."""
    return _set_active(session, caller, employee_id, "reactivate", data)


def _set_active(
    session: Session, caller: Caller, employee_id: UUID, verb: str, data: Reason | None
) -> Mapping[str, Any]:
    employee = queries.get_allowed(session, caller, Employee, employee_id, verb)
    set_active(session, caller, employee, data.reason if data is not None else None, active=verb == "reactivate")
    return read(session, caller, employee_id)


def set_active(
    session: Session, caller: Caller, employee: Employee, reason: str | None = None, *, active: bool
) -> None:
    """End the access of a person whose row the caller got to change, or give it back. Twice is the same."""
    if employee.active is active:
        return
    employee.active = active
    employee.deactivated_at = None if active else clock.now()
    action = "employee.reactivated" if active else "employee.deactivated"
    details = None if reason is None else {"reason": reason}
    events.record(session, caller, action, employee, subject_id=employee.id, details=details)
    (departures.come_back if active else departures.leave)(session, caller, [employee.id])


def _require_not_owned(employee: Employee, changed: list[str]) -> None:
    """Raise Conflict for a field that the identity provider sets: two sources would fight over it."""
    owned = [name for name in changed if name in employee.scim_owned]
    if owned:
        raise Conflict("owned_by_scim", f"The identity provider sets {', '.join(owned)} by SCIM: change it there.")
    if "email" in changed:
        employee.emails = None


def _take(employee: Employee, provider: Mapping[str, Any]) -> list[str]:
    """Put what a provider alone sets into the row, and return which of it an employee's representation tells."""
    changed = [name for name, value in provider.items() if getattr(employee, name) != value]
    for name in changed:
        setattr(employee, name, provider[name])
    return sorted({"emails" if name == "emails" else "provisioning" for name in changed})


def lock_directory(session: Session, caller: Caller) -> None:
    """Let one transaction at a time change names, keys and managers of an organisation's people, until it ends.

    Take it before any row of an employee is locked.
    """
    execute(session, LOCK_DIRECTORY, {"directory": _lock_number(caller)})


def lock_names(session: Session, caller: Caller) -> None:
    """Take ``lock_directory`` and then ``matching.hold``, which who adds or renames people needs, in one statement."""
    execute(session, LOCK_NAMES, {"directory": _lock_number(caller), "unmatched": matching.lock_number(caller)})


def _lock_number(caller: Caller) -> int:
    digest = sha256(b"directory|" + caller.organisation_id.bytes).digest()
    return int.from_bytes(digest[:8], signed=True)


def names_of(row: Any) -> tuple[str | None, ...]:
    """Return what a call platform may know a person by, beside aliases."""
    return (row.external_id, row.user_name, row.email, row.employee_number)


def _check_references(session: Session, caller: Caller, given: Mapping[str, Any]) -> None:
    """Raise Unprocessable for a manager or a service area that the organisation does not have."""
    for name, model in (("manager_id", Employee), ("service_area_id", ServiceArea)):
        if given.get(name) is not None:
            queries.get_owned(session, caller, model, given[name], f"/{name}")


def _apply(employee: Employee, given: Mapping[str, Any]) -> list[str]:
    """Put the given values into the row and return the names of the fields that changed."""
    values = dict(given)
    if given.get("manager_id") is not None and given["manager_id"] == employee.id:
        raise Conflict("own_manager", "Nobody manages themself.")
    if "manager_id" in given:
        values["manager_external_id"] = None
    return put(employee, values)


def put(employee: Employee, values: Mapping[str, Any]) -> list[str]:
    """Put values into a row, with their folded forms, and return the names of the fields that changed."""
    changed = sorted(name for name, value in values.items() if getattr(employee, name) != value)
    for name in changed:
        setattr(employee, name, values[name])
        if name in KEYS:
            setattr(employee, KEYS[name], None if values[name] is None else folded(values[name]))
    return changed


def link_reports(session: Session, caller: Caller, manager: Any) -> None:
    """Give people who were waiting for this external id their manager. Raise Conflict where that closes a circle."""
    if manager.external_id is None:
        return
    if manager.manager_external_id == manager.external_id:
        raise Conflict("own_manager", "Nobody manages themself.")
    key = {"organisation_id": caller.organisation_id, "key": manager.external_id}
    if not execute(session, IS_AWAITED, key).scalar_one():
        return
    waiting = session.scalars(
        select(Employee)
        .where(Employee.organisation_id == caller.organisation_id, Employee.manager_external_id == manager.external_id)
        .order_by(Employee.id)
        .with_for_update(key_share=True)
    ).all()
    for report in waiting:
        report.manager_id, report.manager_external_id = manager.id, None
    session.flush()
    fields = {"fields": ["manager_external_id", "manager_id"]}
    changes = [events.Change("employee.updated", row.id, row.version, row.id, fields) for row in waiting]
    events.record_changes(session, caller, "employee", changes)
    if waiting:
        _require_no_circle(session, caller, manager)


def _require_no_circle(session: Session, caller: Caller, employee: Any) -> None:
    values = {"organisation_id": caller.organisation_id, "person": employee.id}
    if session.execute(COMES_BACK, values).scalar_one():
        raise Conflict("manager_cycle", "The line of managers would come back to the person.")
