"""Access tokens of people: which issuer's keys must verify one, what it must say, and whom of ours it names."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Self
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from app.auth import PersonCredential, registry
from app.database import Database
from app.errors import Unauthenticated
from app.jwks import PublishedKeys
from app.outgoing.rules import Rules
from app.services import organisation as organisations
from app.settings import OidcIssuer

# The kind of key that each algorithm takes: shared secrets and `none` are not among them, whatever a setting says.
KEY_TYPES = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "ES384": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
TYPES = ("jwt", "at+jwt", "application/jwt", "application/at+jwt")
# What only an ID token or a logout token has. Both are for the front end, and prove nothing to an API.
OTHER_TOKENS = ("nonce", "at_hash", "c_hash", "events")
LONGEST_NAME = 254
REMEMBERED_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself. It only chooses whose keys must verify it."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @classmethod
    def read(cls, token: str) -> Self:
        """Return the parts of a token. Raise Unauthenticated for what is none."""
        try:
            header, claims, _ = token.split(".")
            parts = _decoded(header), _decoded(claims)
        except (ValueError, RecursionError):
            raise Unauthenticated from None
        if not isinstance(parts[0], dict) or not isinstance(parts[1], dict):
            raise Unauthenticated
        return cls(*parts)

    @property
    def issuer(self) -> str:
        issuer = self.claims.get("iss")
        return issuer if isinstance(issuer, str) else ""

    @property
    def audiences(self) -> Sequence[Any]:
        audience = self.claims.get("aud")
        return audience if isinstance(audience, list) else [audience]


def _decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Issuers:
    """The identity providers of the settings. Which organisation one signs in for is configured, never in a token."""

    def __init__(self, configured: Sequence[OidcIssuer], database: Database | None, rules: Rules) -> None:
        self.configured, self.database = tuple(configured), database
        self.keys = {url: PublishedKeys(url, rules) for url in {str(issuer.jwks_url) for issuer in configured}}
        self._organisations: dict[str, tuple[UUID, float]] = {}

    async def verify(self, token: str, unverified: Unverified) -> PersonCredential:
        """Return whom a token signs in. Raise Unauthenticated for one that does not prove it, Busy without keys."""
        issuer = self._issuer_of(unverified)
        key = await self._key_of(issuer, unverified.header)
        try:
            claims = jwt.decode(token, key, registry=_Signatures(issuer)).claims
            registry(issuer.issuer, issuer.audience).validate(claims)
        except (JoseError, ValueError, TypeError):
            raise Unauthenticated from None
        name = _name_of(issuer, claims)
        return PersonCredential(await self._organisation(issuer.organisation), issuer.matches, name)

    def _issuer_of(self, unverified: Unverified) -> OidcIssuer:
        audiences = unverified.audiences
        found = [i for i in self.configured if i.issuer == unverified.issuer and i.audience in audiences]
        if len(found) != 1:
            raise Unauthenticated
        return found[0]

    async def _key_of(self, issuer: OidcIssuer, header: Mapping[str, Any]) -> Key:
        """Return the issuer's key that a header names. Keys that a token brings or points to are never looked at."""
        algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
        if algorithm not in issuer.algorithms or "crit" in header:
            raise Unauthenticated
        if not isinstance(kind, str) or kind.lower() not in TYPES or not isinstance(key_id, str | None):
            raise Unauthenticated
        key = await self.keys[str(issuer.jwks_url)].find(key_id, (KEY_TYPES[algorithm],))
        if key is None:
            raise Unauthenticated
        return key

    async def _organisation(self, slug: str) -> UUID:
        """Return the id behind a configured slug. Raise Unauthenticated while there is no such organisation."""
        known = self._organisations.get(slug)
        if known is None or monotonic() - known[1] > REMEMBERED_SECONDS:
            found = await self.database.run(organisations.find, slug) if self.database else None
            if found is None:
                raise Unauthenticated
            known = self._organisations[slug] = found, monotonic()
        return known[0]


class _Signatures(JWSRegistry):
    """Allows an issuer's algorithms and no others; headers that it does not know, it ignores."""

    max_header_length = 2048

    def __init__(self, issuer: OidcIssuer) -> None:
        super().__init__(algorithms=issuer.algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


def _name_of(issuer: OidcIssuer, claims: Mapping[str, Any]) -> str:
    """Return what the verified claims call the person. Raise Unauthenticated for another kind of token, or no name."""
    if any(name in claims for name in OTHER_TOKENS) or claims.get("typ", "Bearer") != "Bearer":
        raise Unauthenticated
    if issuer.matches == "email" and claims.get("email_verified", True) not in (True, "true"):
        raise Unauthenticated
    name = claims.get(issuer.claim)
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise Unauthenticated
    return name
