"""The signing keys that an issuer publishes: fetched under tight limits, cached, and kept through an outage."""

import asyncio
import json
import logging
import math
import warnings
from collections.abc import Iterable
from http import HTTPStatus
from time import monotonic
from typing import Any

from joserfc.jwk import JWKRegistry, Key

from app.errors import Busy
from app.outgoing.connections import Connections
from app.outgoing.guard import Guard
from app.outgoing.rules import Rules

log = logging.getLogger("ballast.jwks")

FRESH_SECONDS = 300
STALE_SECONDS = 3600
RETRY_SECONDS = 10
FETCH_SECONDS = 3.0
MOST_BYTES = 65_536
MOST_BITS = 8192  # a larger RSA key only makes every verification slow

PUBLIC_MEMBERS = ("kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y")
ASYMMETRIC = ("RSA", "EC", "OKP")


class PublishedKeys:
    """The keys behind one JWKS URL.

    They are used for five minutes, then fetched again, by one request for all. A key id that is not among them has
    them fetched early, at most every ten seconds. While they cannot be fetched, those of the last hour go on serving.
    """

    def __init__(self, url: str, rules: Rules) -> None:
        self.url, self.rules = url, rules
        self._keys: tuple[Key, ...] = ()
        self._fetched_at = self._tried_at = -math.inf
        self._is_failing = False
        self._fetch: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None, key_types: Iterable[str]) -> Key | None:
        """Return the key, or None where the issuer publishes no such key. Raise Busy where that cannot be known."""
        if monotonic() - self._fetched_at > FRESH_SECONDS:
            await self._renew(wait=not self._is_failing or not self._are_usable())
        key = self._pick(key_id, key_types)
        if key is None:
            await self._renew()
            key = self._pick(key_id, key_types)
        if key is None and self._is_failing:
            raise Busy("issuer_unreachable", "The keys of your identity provider cannot be fetched. Try again shortly.")
        return key

    def _are_usable(self) -> bool:
        return monotonic() - self._fetched_at <= STALE_SECONDS

    def _pick(self, key_id: str | None, key_types: Iterable[str]) -> Key | None:
        if not self._are_usable():
            return None
        fitting = [key for key in self._keys if key.key_type in key_types and key_id in (None, key.kid)]
        return fitting[0] if len(fitting) == 1 else None

    async def _renew(self, *, wait: bool = True) -> None:
        """Have the keys fetched, unless that was tried just now; one fetch serves everyone who waits for it."""
        if self._fetch is None or self._fetch.done():
            if monotonic() - self._tried_at < RETRY_SECONDS:
                return
            self._tried_at = monotonic()
            self._fetch = asyncio.create_task(self._load())
        if wait:
            await asyncio.shield(self._fetch)

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                document = await _download(self.url, self.rules)
            self._keys = usable_keys(document)
        except Exception as error:  # noqa: BLE001 - whatever an issuer answers, requests go on with the keys there are
            self._is_failing = True
            log.warning("signing keys not fetched", extra={"jwks_url": self.url, "error": type(error).__name__})
        else:
            self._is_failing, self._fetched_at = False, monotonic()


async def _download(url: str, rules: Rules) -> Any:
    headers = {"Accept": "application/json", "User-Agent": "ballast"}
    connections = Connections(Guard(rules))
    try:
        answer = await connections.send(
            "GET", rules.check(url), headers, seconds=FETCH_SECONDS, most_bytes=MOST_BYTES + 1
        )
    finally:
        connections.close()
    if answer.status != HTTPStatus.OK or not answer.is_whole:
        raise ValueError("not an answer with keys")
    return json.loads(answer.body)


def usable_keys(document: Any) -> tuple[Key, ...]:
    """Return the public signing keys of a JWKS. Raise ValueError where it holds none.

    What is not understood is skipped: another kind of key, one for encryption, one that is too weak or malformed.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    keys = [key for key in map(_usable, listed if isinstance(listed, list) else []) if key is not None]
    if not keys:
        raise ValueError("no usable keys")
    return tuple(keys)


def _usable(jwk: Any) -> Key | None:
    if not isinstance(jwk, dict) or jwk.get("kty") not in ASYMMETRIC or jwk.get("use", "sig") != "sig":
        return None
    try:
        with warnings.catch_warnings(action="error"):  # joserfc warns of a weak key: to us it is none
            key = JWKRegistry.import_key({name: jwk[name] for name in PUBLIC_MEMBERS if name in jwk})
            key.check_key_op("verify")
    except Exception:  # noqa: BLE001 - however a published key is malformed, it is no key
        return None
    return key if getattr(key.raw_value, "key_size", 0) <= MOST_BITS else None
