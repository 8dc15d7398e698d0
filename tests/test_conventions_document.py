"""The description of the API is current, complete and readable by every generator."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

from app import openapi
from app.openapi import PROBLEM_JSON, describe
from tests.operations import Operation, every_operation, named, resolved

COMMITTED = Path(__file__).parent.parent / "openapi" / "openapi.json"
DOCUMENT = describe(every_operation()[0].app)


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for member in node.values():
            yield from nodes(member)
    elif isinstance(node, list):
        for member in node:
            yield from nodes(member)


def reachable(schema: dict[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    """Yield a schema and everything that it refers to."""
    for node in nodes(schema):
        yield node
        name = node.get("$ref", "")
        if isinstance(name, str) and name and name not in seen:
            seen.add(name)
            yield from reachable(dict(resolved(every_operation()[0].app, node)), seen)


def test_the_committed_file_is_current() -> None:
    """To write it anew: `make openapi`."""
    assert openapi.is_current(COMMITTED)


def searched_once(validator: Any) -> Any:
    """Return a validator that has looked for the anchors of its schema, which it would do again at each reference."""
    registry = validator._resolver._registry.crawl()
    return validator.evolve(_resolver=registry.resolver(validator.schema["$id"]))


class Validator(OpenAPIV31SpecValidator):
    schema_validator = searched_once(OpenAPIV31SpecValidator.schema_validator)


def test_it_is_valid_openapi_3_1() -> None:
    Validator(DOCUMENT).validate()
    with pytest.raises(OpenAPIValidationError):
        Validator({**DOCUMENT, "paths": {"/healthz": {"get": {"responses": {"fine": {}}}}}}).validate()
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert not any("itemSchema" in node for node in nodes(DOCUMENT))


def test_operation_ids_are_unique_and_start_with_a_verb() -> None:
    found = [operation.document["operationId"] for operation in every_operation()]

    assert len(found) == len(set(found))
    assert all(name == name.lower() and "_" in name for name in found)


@pytest.mark.parametrize("operation", every_operation(), ids=named)
class TestOperation:
    def test_says_what_it_does(self, operation: Operation) -> None:
        assert operation.document["description"].endswith((".", ". "))
        assert operation.document["tags"]
        assert operation.document["operationId"] == operation.route.name

    def test_documents_its_problems(self, operation: Operation) -> None:
        expected = {"500", "503"}
        if operation.rule is not None:
            expected |= {"401", "403", "429"}
        if "{" in operation.path:
            expected |= {"404"}
        if operation.takes_body:
            expected |= {"400", "413", "415", "422"}
        if operation.route.known_queries:
            expected |= {"422"}
        if operation.is_list:
            expected |= {"400", "406"}
        if operation.route.needs_if_match:
            expected |= {"412", "428"}
        if operation.rule is not None and operation.method == "POST":
            expected |= {"409"}

        responses = operation.document["responses"]
        assert expected <= responses.keys()
        for status, response in responses.items():
            if status >= "400":
                assert response["content"][PROBLEM_JSON]["schema"] == {"$ref": "#/components/schemas/Problem"}

    def test_says_who_may_call_it(self, operation: Operation) -> None:
        schemes = {name for entry in operation.document["security"] for name in entry}
        assert (schemes == set()) == (operation.rule is None)
        if operation.rule is not None:
            assert ("client_key" in schemes) == (operation.rule.scope is not None)
            assert ("person" in schemes) == bool(operation.rule.relations)

    def test_names_its_headers(self, operation: Operation) -> None:
        headers = {p["name"]: p.get("required", False) for p in operation.parameters if p["in"] == "header"}
        guarded_post = operation.rule is not None and operation.method == "POST"
        assert headers.get("Idempotency-Key") == (False if guarded_post else None)
        if operation.route.needs_if_match:
            assert headers["If-Match"] is True

    def test_a_body_forbids_what_it_does_not_name(self, operation: Operation) -> None:
        if not operation.takes_body:
            assert operation.method != "PATCH"
            return
        body = operation.document["requestBody"]["content"]["application/json"]["schema"]
        for schema in reachable(body, set()):
            if "properties" in schema:
                assert schema["additionalProperties"] is False, schema.get("title")

    def test_an_answer_has_no_defaults(self, operation: Operation) -> None:
        for status, response in operation.document["responses"].items():
            schema = response.get("content", {}).get("application/json", {}).get("schema", {})
            if status >= "400":
                continue
            for node in reachable(schema, set()):
                if "properties" in node:
                    assert set(node.get("required", [])) == set(node["properties"]), node.get("title")
                assert "default" not in node, node.get("title")


async def test_the_served_document_is_the_same(stranger: Any) -> None:
    assert (await stranger.get("/openapi.json")).json() == DOCUMENT
