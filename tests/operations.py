"""Every operation of the application, seen from outside: its path, its caller, a body that it takes."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app.live.route import LiveRoute
from app.main import create_app
from app.openapi import OTHER_PROTOCOLS, describe
from app.policy.rule import Rule
from app.routing import Route
from app.settings import Settings
from tests.examples_of_eap import acting_for_the_provider
from tests.examples_of_resources import EXAMPLES, MEMBERS, furnish
from tests.examples_of_webhooks import GIVE, owning_the_endpoints
from tests.world import World

JSON = "application/json"
# Relations, and who of the cast stands so to the examples.
WHO = {
    "self": "amira",
    "anyone": "amira",
    "session_participant": "amira",
    "line_manager": "theo",
    "team_lead": "theo",
    "programme_lead": "noor",
    "programme_lead_of_team_prompts": "noor",
    "hr_administrator": "hana",
    "referrer": "theo",
    "eap_coordinator": "ines",
    "eap_coordinator_in_place": "ines",
    "data_protection_officer": "marguerite",
    "looked_at": "amira",
    "told": "amira",
    "requester": "ines",
    "eap_coordinator_beside": "ines",
    "second_programme_lead": "noor",
    "attendee": "amira",
    "mentor": "grace",
    "mentee_to_agree": "amira",
    "mentor_to_agree": "jonas",
}
# What a reference in a body names, where that is not the name of the table.
REFERRED = {"manager": "employee", "lead": "employee", "rule": "strain_rule", "flag": "call_flag"}


@dataclass(frozen=True, eq=False)
class Operation:
    """One method of one path."""

    app: FastAPI
    route: Route
    path: str
    document: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        return self.route.name

    @property
    def method(self) -> str:
        return self.route.verb

    @property
    def rule(self) -> Rule | None:
        return self.route.rule

    @property
    def is_of_a_provider(self) -> bool:
        return self.route.action is not None and self.route.action[0] == "eap_case"

    @property
    def is_of_an_endpoint(self) -> bool:
        return self.path.startswith("/v1/webhook-endpoints")

    @property
    def is_list(self) -> bool:
        return {"limit", "cursor"} <= self.route.known_queries

    @property
    def is_stream(self) -> bool:
        return isinstance(self.route, LiveRoute)

    @property
    def takes_body(self) -> bool:
        return "requestBody" in self.document

    @cached_property
    def parameters(self) -> list[Mapping[str, Any]]:
        return [resolved(self.app, parameter) for parameter in self.document.get("parameters", [])]

    def queries(self) -> list[Mapping[str, Any]]:
        return [parameter for parameter in self.parameters if parameter["in"] == "query"]

    def url(self, ids: Mapping[str, UUID] | None = None) -> str:
        """Return the path with the ids of these examples in it, or with new ids that nothing has."""
        if "{" not in self.path:
            return self.path
        example = EXAMPLES.get(self.path) or EXAMPLES[self.path[: self.path.rindex("}") + 1]]
        values = {name: (ids[resource] if ids else uuid7()) for name, resource in example.items()}
        return self.path.format(**values)

    def body(self, ids: Mapping[str, UUID] | None = None, *, whole: bool = False, media: str = JSON) -> Any:
        """Return a body of the right form: only what is required, or every member. References name these examples."""
        if not self.takes_body:
            return None
        body = example_of(self.app, self.document["requestBody"]["content"][media]["schema"], whole=whole)
        for place, _ in list(leaves(body)) if ids else ():
            name = next((part for part in reversed(place) if isinstance(part, str)), "")
            resource = re.sub(r"_ids?$", "", name)
            if resource != name and REFERRED.get(resource, resource) in (ids or {}):
                body = with_leaf(body, place, str((ids or {})[REFERRED.get(resource, resource)]))
        if ids and media == JSON and self.name in MEMBERS:
            given = MEMBERS[self.name](ids)
            body |= {name: value for name, value in given.items() if whole or name in body or self.method == "POST"}
        return body

    @property
    def media_types(self) -> list[str]:
        """The kinds of body that it reads."""
        return list(self.document["requestBody"]["content"]) if self.takes_body else []

    async def caller(self, world: World) -> httpx.AsyncClient:
        """Return somebody whom the policy lets through the door of this operation: a client where it can be one."""
        if self.rule is None:
            return world.http()
        if self.is_of_a_provider:
            return await acting_for_the_provider(world)
        if self.is_of_an_endpoint:
            return await owning_the_endpoints(world)
        return await world.client() if self.rule.scope is not None else world.person(self.person)

    @property
    def person(self) -> str:
        """Who of the cast may call it."""
        assert self.rule is not None
        names = {relation.name for relation in self.rule.relations}
        return next(who for name, who in WHO.items() if name in names)

    def request(self, ids: Mapping[str, UUID] | None = None, **options: Any) -> dict[str, Any]:
        """Return the arguments of a request that keeps the form: body, If-Match and all."""
        request: dict[str, Any] = {"method": self.method, "url": self.url(ids)}
        headers = {"If-Match": "*"} if self.route.needs_if_match else {}
        if self.takes_body and "content" not in options:
            request["json"] = self.body(ids)
        return request | options | {"headers": headers | options.get("headers", {})}


def operations(app: FastAPI) -> list[Operation]:
    """Return every operation whose route has the API's manners."""
    document = describe(app)
    return [
        Operation(app, route, path, document["paths"][path][route.verb.lower()])
        for path, route in _routes(app)
        if isinstance(route, Route)
    ]


def _routes(app: FastAPI) -> Iterator[tuple[str, Any]]:
    for context in iter_route_contexts(app.routes):
        yield context.path_format or "", context.original_route


def resolved(app: FastAPI, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        node: Any = describe(app)
        for part in schema["$ref"].removeprefix("#/").split("/"):
            node = node[part]
        schema = node
    return schema


TEXTS = {
    "uuid": "0192f0c1-2b3c-7d4e-8f50-617283940a1b",
    "date-time": "2026-11-20T10:00:00Z",
    "date": "2026-11-20",
    "email": "someone@harbour.example",
    "uri": "https://harbour.example/",
}


def example_of(app: FastAPI, schema: Mapping[str, Any], *, whole: bool, depth: int = 0) -> Any:
    """Return a value that a JSON schema allows: with its required members only, or with all of them."""
    schema = resolved(app, schema)
    for choice in ("oneOf", "anyOf", "allOf"):
        if choice in schema:
            options = [option for option in schema[choice] if option.get("type") != "null"]
            return example_of(app, options[0], whole=whole, depth=depth)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if kind == "object":
        return _object(app, schema, whole, depth)
    if kind == "array":
        wanted = max(schema.get("minItems", 0), 1 if depth < 4 else 0)
        return [example_of(app, schema.get("items", {}), whole=whole, depth=depth + 1)] * min(wanted, 5)
    if kind in ("integer", "number"):
        return int(max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1, 1))
    return False if kind == "boolean" else None if kind == "null" else _text(schema)


def _object(app: FastAPI, schema: Mapping[str, Any], whole: bool, depth: int) -> dict[str, Any]:
    members, required = schema.get("properties", {}), schema.get("required", [])
    wanted = members if whole and depth < 4 else {name: members[name] for name in required}
    return {name: example_of(app, member, whole=whole, depth=depth + 1) for name, member in wanted.items()}


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") in TEXTS:
        return TEXTS[schema["format"]]
    examples: list[str] = list(schema.get("examples", []))
    if examples:
        return examples[0]
    pattern = schema.get("pattern", "")
    if "@" in pattern:
        return TEXTS["email"]
    return "en" if "A-Za-z]{2,8}" in pattern else "UTC" if schema.get("maxLength") == 64 else "example"


Place = tuple[str | int, ...]


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every place of a JSON value that holds a scalar, or an empty list or object."""
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from leaves(member, (*place, name))
    elif isinstance(value, list) and value:
        yield from leaves(value[0], (*place, 0))
    else:
        yield place, value


def with_leaf(value: Any, place: Place, leaf: Any) -> Any:
    """Return a copy of a JSON value with another leaf at one place."""
    copy = json.loads(json.dumps(value))
    if not place:
        return leaf
    node = copy
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = leaf
    return copy


@dataclass(eq=False)
class Stage:
    """A furnished organisation with a caller for every operation, and perhaps another organisation."""

    world: World
    elsewhere: World | None
    mine: dict[str, UUID]
    theirs: dict[str, UUID]
    client: httpx.AsyncClient
    people: dict[str, httpx.AsyncClient]
    stranger: httpx.AsyncClient
    eap_provider: httpx.AsyncClient

    def caller(self, operation: Operation) -> httpx.AsyncClient:
        if operation.rule is None:
            return self.stranger
        if operation.is_of_a_provider:
            return self.eap_provider
        return self.client if operation.rule.scope is not None else self.people[operation.person]


async def staged(world: World, elsewhere: World | None = None, *, examples: int = 1) -> Stage:
    """Furnish one organisation, or two. What a client took in belongs to the client of the stage."""
    client = await world.client()
    theirs = await elsewhere.run(furnish, elsewhere) if elsewhere else {}
    mine = await world.run(furnish, world)
    for number in range(2, examples + 1):
        await world.run(furnish, world, number)
    await world.run(_give_to_the_stage)
    provider = await acting_for_the_provider(world)
    people = {name: world.person(name) for name in world.people}
    return Stage(world, elsewhere, mine, theirs, client, people, world.http(), provider)


def _give_to_the_stage(session: Session) -> None:
    first = "(SELECT client_id FROM client_key ORDER BY created_at LIMIT 1)"
    session.execute(text(f"UPDATE refused_call_event SET client_id = {first} WHERE client_id IS NOT NULL"))
    session.execute(text(GIVE.format(order="created_at")))


@cache
def every_operation() -> tuple[Operation, ...]:
    """Return the operations that have the API's manners, for tests that run over all of them."""
    found = operations(create_app(Settings(worker="off"), None))
    return tuple(operation for operation in found if not operation.path.startswith(OTHER_PROTOCOLS))


def named(operation: Operation) -> str:
    return operation.name
