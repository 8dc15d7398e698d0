"""Who may do what: webhook endpoints, what was delivered to them, and the feed of events.

What an endpoint is told of is asked of its client: see ``app/webhooks/access.py``.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.sql.expression import exists

from app.models import EapProviderClient, OutgoingEvent, WebhookDelivery, WebhookEndpoint
from app.policy.rule import Models, Policy, rule
from app.relations import ME, ORGANISATION, PROGRAMME_LEAD

READ, WRITE = "webhooks:read", "webhooks:write"
ENDPOINT, DELIVERY = WebhookEndpoint.__table__, WebhookDelivery.__table__


def _acts_for_a_provider(client_id: ColumnElement[Any]) -> ColumnElement[bool]:
    binding = EapProviderClient.__table__.alias("binding_of_endpoint")
    return exists(select(1).where(binding.c.organisation_id == ORGANISATION, binding.c.client_id == client_id))


def _mine() -> ColumnElement[bool]:
    return ENDPOINT.c.client_id == ME


def _not_of_a_provider() -> ColumnElement[bool]:
    """Hide the endpoints of EAP providers from people: when something is delivered there, somebody asked for help."""
    return ~_acts_for_a_provider(ENDPOINT.c.client_id)


def _of_an_endpoint(seen: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(
        select(1)
        .select_from(ENDPOINT)
        .where(ENDPOINT.c.organisation_id == ORGANISATION, ENDPOINT.c.id == DELIVERY.c.endpoint_id, seen)
    )


OWN = {"client_sees": _mine, "others_see": _not_of_a_provider}

POLICY: Policy = {
    ("webhook_endpoint", "read"): rule(READ, PROGRAMME_LEAD, **OWN),
    ("webhook_endpoint", "create"): rule(WRITE, PROGRAMME_LEAD),
    ("webhook_endpoint", "update"): rule(WRITE, PROGRAMME_LEAD, **OWN),
    ("webhook_endpoint", "delete"): rule(WRITE, PROGRAMME_LEAD, **OWN),
    ("webhook_endpoint", "rotate_secret"): rule(WRITE, PROGRAMME_LEAD, **OWN),
    ("webhook_endpoint", "test"): rule(WRITE, PROGRAMME_LEAD, **OWN, on_active=True),
    ("webhook_endpoint", "replay"): rule(WRITE, PROGRAMME_LEAD, **OWN, on_active=True),
    ("webhook_delivery", "read"): rule(
        READ,
        PROGRAMME_LEAD,
        client_sees=lambda: _of_an_endpoint(_mine()),
        others_see=lambda: and_(~DELIVERY.c.type.startswith("eap_case."), _of_an_endpoint(_not_of_a_provider())),
    ),
    # Each event is let through by the rule of the resource that it is about.
    ("event", "read"): rule(READ),
}

MODELS: Models = {
    "webhook_endpoint": (WebhookEndpoint, None),
    "webhook_delivery": (WebhookDelivery, None),
    "event": (OutgoingEvent, None),
}
