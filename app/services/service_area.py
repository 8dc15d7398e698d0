"""Service areas: the queue groups or accounts that people work on."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Conflict
from app.models import ServiceArea
from app.models.base import folded
from app.schemas.service_area import ServiceAreaCreate, ServiceAreaUpdate

TABLE = ServiceArea.__table__
SERVICE_AREAS = queries.Listing(
    "service_area",
    sorts={"id": TABLE.c.id, "name": TABLE.c.name_key},
    filters={
        "external_id": TABLE.c.external_id == bindparam("external_id"),
        "name": TABLE.c.name_key == bindparam("name"),
    },
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the organisation's service areas."""
    if filters.get("name") is not None:
        filters = {**filters, "name": folded(filters["name"])}
    return queries.paginate(session, caller, SERVICE_AREAS, paging, filters)


def read(session: Session, caller: Caller, service_area_id: UUID) -> Mapping[str, Any]:
    """Return one service area. Raise NotFound where it is absent."""
    return queries.read(session, caller, "service_area", service_area_id)


def create(session: Session, caller: Caller, data: ServiceAreaCreate) -> Mapping[str, Any]:
    """Add a service area. A taken name or external id is a conflict."""
    area = ServiceArea(organisation_id=caller.organisation_id, name_key=folded(data.name), **data.given())
    session.add(area)
    events.record(session, caller, "service_area.created", area)
    return read(session, caller, area.id)


def update(session: Session, caller: Caller, service_area_id: UUID, data: ServiceAreaUpdate) -> Mapping[str, Any]:
    """Change a service area. A taken name or external id is a conflict."""
    area = queries.get_allowed(session, caller, ServiceArea, service_area_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(area, name) != value}
    for name, value in changed.items():
        setattr(area, name, value)
    if changed:
        area.name_key = folded(area.name)
        events.record(session, caller, "service_area.updated", area, details={"fields": sorted(changed)})
    return read(session, caller, service_area_id)


def delete(session: Session, caller: Caller, service_area_id: UUID) -> None:
    """Remove a service area. Raise Conflict while people or teams work on it."""
    area = queries.get_allowed(session, caller, ServiceArea, service_area_id, "delete")
    events.record(session, caller, "service_area.deleted", area)
    session.delete(area)
    try:
        session.flush()
    except IntegrityError:
        raise Conflict("in_use", "Employees or teams still refer to it. Give them another one first.") from None
