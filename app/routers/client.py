"""Clients over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, Reason, SyncPage
from app.schemas.client import (
    ClientCreate,
    ClientCreated,
    ClientKeyCreate,
    ClientKeyCreated,
    ClientKeyOut,
    ClientOut,
    ClientUpdate,
)
from app.services import client as clients
from app.services import history

router = APIRouter(prefix="/v1/clients", tags=["Clients"], route_class=Route)


@router.get("")
@allows("client", "read")
async def list_clients(call: Call, paging: Synced) -> SyncPage[ClientOut]:
    """List the machine callers, revoked ones too."""
    return await call.page(clients.list_, paging)


@router.post("", status_code=201)
@allows("client", "create", secret="key")  # noqa: S106 - the name of a field
async def create_client(call: Call, data: ClientCreate) -> ClientCreated:
    """Make a client. The answer holds its key: this is the only time that it is shown."""
    return await call(clients.create, data)


@router.get("/{client_id}")
@allows("client", "read")
async def read_client(call: Call, client_id: UUID) -> ClientOut:
    """Read one client."""
    return await call(clients.read, client_id)


@router.patch("/{client_id}")
@allows("client", "update")
async def update_client(call: Call, client_id: UUID, data: ClientUpdate) -> ClientOut:
    """Change a client's name or scopes by a JSON merge patch."""
    return await call(clients.update, client_id, data)


@router.post("/{client_id}/revoke")
@allows("client", "revoke")
async def revoke_client(call: Call, client_id: UUID, data: Reason | None = None) -> ClientOut:
    """Revoke a client and all its keys, for good. Its next request is refused."""
    return await call(clients.revoke, client_id, data)


@router.get("/{client_id}/history")
@allows("client", "read")
async def list_client_history(call: Call, paging: Paged, client_id: UUID) -> Page[HistoryEntry]:
    """List who changed what of a client, when and why, the newest first."""
    return await call.page(history.list_, paging, "client", client_id)


@router.get("/{client_id}/keys")
@allows("client_key", "read")
async def list_client_keys(call: Call, paging: Paged, client_id: UUID) -> Page[ClientKeyOut]:
    """List a client's keys by their last four characters, dead ones too."""
    return await call.page(clients.list_keys, paging, client_id)


@router.post("/{client_id}/keys", status_code=201)
@allows("client_key", "create", secret="key")  # noqa: S106 - the name of a field
async def create_client_key(call: Call, client_id: UUID, data: ClientKeyCreate | None = None) -> ClientKeyCreated:
    """Rotate: give a client a new key, shown once. Its older keys go on for a day unless told otherwise."""
    return await call(clients.create_key, client_id, data)


@router.get("/{client_id}/keys/{key_id}")
@allows("client_key", "read")
async def read_client_key(call: Call, client_id: UUID, key_id: UUID) -> ClientKeyOut:
    """Read what is known of one key."""
    return await call(clients.read_key, client_id, key_id)


@router.post("/{client_id}/keys/{key_id}/revoke")
@allows("client_key", "revoke")
async def revoke_client_key(call: Call, client_id: UUID, key_id: UUID, data: Reason | None = None) -> ClientKeyOut:
    """Revoke one key. The next request with it is refused."""
    return await call(clients.revoke_key, client_id, key_id, data)
