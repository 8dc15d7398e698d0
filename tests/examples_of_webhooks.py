"""Examples of webhook endpoints, deliveries and the events of providers: see `examples_of_resources`."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import null, text
from sqlalchemy.orm import Session

from app import clock, master_keys
from app.models import ProviderEvent, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from app.models.base import new_id
from app.webhooks import keys as webhook_keys
from tests.world import World

ENDPOINT = "/v1/webhook-endpoints/{endpoint_id}"
EXAMPLES: dict[str, dict[str, str]] = {
    ENDPOINT: {"endpoint_id": "webhook_endpoint"},
    ENDPOINT + "/deliveries/{delivery_id}": {"endpoint_id": "webhook_endpoint", "delivery_id": "webhook_delivery"},
}
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "create_webhook_endpoint": lambda _: {"client_id": None},
    "replay_webhook_events": lambda _: {"since": "2026-11-20T10:00:00Z", "until": None, "event_ids": None},
}
# Whose endpoints are given to the client that a test asks with: a client has its own alone.
GIVE = "UPDATE webhook_endpoint SET client_id = (SELECT client_id FROM client_key ORDER BY {order} LIMIT 1)"


def make_webhooks(session: Session, world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make an endpoint with two deliveries, one of them tried, and an event of a provider's."""
    endpoint_id, now = new_id(), clock.now()
    vault = master_keys.vault_of(session)
    sealed = [webhook_keys.seal_keys(vault, world.id, endpoint_id, webhook_keys.make()) for _ in range(2)]
    endpoint = WebhookEndpoint(
        organisation_id=world.id,
        id=endpoint_id,
        client_id=made["client"],
        url=f"https://hooks.example.com/{number}",
        event_types=["*"],
        keys=sealed[0],
        previous_keys=sealed[1],
        previous_keys_until=now,
        position=0,
        provider_position=0,
    )
    session.add(endpoint)
    session.flush()
    made["webhook_endpoint"] = endpoint_id
    thin = {"id": str(made["employee"]), "version": 1}
    of_employee = {"type": "employee.updated", "occurred_at": now, "data": thin}
    of_endpoint = {"endpoint_id": endpoint_id, "kind": "replay", "state": "delivered", "due_at": null()}
    for _ in range(2):
        make(WebhookDelivery, event_id=new_id(), **of_endpoint, **of_employee, attempts=1, finished_at=now)
    make(
        WebhookAttempt,
        delivery_id=made["webhook_delivery"],
        number=1,
        attempted_at=now,
        duration_ms=40,
        status=200,
        failure=None,
        answer="Thank you",
    )
    case_id = made["eap_case"]
    make(
        ProviderEvent,
        provider_id=made["eap_provider"],
        type="eap_case.sent",
        resource="eap_case",
        resource_id=case_id,
        data={"id": str(case_id), "version": 1, "state": "requested"},
    )


async def owning_the_endpoints(world: World) -> httpx.AsyncClient:
    """Return a new client with every scope that the endpoints of an organisation belong to."""
    client = await world.client()
    await world.run(lambda session: session.execute(text(GIVE.format(order="created_at DESC, id DESC"))))
    return client
