"""Who changed a row, when and why: its audit entries, for whoever may read the row."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from app import queries, reasons
from app.auth import Caller
from app.models import AuditEntry
from app.policy import MODELS

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
    row = queries.read(session, caller, resource, row_id)
    return page(session, caller, paging, resource, row)


def page(
    session: Session,
    caller: Caller,
    paging: queries.Paging,
    resource: str,
    row: Mapping[str, Any],
    listing: queries.Listing = HISTORY,
    **filters: Any,
) -> Mapping[str, Any]:
    """Return a page of the changes of a row that was read already, with the reasons that were given."""
    about = {"resource": resource, "resource_id": row["id"], **filters}
    found = queries.paginate(session, caller, listing, paging, about)
    _, owner = MODELS[resource]
    owner_id = row.get(str(owner.key)) if owner is not None else None
    return {**found, "data": reasons.reveal(session, caller, found["data"], owner_id)}
