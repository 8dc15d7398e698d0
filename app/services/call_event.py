"""Call events: reading them, taking them in over the API, and what people and senders may say of them afterwards."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from sqlalchemy import any_, bindparam, update
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.call import Answer
from app.errors import Conflict, Unprocessable
from app.intake.canonical import Refused, Taken
from app.models import AuditEntry, CallEvent
from app.schemas.base import Reason
from app.schemas.call_event import VoidReason
from app.services import call_event_intake as intake
from app.services import history, strain

TABLE, ENTRIES = CallEvent.__table__, AuditEntry.__table__
CALL_EVENTS = queries.Listing(
    "call_event",
    sorts={"id": TABLE.c.id, "ended_at": TABLE.c.ended_at},
    filters={
        "source_id": TABLE.c.source_id == bindparam("source_id"),
        "employee_id": TABLE.c.employee_id == bindparam("employee_id"),
        "matched": TABLE.c.employee_id.is_not(None) == bindparam("matched"),
        "outcome": bindparam("outcome") == any_(TABLE.c.outcomes),
        "contact_id": TABLE.c.contact_id == bindparam("contact_id"),
        "ended_after": TABLE.c.ended_at >= bindparam("ended_after"),
        "ended_before": TABLE.c.ended_at < bindparam("ended_before"),
        "voided": TABLE.c.voided_at.is_not(None) == bindparam("voided"),
    },
    syncs=False,
)
# What a person disputes is theirs alone, and so is that they do.
OWN_WORD = ("call_event.disputed", "call_event.dispute_withdrawn")
HISTORY_FOR_OTHERS = replace(
    history.HISTORY, filters={**history.HISTORY.filters, "for_others": ENTRIES.c.action.not_in(OWN_WORD)}
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the call events that the caller may know of."""
    page = queries.paginate(session, caller, CALL_EVENTS, paging, filters)
    return {**page, "data": [represented(row) for row in page["data"]]}


def read(session: Session, caller: Caller, call_event_id: UUID) -> dict[str, Any]:
    """Return one call event as the caller may see it."""
    return represented(queries.read(session, caller, "call_event", call_event_id))


def list_history(session: Session, caller: Caller, paging: queries.Paging, call_event_id: UUID) -> Mapping[str, Any]:
    """Return a page of what was done to a call event; to others than its person, without that person's own word."""
    row = queries.read(session, caller, "call_event", call_event_id)
    if row.get("is_mine"):
        return history.page(session, caller, paging, "call_event", row)
    return history.page(session, caller, paging, "call_event", row, HISTORY_FOR_OTHERS, for_others=True)


def receive_one(session: Session, caller: Caller, given: Taken) -> Answer:
    """Take one event in. Raise Unprocessable for a source that is not the caller's."""
    (item,) = intake.receive(session, caller, [given])
    if item.refused is not None or item.id is None:
        raise Unprocessable(faults=item.refused.faults if item.refused else ())
    return Answer(read(session, caller, item.id), 201 if item.status == "created" else 200)


def receive_many(session: Session, caller: Caller, given: Sequence[Taken | Refused]) -> Mapping[str, Any]:
    """Take a batch in, each event on its own, with a result per item in order."""
    items = intake.receive(session, caller, given)
    counts = Counter(item.status for item in items)
    results = [
        {
            "index": index,
            "status": item.status,
            "id": item.id,
            "matched": item.matched,
            "unmapped_codes": bool(item.unmapped) if item.said is not None else None,
            "refused_id": item.refused_id,
            "errors": [asdict(fault) for fault in item.refused.faults] if item.refused else [],
        }
        for index, item in enumerate(items)
    ]
    return {status: counts[status] for status in ("created", "updated", "duplicate", "refused")} | {"results": results}


def void(session: Session, caller: Caller, call_event_id: UUID, data: VoidReason) -> Mapping[str, Any]:
    """Say that a call event is wrong: no signal rests on it any more. Doing it twice is doing it once."""
    call = queries.get_allowed(session, caller, CallEvent, call_event_id, "void")
    if call.voided_at is None:
        call.voided_at, call.void_reason = clock.now(), data.reason
        events.record(session, caller, "call_event.voided", call, details={"reason": data.reason})
        _follow(session, caller, call)
    return read(session, caller, call_event_id)


def dispute(session: Session, caller: Caller, call_event_id: UUID, data: Reason | None = None) -> Mapping[str, Any]:
    """Let the person say that it was not so: no signal rests on it until they take that back.

    Raise Conflict for one that is voided. Doing it twice is doing it once.
    """
    call = queries.get_allowed(session, caller, CallEvent, call_event_id, "dispute")
    if call.voided_at is not None:
        raise Conflict("wrong_state", "It is voided already: no signal rests on it.")
    if call.disputed_at is None:
        _note_dispute(session, caller, call, disputed_at=clock.now(), dispute_reason=data.reason if data else None)
        events.record(session, caller, "call_event.disputed", call)
        _follow(session, caller, call)
    return read(session, caller, call_event_id)


def withdraw_dispute(
    session: Session, caller: Caller, call_event_id: UUID, data: Reason | None = None
) -> Mapping[str, Any]:
    """Take a dispute back: the call event counts again."""
    call = queries.get_allowed(session, caller, CallEvent, call_event_id, "withdraw_dispute")
    if call.disputed_at is not None:
        _note_dispute(session, caller, call, disputed_at=None, dispute_reason=None)
        details = {"reason": data.reason} if data and data.reason else None
        events.record(session, caller, "call_event.dispute_withdrawn", call, details=details)
        _follow(session, caller, call)
    return read(session, caller, call_event_id)


def _note_dispute(session: Session, caller: Caller, call: CallEvent, **values: Any) -> None:
    """Write a dispute without moving the version and the time of change: those are seen by others."""
    session.flush()
    mine = (CallEvent.organisation_id == caller.organisation_id, CallEvent.id == call.id)
    statement = update(CallEvent).where(*mine).values(updated_at=CallEvent.updated_at, **values)
    session.connection().execute(statement)


def _follow(session: Session, caller: Caller, call: CallEvent) -> None:
    session.flush()
    if call.employee_id is not None:
        at = {call.employee_id: call.ended_at}
        strain.follow(session, caller, at, at)


def represented(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as the API shows it: in the shape of the canonical event."""
    call = dict(row)
    call["agent"] = {"ref": row["agent_ref"]}
    has_queue = row["queue_ref"] is not None or row["queue_name"] is not None
    call["queue"] = {"ref": row["queue_ref"], "name": row["queue_name"]} if has_queue else None
    call["durations"] = {f"{part}_s": row[f"{part}_seconds"] for part in ("queue", "talk", "hold", "wrapup")}
    call["disposition"] = None
    if row["disposition_code"] is not None:
        call["disposition"] = {part: row[f"disposition_{part}"] for part in ("code", "label", "scheme")}
    absent = {"origin": None, "rule": None, "confidence": None, "at": None}
    call["markers"] = [absent | marker for marker in row["markers"] or ()]
    if row["sentiment"] is not None:
        call["sentiment"] = {"score": None, "label": None, "provider": None, **row["sentiment"]}
    call["allowed_actions"] = [action for action in row["allowed_actions"] if _is_open(action, row)]
    return call


def _is_open(action: str, row: Mapping[str, Any]) -> bool:
    voided, disputed = row["voided_at"] is not None, row["disputed_at"] is not None
    return {"void": not voided, "dispute": not (voided or disputed), "withdraw_dispute": disputed}.get(action, True)
