"""Exports of all that is held about a person: at once where it is little, else as a job; theirs alone to read."""

import json
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app import clock, jobs, queries, texts
from app.auth import Caller
from app.call import Answer
from app.errors import Conflict, Forbidden
from app.jobs import Run
from app.models import DataExport, Employee
from app.models.job import JobState
from app.services import personal_records as records

KEPT = timedelta(days=7)
AT_ONCE = 2_000  # records in an answer; more are a job
PURGED_AT_ONCE = 20
CONTENT = "data_export.content"
URL = "/v1/data-exports"
TABLE = DataExport.__table__
EXPORTS = queries.Listing(
    "data_export", sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at}, default_sort="-id", syncs=False
)
PLAIN: TypeAdapter[Any] = TypeAdapter(Any)


def export_mine(session: Session, caller: Caller) -> Any:
    """Return everything that is held about the caller, or, where that is much, the job that gathers it."""
    if caller.employee_id is None:
        raise Forbidden("people_only", "Only a person can do this, with an access token.")
    person, left = records.as_the_person(caller, caller.employee_id), AT_ONCE
    rows = {}
    for section in records.SECTIONS:
        rows[section.name] = records.read(session, person, section, left)
        left -= len(rows[section.name])
        if left < 0:
            return _as_a_job(session, caller, caller.employee_id)
    return records.described(session, person, rows)


def request(session: Session, caller: Caller, employee_id: UUID) -> Answer:
    """Start an export for somebody else. Raise Conflict for a person who was erased."""
    employee = queries.get_allowed(session, caller, Employee, employee_id, "export")
    if employee.erased_at is not None:
        raise Conflict("person_erased", "The person was erased: nothing is held about them.")
    return _as_a_job(session, caller, employee_id)


def list_(session: Session, caller: Caller, paging: queries.Paging) -> Mapping[str, Any]:
    """Return a page of the exports of one's own data, and for an officer of those of everybody."""
    return queries.paginate(session, caller, EXPORTS, paging, {})


def read(session: Session, caller: Caller, export_id: UUID) -> dict[str, Any]:
    """Return how far an export is. Never its content."""
    return queries.read(session, caller, "data_export", export_id)


def open_(session: Session, caller: Caller, export_id: UUID) -> Any:
    """Return the content of an export of one's own data. Raise Conflict while there is none."""
    found = queries.get_allowed(session, caller, DataExport, export_id, "open")
    if found.content is None:
        raise Conflict("not_ready", f"The export is {found.state}: it has no content.")
    packed = texts.reveal_bytes(session, caller, found.employee_id, CONTENT, found.id, found.content)
    return json.loads(zlib.decompress(packed))


async def work(run: Run) -> None:
    """Gather everything, a table at a time, each in a transaction of its own, and keep it sealed."""
    employee_id = await run.read(_whose, run.id)
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, section in enumerate(records.SECTIONS):
        rows[section.name] = await run.read(_read, employee_id, section)
        run.tell(100 * number // len(records.SECTIONS))
    await run.succeed(store, rows)


def store(session: Session, caller: Caller, export: DataExport, rows: Mapping[str, list[dict[str, Any]]]) -> None:
    """Keep what was gathered, sealed under the key of the person. Raise Unreadable where they were erased meanwhile."""
    person = records.as_the_person(caller, export.employee_id)
    packed = zlib.compress(PLAIN.dump_json(records.described(session, person, rows)))
    export.content = texts.seal_bytes(session, caller, export.employee_id, CONTENT, export.id, packed)
    export.record_count = sum(map(len, rows.values()))


def purge(session: Session, caller: Caller, now: datetime) -> int:
    """Remove exports whose time is over; return how many, PURGED_AT_ONCE at most."""
    mine = TABLE.c.organisation_id == caller.organisation_id
    over = select(TABLE.c.id).where(mine, TABLE.c.expires_at < now).limit(PURGED_AT_ONCE)
    return int(session.connection().execute(delete(DataExport).where(mine, TABLE.c.id.in_(over))).rowcount)


def _as_a_job(session: Session, caller: Caller, employee_id: UUID) -> Answer:
    """Return the job of a person that is not finished yet, or a new one."""
    unfinished = select(TABLE.c.id).where(
        TABLE.c.organisation_id == caller.organisation_id,
        TABLE.c.employee_id == employee_id,
        TABLE.c.requested_by_id == caller.id,
        TABLE.c.state.in_((JobState.queued, JobState.running)),
    )
    export_id = session.scalars(unfinished.order_by(TABLE.c.id).limit(1)).first()
    if export_id is None:
        export = DataExport(
            organisation_id=caller.organisation_id,
            employee_id=employee_id,
            requested_by_id=caller.id,
            state=JobState.queued,
            progress=0,
            attempts=0,
            expires_at=clock.now() + KEPT,
        )
        jobs.enqueue(session, caller, export)
        export_id = export.id
    return Answer(read(session, caller, export_id), 202, {"Location": f"{URL}/{export_id}"})


def _whose(session: Session, caller: Caller, export_id: UUID) -> UUID:
    return session.get_one(DataExport, (caller.organisation_id, export_id)).employee_id


def _read(session: Session, caller: Caller, employee_id: UUID, section: records.Section) -> list[dict[str, Any]]:
    return records.read(session, records.as_the_person(caller, employee_id), section)[: records.MOST]
