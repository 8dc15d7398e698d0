"""Every operator on every published attribute, against the library's own evaluator."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scim2_models import SCIMException
from scim2_models.path import Path, ScimFilter

from app.scim.resources import ENTERPRISE, GROUPS, PROVIDER, USERS
from tests import scim
from tests.world import World

pytestmark = pytest.mark.broad

TEXTS = (
    "alpha",
    "ALPHA",
    "Álpha",
    "álpha",
    "A\u0301lpha",
    "50% off",
    "50_ off",
    "a\\b",
    'say "hi"',
    "ß",
    "İstanbul",
    "日本",
    "ΣΊΣΥΦΟΣ",
    " x",
)
EMAILS: tuple[list[dict[str, Any]] | None, ...] = (
    None,
    [{"value": "alpha@work.example", "type": "work", "primary": True}],
    [{"value": "ALPHA@home.example", "type": "home"}, {"value": "a@work.example", "type": "Work", "primary": True}],
    [{"value": "beta@home.example"}],
    [{"value": "alpha@home.example", "type": "home", "primary": False}],
)
MANY = ("emails", "members", "schemas")


@pytest.fixture
async def people(world: World) -> tuple[httpx.AsyncClient, list[Any]]:
    """People and teams with all kinds of values, and with none, as the library reads them."""
    client = await scim.provider(world)
    ids: list[str] = []
    for place, text in enumerate(TEXTS):
        body = scim.user(f"{text} {place}", externalId=f"E{place}", emails=EMAILS[place % len(EMAILS)])
        if place % 3:
            body |= {
                "displayName": text,
                "title": TEXTS[-place],
                "name": {"familyName": text},
                "active": place % 2 == 0,
            }
        if place % 2:
            body["name"] = {"givenName": TEXTS[place - 1]}
            body[ENTERPRISE] = {"employeeNumber": str(place), "department": text, "costCenter": TEXTS[place - 1]}
        if place > 10:
            body[ENTERPRISE] = {"manager": {"value": ids[0]}, "organization": text, "division": TEXTS[place // 2]}
        if place % 4 == 0:
            body |= {"locale": "en-GB", "timezone": "Europe/London"}
        ids.append((await scim.made(client, body))["id"])
    await scim.made(client, scim.group("alpha team", ids[0], ids[3], externalId="G1"))
    await scim.made(client, scim.group("ÁLPHA", ids[1]))
    await scim.made(client, scim.group("empty"))
    resources = []
    for kind, path in ((USERS, scim.USERS), (GROUPS, scim.GROUPS)):
        found = (await client.get(path, params={"count": 1000})).json()["Resources"]
        resources += [kind.model_validate(each, scim_policy=PROVIDER.policy) for each in found]
    return client, resources


def attributes_of(model: Any) -> list[str]:
    """Return every published attribute, with its sub-attributes, but those that hold addresses of ours."""
    found = [str(path) for path in Path[model].iter_paths(include_subattributes=True)]
    shown = [each for each in found if not each.endswith(("$ref", "members.display"))]
    return [*shown, "id", "schemas", "meta.created", "meta.lastModified", "meta.resourceType", "meta.version"]


def filters(model: Any, resources: list[Any]) -> st.SearchStrategy[str]:
    names = attributes_of(model)
    ids = [resource.id for resource in resources]
    moments = [
        "2000-01-01T00:00:00Z",
        "2999-01-01T00:00:00Z",
        *(str(r.meta.created.isoformat()) for r in resources[:3]),
    ]
    words = st.sampled_from([*TEXTS, *ids[:3], *moments, "a", "%", "_", "", "E3", "work", "HOME", "alpha@work.example"])
    values = st.one_of(words, st.booleans(), st.none(), st.text(max_size=3), st.integers(-5, 50)).map(json.dumps)
    operators = st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"])
    leaf = st.builds("{} {} {}".format, st.sampled_from(names), operators, values) | st.sampled_from(names).map(
        "{} pr".format
    )
    inner = st.builds("{} {} {}".format, st.sampled_from(["value", "type", "primary"]), operators, values)
    inner |= st.sampled_from(["value pr", "type pr", "primary pr", "primary eq true"])
    inner = (
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner)
        | inner
        | inner.map("not ({})".format)
    )
    many = [name for name in names if name.rpartition(":")[2] in MANY]
    leaf |= st.builds("{}[{}]".format, st.sampled_from(many), inner)
    return st.recursive(
        leaf,
        lambda deeper: (
            st.builds("({}) {} ({})".format, deeper, st.sampled_from(["and", "or"]), deeper)
            | deeper.map("not ({})".format)
        ),
        max_leaves=4,
    )


def selected(model: Any, text: str, resources: list[Any]) -> set[str] | None:
    """Return the ids that the evaluator selects, None where it finds the filter wrong."""
    with PROVIDER:
        try:
            bound: Any = ScimFilter[model](text)
            return {each.id for each in resources if bound.match(each, strict=True)}
        except SCIMException:
            return None


@pytest.mark.parametrize(("model", "path"), [(USERS, scim.USERS), (GROUPS, scim.GROUPS)], ids=["users", "groups"])
async def test_filters_select_what_the_evaluator_selects(people: Any, model: Any, path: str) -> None:
    client, everyone = people
    resources = [each for each in everyone if isinstance(each, model)]
    cases: list[str] = []

    @settings(max_examples=400, database=None, suppress_health_check=list(HealthCheck), deadline=None)
    @given(filters(model, resources))
    def collect(text: str) -> None:
        cases.append(text)

    collect()
    answered = 0
    for text in cases:
        answer = await client.get(path, params={"filter": text, "count": 1000})
        expected = selected(model, text, resources)
        if expected is None:
            assert answer.status_code == 400, text
            continue
        if answer.status_code == 400:
            assert answer.json()["scimType"] == "invalidFilter", (text, answer.text)
            continue
        assert answer.status_code == 200, (text, answer.text)
        answered += 1
        assert {each["id"] for each in answer.json().get("Resources", [])} == expected, text
    assert answered > len(cases) / 2


async def test_what_no_column_holds_is_refused(people: Any) -> None:
    client, _ = people
    for text in (
        'meta.location eq "x"',
        'nickName eq "x"',
        'members.$ref eq "x"',
        "userName",
        'userName eq "a\\u0000"',
    ):
        answer = await client.get(scim.GROUPS if "members" in text else scim.USERS, params={"filter": text})
        assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidFilter"), text
