"""Webhook endpoints: where a client wants to be told of what happens. Their keys are shown once and kept sealed."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from app import clock, events, master_keys, queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault, Unprocessable
from app.models import Client, WebhookDelivery, WebhookEndpoint
from app.models.base import new_id
from app.models.webhook import DeliveryKind, DeliveryState
from app.outgoing import rules as outgoing
from app.policy.webhooks import READ
from app.schemas.webhook import Replay, SecretRotation, WebhookEndpointCreate, WebhookEndpointUpdate
from app.services import eap_provider_client
from app.services import webhook_queue as queues
from app.services import webhook_replay as replays
from app.settings import Settings
from app.webhooks import access as event_access
from app.webhooks import keys as webhook_keys
from app.webhooks.catalogue import TEST
from app.webhooks.keys import WebhookKeys

TABLE: Any = WebhookEndpoint.__table__
DELIVERY: Any = WebhookDelivery.__table__
MOST = 20
# What one request replays at most.
REPLAYED_AT_ONCE = 10_000
OVERLAP = timedelta(days=1)
ENDPOINTS = queries.Listing(
    "webhook_endpoint",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={
        "client_id": TABLE.c.client_id == bindparam("client_id"),
        "active": TABLE.c.active == bindparam("active"),
    },
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the caller's endpoints; whoever leads the programme sees those of all clients but providers'."""
    page = queries.paginate(session, caller, ENDPOINTS, paging, filters)
    return {**page, "data": [_shown(row) for row in page["data"]]}


def read(session: Session, caller: Caller, endpoint_id: UUID) -> dict[str, Any]:
    """Return one endpoint."""
    return _shown(queries.read(session, caller, "webhook_endpoint", endpoint_id))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    until = row["previous_keys_until"]
    return {**row, "previous_secret_until": until if until is not None and until > clock.now() else None}


def create(session: Session, caller: Caller, data: WebhookEndpointCreate, settings: Settings) -> Mapping[str, Any]:
    """Make an endpoint, which is told of what happens from now on, and return it with its keys.

    Raise Unprocessable for a URL that nothing is sent to, Conflict for one endpoint too many or a client that could
    not be told of anything.
    """
    client = _client_of(session, caller, data.client_id)
    _require_url(data.url, settings)
    _require_room(session, caller, client.id)
    endpoint = WebhookEndpoint(
        organisation_id=caller.organisation_id,
        id=new_id(),
        client_id=client.id,
        active=True,
        **data.model_dump(exclude={"client_id"}),
    )
    reached = execute(session, queues.COUNTERS, {"organisation_id": caller.organisation_id}).all()
    endpoint.position, endpoint.provider_position = (
        next(row.value for row in reached if row.feed == feed.name) for feed in event_access.FEEDS
    )
    keys = _give_keys(session, endpoint)
    session.add(endpoint)
    events.record(session, caller, "webhook_endpoint.created", endpoint, details={"client_id": str(client.id)})
    return {**read(session, caller, endpoint.id), **keys}


def change(
    session: Session, caller: Caller, endpoint_id: UUID, data: WebhookEndpointUpdate, settings: Settings
) -> Mapping[str, Any]:
    """Change an endpoint. Switched on again, it is sent what waited for it at once."""
    endpoint = queries.get_allowed(session, caller, WebhookEndpoint, endpoint_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(endpoint, name) != value}
    if "url" in changed:
        _require_url(changed["url"], settings)
    if changed.get("active"):
        _require_live(session.get_one(Client, (caller.organisation_id, endpoint.client_id)))
        _switch_on(session, caller, endpoint)
    elif "active" in changed:
        endpoint.paused_at = clock.now()
    for name, value in changed.items():
        setattr(endpoint, name, value)
    if changed:
        events.record(session, caller, "webhook_endpoint.updated", endpoint, details={"fields": sorted(changed)})
    return read(session, caller, endpoint_id)


def _switch_on(session: Session, caller: Caller, endpoint: WebhookEndpoint) -> None:
    now = clock.now()
    off_since = endpoint.disabled_at or endpoint.paused_at or now
    if off_since <= now - queues.QUEUE_KEPT:  # nothing was queued for it any more: it begins anew
        for row in execute(session, queues.COUNTERS, {"organisation_id": caller.organisation_id}):
            for feed in event_access.FEEDS:
                if feed.name == row.feed:
                    setattr(endpoint, feed.position, row.value)
    endpoint.disabled_at = endpoint.disabled_reason = endpoint.failing_since = endpoint.paused_at = None
    session.execute(
        update(DELIVERY)
        .where(
            DELIVERY.c.organisation_id == caller.organisation_id,
            DELIVERY.c.endpoint_id == endpoint.id,
            DELIVERY.c.state == DeliveryState.pending,
        )
        .values(due_at=now)
    )
    queues.deliver_soon(session, caller.organisation_id, now)


def delete(session: Session, caller: Caller, endpoint_id: UUID) -> None:
    """Remove an endpoint with all that was delivered to it, or was to be."""
    endpoint = queries.get_allowed(session, caller, WebhookEndpoint, endpoint_id, "delete")
    session.delete(endpoint)
    events.record(session, caller, "webhook_endpoint.deleted", endpoint)


def rotate_secret(
    session: Session, caller: Caller, endpoint_id: UUID, data: SecretRotation | None = None
) -> Mapping[str, Any]:
    """Give an endpoint new keys and return them. The ones before sign, too, for the overlap; any older ones end now."""
    endpoint = queries.get_allowed(session, caller, WebhookEndpoint, endpoint_id, "rotate_secret")
    overlap = timedelta(seconds=data.overlap_seconds) if data is not None else OVERLAP
    if overlap:
        endpoint.previous_keys, endpoint.previous_keys_until = endpoint.keys, clock.now() + overlap
    else:
        endpoint.previous_keys = endpoint.previous_keys_until = None
    keys = _give_keys(session, endpoint)
    details = {"overlap_seconds": int(overlap.total_seconds())}
    events.record(session, caller, "webhook_endpoint.secret_rotated", endpoint, details=details)
    return {**read(session, caller, endpoint_id), **keys}


def _give_keys(session: Session, endpoint: WebhookEndpoint) -> dict[str, str]:
    """Make keys, seal them into the endpoint, and return them as they are shown."""
    keys: WebhookKeys = webhook_keys.make()
    vault = master_keys.vault_of(session)
    master_keys.note(session, vault)
    endpoint.keys = webhook_keys.seal_keys(vault, endpoint.organisation_id, endpoint.id, keys)
    return {"secret": keys.secret_text, "public_key": keys.public_text}


def try_out(session: Session, caller: Caller, endpoint_id: UUID) -> Mapping[str, Any]:
    """Queue a message of its own for an endpoint, whatever that wants. Raise Conflict where it is switched off."""
    endpoint = _to_send_to(session, caller, endpoint_id, "test")
    now = clock.now()
    delivery = WebhookDelivery(
        organisation_id=caller.organisation_id,
        id=new_id(),
        endpoint_id=endpoint.id,
        event_id=new_id(),
        kind=DeliveryKind.test,
        type=TEST,
        occurred_at=now,
        data={"id": str(endpoint.id), "version": endpoint.version},
    )
    session.add(delivery)
    events.record(session, caller, "webhook_endpoint.tested", endpoint)
    queues.deliver_soon(session, caller.organisation_id, now)
    return {"delivery_id": delivery.id, "event_id": delivery.event_id}


def replay(session: Session, caller: Caller, endpoint_id: UUID, data: Replay) -> Mapping[str, Any]:
    """Queue events once more, as far as the endpoint wants them and its client may be told of them now.

    What is not kept any more, or not the client's to know of, is passed over like what never was. Raise Conflict where
    the endpoint is switched off, Unprocessable where it is not said which events.
    """
    endpoint = _to_send_to(session, caller, endpoint_id, "replay")
    replays.require_question(data)
    client = session.get_one(Client, (caller.organisation_id, endpoint.client_id))
    told = Caller(caller.organisation_id, "client", client.id, frozenset(client.scopes))
    now, queued, rest = clock.now(), 0, None
    for feed in event_access.FEEDS:
        room = REPLAYED_AT_ONCE - queued
        found = replays.find(session, told, feed, endpoint.event_types, data, room + 1)
        ids = [row.id for row in found[:room]]
        queued += queues.queue(session, caller, feed, endpoint.id, ids, DeliveryKind.replay, now)
        if len(found) > room:
            rest = min(found[room].occurred_at, rest or found[room].occurred_at)
    events.record(session, caller, "webhook_endpoint.replayed", endpoint, details=replays.told_of(data))
    if queued:
        queues.deliver_soon(session, caller.organisation_id, now)
    return {"queued": queued, "continue_from": rest}


def _to_send_to(session: Session, caller: Caller, endpoint_id: UUID, action: str) -> WebhookEndpoint:
    endpoint = queries.get_allowed(session, caller, WebhookEndpoint, endpoint_id, action)
    if not endpoint.active:
        raise Conflict("endpoint_inactive", "The endpoint is switched off: switch it on first.")
    return endpoint


def end_of_client(session: Session, caller: Caller, client_id: UUID, now: datetime) -> None:
    """Switch off the endpoints of a client that was revoked, for good, and drop what waits for them."""
    query = select(WebhookEndpoint).where(
        WebhookEndpoint.organisation_id == caller.organisation_id,
        WebhookEndpoint.client_id == client_id,
        WebhookEndpoint.active,
    )
    endpoints = session.scalars(query.order_by(WebhookEndpoint.id).with_for_update()).all()
    for endpoint in endpoints:
        endpoint.active, endpoint.paused_at = False, now
    if endpoints:
        events.record_many(session, caller, "webhook_endpoint.updated", endpoints, details={"fields": ["active"]})
    queues.withhold(session, caller, client_id)


def withhold_but(session: Session, caller: Caller, client_id: UUID, scopes: Collection[str]) -> None:
    """Drop what waits for the endpoints of a client and is not open to these scopes, the only ones that it keeps."""
    open_to = {TEST}.union(*(feed.types(scopes) for feed in event_access.FEEDS))
    queues.withhold(session, caller, client_id, but=open_to)


def _client_of(session: Session, caller: Caller, client_id: UUID | None) -> Client:
    """Return the client that an endpoint is to be of, locked. A client has its own alone, and a person names one."""
    wanted = client_id or caller.client_id
    if wanted is None:
        raise Unprocessable(faults=[Fault("/client_id", "missing", "Name the client whose endpoint it is to be.")])
    client = session.get(Client, (caller.organisation_id, wanted), with_for_update=True)
    if client is None or wanted != (caller.client_id or wanted):
        raise Unprocessable(faults=[Fault("/client_id", "unknown_reference", "There is no such row.")])
    if caller.kind == "person" and eap_provider_client.acts_for_one(session, caller, wanted):
        raise Conflict("client_of_provider", "The client of an EAP provider keeps its endpoints by itself.")
    _require_live(client)
    return client


def _require_live(client: Client) -> None:
    if client.revoked_at is not None:
        raise Conflict("client_revoked", "The client is revoked for good: make a new one.")
    if READ not in client.scopes:
        raise Conflict("client_lacks_scope", f"The client lacks the scope {READ}, and is told of nothing.")


def _require_room(session: Session, caller: Caller, client_id: UUID) -> None:
    theirs = select(func.count()).where(
        WebhookEndpoint.organisation_id == caller.organisation_id, WebhookEndpoint.client_id == client_id
    )
    if session.execute(theirs).scalar_one() >= MOST:
        raise Conflict("too_many_endpoints", f"A client keeps at most {MOST} endpoints: remove one first.")


def _require_url(url: str, settings: Settings) -> None:
    try:
        outgoing.check_url(url, settings)
    except outgoing.UrlNotAllowed as refused:
        raise Unprocessable(faults=[Fault("/url", refused.code, refused.sentence)]) from None
