"""Thought records over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.base import Page
from app.schemas.thought_record import (
    ThoughtRecordCreate,
    ThoughtRecordOut,
    ThoughtRecordUpdate,
    ThoughtShareCreate,
    ThoughtShareOut,
)
from app.services import thought_record as records
from app.services import thought_share as shares

router = APIRouter(prefix="/v1/thought-records", tags=["Thought records"], route_class=Route)

SharedWithMe = Annotated[bool, Query(description="Those that others share with you, instead of your own.")]


@router.get("")
@allows("thought_record", "read")
async def list_thought_records(
    call: Call, paging: Paged, shared_with_me: SharedWithMe = False
) -> Page[ThoughtRecordOut]:
    """List your thought records, or those that are shared with you. Their authors can see that you read them."""
    return await call.page(records.list_, paging, {"shared_with_me": shared_with_me})


@router.post("", status_code=201)
@allows("thought_record", "create")
async def create_thought_record(call: Call, data: ThoughtRecordCreate) -> ThoughtRecordOut:
    """Write down a hard thought, to look at it again. Nobody else learns of it."""
    return await call(records.create, data)


@router.get("/{record_id}")
@allows("thought_record", "read")
async def read_thought_record(call: Call, record_id: UUID) -> ThoughtRecordOut:
    """Read one of your thought records, or one that is shared with you: its author can see that you did."""
    return await call(records.read, record_id)


@router.patch("/{record_id}")
@allows("thought_record", "update")
async def update_thought_record(call: Call, record_id: UUID, data: ThoughtRecordUpdate) -> ThoughtRecordOut:
    """Write on in a thought record of yours by a JSON merge patch."""
    return await call(records.update, record_id, data)


@router.delete("/{record_id}", status_code=204)
@allows("thought_record", "delete")
async def delete_thought_record(call: Call, record_id: UUID) -> None:
    """Delete a thought record of yours for good, and with it every share."""
    return await call(records.delete, record_id)


@router.get("/{record_id}/shares")
@allows("thought_share", "read")
async def list_thought_shares(call: Call, paging: Paged, record_id: UUID) -> Page[ThoughtShareOut]:
    """List whom you let read a thought record of yours."""
    return await call.page(shares.list_, paging, record_id)


@router.post("/{record_id}/shares", status_code=201)
@allows("thought_share", "create")
async def create_thought_share(call: Call, record_id: UUID, data: ThoughtShareCreate) -> ThoughtShareOut:
    """Let your active mentor, or the coach of a session of yours, read one thought record."""
    return await call(shares.create, record_id, data)


@router.get("/{record_id}/shares/{share_id}")
@allows("thought_share", "read")
async def read_thought_share(call: Call, record_id: UUID, share_id: UUID) -> ThoughtShareOut:
    """Read one share."""
    return await call(shares.read, record_id, share_id)


@router.delete("/{record_id}/shares/{share_id}", status_code=204)
@allows("thought_share", "revoke", unversioned=True)
async def revoke_thought_share(call: Call, record_id: UUID, share_id: UUID) -> None:
    """Take a share back: from the next read on they cannot read it."""
    return await call(shares.revoke, record_id, share_id)
