"""The EAP directory over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.eap_provider import EapStatus
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, SyncPage
from app.schemas.eap_provider import (
    Channel,
    ProviderClientCreate,
    ProviderClientOut,
    ProviderCreate,
    ProviderOut,
    ProviderUpdate,
    ServiceCreate,
    ServiceOut,
    ServiceUpdate,
)
from app.services import eap_provider as providers
from app.services import eap_provider_client as bindings
from app.services import eap_service as services
from app.services import history

router = APIRouter(prefix="/v1/eap-providers", tags=["EAP directory"], route_class=Route)

Spoken = Annotated[str | None, Query(max_length=35, description="A language in which it is offered, BCP 47.")]
By = Annotated[Channel | None, Query(description="A way in which it is offered.")]
Crisis = Annotated[bool | None, Query(description="Whether there is a crisis line.")]


@router.get("")
@allows("eap_provider", "read")
async def list_eap_providers(
    call: Call,
    paging: Synced,
    status: EapStatus | None = None,
    channel: By = None,
    language: Spoken = None,
    crisis_line: Crisis = None,
) -> SyncPage[ProviderOut]:
    """List the EAP providers. Everyone can, and nothing is kept of who did."""
    filters = {"status": status, "channel": channel, "language": language, "crisis_line": crisis_line}
    return await call.page(providers.list_, paging, filters)


@router.post("", status_code=201)
@allows("eap_provider", "create")
async def create_eap_provider(call: Call, data: ProviderCreate) -> ProviderOut:
    """Add a provider to the directory."""
    return await call(providers.create, data)


@router.get("/{provider_id}")
@allows("eap_provider", "read")
async def read_eap_provider(call: Call, provider_id: UUID) -> ProviderOut:
    """Read one provider."""
    return await call(providers.read, provider_id)


@router.patch("/{provider_id}")
@allows("eap_provider", "update")
async def update_eap_provider(call: Call, provider_id: UUID, data: ProviderUpdate) -> ProviderOut:
    """Change a provider by a JSON merge patch. One that is gone is marked so, never deleted."""
    return await call(providers.update, provider_id, data)


@router.get("/{provider_id}/history")
@allows("eap_provider", "read")
async def list_eap_provider_history(call: Call, paging: Paged, provider_id: UUID) -> Page[HistoryEntry]:
    """List who changed what of a provider's entry, and when, the newest first."""
    return await call.page(history.list_, paging, "eap_provider", provider_id)


@router.get("/{provider_id}/services")
@allows("eap_service", "read")
async def list_eap_services(
    call: Call,
    paging: Synced,
    provider_id: UUID,
    status: EapStatus | None = None,
    channel: By = None,
    language: Spoken = None,
    crisis_line: Crisis = None,
) -> SyncPage[ServiceOut]:
    """List what a provider offers."""
    filters = {"status": status, "channel": channel, "language": language, "crisis_line": crisis_line}
    return await call.page(services.list_, paging, provider_id, filters)


@router.post("/{provider_id}/services", status_code=201)
@allows("eap_service", "create")
async def create_eap_service(call: Call, provider_id: UUID, data: ServiceCreate) -> ServiceOut:
    """Add what a provider offers. Its times until first contact are starting points, to be set by the contract."""
    return await call(services.create, provider_id, data)


@router.get("/{provider_id}/services/{service_id}")
@allows("eap_service", "read")
async def read_eap_service(call: Call, provider_id: UUID, service_id: UUID) -> ServiceOut:
    """Read one service."""
    return await call(services.read, provider_id, service_id)


@router.patch("/{provider_id}/services/{service_id}")
@allows("eap_service", "update")
async def update_eap_service(call: Call, provider_id: UUID, service_id: UUID, data: ServiceUpdate) -> ServiceOut:
    """Change what a provider offers by a JSON merge patch. What was sent keeps the terms that it was sent with."""
    return await call(services.update, provider_id, service_id, data)


@router.get("/{provider_id}/clients")
@allows("eap_provider_client", "read")
async def list_eap_provider_clients(call: Call, paging: Paged, provider_id: UUID) -> Page[ProviderClientOut]:
    """List the clients that act for a provider."""
    return await call.page(bindings.list_, paging, provider_id)


@router.post("/{provider_id}/clients", status_code=201)
@allows("eap_provider_client", "create")
async def create_eap_provider_client(call: Call, provider_id: UUID, data: ProviderClientCreate) -> ProviderClientOut:
    """Let a client act for a provider: it then sees what is sent to that provider, and holds no scope beside."""
    return await call(bindings.create, provider_id, data)


@router.get("/{provider_id}/clients/{binding_id}")
@allows("eap_provider_client", "read")
async def read_eap_provider_client(call: Call, provider_id: UUID, binding_id: UUID) -> ProviderClientOut:
    """Read which client it is."""
    return await call(bindings.read, provider_id, binding_id)


@router.delete("/{provider_id}/clients/{binding_id}", status_code=204)
@allows("eap_provider_client", "delete", unversioned=True)
async def delete_eap_provider_client(call: Call, provider_id: UUID, binding_id: UUID) -> None:
    """End it. The client's next request finds nothing."""
    return await call(bindings.delete, provider_id, binding_id)
