"""Reads the credential of a request: a client key, or a person's access token of a trusted issuer."""

from fastapi import Request

from app import oauth
from app.auth import Credential, DevelopmentIssuer, parse_key
from app.crypto import Vault
from app.errors import Unauthenticated
from app.oidc import Issuers, Unverified

LONGEST_TOKEN = 8192


class Authenticator:
    """Turns an Authorization header into a credential, before any body is read."""

    def __init__(self, vault: Vault, development: DevelopmentIssuer | None, issuers: Issuers) -> None:
        self.vault, self.development, self.issuers = vault, development, issuers

    async def identify(self, request: Request) -> Credential:
        """Return the credential of a request. Raise Unauthenticated for a missing, malformed, forged or expired one.

        Raise Busy where a token cannot be verified, since its issuer's keys cannot be had.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
            raise Unauthenticated
        if token.startswith(oauth.PREFIX):
            return oauth.parse(self.vault, token)
        if token.startswith("blst_"):
            return parse_key(token)
        unverified = Unverified.read(token)
        if self.development is not None and unverified.issuer.startswith(DevelopmentIssuer.PREFIX):
            return self.development.verify(token, unverified.issuer)
        return await self.issuers.verify(token, unverified)
