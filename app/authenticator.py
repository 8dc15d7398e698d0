"""Reads the credential of a request: a client key, or a person's access token of a trusted issuer."""

import base64
import binascii
import json

from fastapi import Request

from app.auth import Credential, DevelopmentIssuer, parse_key
from app.errors import Unauthenticated


class Authenticator:
    """Turns an Authorization header into a credential, before any body is read and any connection is taken."""

    def __init__(self, development: DevelopmentIssuer | None) -> None:
        self.development = development

    async def identify(self, request: Request) -> Credential:
        """Return the credential of a request. Raise Unauthenticated for a missing, malformed, forged or expired one."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > 8192:
            raise Unauthenticated
        if token.startswith("blst_"):
            return parse_key(token)
        issuer = _issuer_of(token)
        if self.development is not None and issuer.startswith(DevelopmentIssuer.PREFIX):
            return self.development.verify(token, issuer)
        raise Unauthenticated


def _issuer_of(token: str) -> str:
    """Return the unverified issuer of a token: it only chooses whose keys must verify it."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["iss"])
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise Unauthenticated from None
