"""Call events that were refused: read back for a week, and tried again with corrections."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from app import clock, queries
from app.auth import Caller
from app.errors import Conflict, Unprocessable
from app.intake import canonical
from app.intake.canonical import Refused
from app.models import RefusedCallEvent
from app.schemas.call_event import Replay
from app.services import call_event as call_events

KEPT = timedelta(days=7)
TABLE = RefusedCallEvent.__table__
REFUSED = queries.Listing(
    "refused_call_event",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={
        "kept": TABLE.c.created_at >= bindparam("now", type_=TABLE.c.created_at.type) - KEPT,
        "source_id": TABLE.c.source_id == bindparam("source_id"),
        "replayed": TABLE.c.replayed_at.is_not(None) == bindparam("replayed"),
    },
    syncs=False,
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of what was refused to the caller within a week."""
    page = queries.paginate(session, caller, REFUSED, paging, {**filters, "kept": True})
    return {**page, "data": [_shown(row) for row in page["data"]]}


def read(session: Session, caller: Caller, refused_id: UUID) -> Mapping[str, Any]:
    """Return one item that was refused to the caller."""
    return _shown(queries.read(session, caller, "refused_call_event", refused_id))


def replay(session: Session, caller: Caller, refused_id: UUID, data: Replay | None = None) -> Mapping[str, Any]:
    """Try a refused item again, corrected, and return the call event that it became. Doing it twice is doing it once.

    Raise Unprocessable where it still cannot be taken; it then stays as it was.
    """
    refused = queries.get_allowed(session, caller, RefusedCallEvent, refused_id, "replay")
    if refused.call_event_id is not None:
        return call_events.read(session, caller, refused.call_event_id)
    if refused.created_at < clock.now() - KEPT:
        raise Conflict("too_old", "It was refused more than a week ago: send it anew.")
    corrections = data.corrections if data and data.corrections else {}
    given = canonical.read(merged(refused.payload, corrections))
    if isinstance(given, Refused):
        raise Unprocessable(faults=given.faults)
    answer = call_events.receive_one(session, caller, given)
    refused.replayed_at, refused.call_event_id = clock.now(), answer.content["id"]
    session.flush()
    return {**call_events.read(session, caller, answer.content["id"])}


def merged(target: Any, patch: Any, depth: int = 5) -> Any:
    """Return ``target`` after a JSON merge patch (RFC 7396), as deep as an event can be."""
    if not isinstance(patch, dict) or not depth:
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value, depth - 1)
    return result


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return row if row["replayed_at"] is None else {**row, "allowed_actions": []}
