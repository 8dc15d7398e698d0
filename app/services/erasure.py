"""Erasing a person who has left: their key destroyed, their name a pseudonym, statistics kept, and the ledger of it."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, events, queries, texts
from app.auth import Caller
from app.errors import Conflict
from app.models import Employee, Erasure
from app.models.base import new_id
from app.schemas.data_rights import ErasureCreate
from app.services import employee as employees
from app.services import erasure_rows as rows
from app.services import matching

PREFIX = "Erased person"


def erase(session: Session, caller: Caller, employee_id: UUID, data: ErasureCreate | None) -> Mapping[str, Any]:
    """Erase a person, or say what would go. Raise Conflict for one who is still active. Twice is the same answer."""
    dry_run = data is not None and data.dry_run
    if not dry_run:
        hold(session, caller)
    employee = queries.get_allowed(session, caller, Employee, employee_id, "erase")
    done = _entry_of(session, caller, employee_id)
    if dry_run:
        return _answer(employee_id, None, rows.counted(session, caller, employee_id))
    if done is not None and employee.erased_at is not None:
        return _answer(employee_id, done, done.counts["records"])
    if employee.active:
        raise Conflict(
            "still_active", "Deactivate the person first: it ends their access, and gives them time to object."
        )
    entry = now_erase(session, caller, employee)
    return _answer(employee_id, entry, entry.counts["records"])


def now_erase(session: Session, caller: Caller, employee: Employee, entry: Erasure | None = None) -> Erasure:
    """Erase a person whose row is locked, and write the ledger; again under the pseudonym of an ``entry`` of it."""
    employee_id, counts = employee.id, rows.counted(session, caller, employee.id)
    if entry is None:
        token = secrets.token_hex(8)
        entry = Erasure(
            organisation_id=caller.organisation_id,
            id=new_id(),
            employee_id=employee_id,
            pseudonym=f"{PREFIX} {token}",
            erased_by_id=caller.employee_id,
            erased_at=clock.now(),
            counts={"records": [{**each, "effect": str(each["effect"])} for each in counts]},
        )
        session.add(entry)
        session.flush()
    wipe(session, caller, employee_id, entry.pseudonym)
    erased = session.get_one(Employee, (caller.organisation_id, employee_id))
    details = {"records": sum(each["count"] for each in counts)}
    events.record(session, caller, "employee.erased", erased, subject_id=employee_id, details=details)
    return entry


def wipe(session: Session, caller: Caller, employee_id: UUID, pseudonym: str) -> None:
    """Take away all that says who a person is or what they said. Safe to repeat."""
    texts.destroy_key(session, caller, employee_id)
    rows.forget(session, caller, [employee_id])
    rows.pseudonymise(session, caller, employee_id, pseudonym, pseudonym.removeprefix(PREFIX).strip())


def replay(
    session: Session, caller: Caller, employee_id: UUID, pseudonym: str, erased_at: datetime, erased_by_id: UUID | None
) -> str:
    """Do again what the ledger says, after a restore; return ``erased_again``, ``still_erased`` or ``not_there``.

    What a backup brought back of a person goes, also where their row itself was still erased.
    """
    hold(session, caller)
    entry = _entry_of(session, caller, employee_id)
    if entry is None:
        entry = Erasure(
            organisation_id=caller.organisation_id,
            id=new_id(),
            employee_id=employee_id,
            pseudonym=pseudonym,
            erased_by_id=erased_by_id,
            erased_at=erased_at,
            counts={"records": []},
        )
        session.add(entry)
        session.flush()
    mine = (Employee.organisation_id == caller.organisation_id, Employee.id == employee_id)
    employee = session.scalars(select(Employee).where(*mine).with_for_update()).one_or_none()
    if employee is None:
        texts.destroy_key(session, caller, employee_id)
        return "not_there"
    if employee.erased_at is None:
        now_erase(session, caller, employee, entry)
        return "erased_again"
    wipe(session, caller, employee_id, entry.pseudonym)
    return "still_erased"


def hold(session: Session, caller: Caller) -> None:
    """Take the locks on names and on agents before any row of a person, as every change of them does."""
    employees.lock_directory(session, caller)
    matching.hold(session, caller)


def _entry_of(session: Session, caller: Caller, employee_id: UUID) -> Erasure | None:
    mine = (Erasure.organisation_id == caller.organisation_id, Erasure.employee_id == employee_id)
    return session.scalars(select(Erasure).where(*mine)).one_or_none()


def _answer(employee_id: UUID, entry: Erasure | None, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "employee_id": employee_id,
        "dry_run": entry is None,
        "pseudonym": entry.pseudonym if entry else None,
        "erased_at": entry.erased_at if entry else None,
        "erased_by_id": entry.erased_by_id if entry else None,
        "records": records,
    }
