"""What a source delivered and could not be taken: kept for a week, listed, tried again. Nothing personal is in it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.errors import Conflict, NotFound, PreconditionFailed, Unprocessable
from app.intake import canonical
from app.intake.canonical import Refused
from app.models import RefusedCallEvent
from app.schemas.call_event import CallEventCreate, Replay
from app.services import call_event_intake as intake
from app.services.refused_call_event import KEPT, merged

TABLE = RefusedCallEvent.__table__
PARKED = queries.Listing(
    "parked_call_event",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={
        "kept": TABLE.c.created_at >= bindparam("now", type_=TABLE.c.created_at.type) - KEPT,
        "source_id": TABLE.c.source_id == bindparam("source_id"),
        "replayed": TABLE.c.replayed_at.is_not(None) == bindparam("replayed"),
    },
    syncs=False,
)


def list_(
    session: Session, caller: Caller, paging: queries.Paging, source_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of what a source delivered within a week and could not be taken."""
    queries.read(session, caller, "source", source_id)
    page = queries.paginate(session, caller, PARKED, paging, {**filters, "source_id": source_id, "kept": True})
    return {**page, "data": [_shown(caller, row) for row in page["data"]]}


def read(session: Session, caller: Caller, source_id: UUID, parked_id: UUID) -> Mapping[str, Any]:
    """Return one item that could not be taken. Raise NotFound for another source's."""
    found = queries.read(session, caller, "parked_call_event", parked_id)
    if found["source_id"] != source_id:
        raise NotFound
    return _shown(caller, found)


def replay(
    session: Session, caller: Caller, source_id: UUID, parked_id: UUID, data: Replay | None = None
) -> Mapping[str, Any]:
    """Try a parked item again, corrected, as if its source had sent it so. Doing it twice is doing it once.

    Raise Unprocessable where it still cannot be taken; it then stays as it was. Raise Conflict after a week.
    """
    read(session, caller, source_id, parked_id)
    if caller.if_match not in (None, "*"):
        raise PreconditionFailed  # it has no versions
    locked = select(RefusedCallEvent).where(
        RefusedCallEvent.organisation_id == caller.organisation_id, RefusedCallEvent.id == parked_id
    )
    parked = session.execute(locked.with_for_update()).scalar_one()
    if parked.call_event_id is None:
        if parked.created_at < clock.now() - KEPT:
            raise Conflict("too_old", "It was refused more than a week ago: let the platform send it anew.")
        _take(session, caller, parked, data.corrections if data and data.corrections else {})
    return read(session, caller, source_id, parked_id)


def _take(session: Session, caller: Caller, parked: RefusedCallEvent, corrections: Mapping[str, Any]) -> None:
    corrected = merged(parked.payload, corrections) | {"source_id": str(parked.source_id)}
    assumed = frozenset(parked.assumed) - corrections.keys()
    given = canonical.read(corrected, assumed=assumed)
    if isinstance(given, Refused):
        raise Unprocessable(faults=given.faults)
    source = Caller(caller.organisation_id, "source", parked.source_id, request_id=caller.request_id)
    (item,) = intake.receive(session, source, [given], counted=False)
    if item.refused is not None or item.id is None:
        raise Unprocessable(faults=item.refused.faults if item.refused else ())
    parked.replayed_at, parked.call_event_id = clock.now(), item.id
    # Of the corrections those that are members: a null may stand beside any name, and take away what was never there.
    fields = sorted(corrections.keys() & CallEventCreate.model_fields.keys())
    details = {"source_id": str(parked.source_id), "fields": fields}
    events.record(session, caller, "refused_call_event.replayed", parked, details=details)


def _shown(caller: Caller, row: dict[str, Any]) -> dict[str, Any]:
    """Return an item as it may be seen: who the agent was, people are not shown."""
    if caller.kind == "person":
        row = {**row, "payload": {name: value for name, value in row["payload"].items() if name != "agent"}}
    return row if row["replayed_at"] is None else {**row, "allowed_actions": []}
