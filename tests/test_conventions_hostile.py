"""For every operation: nothing that can be sent makes it fail, and nothing that was sent comes back in a refusal."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from app.database import Database
from app.problems import MEDIA_TYPE
from tests.operations import Operation, Stage, every_operation, leaves, named, staged, with_leaf
from tests.world import World

pytestmark = pytest.mark.broad

CANARY = "canary7f3a"
HOLE = "@@hole@@"

# Values of a member, as they stand in a JSON text.
VALUES = {
    "NUL": '"canary7f3a\\u0000"',
    "high surrogate": '"canary7f3a\\ud800"',
    "low surrogate": '"\\udc00canary7f3a"',
    "turned pair": '"\\udc00\\ud800"',
    "NUL in a key": '{"a\\u0000": 1}',
    "surrogate in a key": '{"\\ud800": "canary7f3a"}',
    "2^31": "2147483648",
    "2^63": "9223372036854775808",
    "-2^63 - 1": "-9223372036854775809",
    "2^64": "18446744073709551616",
    "400 digits": "7" * 400,
    "5000 digits": "7" * 5000,
    "1e400": "1e400",
    "-1e400": "-1e400",
    "1e-400": "1e-400",
    "1e3": "1e3",
    "-0": "-0",
    "1.5": "1.5",
    "-1": "-1",
    "0": "0",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "true": "true",
    "null": "null",
    "empty": '""',
    "blank": '" \\t\\u00a0"',
    "text": '"canary7f3a"',
    "long text": json.dumps("canary7f3a" * 2000),
    "control characters": '"canary7f3a\\u0001\\u001b[31m\\u202e\\u2028\\ufeff\\uffff"',
    "beyond the first plane": '"canary7f3a\\ud83d\\ude00"',
    "SQL": '"canary7f3a\' OR 1=1; DROP TABLE employee; --%\\\\"',
    "list": '["canary7f3a"]',
    "empty list": "[]",
    "object": '{"a": "canary7f3a"}',
    "empty object": "{}",
    "deep": "[" * 50 + "1" + "]" * 50,
    "deep object": '{"a":' * 50 + "1" + "}" * 50,
    "too deep": "[" * 900 + '"\\u0000"' + "]" * 900,
    "many": "[" + "1," * 2000 + "1]",
    "year 1": '"0001-01-01T00:00:00+23:59"',
    "year 9999": '"9999-12-31T23:59:59-23:59"',
    "no such day": '"2026-02-30"',
    "time without offset": '"2026-02-03T10:00:00"',
    "infinite time": '"infinity"',
    "epoch": '"1e308"',
    "nil id": '"00000000-0000-0000-0000-000000000000"',
    "odd id": '"{0192F0C1-2B3C-7D4E-8F50-617283940A1B}"',
}
# Of these, the ones that a member of some type may let pass: each is tried alone in each place of that type.
TEXTS = ["blank", "text", "long text", "control characters", "year 1", "year 9999", "nil id", "null"]
NUMBERS = ["2^31", "2^63", "0", "-1", "null"]
LISTS = ["empty list", "list", "many", "deep", "null"]
OBJECTS = ["empty object", "object", "deep object", "null"]
PASSING: dict[type, list[str]] = {str: TEXTS, int: NUMBERS, list: LISTS, dict: OBJECTS, bool: ["true", "null"]}
# What else is no JSON, `test_strict_request` tries on the parser that all share.
WHOLE_BODIES = {
    "nothing": b"",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"name": "canary7f3a"}'.encode("utf-16"),
    "surrogate in UTF-8": b'{"name": "canary7f3a\xed\xa0\x80"}',
    "duplicate keys": b'{"name": "canary7f3a", "name": "canary7f3a"}',
    "100,000 deep": b"[" * 100_000,
    "only a text": b'"canary7f3a"',
    "only null": b"null",
    "only NaN": b"NaN",
    "many members": json.dumps({f"a{i}": "canary7f3a" for i in range(2000)}).encode(),
    "prototype": b'{"__proto__": {"a": "canary7f3a"}, "constructor": 1, "__class__": "canary7f3a"}',
    "members of ours": b'{"organisation_id": "canary7f3a", "id": "canary7f3a", "version": 7, "created_at": null}',
}
# As they stand in a URL.
IN_URLS = {
    "NUL": "%00",
    "NUL inside": "canary7f3a%00",
    "not UTF-8": "%ff%fe",
    "surrogate": "canary7f3a%ed%a0%80",
    "2^63": "9223372036854775808",
    "400 digits": "7" * 400,
    "5000 digits": "7" * 5000,
    "minus one": "-1",
    "NaN": "NaN",
    "1e400": "1e400",
    "empty": "",
    "text": CANARY,
    "long": CANARY * 500,
    "SQL": quote("canary7f3a' OR 1=1; DROP TABLE employee; --"),
    "percent": "%25%",
    "line break": "canary7f3a%0d%0aSet-Cookie:%20x",
    "braces": "%7B0192f0c1-2b3c-7d4e-8f50-617283940a1b%7D",
    "urn": "urn:uuid:0192f0c1-2b3c-7d4e-8f50-617283940a1b",
    "nil id": "00000000-0000-0000-0000-000000000000",
    "year 0": "0000-01-01T00:00:00Z",
    "year 9999": "9999-12-31T23:59:59-23:59",
    "plus offset": "2026-01-01T00:00:00+99:99",
    "infinity": "infinity",
    "base64": base64.urlsafe_b64encode(b"canary7f3a" * 8).decode(),
    "true": "true",
    "list": "canary7f3a,canary7f3a",
}
OF_PATHS = {"braces", "urn", "percent", "base64", "true", "list"}
HEADERS: list[dict[str, bytes]] = [
    {"If-Match": b'"' + b"9" * 5000 + b'"'},
    {"If-Match": b"canary7f3a"},
    {"If-Match": b'W/"canary7f3a",,,"\xff"'},
    {"If-None-Match": b'"canary7f3a' * 500},
    {"Idempotency-Key": b""},
    {"Idempotency-Key": b"k" * 256},
    {"Idempotency-Key": b"canary7f3a\xe9"},
    {"X-Request-Id": b"canary7f3a \xe9" * 200},
    {"Accept": b"canary7f3a"},
    {"Accept": b"application/jsonl;q=canary7f3a"},
    {"Accept": b""},
    {"Content-Type": b'application/json; charset="canary7f3a"'},
    {"Content-Type": b"\xff"},
    {"Content-Encoding": b"gzip, br"},
    {"Content-Length": b"canary7f3a"},
    {"Content-Length": b"9" * 5000},
    {"Content-Length": b"-1"},
    {"Transfer-Encoding": b"canary7f3a"},
    {"Origin": b"canary7f3a\xff"},
    {"Host": b"canary7f3a\xff"},
    {"X-Forwarded-For": b"canary7f3a"},
    {"Cookie": b"canary7f3a=\xff"},
    {"X-Huge": b"canary7f3a" * 7000},
    {f"X-{i}": b"canary7f3a" for i in range(1000)},
]
# All lists share what reads these, and `test_conventions_lists` tries it on each of them: all of it on one will do.
OF_LISTS = {"limit", "cursor", "sort"}
ONE_LIST = next(operation for operation in every_operation() if operation.is_list)
# Headers are read by what all operations share.
ONE_OF_EACH_KIND = list({(o.method, o.is_list, o.takes_body): o for o in every_operation()}.values())
BODIES = [operation for operation in every_operation() if operation.takes_body]


async def one_world(app: FastAPI, database: Database) -> AsyncIterator[Stage]:
    world = await World(app, database).build()
    yield await staged(world)
    await world.close()


stage = pytest.fixture(one_world, name="stage")
shared = pytest.fixture(one_world, scope="module", name="shared")


def assert_held(response: httpx.Response, what: object) -> None:
    """It did not fail, and a refusal repeats nothing of what was sent."""
    assert response.status_code < 500, (what, response.text)
    if response.status_code >= 400:
        assert response.headers["Content-Type"] == MEDIA_TYPE, what
        assert CANARY not in response.text, (what, response.text)
    assert CANARY not in str(response.headers.get("Location", "")), what


async def send(stage: Stage, operation: Operation, what: object, **options: Any) -> None:
    response = await stage.caller(operation).request(**operation.request(stage.mine, **options))
    assert_held(response, what)


def hostile_bodies(operation: Operation, stage: Stage, media: str) -> Iterator[tuple[str, bytes]]:
    body = operation.body(stage.mine, whole=True, media=media)
    places = dict(leaves(body))
    everywhere = body
    for place in places:
        everywhere = with_leaf(everywhere, place, HOLE)
    for name, value in VALUES.items():
        yield f"{name} everywhere", json.dumps(everywhere).replace(f'"{HOLE}"', value).encode()
    for place, leaf in places.items():
        hole = json.dumps(with_leaf(body, place, HOLE))
        for name in PASSING.get(type(leaf), list(VALUES)):
            yield f"{name} in {place}", hole.replace(f'"{HOLE}"', VALUES[name]).encode()


@pytest.mark.parametrize("operation", BODIES, ids=named)
async def test_no_body(operation: Operation, stage: Stage) -> None:
    for media in operation.media_types:
        for name, content in (*hostile_bodies(operation, stage, media), *WHOLE_BODIES.items()):
            await send(stage, operation, name, content=content, headers={"Content-Type": media})


@pytest.mark.parametrize("operation", [o for o in every_operation() if "{" in o.path], ids=named)
async def test_no_value_in_a_path(operation: Operation, shared: Stage) -> None:
    parts = operation.path.split("/")
    request = operation.request(shared.mine)
    sound = request["url"].split("/")
    for at, part in enumerate(parts):
        if not part.startswith("{"):
            continue
        for name, value in IN_URLS.items():
            url = "/".join([*sound[:at], value, *sound[at + 1 :]])
            response = await shared.caller(operation).request(**{**request, "url": url})
            assert_held(response, (name, part))
            assert response.status_code >= 400, (name, part)


@pytest.mark.parametrize("operation", [o for o in every_operation() if o.route.known_queries], ids=named)
async def test_no_value_in_a_query(operation: Operation, shared: Stage) -> None:
    request = operation.request(shared.mine)
    for parameter in sorted(operation.route.known_queries - (set() if operation is ONE_LIST else OF_LISTS)):
        for name, value in IN_URLS.items():
            if name in OF_PATHS:
                continue
            url = f"{request['url']}?{parameter}={value}"
            assert_held(await shared.caller(operation).request(**{**request, "url": url}), (name, parameter))
        for query in (parameter, f"{parameter}={CANARY}&{parameter}=7", f"{parameter}[]={CANARY}", "&&=&=x&;"):
            url = f"{request['url']}?{query}"
            assert_held(await shared.caller(operation).request(**{**request, "url": url}), query)


@pytest.mark.parametrize("operation", ONE_OF_EACH_KIND, ids=named)
async def test_no_header(operation: Operation, stage: Stage) -> None:
    for headers in HEADERS:
        await send(stage, operation, list(headers.items())[:1], headers=headers)


async def test_no_credential(stage: Stage) -> None:
    def token(header: object, claims: object) -> bytes:
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
        return b".".join([*parts, b"AAAA"])

    issuer = f"urn:ballast:development:{stage.world.id}"
    deep = base64.urlsafe_b64encode(b"[" * 6000).rstrip(b"=")
    credentials = [
        b"canary7f3a" * 900,
        b"\xff\xfe.\xff.\xff",
        b"..",
        b"." * 5000,
        b"blst_live_" + b"z" * 22 + b"_" + b"z" * 46,
        b"blst_live_\xff",
        token({"alg": "none"}, {"iss": issuer, "sub": "amira", "aud": "ballast"}),
        token({"alg": "HS256"}, {"iss": issuer, "sub": "amira", "aud": "ballast"}),
        token({"alg": "ES256", "crit": ["canary7f3a"], "b64": False}, {"iss": issuer}),
        token({"alg": ["ES256"]}, {"iss": issuer}),
        token({"alg": "ES256", "kid": {"canary7f3a": 1}}, {"iss": issuer}),
        token([], {"iss": issuer}),
        token({"alg": "ES256"}, {"iss": "urn:ballast:development:canary7f3a"}),
        token({"alg": "ES256"}, {"iss": ["canary7f3a"]}),
        token({"alg": "ES256"}, [1]),
        token({"alg": "ES256"}, None),
        deep + b"." + deep + b"." + deep,
        stage.world.token("amira", sub="am\0ira").encode(),
        stage.world.token("amira", sub=["amira"]).encode(),
        stage.world.token("amira", sub={"amira": 1}).encode(),
        stage.world.token("amira", sub="x" * 3000).encode(),
        stage.world.token("amira", exp="canary7f3a").encode(),
        stage.world.token("amira", aud={"canary7f3a": 1}).encode(),
        stage.world.token("amira", nbf=10**15).encode(),
    ]
    for credential in credentials:
        response = await stage.stranger.get("/v1/organisation", headers=[(b"Authorization", b"Bearer " + credential)])
        assert_held(response, credential[:80])
        assert response.status_code == 401, credential[:80]
