"""A change, its audit entry and its outgoing event are one write, by one call, in the caller's transaction."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.auth import Caller
from app.models import AuditEntry, OutgoingEvent

# The only types of event that may leave at all. Never: flags, or what a person keeps to themself. An offer that was
# declined and one that ran out look the same from outside, so neither is sent.
PUBLISHED = frozenset(
    f"{resource}.{verb}"
    for resource, verbs in {
        "employee": "created updated deactivated reactivated",
        "team": "created updated deleted",
        "team_member": "created deleted",
        "service_area": "created updated deleted",
        "pillar": "created updated deleted",
        "practice": "created updated deleted",
        "source": "created updated",
        "strain_rule": "created updated deleted",
        "strain_signal": "raised superseded",
        "support_prompt": "offered accepted done",
    }.items()
    for verb in verbs.split()
)


def record(
    session: Session,
    caller: Caller,
    action: str,
    row: Any,
    *,
    subject_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write to the audit that ``caller`` did ``action`` (``employee.updated``) to ``row``, and out where allowed.

    ``details`` holds names of changed fields, states and given reasons, never a content. A private row never leaves.
    """
    record_many(session, caller, action, [row], subject_id=subject_id, details=details)


def record_many(
    session: Session,
    caller: Caller,
    action: str,
    rows: Iterable[Any],
    *,
    subject_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write one action on many rows of one table. See ``record``."""
    caller.has_written = True
    session.flush()
    for row in rows:
        resource = row.__tablename__
        session.add(
            AuditEntry(
                organisation_id=caller.organisation_id,
                action=action,
                resource=resource,
                resource_id=row.id,
                subject_id=subject_id or getattr(row, "employee_id", None),
                actor_kind=caller.kind,
                actor_id=caller.id,
                request_id=caller.request_id,
                details=dict(details or {}),
            )
        )
        if action in PUBLISHED and not getattr(row, "private", False):
            session.add(
                OutgoingEvent(
                    organisation_id=caller.organisation_id,
                    type=action,
                    resource=resource,
                    resource_id=row.id,
                    data=_thin(row),
                )
            )


def _thin(row: Any) -> dict[str, Any]:
    """Return what an outgoing event says of a row: its id, version and state. Nothing personal."""
    thin = {"id": str(row.id), "version": getattr(row, "version", 1)}
    if hasattr(row, "state"):
        thin["state"] = str(row.state)
    return thin
