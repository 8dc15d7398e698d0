"""The credentials of a source: made or taken in, several side by side, shown once, ended at once."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from app import clock, events, master_keys, queries
from app.auth import ALPHABET, Caller
from app.errors import Conflict, Fault, NotFound, Unprocessable
from app.models import Source, SourceCredential
from app.models.base import new_id
from app.models.call_event import SourceKind
from app.models.source_intake import CredentialKind
from app.schemas.source_intake import SourceCredentialCreate

MOST = 10
PURPOSE = "source-credential"
PREFIX = "blst_src_"
DEFAULT_USER = "ballast"
COMPARED = (CredentialKind.bearer, CredentialKind.header, CredentialKind.basic)
TABLE = SourceCredential.__table__
CREDENTIALS = queries.Listing(
    "source_credential",
    sorts={"id": TABLE.c.id},
    filters={"source_id": TABLE.c.source_id == bindparam("source_id")},
    syncs=False,
)


def list_(session: Session, caller: Caller, paging: queries.Paging, source_id: UUID) -> Mapping[str, Any]:
    """Return a page of a source's credentials, expired ones too. Never the secrets."""
    queries.read(session, caller, "source", source_id)
    return queries.paginate(session, caller, CREDENTIALS, paging, {"source_id": source_id})


def read(session: Session, caller: Caller, source_id: UUID, credential_id: UUID) -> dict[str, Any]:
    """Return what is known of one credential of a source. Raise NotFound for another source's."""
    found = queries.read(session, caller, "source_credential", credential_id)
    if found["source_id"] != source_id:
        raise NotFound
    return found


def create(session: Session, caller: Caller, source_id: UUID, data: SourceCredentialCreate) -> Mapping[str, Any]:
    """Give a source a credential beside those that it has, and return it with its secret where it was made here.

    Raise Conflict for a source without an address of its own, and for one credential too many.
    """
    source = queries.get_allowed(session, caller, Source, source_id, "update")
    if source.kind == SourceKind.api:
        raise Conflict("no_address", "A source of kind api is posted to with a client key: it has no address.")
    if data.expires_at is not None and data.expires_at <= clock.now():
        raise Unprocessable(faults=[Fault("/expires_at", "in_the_past", "Must lie in the future.")])
    _require_room(session, caller, source_id)
    secret = data.secret or PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(40))
    credential = SourceCredential(
        organisation_id=caller.organisation_id,
        id=new_id(),
        source_id=source_id,
        kind=data.kind,
        name=data.name,
        settings=_settings(data),
        last_four=secret[-4:],
        expires_at=data.expires_at,
    )
    _keep(session, credential, secret)
    session.add(credential)
    details = {"source_id": str(source_id), "kind": str(data.kind)}
    events.record(session, caller, "source_credential.created", credential, details=details)
    return {**read(session, caller, source_id, credential.id), "secret": secret if data.secret is None else None}


def delete(session: Session, caller: Caller, source_id: UUID, credential_id: UUID) -> None:
    """End a credential: the next delivery with it is refused. Its secret is gone."""
    credential = queries.get_allowed(session, caller, SourceCredential, credential_id, "delete")
    if credential.source_id != source_id:
        raise NotFound
    details = {"source_id": str(source_id), "kind": str(credential.kind)}
    events.record(session, caller, "source_credential.deleted", credential, details=details)
    session.delete(credential)
    session.flush()


def _keep(session: Session, credential: SourceCredential, secret: str) -> None:
    """Keep of a secret what is needed to check it: its digest, or, where it signs, itself, sealed for this row."""
    if credential.kind in COMPARED:
        credential.digest = hashlib.sha256(secret.encode()).digest()
        return
    vault = master_keys.vault_of(session)
    master_keys.note(session, vault)
    credential.sealed = vault.seal(PURPOSE, credential.organisation_id, secret.encode(), credential.id.bytes)


def _settings(data: SourceCredentialCreate) -> dict[str, Any]:
    match data.kind:
        case CredentialKind.header:
            return {"header": data.header}
        case CredentialKind.basic:
            return {"user_name": data.user_name or DEFAULT_USER}
        case CredentialKind.hmac:
            names = ("header", "algorithm", "encoding", "prefix", "timestamp_header", "separator")
            return {name: getattr(data, name) for name in names}
    return {}


def _require_room(session: Session, caller: Caller, source_id: UUID) -> None:
    mine = select(func.count()).where(
        SourceCredential.organisation_id == caller.organisation_id, SourceCredential.source_id == source_id
    )
    if session.execute(mine).scalar_one() >= MOST:
        raise Conflict("too_many_credentials", f"A source keeps at most {MOST}: end one that is not needed.")
