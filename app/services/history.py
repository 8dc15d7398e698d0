"""Who changed a row, when and why: its audit entries, for whoever may read the row."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller
from app.models import AuditEntry

ENTRIES = AuditEntry.__table__
HISTORY = queries.Listing(
    "history_entry",
    sorts={"id": ENTRIES.c.id},
    filters={
        "resource": ENTRIES.c.resource == bindparam("resource"),
        "resource_id": ENTRIES.c.resource_id == bindparam("resource_id"),
    },
    default_sort="-id",
    syncs=False,
)


def list_(session: Session, caller: Caller, paging: queries.Paging, resource: str, row_id: UUID) -> Mapping[str, Any]:
    """Return a page of the changes of one row. Raise NotFound when the row is not the caller's to know of."""
    queries.read(session, caller, resource, row_id)
    return queries.paginate(session, caller, HISTORY, paging, {"resource": resource, "resource_id": row_id})
