"""The HR sync without SCIM: a batch of people, upserted by external id, in a fixed number of statements."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.errors import Conflict, Fault
from app.models.base import folded, new_id
from app.problems import fault_of
from app.reasons import Sentence
from app.schemas.employee import MOST_AT_ONCE, EmployeeBatch, EmployeeSync
from app.services import departure as departures
from app.services import employee_bulk as bulk
from app.services import matching
from app.services.employee import IDENTITY, lock_directory
from app.services.employee_plan import OWN_MANAGER, Person, Plan

MOST_FIELDS, MOST_FAULTS = 100, 10
LEFT = Sentence("The HR system says that they left.")
BACK = Sentence("The HR system names them again.")
MISSING = Sentence("A complete list of the HR system does not name them.")


def sync(session: Session, caller: Caller, data: EmployeeBatch) -> Mapping[str, Any]:
    """Create, update, deactivate and reactivate people as HR has them, each on its own; or say what would be done.

    Raise Conflict where more people than one batch may deactivate would be missing.
    """
    session.execute(bulk.PLAN_ANEW)
    if not data.dry_run:
        lock_directory(session, caller)
        matching.hold(session, caller)
    people = _read_all(data)
    plan = Plan(session, caller, people, lock=not data.dry_run)
    plan.settle()
    areas, new_areas = _areas(session, caller, plan, dry_run=data.dry_run)
    plan.work_out(areas)
    missing, missing_count = _missing(session, caller, data, people) if data.mode == "complete" else ([], 0)
    if not data.dry_run:
        _write(session, caller, plan, new_areas)
        _deactivate(session, caller, [each["id"] for each in missing if each["deactivated"]])
    results = [_result(person, dry_run=data.dry_run) for person in people if person.index is not None]
    counts = dict.fromkeys(("created", "updated", "unchanged", "rejected"), 0)
    for result in results:
        counts[result["status"]] += 1
    found = sum(1 for person in plan.accepted() if person.index is None and person.changed)
    return {
        "dry_run": data.dry_run,
        **counts,
        "results": results,
        "managers_found": found,
        "missing_count": missing_count,
        "missing": missing,
    }


def _read_all(data: EmployeeBatch) -> list[Person]:
    people, seen = [], set()
    for index, raw in enumerate(cast("list[Any]", data.employees)):
        person = _read(index, raw)
        if not person.faults:
            if person.external_id in seen:
                fault = Fault(
                    "/external_id", "duplicate_external_id", "An earlier item of the batch has this external id."
                )
                person.faults.append(fault)
            elif not data.covers(person.external_id or ""):
                person.faults.append(Fault("/external_id", "outside_range", "Not between after and through."))
            seen.add(person.external_id)
        people.append(person)
    return people


def _read(index: int, raw: Any) -> Person:
    """Return one item as it was sent, checked by itself."""
    if isinstance(raw, dict) and len(raw) > MOST_FIELDS:
        return Person(index, _external_id(raw), faults=[Fault("/", "too_many_fields", "No person has so many fields.")])
    try:
        given = EmployeeSync.model_validate(raw).given()
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_FAULTS]
        faults = [fault_of({**each, "loc": ("body", *each["loc"])}) for each in errors]
        return Person(index, _external_id(raw), faults=faults)
    person = Person(index, given.pop("external_id"), given)
    if given.get("manager_external_id") == person.external_id:
        person.faults.append(OWN_MANAGER)
    return person


def _external_id(raw: Any) -> str | None:
    found = raw.get("external_id") if isinstance(raw, dict) else None
    return found if isinstance(found, str) and len(found) <= 200 and found.strip() else None


def _result(person: Person, *, dry_run: bool) -> dict[str, Any]:
    made_up = dry_run and person.status == "created"
    return {
        "index": person.index,
        "external_id": person.external_id,
        "status": person.status,
        "id": None if person.faults or made_up else person.id,
        "changed": person.changed,
        "manager_awaited": not person.faults and person.values["manager_external_id"] is not None,
        "errors": person.faults,
    }


def _areas(session: Session, caller: Caller, plan: Plan, *, dry_run: bool) -> tuple[dict[str, UUID], list[UUID]]:
    """Return the service areas that the batch names, by folded name, and those among them that are new."""
    named = [person.given["service_area"] for person in plan.accepted() if person.given.get("service_area")]
    names = {folded(name): name for name in reversed(named)}  # the first spelling of a name is the one kept
    if not names:
        return {}, []
    values = {"tenant": caller.organisation_id, "keys": list(names)}
    areas = {row.name_key: row.id for row in session.execute(bulk.FIND_AREAS, values)}
    new = {key: new_id() for key in names if key not in areas}
    if new and not dry_run:
        rows = [
            {"organisation_id": caller.organisation_id, "id": id_, "name": names[key], "name_key": key, "version": 1}
            for key, id_ in sorted(new.items())
        ]
        session.execute(bulk.INSERT_AREAS, rows)
        areas |= {row.name_key: row.id for row in session.execute(bulk.FIND_AREAS, values)}
    return {**new, **areas}, [id_ for key, id_ in new.items() if areas.get(key) == id_]


def _write(session: Session, caller: Caller, plan: Plan, new_areas: Sequence[UUID]) -> None:
    values = {"tenant": caller.organisation_id, "now": clock.now()}
    new = [person for person in plan.accepted() if person.current is None]
    changed = [person for person in plan.accepted() if person.changed]
    if freed := plan.freed_names():
        session.execute(bulk.FREE_NAMES, {**values, "ids": freed})
    bulk.write(session, bulk.INSERT, [person.values for person in new], values)
    bulk.write(session, bulk.UPDATE, [person.values for person in changed], values)
    events.record_changes(
        session, caller, "service_area", [events.Change("service_area.created", id_, 1) for id_ in new_areas]
    )
    changes = [events.Change("employee.created", person.id, 1, person.id) for person in new]
    for person in changed:
        changes += _changes(person, person.current["version"] + 1 if person.current else 1)
    events.record_changes(session, caller, "employee", changes)
    turned = [person for person in changed if "active" in person.changed]
    departures.leave(session, caller, [person.id for person in turned if not person.values["active"]])
    departures.come_back(session, caller, [person.id for person in turned if person.values["active"]])
    known_anew = [p.id for p in new] + [p.id for p in changed if IDENTITY & set(p.changed)]
    if known_anew:
        matching.attach(session, caller, known_anew)


def _changes(person: Person, version: int) -> list[events.Change]:
    fields = [name for name in person.changed if name != "active"]
    changes = []
    if fields:
        changes.append(events.Change("employee.updated", person.id, version, person.id, {"fields": fields}))
    if "active" in person.changed:
        verb, reason = ("reactivated", BACK) if person.values["active"] else ("deactivated", LEFT)
        changes.append(events.Change(f"employee.{verb}", person.id, version, person.id, {"reason": reason}))
    return changes


def _missing(
    session: Session, caller: Caller, data: EmployeeBatch, people: Sequence[Person]
) -> tuple[list[dict[str, Any]], int]:
    """Return the active people of the range whom the batch does not name, also not in an item that was rejected."""
    values = {
        "tenant": caller.organisation_id,
        "present": [person.external_id for person in people if person.index is not None and person.external_id],
        "after": data.after,
        "through": data.through,
    }
    rows = session.execute(bulk.FIND_MISSING, values).all()
    count = rows[0].in_all if rows else 0
    if data.deactivate_missing and count > MOST_AT_ONCE:
        raise Conflict(
            "too_many_missing", "More than 1,000 people are missing. Sync by ranges, with after and through."
        )
    readable = all(person.external_id is not None for person in people if person.index is not None)
    deactivate = data.deactivate_missing and readable
    return [
        {"id": row.id, "external_id": row.external_id, "deactivated": deactivate and not row.kept_by_scim}
        for row in rows
    ], count


def _deactivate(session: Session, caller: Caller, ids: Sequence[UUID]) -> None:
    if not ids:
        return
    values = {"tenant": caller.organisation_id, "now": clock.now(), "ids": list(ids)}
    rows = session.execute(bulk.DEACTIVATE, values).all()
    changes = [events.Change("employee.deactivated", row.id, row.version, row.id, {"reason": MISSING}) for row in rows]
    events.record_changes(session, caller, "employee", changes)
    departures.leave(session, caller, [row.id for row in rows])
