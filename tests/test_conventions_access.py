"""For every operation: who gets through its door, what everyone else is told, and how refusals look."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from app.auth import make_key
from app.database import Database
from app.docs_page import ASSETS
from app.main import create_app
from app.policy import POLICY
from app.problems import MEDIA_TYPE
from app.routing import Route, public
from app.settings import Settings
from tests.operations import Operation, Stage, every_operation, named, staged
from tests.world import World

# A route that needs no credential is named here, or the test fails.
PUBLIC = {"check_health", "check_readiness", "read_metrics", "read_sign_in"}
PUBLIC |= {"read_eap_directory_page", "read_calendar"}
NOT_OPERATIONS = {"/openapi.json", "/docs", *(f"/docs/assets/{name}" for name in ASSETS)}
GUARDED = [operation for operation in every_operation() if operation.rule is not None]
WITH_IDS = [operation for operation in GUARDED if "{" in operation.path]
WITH_BODIES = [operation for operation in every_operation() if operation.takes_body]
MEBI = 1_048_576


@pytest.fixture(scope="module")
async def stage(app: FastAPI, database: Database) -> AsyncIterator[Stage]:
    world, elsewhere = await World(app, database).build(), await World(app, database).build()
    yield await staged(world, elsewhere)
    await world.close()
    await elsewhere.close()


def assert_problem(response: httpx.Response, status: int, code: str | None = None) -> None:
    """It is a problem+json of this status, with every member and nothing of a stack."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == MEDIA_TYPE
    problem = response.json()
    assert problem["status"] == status
    assert problem["type"] == f"urn:ballast:problem:{problem['code']}"
    assert {"title", "detail", "instance"} <= problem.keys()
    assert code in (None, problem["code"])
    assert "Traceback" not in response.text
    assert response.headers["X-Request-Id"]


class TestPolicy:
    def test_every_route_has_an_action_in_the_policy_or_is_named_here(self) -> None:
        assert {operation.name for operation in every_operation() if operation.rule is None} == PUBLIC
        for operation in GUARDED:
            assert operation.route.action in POLICY, operation.name

    def test_every_route_has_the_manners(self) -> None:
        contexts = iter_route_contexts(every_operation()[0].app.routes)
        plain = {c.path_format for c in contexts if not isinstance(c.original_route, Route)}

        assert plain == NOT_OPERATIONS

    def test_a_route_without_either_stops_the_start(self) -> None:
        async def forgotten() -> None:
            """Do something."""

        with pytest.raises(LookupError, match="forgotten: say who may call it"):
            APIRouter(route_class=Route).add_api_route("/forgotten", forgotten)

    def test_every_path_with_ids_has_an_example(self) -> None:
        for operation in WITH_IDS:
            assert operation.url().startswith("/v1/"), operation.path


class TestStrangers:
    @pytest.mark.parametrize("operation", GUARDED, ids=named)
    async def test_get_401_whatever_they_send(self, operation: Operation, stage: Stage) -> None:
        unknown = make_key(stage.world.id)[0]
        forged = f"{stage.world.token('amira')[:-4]}AAAA"
        expired = stage.world.token("amira", exp=1)
        nobody = stage.world.token("nobody")
        bad: list[dict[str, Any]] = [{}, {"content": b"{", "headers": {"Content-Type": "text/plain"}}]

        for token in (None, "x", "blst_live_x", unknown, forged, expired, nobody, "a.b.c", "é"):
            credentials = {} if token is None else {"Authorization": f"Bearer {token}".encode()}
            for options in bad:
                headers = {**options.get("headers", {}), **credentials}
                request = operation.request(stage.mine, **{**options, "headers": headers})
                request["headers"].pop("If-Match", None)
                response = await stage.stranger.request(**request)
                assert_problem(response, 401)
                assert response.headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("operation", [o for o in GUARDED if o.takes_body], ids=named)
    async def test_cannot_make_us_read_a_large_body(self, operation: Operation, stage: Stage) -> None:
        read = 0

        async def twenty_megabytes() -> AsyncIterator[bytes]:
            nonlocal read
            for _ in range(20):
                read += MEBI
                yield b" " * MEBI

        started = time.process_time()

        response = await stage.stranger.request(**operation.request(stage.mine, content=twenty_megabytes()))

        assert_problem(response, 401)
        # httpx hands the body over chunk by chunk as it is asked for: at most one more than is allowed is asked for.
        assert read <= 5 * MEBI
        assert time.process_time() - started < 1

    async def test_learn_nothing_by_an_unknown_scheme(self, stage: Stage) -> None:
        for scheme in ("Basic dTpw", "Digest x", "bearer", "Bearer", "Bearer  ", "Token x"):
            response = await stage.stranger.get("/v1/organisation", headers={"Authorization": scheme})
            assert_problem(response, 401)


class TestScopes:
    @pytest.mark.parametrize("operation", [o for o in GUARDED if o.rule and o.rule.scope not in (None, "*")], ids=named)
    async def test_a_client_without_the_scope_gets_403_before_anything_else(
        self, operation: Operation, stage: Stage
    ) -> None:
        assert operation.rule is not None
        other = "eap:read" if operation.rule.scope != "eap:read" else "plans:read"
        client = await stage.world.client(other)

        for request in (
            operation.request(stage.mine),
            operation.request(stage.theirs),
            operation.request(stage.mine, content=b"{"),
        ):
            assert_problem(await client.request(**request), 403, "missing_scope")

    @pytest.mark.parametrize("operation", [o for o in GUARDED if o.rule and o.rule.scope is None], ids=named)
    async def test_what_is_for_people_is_not_for_clients(self, operation: Operation, stage: Stage) -> None:
        assert_problem(await stage.client.request(**operation.request(stage.mine)), 403, "people_only")


class TestOtherOrganisations:
    @pytest.mark.parametrize("operation", WITH_IDS, ids=named)
    async def test_their_object_is_as_absent_as_one_that_never_was(self, operation: Operation, stage: Stage) -> None:
        caller = stage.caller(operation)

        theirs = await caller.request(**operation.request(stage.theirs))
        absent = await caller.request(**operation.request())

        assert_problem(theirs, 404, "not_found")
        assert theirs.content == absent.content
        variable = {"x-request-id", "ratelimit"}
        assert {n: v for n, v in theirs.headers.items() if n not in variable} == {
            n: v for n, v in absent.headers.items() if n not in variable
        }

    @pytest.mark.parametrize("operation", [o for o in WITH_IDS if o.method == "GET"], ids=named)
    async def test_their_own_they_find(self, operation: Operation, stage: Stage) -> None:
        response = await stage.caller(operation).request(**operation.request(stage.mine))

        assert response.status_code == 200, response.text

    @pytest.mark.parametrize("operation", WITH_IDS, ids=named)
    async def test_what_is_not_an_id_is_not_found(self, operation: Operation, stage: Stage) -> None:
        url = "/".join("not-an-id" if part.startswith("{") else part for part in operation.path.split("/"))

        response = await stage.caller(operation).request(**{**operation.request(), "url": url})

        assert_problem(response, 404, "not_found")
        assert "not-an-id" not in response.text


class TestProblems:
    async def test_an_unknown_path(self, stage: Stage) -> None:
        for path in (
            "/",
            "/v1",
            "/v1/nothing",
            "/v1/organisation/",
            "/v1/ORGANISATION",
            "//v1/organisation",
            "/%2e%2e",
        ):
            assert_problem(await stage.client.get(path), 404, "not_found")

    @pytest.mark.parametrize("path", sorted({operation.path for operation in every_operation()}))
    async def test_a_method_that_a_path_does_not_know_names_all_those_that_it_knows(
        self, path: str, stage: Stage
    ) -> None:
        here = [operation for operation in every_operation() if operation.path == path]
        known = {operation.method for operation in here}
        # Two paths can match one URL: /v1/things/batch is also /v1/things/{thing_id}.
        similar = {o.method for o in every_operation() if o.route.path_regex.match(here[0].url())}

        for method in ("PUT", "DELETE", "PATCH", "POST", "GET", "TRACE", "FANCY"):
            if method not in known | similar:
                response = await stage.client.request(method, here[0].url(stage.mine))
                assert_problem(response, 405, "method_not_allowed")
                assert set(response.headers["Allow"].split(", ")) == known | similar

    @pytest.mark.parametrize("operation", WITH_BODIES, ids=named)
    async def test_a_body_of_another_kind(self, operation: Operation, stage: Stage) -> None:
        caller = stage.caller(operation)
        kinds = (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/json",
            "json",
            "",
        )
        for kind in (*kinds, "application/json; charset=utf-16", "application/jsonx", "application/xml+json2"):
            headers = {"Content-Type": kind}
            response = await caller.request(**operation.request(stage.mine, content=b"{}", headers=headers))
            assert_problem(response, 415, "unsupported_media_type")

        squeezed = operation.request(stage.mine, content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
        assert_problem(await caller.request(**squeezed), 415, "unsupported_encoding")

    @pytest.mark.parametrize("operation", WITH_BODIES, ids=named)
    async def test_a_body_that_is_too_large(self, operation: Operation, stage: Stage) -> None:
        caller, json = stage.caller(operation), {"Content-Type": "application/json"}

        async def in_chunks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" " * MEBI

        for content in (b" " * (20 * MEBI), in_chunks()):
            started = time.process_time()
            response = await caller.request(**operation.request(stage.mine, content=content, headers=json))
            assert_problem(response, 413, "too_large")
            assert time.process_time() - started < 1

    @pytest.mark.parametrize("operation", WITH_BODIES, ids=named)
    async def test_a_body_that_cannot_be_read(self, operation: Operation, stage: Stage) -> None:
        caller, json = stage.caller(operation), {"Content-Type": "application/json"}
        for content in (
            b"{",
            b"{'a': 1}",
            b"\xff",
            b"NaN",
            b'{"a": 1, "a": 2}',
            b"{}{}",
            b"[" * 100_000,
            b'{"a":"\x00"}',
        ):
            response = await caller.request(**operation.request(stage.mine, content=content, headers=json))
            assert_problem(response, 400)

    @pytest.mark.parametrize("operation", WITH_BODIES, ids=named)
    async def test_a_body_of_the_wrong_form(self, operation: Operation, stage: Stage) -> None:
        caller, json = stage.caller(operation), {"Content-Type": "application/json"}
        for content in (b"[]", b'"canary"', b"7", b"true", b'{"canary_field": "canary"}'):
            response = await caller.request(**operation.request(stage.mine, content=content, headers=json))
            assert_problem(response, 422)
            assert '"canary"' not in response.text
            assert response.json()["errors"]

    @pytest.mark.parametrize("operation", every_operation(), ids=named)
    async def test_an_unknown_query_parameter(self, operation: Operation, stage: Stage) -> None:
        caller = stage.caller(operation)
        for query in ("?canary_parameter=canary_value", "?canary_parameter", "?limit=1&Limit=1", "?%00=1"):
            request = operation.request(stage.mine)
            response = await caller.request(**{**request, "url": request["url"] + query})
            assert_problem(response, 422)
            assert "canary" not in response.text

    async def test_a_fault_of_ours_tells_nothing(self, settings: Settings, database: Database) -> None:
        broken = APIRouter(route_class=Route)

        @broken.get("/broken/{name}")
        @public
        async def break_down(name: str) -> dict[str, str]:
            """Break."""
            raise ValueError(f"canary {name}")

        app = create_app(settings.model_copy(update={"cors_origins": ("https://app.example",)}), database)
        app.router.routes.extend(broken.routes)
        client = World(app, database).http()
        headers = {"X-Request-Id": "mine-1", "Origin": "https://app.example"}

        response = await client.get("/broken/canary", headers=headers)

        assert_problem(response, 500, "internal_error")
        assert "canary" not in response.text
        assert response.json()["instance"] == "/broken/name"
        assert response.headers["X-Request-Id"] == "mine-1"
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
        await client.aclose()
