"""Which clients act for which EAP provider."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Conflict, Fault, NotFound, Unprocessable
from app.models import Client, EapProviderClient
from app.policy.eap import EAP_READ, EAP_WRITE
from app.policy.webhooks import READ as WEBHOOKS_READ
from app.policy.webhooks import WRITE as WEBHOOKS_WRITE
from app.schemas.eap_provider import ProviderClientCreate
from app.services import webhook_delivery as deliveries

TABLE = EapProviderClient.__table__
BINDINGS = queries.Listing(
    "eap_provider_client",
    sorts={"id": TABLE.c.id},
    filters={"provider_id": TABLE.c.provider_id == bindparam("provider_id")},
    syncs=False,
)
# A provider never sees what the HR system knows: its client holds no other scope. Events are those of its own cases.
SCOPES = frozenset({EAP_READ, EAP_WRITE, WEBHOOKS_READ, WEBHOOKS_WRITE})


def list_(session: Session, caller: Caller, paging: queries.Paging, provider_id: UUID) -> Mapping[str, Any]:
    """Return a page of the clients that act for a provider."""
    queries.read(session, caller, "eap_provider", provider_id)
    return queries.paginate(session, caller, BINDINGS, paging, {"provider_id": provider_id})


def create(session: Session, caller: Caller, provider_id: UUID, data: ProviderClientCreate) -> Mapping[str, Any]:
    """Let a client act for a provider. Raise Conflict for one that acts for another, or holds any other scope."""
    queries.read(session, caller, "eap_provider", provider_id)
    client = session.get(Client, (caller.organisation_id, data.client_id), with_for_update=True)
    if client is None:
        raise Unprocessable(faults=[Fault("/client_id", "unknown_reference", "There is no such row.")])
    if client.revoked_at is not None:
        raise Conflict("client_revoked", "The client is revoked for good: make a new one.")
    if client.id == caller.client_id:
        raise Conflict("own_client", "A client cannot make itself a provider's.")
    _require_nothing_else(client.scopes)
    binding = EapProviderClient(
        organisation_id=caller.organisation_id, provider_id=provider_id, client_id=data.client_id
    )
    session.add(binding)
    details = {"provider_id": str(provider_id), "client_id": str(data.client_id)}
    events.record(session, caller, "eap_provider_client.created", binding, details=details)
    return read(session, caller, provider_id, binding.id)


def read(session: Session, caller: Caller, provider_id: UUID, binding_id: UUID) -> Mapping[str, Any]:
    """Return one binding. Raise NotFound for one of another provider."""
    binding = queries.read(session, caller, "eap_provider_client", binding_id)
    if binding["provider_id"] != provider_id:
        raise NotFound
    return binding


def delete(session: Session, caller: Caller, provider_id: UUID, binding_id: UUID) -> None:
    """End it: the client's next request finds nothing, and it is told of nothing more."""
    binding = queries.get_allowed(session, caller, EapProviderClient, binding_id, "delete")
    if binding.provider_id != provider_id:
        raise NotFound
    session.delete(binding)
    deliveries.forget_cases(session, caller, binding.client_id)
    details = {"provider_id": str(provider_id), "client_id": str(binding.client_id)}
    events.record(session, caller, "eap_provider_client.deleted", binding, details=details)


def require_narrow(session: Session, caller: Caller, client_id: UUID, scopes: Collection[str]) -> None:
    """Raise Conflict where a client that acts for a provider would get any other scope."""
    if acts_for_one(session, caller, client_id):
        _require_nothing_else(scopes)


def acts_for_one(session: Session, caller: Caller, client_id: UUID) -> bool:
    """Return whether a client acts for a provider."""
    bound = select(EapProviderClient.id).where(
        EapProviderClient.organisation_id == caller.organisation_id, EapProviderClient.client_id == client_id
    )
    return session.scalar(bound) is not None


def _require_nothing_else(scopes: Collection[str]) -> None:
    if not SCOPES.issuperset(scopes):
        raise Conflict("client_has_other_scopes", f"A provider's client holds {', '.join(sorted(SCOPES))} alone.")
