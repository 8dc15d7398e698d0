"""Webhook endpoints over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.webhook import DeliveryKind, DeliveryState
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, SyncPage
from app.schemas.webhook import (
    Queued,
    Replay,
    Replayed,
    SecretRotation,
    WebhookDeliveryOut,
    WebhookDeliveryRead,
    WebhookEndpointCreate,
    WebhookEndpointOut,
    WebhookEndpointUpdate,
    WebhookEndpointWithKeys,
)
from app.services import history
from app.services import webhook_delivery as deliveries
from app.services import webhook_endpoint as endpoints

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["Webhook endpoints"], route_class=Route)

OfType = Annotated[str | None, Query(max_length=100, description="The type of the event, such as `goal.achieved`.")]


@router.get("")
@allows("webhook_endpoint", "read")
async def list_webhook_endpoints(
    call: Call, paging: Synced, client_id: UUID | None = None, active: bool | None = None
) -> SyncPage[WebhookEndpointOut]:
    """List the endpoints: a client its own, a programme lead those of every client but EAP providers'."""
    return await call.page(endpoints.list_, paging, {"client_id": client_id, "active": active})


@router.post("", status_code=201)
@allows("webhook_endpoint", "create", secret="secret")  # noqa: S106 - the name of a field
async def create_webhook_endpoint(call: Call, data: WebhookEndpointCreate) -> WebhookEndpointWithKeys:
    """Make an endpoint. The answer holds the secret that verifies what is posted: it is shown this once."""
    return await call(endpoints.create, data, call.app.state.settings)


@router.get("/{endpoint_id}")
@allows("webhook_endpoint", "read")
async def read_webhook_endpoint(call: Call, endpoint_id: UUID) -> WebhookEndpointOut:
    """Read one endpoint."""
    return await call(endpoints.read, endpoint_id)


@router.patch("/{endpoint_id}")
@allows("webhook_endpoint", "update")
async def update_webhook_endpoint(call: Call, endpoint_id: UUID, data: WebhookEndpointUpdate) -> WebhookEndpointOut:
    """Change an endpoint by a JSON merge patch. `active` switches it on again after it was paused or disabled."""
    return await call(endpoints.change, endpoint_id, data, call.app.state.settings)


@router.delete("/{endpoint_id}", status_code=204)
@allows("webhook_endpoint", "delete")
async def delete_webhook_endpoint(call: Call, endpoint_id: UUID) -> None:
    """Remove an endpoint, and all that was delivered to it or waits for it."""
    return await call(endpoints.delete, endpoint_id)


@router.post("/{endpoint_id}/rotate-secret")
@allows("webhook_endpoint", "rotate_secret", secret="secret")  # noqa: S106 - the name of a field
async def rotate_webhook_secret(
    call: Call, endpoint_id: UUID, data: SecretRotation | None = None
) -> WebhookEndpointWithKeys:
    """Give an endpoint a new secret and key, shown once. Messages are signed with the old ones, too, for a day."""
    return await call(endpoints.rotate_secret, endpoint_id, data)


@router.post("/{endpoint_id}/test", status_code=202)
@allows("webhook_endpoint", "test")
async def test_webhook_endpoint(call: Call, endpoint_id: UUID) -> Queued:
    """Send an endpoint a `webhook_endpoint.test`. What becomes of it is found among the deliveries."""
    return await call(endpoints.try_out, endpoint_id)


@router.post("/{endpoint_id}/replay", status_code=202)
@allows("webhook_endpoint", "replay")
async def replay_webhook_events(call: Call, endpoint_id: UUID, data: Replay) -> Replayed:
    """Deliver events of the last 90 days once more, with the same `webhook-id`: those of a time, or some by their ids.

    Of those the ones that the endpoint wants and its client may read.
    """
    return await call(endpoints.replay, endpoint_id, data)


@router.get("/{endpoint_id}/deliveries")
@allows("webhook_delivery", "read")
async def list_webhook_deliveries(
    call: Call,
    paging: Paged,
    endpoint_id: UUID,
    state: DeliveryState | None = None,
    kind: DeliveryKind | None = None,
    type: OfType = None,  # noqa: A002 - the name of a parameter
    event_id: UUID | None = None,
) -> Page[WebhookDeliveryOut]:
    """List what was, or is to be, delivered, the newest first. What is done is kept for 30 days."""
    filters = {"state": state, "kind": kind, "type": type, "event_id": event_id}
    return await call.page(deliveries.list_, paging, endpoint_id, filters)


@router.get("/{endpoint_id}/deliveries/{delivery_id}")
@allows("webhook_delivery", "read")
async def read_webhook_delivery(call: Call, endpoint_id: UUID, delivery_id: UUID) -> WebhookDeliveryRead:
    """Read one delivery with every attempt: when, how long it took, and what the receiver answered."""
    return await call(deliveries.read, endpoint_id, delivery_id)


@router.get("/{endpoint_id}/history")
@allows("webhook_endpoint", "read")
async def list_webhook_endpoint_history(call: Call, paging: Paged, endpoint_id: UUID) -> Page[HistoryEntry]:
    """List who changed what of an endpoint, and when, the newest first."""
    return await call.page(history.list_, paging, "webhook_endpoint", endpoint_id)
