"""An identity provider on a loopback port, which answers as each test tells it to."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from app.oidc import Issuers
from app.outgoing.rules import Rules
from app.settings import OidcIssuer
from tests.world import World

Trust = Callable[..., None]
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

NOW = int(time.time())
LATER = NOW + 86_400  # after the end of the longest run of the tests

# Made once: an RSA key takes a while.
RSA_KEY = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC_KEY = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
ED_KEY = OKPKey.generate_key("Ed25519", {"kid": "ed"})
STRANGERS_KEY = RSAKey.generate_key(2048, {"kid": "rsa"})


def response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


class IdentityProvider:
    """Publishes keys, signs tokens and counts who asks for its keys."""

    issuer, audience = "https://id.example.com/harbour", "ballast-api"

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.answer: Answer | None = None
        self.asked = 0
        self._server: asyncio.Server | None = None
        self.publish(RSA_KEY, EC_KEY, ED_KEY)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def jwks_url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/keys"

    def publish(self, *keys: Key) -> None:
        self.keys = [dict(key.as_dict(private=False)) for key in keys]

    def settings(self, world: World, **fields: Any) -> OidcIssuer:
        """Return the settings by which the people of a world sign in here, with changes."""
        values = {
            "organisation": world.slug,
            "issuer": self.issuer,
            "audience": self.audience,
            "jwks_url": self.jwks_url,
            "algorithms": ("RS256", "ES256", "EdDSA", "Ed25519"),
        }
        return OidcIssuer.model_validate({**values, **fields})

    def trusted_by(self, world: World, monkeypatch: pytest.MonkeyPatch) -> Trust:
        """Return what makes the application trust this provider, with changes to its settings."""

        def trust(*more: OidcIssuer, **fields: Any) -> None:
            rules = Rules.for_operator(world.app.state.settings)
            issuers = Issuers((self.settings(world, **fields), *more), world.database, rules)
            monkeypatch.setattr(world.app.state.authenticator, "issuers", issuers)

        return trust

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            if self.answer is not None:
                await self.answer(writer)
            else:
                writer.write(response(json.dumps({"keys": self.keys}).encode()))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def token(
        self, key: Key = RSA_KEY, alg: str = "RS256", *, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """Return a token for Amira, changed by ``header`` and ``claims``; a claim of None is left out."""
        now = int(time.time())
        content = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "hr-amira",
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        content = {name: value for name, value in content.items() if value is not None}
        wanted = {"alg": alg, "typ": "at+jwt", "kid": key.kid, **(header or {})}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        return jwt.encode(wanted, content, key, algorithms=[alg], default_type=None)


async def status(world: World, token: str) -> int:
    """Return how a request with this token is answered."""
    return (await world.http(token).get("/v1/me")).status_code
