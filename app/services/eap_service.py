"""What EAP providers offer."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Text, any_, bindparam
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Fault, NotFound, Unprocessable
from app.models import EapProvider, EapService
from app.schemas.eap_provider import ServiceCreate, ServiceUpdate, require_order

TABLE = EapService.__table__
SERVICES = queries.Listing(
    "eap_service",
    sorts={"id": TABLE.c.id, "name": TABLE.c.name},
    filters={
        "provider_id": TABLE.c.provider_id == bindparam("provider_id"),
        "status": TABLE.c.status == bindparam("status"),
        "channel": bindparam("channel", type_=Text()) == any_(TABLE.c.channels),
        "language": bindparam("language", type_=Text()) == any_(TABLE.c.languages),
        "crisis_line": TABLE.c.crisis_line == bindparam("crisis_line"),
    },
)


def list_(
    session: Session, caller: Caller, paging: queries.Paging, provider_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of what a provider offers."""
    queries.read(session, caller, "eap_provider", provider_id)
    return queries.paginate(session, caller, SERVICES, paging, {**filters, "provider_id": provider_id})


def read(session: Session, caller: Caller, provider_id: UUID, service_id: UUID) -> Mapping[str, Any]:
    """Return one service. Raise NotFound for one of another provider."""
    service = queries.read(session, caller, "eap_service", service_id)
    if service["provider_id"] != provider_id:
        raise NotFound
    return service


def create(session: Session, caller: Caller, provider_id: UUID, data: ServiceCreate) -> Mapping[str, Any]:
    """Add what a provider offers."""
    queries.get_allowed(session, caller, EapProvider, provider_id, "update")
    service = EapService(organisation_id=caller.organisation_id, provider_id=provider_id, **data.model_dump())
    session.add(service)
    events.record(session, caller, "eap_service.created", service)
    return read(session, caller, provider_id, service.id)


def update(
    session: Session, caller: Caller, provider_id: UUID, service_id: UUID, data: ServiceUpdate
) -> Mapping[str, Any]:
    """Change what a provider offers. Referrals that were sent keep the times and sessions that they were sent with."""
    service = queries.get_allowed(session, caller, EapService, service_id, "update")
    if service.provider_id != provider_id:
        raise NotFound
    changed = {name: value for name, value in data.given().items() if getattr(service, name) != value}
    for name, value in changed.items():
        setattr(service, name, value)
    if changed:
        _require_order(service)
        events.record(session, caller, "eap_service.updated", service, details={"fields": sorted(changed)})
    return read(session, caller, provider_id, service_id)


def _require_order(service: EapService) -> None:
    try:
        require_order(service.__dict__)
    except ValueError as error:
        raise Unprocessable(faults=[Fault("/", "value_error", str(error))]) from None
