"""Pillars over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.parameters import Synced
from app.routing import Route, allows
from app.schemas.base import SyncPage
from app.schemas.pillar import Hidden, Origin, PillarCreate, PillarOut, PillarUpdate
from app.services import pillar as pillars

router = APIRouter(prefix="/v1/pillars", tags=["Pillars"], route_class=Route)

WhichHidden = Annotated[
    Hidden, Query(description="Hidden ones alone, or `any`. A sync asks for `any`, to learn what was hidden.")
]


@router.get("")
@allows("pillar", "read")
async def list_pillars(
    call: Call, paging: Synced, hidden: WhichHidden = "false", origin: Origin | None = None
) -> SyncPage[PillarOut]:
    """List the pillars in their order: the five that come with the service, and the organisation's own."""
    return await call.page(pillars.list_, paging, {"hidden": hidden, "origin": origin})


@router.post("", status_code=201)
@allows("pillar", "create")
async def create_pillar(call: Call, data: PillarCreate) -> PillarOut:
    """Add a pillar of the organisation's own."""
    return await call(pillars.create, data)


@router.get("/{pillar_id}")
@allows("pillar", "read")
async def read_pillar(call: Call, pillar_id: UUID) -> PillarOut:
    """Read one pillar."""
    return await call(pillars.read, pillar_id)


@router.patch("/{pillar_id}")
@allows("pillar", "update")
async def update_pillar(call: Call, pillar_id: UUID, data: PillarUpdate) -> PillarOut:
    """Change an own pillar by a JSON merge patch, or hide or show one of ours."""
    return await call(pillars.update, pillar_id, data)


@router.delete("/{pillar_id}", status_code=204)
@allows("pillar", "delete")
async def delete_pillar(call: Call, pillar_id: UUID) -> None:
    """Delete an own pillar that no practice and no strain rule names."""
    return await call(pillars.delete, pillar_id)
