"""A change, its audit entry and its outgoing event are one write, by one call, in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, insert
from sqlalchemy.orm import Session

from app import reasons
from app.auth import Caller
from app.database import CONNECTION
from app.models import AuditEntry, OutgoingEvent, ProviderEvent
from app.reads import record_read, record_reads

__all__ = (
    "OF_PROVIDERS",
    "PUBLISHED",
    "Change",
    "record",
    "record_changes",
    "record_many",
    "record_read",
    "record_reads",
)

# The only types of event that may leave at all. Never: flags, or what a person keeps to themself. An offer that was
# declined and one that ran out look the same from outside, so neither is sent.
PUBLISHED = frozenset(
    f"{resource}.{verb}"
    for resource, verbs in {
        "employee": "created updated deactivated reactivated erased",
        "team": "created updated deleted",
        "team_member": "created deleted",
        "service_area": "created updated deleted",
        "pillar": "created updated deleted",
        "practice": "created updated deleted",
        "source": "created updated silent unmapped refusing recovered",
        "strain_rule": "created updated deleted",
        "strain_signal": "raised superseded",
        "support_prompt": "offered accepted done",
        "development_plan": "proposed created updated accepted declined activated review_started completed abandoned"
        " archived",
        "goal": "created assigned updated activated progressed lapsed achieved missed abandoned",
        "progress_update": "recorded withdrawn",
        "goal_template": "created updated archived",
        "review": "created updated shared completed",
        "review_action": "created made_goal",
        "coaching_session": "requested scheduled updated declined answered rescheduled people_changed started completed"
        " no_show acknowledged cancelled",
        "session_series": "created changed cancelled",
        "work_pattern": "updated",
        "mentor_profile": "created updated deleted",
        "webhook_endpoint": "created updated deleted secret_rotated disabled",
    }.items()
    for verb in verbs.split()
)
# What an EAP provider may learn of the cases that were sent to it: in a feed apart, where nobody else can count them.
OF_PROVIDERS = frozenset(
    f"{resource}.{verb}"
    for resource, verbs in {
        "eap_case": "sent accepted rejected in_progress on_hold completed failed cancelled attendance_recorded"
        " consent_given consent_withdrawn",
    }.items()
    for verb in verbs.split()
)

AUDIT_ENTRY, OUTGOING_EVENT = insert(AuditEntry), insert(OutgoingEvent)


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

    ``details`` holds names of changed fields, states and a given ``reason``, never a content. A reason is sealed unless
    it is a ``reasons.Sentence``. A private row never leaves, and its entry names nobody.
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
    rows = list(rows)
    entries = [
        {
            "organisation_id": caller.organisation_id,
            "action": action,
            "resource": row.__tablename__,
            "resource_id": row.id,
            "details": dict(details or {}),
            **_who(caller, subject_id or getattr(row, "employee_id", None), getattr(row, "private", False)),
        }
        for row in rows
    ]
    _insert(session, AUDIT_ENTRY, reasons.seal(session, caller, entries))
    leaving = []
    for row in rows:
        if action in PUBLISHED and not getattr(row, "private", False):
            leaving.append(
                {
                    "organisation_id": caller.organisation_id,
                    "type": action,
                    "resource": row.__tablename__,
                    "resource_id": row.id,
                    "data": _thin(row),
                }
            )
        elif action in OF_PROVIDERS:
            session.add(
                ProviderEvent(
                    organisation_id=caller.organisation_id,
                    provider_id=row.provider_id,
                    type=action,
                    resource=row.__tablename__,
                    resource_id=row.id,
                    data=_thin(row),
                )
            )
    _insert(session, OUTGOING_EVENT, leaving)


@dataclass(frozen=True, slots=True)
class Change:
    """One change among many of one table that were written by one statement. See ``record`` for ``details``."""

    action: str
    row_id: UUID
    version: int
    subject_id: UUID | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    state: str | None = None
    private: bool = False


def record_changes(session: Session, caller: Caller, resource: str, changes: Sequence[Change]) -> None:
    """Write changes of rows of one table, each with its own details, in two statements. A private row never leaves."""
    if not changes:
        return
    caller.has_written = True
    about = {"organisation_id": caller.organisation_id, "resource": resource}
    entries = [
        {
            **about,
            **_who(caller, change.subject_id, change.private),
            "action": change.action,
            "resource_id": change.row_id,
            "details": dict(change.details),
        }
        for change in changes
    ]
    session.flush()
    _insert(session, AUDIT_ENTRY, reasons.seal(session, caller, entries))
    leaving = [
        {
            **about,
            "type": change.action,
            "resource_id": change.row_id,
            "data": {"id": str(change.row_id), "version": change.version}
            | ({"state": change.state} if change.state else {}),
        }
        for change in changes
        if change.action in PUBLISHED and not change.private
    ]
    _insert(session, OUTGOING_EVENT, leaving)


def _insert(session: Session, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of which the session need not know: that is a fifth of the work of a small change."""
    if rows:
        session.info[CONNECTION].execute(statement, rows if len(rows) > 1 else rows[0])


def _who(caller: Caller, subject_id: UUID | None, private: bool) -> dict[str, Any]:
    """Return who did something about whom. Of what is a person's own alone the entry says neither, nor the request."""
    if private:
        return {"actor_kind": caller.kind, "actor_id": None, "request_id": None, "subject_id": None}
    about = {"actor_kind": caller.kind, "actor_id": caller.id, "request_id": caller.request_id}
    return {**about, "subject_id": subject_id}


def _thin(row: Any) -> dict[str, Any]:
    """Return what an outgoing event says of a row: its id, version and state. Nothing personal."""
    thin = {"id": str(row.id), "version": getattr(row, "version", 1)}
    thin |= {name: str(getattr(row, name)) for name in getattr(row, "told", ())}
    if hasattr(row, "state"):
        thin["state"] = str(row.state)
    return thin
