"""The keys that an identity provider publishes: found, kept, and what becomes of requests when it misbehaves."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from app import jwks
from tests.identity_provider import NOW, RSA_KEY, STRANGERS_KEY, IdentityProvider, Trust, response, status
from tests.world import World


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with IdentityProvider() as provider:
        yield provider


@pytest.fixture
def trust(provider: IdentityProvider, world: World, monkeypatch: pytest.MonkeyPatch) -> Trust:
    return provider.trusted_by(world, monkeypatch)


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass for the cache of keys."""
    passed = 0.0

    def wait_for(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        monkeypatch.setattr(jwks, "monotonic", lambda: time.monotonic() + passed)

    return wait_for


class TestRotation:
    async def test_a_new_key_is_found_at_once_and_the_old_one_ends(
        self,
        provider: IdentityProvider,
        world: World,
        trust: Trust,
        wait: Callable[[float], None],
    ) -> None:
        trust()
        old = provider.token()
        assert await status(world, old) == 200
        rotated = RSAKey.generate_key(2048, {"kid": "rsa-2"})
        provider.publish(rotated)
        wait(jwks.RETRY_SECONDS)

        assert await status(world, provider.token(rotated)) == 200
        assert await status(world, old) == 401
        assert provider.asked == 2

    async def test_keys_are_fetched_once_for_many_and_kept_for_five_minutes(
        self,
        provider: IdentityProvider,
        world: World,
        trust: Trust,
        wait: Callable[[float], None],
    ) -> None:
        trust()
        token = provider.token()

        answers = await asyncio.gather(*(status(world, token) for _ in range(20)))
        assert (set(answers), provider.asked) == ({200}, 1)

        wait(jwks.FRESH_SECONDS - 30)
        assert (await status(world, token), provider.asked) == (200, 1)
        wait(60)
        answers = await asyncio.gather(*(status(world, token) for _ in range(20)))
        assert (set(answers), provider.asked) == ({200}, 2)

    async def test_unknown_key_ids_have_them_fetched_every_ten_seconds_at_most(
        self,
        provider: IdentityProvider,
        world: World,
        trust: Trust,
        wait: Callable[[float], None],
    ) -> None:
        trust()
        assert await status(world, provider.token()) == 200

        for number in range(30):
            assert await status(world, provider.token(header={"kid": f"unknown {number}"})) == 401
        assert provider.asked == 1

        wait(jwks.RETRY_SECONDS)
        tokens = [provider.token(header={"kid": f"unknown {number}"}) for number in range(30)]
        assert {await status(world, token) for token in tokens} == {401}
        assert provider.asked == 2


async def _hangs(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _drips(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n")
    for _ in range(60):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _is_endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b" " * 65_536)
        await writer.drain()


async def _hangs_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


def _says(answer: bytes) -> Callable[[asyncio.StreamWriter], Any]:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return say


def _keys(**changes: Any) -> bytes:
    key = {**RSA_KEY.as_dict(private=False), **changes}
    return json.dumps({"keys": [{name: value for name, value in key.items() if value is not None}]}).encode()


GOOD = _keys()
WEAK = {"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": "wX" + "A" * 84}
# With these the keys cannot be had: 503, never 500, and never a token accepted.
HOSTILE: dict[str, Callable[[asyncio.StreamWriter], Any]] = {
    "hangs": _hangs,
    "drips": _drips,
    "is endless": _is_endless,
    "hangs up": _hangs_up,
    "500": _says(response(GOOD, "500 Internal Server Error")),
    "404": _says(response(GOOD, "404 Not Found")),
    "204": _says(response(b"", "204 No Content")),
    "redirect": _says(response(b"", "302 Found", Location="/keys")),
    "redirect elsewhere": _says(response(GOOD, "307 Temporary Redirect", Location="http://127.0.0.1:1/")),
    "too large": _says(response(GOOD + b" " * jwks.MOST_BYTES)),
    "compressed": _says(response(gzip.compress(GOOD), Content_Encoding="gzip")),
    "not HTTP": _says(b"hello"),
    "a page": _says(response(b"<html>Sign in</html>")),
    "half": _says(response(GOOD)[:-20]),
    "a list": _says(response(b"[]")),
    "null": _says(response(b"null")),
    "deep": _says(response(b"[" * 60_000)),
    "no keys": _says(response(b'{"keys": []}')),
    "keys that are none": _says(response(b'{"keys": [1, null, "x", [], {}, {"kty": []}, {"kty": "RSA"}]}')),
    "a shared secret": _says(response(json.dumps({"keys": [{"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"}]}).encode())),
    "a key for encryption": _says(response(_keys(use="enc"))),
    "a key for signing alone": _says(response(_keys(use=None, key_ops=["sign"]))),
    "a weak key": _says(response(json.dumps({"keys": [WEAK]}).encode())),
    "an immense key": _says(response(_keys(n="w" + "A" * 20_002 + "B"))),
    "a key of no sense": _says(response(_keys(n="%%%"))),
    "a key of numbers": _says(response(_keys(n=5, e=3))),
}


class TestHostileProvider:
    @pytest.fixture(autouse=True)
    def _hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.5)

    @pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
    async def test_makes_a_token_that_cannot_be_verified_503(
        self, provider: IdentityProvider, world: World, trust: Trust, answer: Any
    ) -> None:
        trust()
        provider.answer = answer
        started = time.monotonic()

        refused = await world.http(provider.token()).get("/v1/me")

        assert (refused.status_code, refused.json()["code"]) == (503, "issuer_unreachable")
        assert refused.headers["Retry-After"] == "1"
        assert time.monotonic() - started < 2
        assert provider.asked == 1

    async def test_is_asked_without_a_proxy_of_the_environment(
        self, provider: IdentityProvider, world: World, trust: Trust, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        trust()

        assert await status(world, provider.token()) == 200

    async def test_that_cannot_be_reached_harms_nobody_else(
        self, provider: IdentityProvider, world: World, client: httpx.AsyncClient, trust: Trust
    ) -> None:
        trust(jwks_url="http://127.0.0.1:1/keys")

        assert await status(world, provider.token()) == 503
        assert (await client.get("/v1/me")).status_code == 200
        assert await status(world, world.token("amira")) == 200

    async def test_is_outlived_for_an_hour_by_the_keys_of_before(
        self,
        provider: IdentityProvider,
        world: World,
        trust: Trust,
        wait: Callable[[float], None],
    ) -> None:
        trust()
        token = provider.token(exp=NOW + 90_000)
        assert await status(world, token) == 200
        provider.answer = _hangs

        wait(jwks.FRESH_SECONDS + 1)
        assert await status(world, token) == 200  # waits once, for what may be a rotation
        for _ in range(5):
            wait(jwks.RETRY_SECONDS)
            started = time.monotonic()
            assert await status(world, token) == 200
            assert time.monotonic() - started < 0.3  # and not again: it is tried anew behind the request
            assert await status(world, provider.token(STRANGERS_KEY)) == 401
        assert await status(world, provider.token(header={"kid": "new"})) == 503

        wait(jwks.STALE_SECONDS)
        assert await status(world, token) == 503

        provider.answer = None
        await asyncio.sleep(0.6)
        wait(jwks.RETRY_SECONDS)
        assert await status(world, token) == 200

    async def test_that_publishes_odd_keys_beside_a_good_one_still_works(
        self, provider: IdentityProvider, world: World, trust: Trust
    ) -> None:
        trust()
        odd: list[Any] = [WEAK, {"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"}, {"kty": "AKP", "kid": "pq"}, None, 7]
        provider.keys = [*odd, *provider.keys]

        assert await status(world, provider.token()) == 200
