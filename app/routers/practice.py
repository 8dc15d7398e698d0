"""Practices over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.parameters import Synced
from app.routers.pillar import WhichHidden
from app.routing import Route, allows
from app.schemas.base import SyncPage
from app.schemas.pillar import Origin
from app.schemas.practice import PracticeCreate, PracticeMoment, PracticeOut, PracticeUpdate
from app.services import practice as practices

router = APIRouter(prefix="/v1/practices", tags=["Practices"], route_class=Route)

PillarKey = Annotated[str | None, Query(max_length=63, description="The key of a pillar that it strengthens.")]
MinutesMax = Annotated[int | None, Query(ge=1, le=480, description="Takes no longer than this.")]


@router.get("")
@allows("practice", "read")
async def list_practices(
    call: Call,
    paging: Synced,
    pillar: PillarKey = None,
    moment: PracticeMoment | None = None,
    minutes_max: MinutesMax = None,
    hidden: WhichHidden = "false",
    origin: Origin | None = None,
) -> SyncPage[PracticeOut]:
    """List the practices: those that come with the service, and the organisation's own."""
    filters = {"pillar": pillar, "moment": moment, "minutes_max": minutes_max, "hidden": hidden, "origin": origin}
    return await call.page(practices.list_, paging, filters)


@router.post("", status_code=201)
@allows("practice", "create")
async def create_practice(call: Call, data: PracticeCreate) -> PracticeOut:
    """Add a practice of the organisation's own."""
    return await call(practices.create, data)


@router.get("/{practice_id}")
@allows("practice", "read")
async def read_practice(call: Call, practice_id: UUID) -> PracticeOut:
    """Read one practice."""
    return await call(practices.read, practice_id)


@router.patch("/{practice_id}")
@allows("practice", "update")
async def update_practice(call: Call, practice_id: UUID, data: PracticeUpdate) -> PracticeOut:
    """Change an own practice by a JSON merge patch, or hide or show one of ours."""
    return await call(practices.update, practice_id, data)


@router.delete("/{practice_id}", status_code=204)
@allows("practice", "delete")
async def delete_practice(call: Call, practice_id: UUID) -> None:
    """Delete an own practice."""
    return await call(practices.delete, practice_id)
