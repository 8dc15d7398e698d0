"""When people work: their own week where they have said it, else a default one that is labelled as such."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import time
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import ARRAY, Select, Uuid, and_, bindparam, func, select
from sqlalchemy.orm import Session

from app import access, events, queries
from app.auth import Caller
from app.database import execute
from app.errors import Forbidden, NotFound
from app.models import Employee, Organisation, WorkPattern
from app.relations import ME, ORGANISATION
from app.schemas.work_pattern import WorkPatternPut
from app.services import plan_owner as owners

PERSON, TABLE, TENANT = Employee.__table__, WorkPattern.__table__, Organisation.__table__
DEFAULT_HOURS = [{"weekday": day, "starts_at": "09:00", "ends_at": "17:00"} for day in range(1, 6)]
BASIS = "A starting value by judgement: an office week. Nobody has said yet when this person works."
FALLBACK = "UTC"


@dataclass(frozen=True, slots=True)
class Hours:
    """From one time of a weekday (1 is Monday) to another, by the local clock; an end not after the start is the next
    day's.
    """

    weekday: int
    starts_at: time
    ends_at: time


@dataclass(frozen=True, slots=True)
class Pattern:
    """When one person works, as it counts: in which zone their hours are read, and which languages they speak."""

    employee_id: UUID
    time_zone: str
    languages: tuple[str, ...]
    hours: tuple[Hours, ...]
    is_default: bool


def _people() -> Select[Any]:
    """Return the statement for people with what their patterns follow from, whether they have said one or not."""
    theirs = and_(TABLE.c.organisation_id == PERSON.c.organisation_id, TABLE.c.employee_id == PERSON.c.id)
    return (
        select(
            PERSON.c.id.label("employee_id"),
            PERSON.c.time_zone.label("directory_zone"),
            PERSON.c.locale,
            TENANT.c.time_zone.label("organisation_zone"),
            TABLE.c.id.label("pattern_id"),
            func.coalesce(TABLE.c.version, 0).label("version"),
            TABLE.c.time_zone,
            TABLE.c.languages,
            TABLE.c.hours,
            TABLE.c.updated_at,
        )
        .select_from(PERSON.outerjoin(TABLE, theirs).join(TENANT, TENANT.c.id == PERSON.c.organisation_id))
        .where(PERSON.c.organisation_id == ORGANISATION)
    )


OF_MANY = _people().where(PERSON.c.id.in_(select(func.unnest(bindparam("ids", type_=ARRAY(Uuid()))))))


def of(session: Session, caller: Caller, employee_ids: Collection[UUID]) -> dict[UUID, Pattern]:
    """Return the patterns of these people of the organisation, in one statement; who is not there is left out.

    Whether the caller may know of them is asked before.
    """
    values = {"organisation_id": caller.organisation_id, "ids": list(employee_ids)}
    rows = execute(session, OF_MANY, values).all()
    return {row.employee_id: pattern_of(row) for row in rows}


def pattern_of(row: Any) -> Pattern:
    """Return what counts of one row of these statements."""
    is_default = row.pattern_id is None
    return Pattern(
        row.employee_id,
        _zone(row),
        tuple(_languages(row)),
        read_hours(DEFAULT_HOURS if is_default else row.hours),
        is_default,
    )


def read_hours(hours: Collection[Mapping[str, Any]]) -> tuple[Hours, ...]:
    """Return hours as they are stored, read."""
    return tuple(
        Hours(each["weekday"], time.fromisoformat(each["starts_at"]), time.fromisoformat(each["ends_at"]))
        for each in hours
    )


def read(session: Session, caller: Caller, employee_id: UUID) -> Mapping[str, Any]:
    """Return one person's pattern, the default one where nobody has said another."""
    return _shown(caller, _find(session, caller, employee_id))


def put(session: Session, caller: Caller, employee_id: UUID, data: WorkPatternPut) -> Mapping[str, Any]:
    """Say when a person works. The default week is of version 0, so that also the first change names what it read."""
    owners.hold(session, caller, employee_id)
    found = _find(session, caller, employee_id)
    if caller.if_match is not None:
        queries._require_match(caller.if_match, found)
    if not found.may_update:
        raise Forbidden("not_allowed", "You may see this, but not do this to it.")
    values = data.model_dump()
    pattern = WorkPattern(organisation_id=caller.organisation_id, employee_id=employee_id)
    if found.pattern_id is not None:
        pattern = session.get_one(WorkPattern, (caller.organisation_id, found.pattern_id))
    changed = sorted(name for name, value in values.items() if getattr(pattern, name) != value)
    if changed or found.pattern_id is None:
        for name, value in values.items():
            setattr(pattern, name, value)
        session.add(pattern)
        events.record(session, caller, "work_pattern.updated", pattern, details={"fields": changed})
    return read(session, caller, employee_id)


def _find(session: Session, caller: Caller, employee_id: UUID) -> Any:
    row = execute(
        session, _one(caller.kind, caller.roles), {**queries.parameters(caller), "id": employee_id}
    ).one_or_none()
    if row is None:
        raise NotFound
    return row


@cache
def _one(kind: str, roles: frozenset[str]) -> Select[Any]:
    may_read, may_update = (
        access._predicate_about("work_pattern", action, kind, roles, PERSON.c.id) for action in ("read", "update")
    )
    return (
        _people()
        .add_columns(may_update.label("may_update"), (PERSON.c.id == ME).label("is_mine"))
        .where(PERSON.c.id == bindparam("id"), may_read)
    )


def _shown(caller: Caller, row: Any) -> dict[str, Any]:
    is_default = row.pattern_id is None
    return {
        **row._mapping,
        "is_default": is_default,
        "basis": BASIS if is_default else None,
        "effective_time_zone": _zone(row),
        "languages": row.languages or [],
        "effective_languages": _languages(row),
        "hours": DEFAULT_HOURS if is_default else row.hours,
        "allowed_actions": access.allowed_actions(
            caller, "work_pattern", {"is_mine": row.is_mine and caller.kind == "person"}
        ),
    }


def _zone(row: Any) -> str:
    """Return the first zone that the machine knows: a directory can name one that has been renamed since."""
    given = (row.time_zone, row.directory_zone, row.organisation_zone)
    return next((zone for zone in given if zone in _zones()), FALLBACK)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _languages(row: Any) -> list[str]:
    if row.languages:
        return list(row.languages)
    return [row.locale.replace("_", "-").partition("-")[0].lower()] if row.locale else []
