"""Access tokens for clients: OAuth 2.0 client credentials (RFC 6749, section 4.4), with a client key as the secret.

A token is sealed, not signed: it tells nothing to who holds it. Revoking the key, or the client, ends its tokens.
"""

import base64
import binascii
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.auth import AccessTokenCredential, Caller, ClientKeyCredential, base62, from_base62, parse_key
from app.crypto import Vault
from app.database import execute
from app.errors import Unauthenticated
from app.models import ClientKey
from app.relations import ORGANISATION

PREFIX, PURPOSE = "blst_token_", "access token"
SECONDS = 3600
GRANT = "client_credentials"
KEY_ID = select(ClientKey.id).where(ClientKey.organisation_id == ORGANISATION, ClientKey.digest == bindparam("digest"))


class OAuthError(Exception):
    """A refusal in the words of RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.description, self.status = code, description, status


INVALID_CLIENT = ("invalid_client", "The client id and the client key do not belong together, or are not known.", 401)


def grant(
    session: Session, vault: Vault, credential: ClientKeyCredential, client_id: str, scope: str
) -> dict[str, Any]:
    """Return the answer of RFC 6749, section 5.1, to a client that showed one of its keys.

    ``scope`` asks for some of the client's scopes; an empty one for all. Raise OAuthError.
    """
    try:
        caller: Caller = credential.find(session)
    except Unauthenticated:
        raise OAuthError(*INVALID_CLIENT) from None
    if client_id != str(caller.id):
        raise OAuthError(*INVALID_CLIENT)
    scopes = frozenset(scope.split()) or caller.scopes
    if not scopes <= caller.scopes:
        raise OAuthError("invalid_scope", "The client lacks one of these scopes.")
    values = {"organisation_id": caller.organisation_id, "digest": credential.digest}
    key_id = execute(session, KEY_ID, values).scalar_one()
    said = json.dumps([str(key_id), sorted(scopes), int(time.time()) + SECONDS]).encode()
    token = f"{PREFIX}{base62(caller.organisation_id.int, 22)}_{vault.seal_text(PURPOSE, caller.organisation_id, said)}"
    return {"access_token": token, "token_type": "Bearer", "expires_in": SECONDS, "scope": " ".join(sorted(scopes))}


def parse(vault: Vault, token: str) -> AccessTokenCredential:
    """Return the credential that a token is. Raise Unauthenticated for one not from here, or too old."""
    organisation, _, sealed = token.removeprefix(PREFIX).partition("_")
    try:
        organisation_id = UUID(int=from_base62(organisation))
        key_id, scopes, until = json.loads(vault.open_text(PURPOSE, organisation_id, sealed))
    except ValueError:
        raise Unauthenticated from None
    if time.time() >= until:
        raise Unauthenticated
    return AccessTokenCredential(organisation_id, UUID(key_id), frozenset(scopes))


def read_request(authorization: str, body: bytes) -> tuple[ClientKeyCredential, str, str]:
    """Return the key, the client id and the scope of a token request. Raise OAuthError for a malformed one.

    The client says who it is by HTTP Basic or by parameters of the body, never by both.
    """
    form = _form(body)
    if form.get("grant_type", "") == "":
        raise OAuthError("invalid_request", "grant_type is missing.")
    if form["grant_type"] != GRANT:
        raise OAuthError("unsupported_grant_type", f"Only {GRANT} is supported.")
    client_id, secret = _basic(authorization, form) if authorization else _posted(form)
    try:
        return parse_key(secret), client_id, form.get("scope", "")
    except Unauthenticated:
        raise OAuthError(*INVALID_CLIENT) from None


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=20)
    except ValueError:
        raise OAuthError("invalid_request", "Send the parameters as application/x-www-form-urlencoded.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "A parameter comes twice.")
    return form


def _basic(authorization: str, form: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if "client_secret" in form:
        raise OAuthError("invalid_request", "Send the client's key in one way: by Basic or in the body.")
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise OAuthError(*INVALID_CLIENT) from None
    if scheme.lower() != "basic" or not colon:
        raise OAuthError(*INVALID_CLIENT)
    return unquote_plus(client_id), unquote_plus(secret)


def _posted(form: Mapping[str, str]) -> tuple[str, str]:
    if not form.get("client_id") or not form.get("client_secret"):
        raise OAuthError(*INVALID_CLIENT)
    return form["client_id"], form["client_secret"]
