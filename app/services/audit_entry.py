"""Audit entries, for those who audit."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller
from app.models import AuditEntry

TABLE = AuditEntry.__table__
ENTRIES = queries.Listing(
    "audit_entry",
    sorts={"id": TABLE.c.id},
    filters={
        "action": TABLE.c.action == bindparam("action"),
        "resource": TABLE.c.resource == bindparam("resource"),
        "resource_id": TABLE.c.resource_id == bindparam("resource_id"),
        "subject_id": TABLE.c.subject_id == bindparam("subject_id"),
        "actor_id": TABLE.c.actor_id == bindparam("actor_id"),
        "recorded_after": TABLE.c.recorded_at > bindparam("recorded_after"),
        "recorded_before": TABLE.c.recorded_at < bindparam("recorded_before"),
    },
    syncs=False,
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of what was done in the organisation, in the order in which it was begun."""
    return queries.paginate(session, caller, ENTRIES, paging, filters)
