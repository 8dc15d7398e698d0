"""That a sensitive record was looked at, by whom and by which right: an audit entry in the reader's own transaction.

It fails closed: what cannot be recorded is not shown, since the answer is rendered in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from app import access
from app.auth import Caller
from app.models import AuditEntry
from app.models.base import new_id
from app.policy import MODELS, POLICY

READ = insert(AuditEntry)
BY_SCOPE = "client"


class Read(NamedTuple):
    """One record that is being shown: whom it is about, and the name of the relation that lets the caller see it."""

    row_id: UUID
    subject_id: UUID | None
    right: str


def record_read(
    session: Session,
    caller: Caller,
    row_or_resource: Any,
    row_id: UUID,
    subject_id: UUID | None,
    right: str | None = None,
) -> None:
    """Write to the audit that ``caller`` is shown a record about somebody else, and by which right.

    ``right`` is the name of a relation; a client's is its scope, and may be left out. Nothing is written where the
    caller is the subject, or where it is the service itself, which shows it to nobody.
    """
    resource = row_or_resource if isinstance(row_or_resource, str) else row_or_resource.__tablename__
    record_reads(session, caller, resource, [Read(row_id, subject_id, right or BY_SCOPE)])


def record_reads(session: Session, caller: Caller, resource: str, reads: Iterable[Read]) -> list[UUID]:
    """Write one entry for each record of a page, in one statement, and return their ids. See ``record_read``."""
    if caller.kind == "system":
        return []
    entries = [_entry(caller, resource, read) for read in reads if caller.id != read.subject_id]
    if entries:
        caller.has_written = True
        session.connection().execute(READ, entries)
    return [entry["id"] for entry in entries]


def record_shown(session: Session, caller: Caller, resource: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record rows that are about to be shown, where the policy says of their resource that looking is recorded."""
    subject = MODELS[resource][1]
    if not POLICY[resource, "read"].recorded or subject is None:
        return
    whose = str(subject.key)
    shown = (Read(row["id"], row[whose], access.right_to(caller, resource, row)) for row in rows)
    record_reads(session, caller, resource, shown)


def _entry(caller: Caller, resource: str, read: Read) -> dict[str, Any]:
    return {
        "organisation_id": caller.organisation_id,
        "id": new_id(),
        "action": f"{resource}.read",
        "resource": resource,
        "resource_id": read.row_id,
        "subject_id": read.subject_id,
        "actor_kind": caller.kind,
        "actor_id": caller.id,
        "request_id": caller.request_id,
        "access_right": read.right,
        "details": {},
    }
