"""The catalogue of events is what leaves, what is described and what is documented, and nothing of it is personal."""

import re
from pathlib import Path

import httpx
from sqlalchemy import text

from app import events
from app.openapi import describe
from app.policy import POLICY
from app.webhooks import access as event_access
from app.webhooks.catalogue import CATALOGUE, SUBSCRIBABLE, TEST
from app.webhooks.routes import operation_id
from tests.webhooks import done, endpoint, rows
from tests.world import World


async def test_is_what_leaves_and_what_is_described(world: World) -> None:
    described = describe(world.app)["webhooks"]

    assert set(CATALOGUE) == events.PUBLISHED | events.OF_PROVIDERS | {TEST} == set(described)
    assert CATALOGUE.keys() - {TEST} == SUBSCRIBABLE
    for event_type, item in described.items():
        assert item["post"]["operationId"] == operation_id(event_type)
        assert item["post"]["description"] == CATALOGUE[event_type]
        assert item["post"]["tags"] == ["Webhooks"]
        assert item["post"]["responses"].keys() == {"2XX", "410", "default"}
        body = item["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body == {"$ref": "#/components/schemas/EventMessage"}
        assert len(item["post"]["parameters"]) == 3
    assert operation_id("support_prompt.offered") == "onSupportPromptOffered"
    paths = describe(world.app)["paths"].values()
    assert "Webhooks" not in {tag for path in paths for each in path.values() for tag in each.get("tags", ())}


def test_holds_nothing_that_no_client_could_ever_be_told_of() -> None:
    assert {each for each in events.PUBLISHED if POLICY[event_access.resource_of(each), "read"].scope is None} == set()


async def test_says_nothing_of_people(world: World, client: httpx.AsyncClient) -> None:
    """Whatever is recorded through the API: an id, a version, a state, and of endpoints whose they are."""
    hired = {"display_name": "Canary Robin", "user_name": "canary", "email": "canary@harbour.example"}
    await done(await client.post("/v1/employees", json=hired), 201)
    await endpoint(client, description="canary")
    leaving = await rows(world, "SELECT data FROM outgoing_event")

    assert leaving
    for row in leaving:
        assert row.data.keys() <= {"id", "version", "state", "client_id"}
    text_ = text("SELECT count(*) FROM outgoing_event WHERE data::text ILIKE '%canary%'")
    assert await world.run(lambda session: session.execute(text_).scalar_one()) == 0


def test_stands_in_the_documentation_with_the_scope_that_opens_each() -> None:
    """A row for each resource: all of its events, and nothing that is none."""
    page = (Path(__file__).parent.parent / "docs" / "webhooks.md").read_text(encoding="utf-8")
    told: dict[str, str] = {}
    for resource, verbs, scope in re.findall(r"^\| `([a-z_]+)\.\*` \| (.*?) \| `([a-z-]+:read)`", page, re.MULTILINE):
        told |= {f"{resource}.{verb}": scope for verb in re.findall(r"`([a-z_]+)`", verbs)}

    assert told == {each: POLICY[event_access.resource_of(each), "read"].scope for each in SUBSCRIBABLE}
    assert f"`{TEST}`" in page
