"""Audit entries, for those who audit."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, bindparam, or_
from sqlalchemy.orm import Session

from app import queries, reasons
from app.auth import Caller
from app.models import AuditEntry
from app.policy.audit import WITHOUT_SUBJECT

TABLE = AuditEntry.__table__
NAMED = TABLE.c.resource.not_in(WITHOUT_SUBJECT)
ENTRIES = queries.Listing(
    "audit_entry",
    sorts={"id": TABLE.c.id},
    filters={
        "action": TABLE.c.action == bindparam("action"),
        "resource": TABLE.c.resource == bindparam("resource"),
        "resource_id": TABLE.c.resource_id == bindparam("resource_id"),
        "subject_id": and_(NAMED, TABLE.c.subject_id == bindparam("subject_id")),
        "actor_id": and_(
            TABLE.c.actor_id == bindparam("actor_id"), or_(NAMED, TABLE.c.actor_id.is_distinct_from(TABLE.c.subject_id))
        ),
        "recorded_after": TABLE.c.recorded_at > bindparam("recorded_after"),
        "recorded_before": TABLE.c.recorded_at < bindparam("recorded_before"),
    },
    syncs=False,
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of what was done in the organisation, in the order in which it was begun.

    What was done about a referral names nobody whom it could be about, gives no reason, and no filter finds it by a
    person. Neither is there the reason of what was done to a private row.
    """
    page = queries.paginate(session, caller, ENTRIES, paging, filters)
    return {**page, "data": reasons.reveal(session, caller, [_shown(row) for row in page["data"]])}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    if row["resource"] not in WITHOUT_SUBJECT:
        return row
    is_theirs = row["actor_id"] == row["subject_id"]
    hidden = {"subject_id": None, "request_id": None, "reason": None}
    return {**row, **hidden, "actor_id": None if is_theirs else row["actor_id"]}
