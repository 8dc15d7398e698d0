"""Clients and their keys. Only a key's SHA-256 is kept; what is revoked stops with the next request."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller, make_key
from app.errors import Conflict, NotFound
from app.models import Client, ClientKey
from app.schemas.base import Reason
from app.schemas.client import ClientCreate, ClientKeyCreate, ClientUpdate
from app.services import eap_provider_client
from app.services import webhook_endpoint as endpoints

TABLE, KEYS = Client.__table__, ClientKey.__table__
CLIENTS = queries.Listing("client", sorts={"id": TABLE.c.id, "name": TABLE.c.name})
CLIENT_KEYS = queries.Listing(
    "client_key",
    sorts={"id": KEYS.c.id},
    filters={"client_id": KEYS.c.client_id == bindparam("client_id")},
    syncs=False,
)
OVERLAP = timedelta(days=1)


def list_(session: Session, caller: Caller, paging: queries.Paging) -> Mapping[str, Any]:
    """Return a page of the organisation's clients."""
    page = queries.paginate(session, caller, CLIENTS, paging, {})
    return {**page, "data": [_shown(client) for client in page["data"]]}


def read(session: Session, caller: Caller, client_id: UUID) -> dict[str, Any]:
    """Return one client."""
    return _shown(queries.read(session, caller, "client", client_id))


def _shown(client: dict[str, Any]) -> dict[str, Any]:
    return client if client["revoked_at"] is None else {**client, "allowed_actions": []}


def create(session: Session, caller: Caller, data: ClientCreate) -> Mapping[str, Any]:
    """Make a client. Raise Conflict for scopes that the caller does not hold, or a name that is taken."""
    client, key = create_client(session, caller, data.name, data.scopes)
    return {**read(session, caller, client.id), "key": key}


def create_client(session: Session, caller: Caller, name: str, scopes: Iterable[str]) -> tuple[Client, str]:
    """Make a client with its first key, and return both: the key is not kept, so this is the only time to show it."""
    wanted = sorted(set(scopes))
    _require_held(caller, wanted)
    client = Client(organisation_id=caller.organisation_id, name=name, scopes=wanted)
    session.add(client)
    events.record(session, caller, "client.created", client, details={"scopes": wanted})
    _, key = _add_key(session, caller, client)
    return client, key


def update(session: Session, caller: Caller, client_id: UUID, data: ClientUpdate) -> Mapping[str, Any]:
    """Change a client's name or scopes. Raise Conflict for new scopes that the caller does not hold."""
    client = _live(session, caller, client_id, "update")
    given = data.given()
    if "scopes" in given:
        given["scopes"] = sorted(set(given["scopes"]))
        _require_held(caller, set(given["scopes"]) - set(client.scopes))
        eap_provider_client.require_narrow(session, caller, client_id, given["scopes"])
        endpoints.withhold_but(session, caller, client_id, given["scopes"])
    for name, value in given.items():
        setattr(client, name, value)
    if session.is_modified(client):
        details = {"fields": sorted(given)} | ({"scopes": given["scopes"]} if "scopes" in given else {})
        events.record(session, caller, "client.updated", client, details=details)
    return read(session, caller, client_id)


def revoke(session: Session, caller: Caller, client_id: UUID, data: Reason | None = None) -> Mapping[str, Any]:
    """End a client and every key of it, for good. Doing it twice is doing it once."""
    client = queries.get_allowed(session, caller, Client, client_id, "revoke")
    if client.revoked_at is None:
        client.revoked_at = clock.now()
        for key in _live_keys(session, caller, client_id):
            key.revoked_at = client.revoked_at
        details = {"reason": data.reason} if data and data.reason else None
        events.record(session, caller, "client.revoked", client, details=details)
        endpoints.end_of_client(session, caller, client_id, client.revoked_at)
    return read(session, caller, client_id)


def list_keys(session: Session, caller: Caller, paging: queries.Paging, client_id: UUID) -> Mapping[str, Any]:
    """Return a page of a client's keys, dead ones too. Never the keys themselves."""
    queries.read(session, caller, "client", client_id)
    return queries.paginate(session, caller, CLIENT_KEYS, paging, {"client_id": client_id})


def read_key(session: Session, caller: Caller, client_id: UUID, key_id: UUID) -> dict[str, Any]:
    """Return what is known of one key of a client."""
    key = queries.read(session, caller, "client_key", key_id)
    if key["client_id"] != client_id:
        raise NotFound
    return key


def create_key(
    session: Session, caller: Caller, client_id: UUID, data: ClientKeyCreate | None = None
) -> Mapping[str, Any]:
    """Give a client a new key; its older ones end after the overlap."""
    overlap = timedelta(seconds=data.overlap_seconds) if data else OVERLAP
    made, key = rotate(session, caller, client_id, overlap)
    return {**read_key(session, caller, client_id, made.id), "key": key}


def rotate(session: Session, caller: Caller, client_id: UUID, overlap: timedelta = OVERLAP) -> tuple[ClientKey, str]:
    """Give a client a new key, end its older ones after ``overlap``, and return the new one with its text.

    Raise Conflict for a client that may do more than the caller: who makes a key could use it.
    """
    client = _live(session, caller, client_id, "rotate")
    _require_held(caller, client.scopes)
    now = clock.now()
    for older in _live_keys(session, caller, client_id):
        if overlap:
            older.expires_at = min(older.expires_at or datetime.max.replace(tzinfo=now.tzinfo), now + overlap)
        else:
            older.revoked_at = now
    return _add_key(session, caller, client)


def revoke_key(
    session: Session, caller: Caller, client_id: UUID, key_id: UUID, data: Reason | None = None
) -> Mapping[str, Any]:
    """End one key of a client at once. Doing it twice is doing it once."""
    queries.get_allowed(session, caller, Client, client_id, "revoke")
    key = queries.get_allowed(session, caller, ClientKey, key_id, "revoke")
    if key.client_id != client_id:
        raise NotFound
    if key.revoked_at is None:
        key.revoked_at = clock.now()
        details = {"client_id": str(client_id)} | ({"reason": data.reason} if data and data.reason else {})
        events.record(session, caller, "client_key.revoked", key, details=details)
    return read_key(session, caller, client_id, key_id)


def everyone(session: Session, caller: Caller) -> list[Client]:
    """Return every client of the organisation by name, for the command line."""
    query = select(Client).where(Client.organisation_id == caller.organisation_id).order_by(Client.name)
    return list(session.execute(query).scalars())


def _live(session: Session, caller: Caller, client_id: UUID, action: str) -> Client:
    client = queries.get_allowed(session, caller, Client, client_id, action)
    if client.revoked_at is not None:
        raise Conflict("client_revoked", "The client is revoked for good: make a new one.")
    return client


def _live_keys(session: Session, caller: Caller, client_id: UUID) -> list[ClientKey]:
    query = select(ClientKey).where(
        ClientKey.organisation_id == caller.organisation_id,
        ClientKey.client_id == client_id,
        ClientKey.revoked_at.is_(None),
    )
    return list(session.execute(query.with_for_update()).scalars())


def _add_key(session: Session, caller: Caller, client: Client) -> tuple[ClientKey, str]:
    text, digest = make_key(caller.organisation_id)
    key = ClientKey(organisation_id=caller.organisation_id, client_id=client.id, digest=digest, last_four=text[-4:])
    session.add(key)
    events.record(session, caller, "client_key.created", key, details={"client_id": str(client.id)})
    return key, text


def _require_held(caller: Caller, scopes: Iterable[str]) -> None:
    if caller.kind == "client" and not caller.scopes.issuperset(scopes):
        raise Conflict("scope_not_held", "A client can only give or use scopes that it holds itself.")
