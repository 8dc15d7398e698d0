"""Service areas over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, SyncPage
from app.schemas.service_area import ServiceAreaCreate, ServiceAreaOut, ServiceAreaUpdate
from app.services import history
from app.services import service_area as service_areas

router = APIRouter(prefix="/v1/service-areas", tags=["Service areas"], route_class=Route)

Text = Annotated[str | None, Query(max_length=200)]


@router.get("")
@allows("service_area", "read")
async def list_service_areas(
    call: Call, paging: Synced, name: Text = None, external_id: Text = None
) -> SyncPage[ServiceAreaOut]:
    """List the organisation's service areas."""
    return await call.page(service_areas.list_, paging, {"name": name, "external_id": external_id})


@router.post("", status_code=201)
@allows("service_area", "create")
async def create_service_area(call: Call, data: ServiceAreaCreate) -> ServiceAreaOut:
    """Add a service area."""
    return await call(service_areas.create, data)


@router.get("/{service_area_id}")
@allows("service_area", "read")
async def read_service_area(call: Call, service_area_id: UUID) -> ServiceAreaOut:
    """Read one service area."""
    return await call(service_areas.read, service_area_id)


@router.patch("/{service_area_id}")
@allows("service_area", "update")
async def update_service_area(call: Call, service_area_id: UUID, data: ServiceAreaUpdate) -> ServiceAreaOut:
    """Change a service area by a JSON merge patch."""
    return await call(service_areas.update, service_area_id, data)


@router.delete("/{service_area_id}", status_code=204)
@allows("service_area", "delete")
async def delete_service_area(call: Call, service_area_id: UUID) -> None:
    """Remove a service area that no employee and no team refers to."""
    return await call(service_areas.delete, service_area_id)


@router.get("/{service_area_id}/history")
@allows("service_area", "read")
async def list_service_area_history(call: Call, paging: Paged, service_area_id: UUID) -> Page[HistoryEntry]:
    """List who changed what of this service area, when and why, the newest first."""
    return await call.page(history.list_, paging, "service_area", service_area_id)
