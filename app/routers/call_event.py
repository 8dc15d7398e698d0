"""Call events over HTTP: our own JSON, and CloudEvents 1.0 in its three modes."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.intake import cloudevents, delivery
from app.models.call_event import Outcome
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.base import AS_SENT, HistoryEntry, Moment, Page, Reason
from app.schemas.call_event import (
    CallEventBatch,
    CallEventBatchResult,
    CallEventCreate,
    CallEventOut,
    RefusedCallEventOut,
    Replay,
    VoidReason,
)
from app.schemas.cloud_event import also
from app.services import call_event as call_events
from app.services import refused_call_event as refused

router = APIRouter(prefix="/v1/call-events", tags=["Call events"], route_class=Route)

Matched = Annotated[bool | None, Query(description="Only those whose employee is known, or only the others.")]
Contact = Annotated[str | None, Query(max_length=200)]
Voided = Annotated[bool | None, Query(description="Only voided ones, or only the others.")]
Replayed = Annotated[bool | None, Query(description="Only those that were replayed, or only the others.")]
REPEATED: dict[int | str, dict[str, Any]] = {
    200: {"model": CallEventOut, "description": "It was taken in before, or it changes what was."}
}


@router.get("")
@allows("call_event", "read")
async def list_call_events(
    call: Call,
    paging: Paged,
    source_id: UUID | None = None,
    employee_id: UUID | None = None,
    matched: Matched = None,
    outcome: Outcome | None = None,
    contact_id: Contact = None,
    ended_after: Moment | None = None,
    ended_before: Moment | None = None,
    voided: Voided = None,
) -> Page[CallEventOut]:
    """List call events: people their own and their reports', clients those of their sources."""
    filters = {
        "source_id": source_id,
        "employee_id": employee_id,
        "matched": matched,
        "outcome": outcome,
        "contact_id": contact_id,
        "ended_after": ended_after,
        "ended_before": ended_before,
        "voided": voided,
    }
    return await call.page(call_events.list_, paging, filters)


@router.post("", status_code=201, responses=REPEATED, openapi_extra=also(cloudevents.STRUCTURED))
@allows("call_event", "create")
async def create_call_event(call: Call, data: Annotated[CallEventCreate, AS_SENT]) -> CallEventOut:
    """Take one event in: exactly once by its id, and merged with what is known of the same contact and agent.

    A CloudEvent is read too: structured, or binary with `ce-` headers and the data as the body.
    """
    return await call(call_events.receive_one, delivery.one(call, data))


@router.post("/batch", status_code=202, openapi_extra=also(cloudevents.BATCHED))
@allows("call_event", "create", batch=True)
async def create_call_events(call: Call, data: Annotated[CallEventBatch, AS_SENT]) -> CallEventBatchResult:
    """Take up to 1,000 events in, each on its own, with a result per item in order. CloudEvents in a batch too.

    What is refused can be read back and replayed for a week.
    """
    return await call(call_events.receive_many, delivery.many(call, data))


@router.get("/refused")
@allows("refused_call_event", "read")
async def list_refused_call_events(
    call: Call, paging: Paged, source_id: UUID | None = None, replayed: Replayed = None
) -> Page[RefusedCallEventOut]:
    """List the items of your batches that were refused within a week: what was fine of them, and why not the rest."""
    return await call.page(refused.list_, paging, {"source_id": source_id, "replayed": replayed})


@router.get("/refused/{refused_id}")
@allows("refused_call_event", "read")
async def read_refused_call_event(call: Call, refused_id: UUID) -> RefusedCallEventOut:
    """Read one refused item."""
    return await call(refused.read, refused_id)


@router.post("/refused/{refused_id}/replay")
@allows("refused_call_event", "replay")
async def replay_refused_call_event(call: Call, refused_id: UUID, data: Replay | None = None) -> CallEventOut:
    """Try a refused item again, corrected, and return the call event that it becomes."""
    return await call(refused.replay, refused_id, data)


@router.get("/{call_event_id}")
@allows("call_event", "read")
async def read_call_event(call: Call, call_event_id: UUID) -> CallEventOut:
    """Read one call event."""
    return await call(call_events.read, call_event_id)


@router.get("/{call_event_id}/history")
@allows("call_event", "read")
async def list_call_event_history(call: Call, paging: Paged, call_event_id: UUID) -> Page[HistoryEntry]:
    """List what was done to a call event, the newest first. That its person disputes it, only that person sees."""
    return await call.page(call_events.list_history, paging, call_event_id)


@router.post("/{call_event_id}/void")
@allows("call_event", "void")
async def void_call_event(call: Call, call_event_id: UUID, data: VoidReason) -> CallEventOut:
    """Say that a call event is wrong. It stays to be seen, and no signal rests on it any more."""
    return await call(call_events.void, call_event_id, data)


@router.post("/{call_event_id}/dispute")
@allows("call_event", "dispute")
async def dispute_call_event(call: Call, call_event_id: UUID, data: Reason | None = None) -> CallEventOut:
    """Say that your call was not as it is told. No signal rests on it until you take that back; nobody else sees it."""
    return await call(call_events.dispute, call_event_id, data)


@router.post("/{call_event_id}/withdraw-dispute")
@allows("call_event", "withdraw_dispute")
async def withdraw_call_event_dispute(call: Call, call_event_id: UUID, data: Reason | None = None) -> CallEventOut:
    """Take your dispute back. The call event counts again."""
    return await call(call_events.withdraw_dispute, call_event_id, data)
