"""What Okta sends, request by request: its two published test suites, and the flows of its SCIM 2.0 reference.

After "Okta SCIM 2.0 SPEC Test" and "Okta SCIM CRUD Test" (Runscope suites of its developer documentation), whose CRUD
half acts on an Okta organisation: here stands what Okta then sends. The suites' pauses and response times are left out.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest

from app.scim.resources import CORE, ENTERPRISE
from tests import scim
from tests.scim import asked, patch
from tests.world import World

NAME, MAIL = "test.user@okta.example", "test.user@harbour.example"
WORK = [{"primary": True, "value": MAIL, "type": "work"}]


def as_okta(client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.headers.update(
        {
            "Accept": "application/scim+json",
            "Accept-Charset": "utf-8",
            "Content-Type": "application/scim+json; charset=utf-8",
            "User-Agent": "Okta SCIM Client 1.0.0",
        }
    )
    return client


@pytest.fixture
async def okta(world: World) -> httpx.AsyncClient:
    return as_okta(await scim.provider(world))


def profile(**attributes: Any) -> dict[str, Any]:
    """Return an application profile as Okta sends it: with a password and the groups, which are not ours to store."""
    return {
        "schemas": [f"{CORE}User"],
        "userName": NAME,
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": WORK,
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
        **attributes,
    }


async def found(client: httpx.AsyncClient, name: str) -> list[dict[str, Any]]:
    """Ask as Okta does before it creates or links a user."""
    query = {"filter": f'userName eq "{name}"', "startIndex": 1, "count": 100}
    users: list[dict[str, Any]] = (await asked(client, "GET", "/Users", 200, params=query))["Resources"]
    return users


async def test_specification_test(world: World, okta: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    """Okta: run the SCIM specification test. Its twelve requests, in their order."""
    await scim.made(okta, profile(userName="who.was.there@okta.example", externalId="first"))
    people = await asked(okta, "GET", "/Users?count=1&startIndex=1", 200)
    assert (people["startIndex"], people["itemsPerPage"]) == (1, 1)
    await asked(okta, "GET", f"/Users/{people['Resources'][0]['id']}", 200)
    (there,) = await found(okta, "who.was.there@okta.example")
    assert (there["name"], there["emails"], there["active"]) == (profile()["name"], WORK, True)

    one = await asked(okta, "GET", f"/Users/{there['id']}", 200)
    assert one == there, "a list and a single answer say the same"

    assert await found(okta, "abcdefgh@atko.example") == []
    await asked(okta, "GET", "/Users/010101001010101011001010101011", 404)
    assert await found(okta, NAME) == []

    okta.headers.update({"Content-Type": "application/json", "Accept": "application/scim+json; charset=utf-8"})
    new = {name: value for name, value in profile().items() if name not in ("groups", "password", "locale")}
    created = await asked(okta, "POST", "/Users", 201, json=new)
    assert {name: created[name] for name in new} == new
    assert created["id"] != created["userName"], "an id is ours, and opaque"
    again = await asked(okta, "POST", "/Users", 409, json=new)
    assert again["scimType"] == "uniqueness"
    as_okta(okta)

    read = await asked(okta, "GET", f"/Users/{created['id']}", 200)
    assert (read["userName"], read["name"]) == (NAME, {"givenName": "Test", "familyName": "User"})
    assert [each["id"] for each in await found(okta, NAME.upper())] == [created["id"]], "in any case"

    groups = await asked(okta, "GET", "/Groups", 200)
    assert {each["meta"]["resourceType"] for each in groups["Resources"]} == {"Group"}

    query = {"filter": f'userName eq "{NAME.upper()}"'}
    for header in ({"Authorization": "non-token"}, {"Authorization": "Bearer non-token"}, {}):
        await asked(stranger, "GET", "/Users", 401, params=query, headers=header)
    await asked(okta, "GET", "/Users/00919288221112222", 404)


@pytest.mark.parametrize("kind", ["wizard", "catalogue"])
async def test_crud_test(world: World, okta: httpx.AsyncClient, kind: str) -> None:
    """Okta: run the CRUD test. What is sent for an app of the wizard (PUT), and for one of the catalogue."""
    person = world.person(NAME)
    assert await found(okta, NAME) == []
    user = await asked(okta, "POST", "/Users", 201, json=profile())
    assert not user.keys() & {"password", "groups"}
    (listed,) = await found(okta, NAME)
    assert (listed["emails"], listed["name"]) == (WORK, {"givenName": "Test", "familyName": "User"})
    url = f"/Users/{user['id']}"

    async def put(**attributes: Any) -> None:
        whole = await asked(okta, "GET", url, 200)
        after = await asked(okta, "PUT", url, 200, json={**whole, "groups": [], **attributes})
        assert after.keys() == whole.keys(), "what was sent back unchanged is unchanged"

    async def set_active(active: bool) -> None:
        if kind == "wizard":
            await put(active=active)
        else:
            after = await asked(okta, "PATCH", url, 200, json=patch({"op": "replace", "value": {"active": active}}))
            assert after["active"] is active

    await put(name={"givenName": "Renamed", "familyName": "User", "middleName": "Excited"})
    after = await asked(okta, "GET", url, 200)
    assert after["name"] == {"givenName": "Renamed", "familyName": "User"}
    assert (after["emails"], after["externalId"], after["locale"]) == (WORK, "00ujl29u0le5T6Aj10h7", "en-US")
    assert (await person.get("/v1/me")).status_code == 200

    await set_active(False)
    assert (await asked(okta, "GET", url, 200))["active"] is False
    assert (await person.get("/v1/me")).status_code == 401

    (back,) = await found(okta, NAME)
    assert (back["id"], back["active"]) == (user["id"], False), "who is inactive is found, and linked again"
    await set_active(True)
    assert (await asked(okta, "GET", url, 200))["active"] is True
    assert (await person.get("/v1/me")).status_code == 200

    await set_active(False)
    assert (await asked(okta, "GET", url, 200))["active"] is False
    if kind == "catalogue":
        synced = patch({"op": "replace", "value": {"password": "n0t-kept"}})
        assert "password" not in await asked(okta, "PATCH", url, 200, json=synced)


async def crew(okta: httpx.AsyncClient) -> list[str]:
    return [(await scim.made(okta, scim.user(f"{name}@okta.example")))["id"] for name in ("leo", "mia", "ben")]


async def members(okta: httpx.AsyncClient, url: str) -> list[str]:
    return sorted(each["value"] for each in (await asked(okta, "GET", url, 200)).get("members", []))


async def pushed(okta: httpx.AsyncClient, name: str) -> dict[str, Any]:
    """Push a group as Okta does: ask for its name, then create it without members."""
    query = {"filter": f'displayName eq "{name}"', "startIndex": 1, "count": 100}
    assert (await asked(okta, "GET", "/Groups", 200, params=query))["totalResults"] == 0
    body = {"schemas": [f"{CORE}Group"], "displayName": name, "members": []}
    group: dict[str, Any] = await asked(okta, "POST", "/Groups", 201, json=body)
    assert (group["displayName"], group.get("members", [])) == (name, [])
    assert (await asked(okta, "GET", "/Groups", 200, params=query))["Resources"][0]["id"] == group["id"]
    return group


async def test_group_push_of_the_catalogue(okta: httpx.AsyncClient) -> None:
    """Okta: SCIM 2.0 reference, group operations by PATCH: push, members, rename, push now, unlink."""
    leo, mia, ben = await crew(okta)
    group = await pushed(okta, "Evening crew")
    url = f"/Groups/{group['id']}"

    async def send(*operations: dict[str, Any]) -> None:
        await asked(okta, "PATCH", url, 204, json=patch(*operations))

    rename = {"op": "replace", "value": {"id": group["id"], "displayName": "Evening crew"}}
    await send(rename)
    await send({"op": "add", "path": "members", "value": [{"value": leo, "display": "leo@okta.example"}]})
    assert await members(okta, url) == [leo]
    swap = [{"value": mia, "display": "mia@okta.example"}]
    await send({"op": "remove", "path": f'members[value eq "{leo}"]'}, {"op": "add", "path": "members", "value": swap})
    assert await members(okta, url) == [mia]
    await send({"op": "remove", "path": f'members[value eq "{leo}"]'})
    everybody = [{"value": each, "display": "somebody"} for each in (leo, ben)]
    await send({"op": "replace", "path": "members", "value": everybody})
    assert await members(okta, url) == sorted([leo, ben])

    await send({"op": "replace", "value": {"id": group["id"], "displayName": "Night crew"}})
    renamed = await asked(okta, "GET", url, 200)
    assert (renamed["displayName"], len(renamed["members"])) == ("Night crew", 2)
    await send({"op": "replace", "path": "members", "value": []})
    assert await members(okta, url) == [], "push now of a group that is empty"

    await asked(okta, "DELETE", url, 204)
    await asked(okta, "GET", url, 404)
    await asked(okta, "GET", f"/Users/{ben}", 200)


async def test_group_push_of_the_wizard(okta: httpx.AsyncClient) -> None:
    """Okta: SCIM 2.0 reference, group operations by PUT of the whole group."""
    leo, mia, ben = await crew(okta)
    group = await pushed(okta, "Evening crew")
    url = f"/Groups/{group['id']}"
    for name, people in (("Evening crew", [leo, mia]), ("Night crew", [mia, ben]), ("Night crew", [])):
        whole = {
            "schemas": group["schemas"],
            "id": group["id"],
            "displayName": name,
            "members": [{"value": each, "display": "somebody"} for each in people],
            "meta": {"resourceType": "Group"},
        }
        after = await asked(okta, "PUT", url, 200, json=whole)
        assert (after["displayName"], len(after.get("members", []))) == (name, len(people))
        assert await members(okta, url) == sorted(people)
    await asked(okta, "DELETE", url, 204)
    await asked(okta, "GET", url, 404)


async def test_import(okta: httpx.AsyncClient) -> None:
    """Okta: SCIM 2.0 reference, retrieve users and groups page by page; numbers are numbers, the order is one."""
    await crew(okta)
    for name in ("Evening crew", "Night crew"):
        await pushed(okta, name)
    for path in ("/Users", "/Groups"):
        whole = (await asked(okta, "GET", path, 200, params={"startIndex": 1, "count": 100}))["Resources"]
        walked: list[Any] = []
        while True:
            query = {"startIndex": len(walked) + 1, "count": 2}
            page = await asked(okta, "GET", path, 200, params=query)
            assert (page["startIndex"], page["totalResults"]) == (query["startIndex"], len(whole))
            walked += page["Resources"]
            if len(walked) >= page["totalResults"]:
                break
        assert walked == whole


async def test_profile_with_every_attribute_that_the_page_names(okta: httpx.AsyncClient) -> None:
    """Okta: the attributes that docs/scim.md says to keep, and some of those that it says to remove."""
    boss = await scim.made(okta, scim.user("boss@okta.example"))
    extension = {
        "employeeNumber": "4711",
        "costCenter": "C1",
        "organization": "Harbour",
        "division": "Advice",
        "department": "Legal",
        "manager": {"value": boss["id"], "displayName": "Boss"},
    }
    kept = {"title": "Adviser", "timezone": "Europe/London", "preferredLanguage": "en", "nickName": "T"}
    schemas = [f"{CORE}User", ENTERPRISE]
    phones = [{"value": "1", "type": "work", "primary": True}]
    body = profile(**kept, schemas=schemas, phoneNumbers=phones, **{ENTERPRISE: extension})
    user = await asked(okta, "POST", "/Users", 201, json=body)
    assert (user["title"], user["timezone"]) == ("Adviser", "Europe/London")
    assert user[ENTERPRISE].pop("manager")["value"] == boss["id"]
    assert user[ENTERPRISE] == {name: value for name, value in extension.items() if name != "manager"}
    assert not user.keys() & {"preferredLanguage", "nickName", "phoneNumbers"}


async def test_page_names_every_attribute_that_is_published(okta: httpx.AsyncClient) -> None:
    """What docs/scim.md tells an Okta administrator to keep is what /Schemas offers, beside what Okta sends unasked."""
    published = {"externalId", "active"}
    for schema, prefix in ((f"{CORE}User", ""), (ENTERPRISE, "…:")):
        for attribute in (await asked(okta, "GET", f"/Schemas/{schema}", 200))["attributes"]:
            parts = [part["name"] for part in attribute.get("subAttributes", []) if part["type"] != "reference"]
            split = bool(parts) and not attribute["multiValued"]
            published |= {f"{prefix}{attribute['name']}{'.' + part if split else ''}" for part in parts or [""]}
    page = (Path(__file__).parents[1] / "docs" / "scim.md").read_text(encoding="utf-8")
    section = page.partition("## Okta")[2].partition("\n## ")[0]
    cells = [line.split("|")[2] for line in section.splitlines() if line.startswith("| `")]
    assert {"externalId", "active", *(cell.split("`")[1] for cell in cells)} == published


async def test_what_stops_a_job_says_why(okta: httpx.AsyncClient) -> None:
    """Okta shows an administrator the detail of a refusal: it names the attribute, in plain words."""
    user = await asked(okta, "POST", "/Users", 201, json=profile())
    refused = {
        "/Users userName": ("POST", "/Users", profile(userName=" ")),
        "/Users emails.value": ("POST", "/Users", profile(userName="x", externalId="x", emails=[{"value": "none"}])),
        "/Users timezone": ("POST", "/Users", profile(userName="x", externalId="x", timezone="Nowhere/Town")),
        "put locale": ("PUT", f"/Users/{user['id']}", profile(locale="?")),
    }
    values: dict[str, Any] = {"active": "maybe", "userName": "", "name": "x", "emails": ["x"], "title": ["x"]}
    for name, value in values.items():
        change = patch({"op": "replace", "path": name, "value": value})
        refused[f"patch {name}"] = ("PATCH", f"/Users/{user['id']}", change)
    for case, (method, path, body) in refused.items():
        answer = await asked(okta, method, path, 400, json=body)
        assert answer["scimType"] == "invalidValue", case
        assert case.split()[1] in answer["detail"], (case, answer["detail"])
        assert not any(word in answer["detail"] for word in ("pydantic", "_", "\n", "instance")), answer["detail"]
    assert await asked(okta, "GET", f"/Users/{user['id']}", 200) == user, "a refusal changes nothing"


async def test_groups_of_a_user(okta: httpx.AsyncClient) -> None:
    """``groups`` is no attribute of ours: nobody joins a team by it, and a filter of the groups answers instead."""
    leo, mia, _ = await crew(okta)
    evening, night = await pushed(okta, "Evening crew"), await pushed(okta, "Night crew")
    for group, who in ((evening, leo), (night, leo), (night, mia)):
        add = {"op": "add", "path": "members", "value": [{"value": who}]}
        await asked(okta, "PATCH", f"/Groups/{group['id']}", 204, json=patch(add))

    async def of(person: str) -> list[str]:
        query = {"filter": f'members.value eq "{person}"', "attributes": "displayName"}
        return [each["displayName"] for each in (await asked(okta, "GET", "/Groups", 200, params=query))["Resources"]]

    assert (await of(leo), await of(mia)) == (["Evening crew", "Night crew"], ["Night crew"])
    whole = await asked(okta, "GET", f"/Users/{mia}", 200)
    claim = {"groups": [{"value": evening["id"], "display": "Evening crew"}]}
    assert await asked(okta, "PUT", f"/Users/{mia}", 200, json={**whole, **claim}) == whole
    assert await of(mia) == ["Night crew"]
    published = (await asked(okta, "GET", f"/Schemas/{CORE}User", 200))["attributes"]
    assert "groups" not in {attribute["name"] for attribute in published}
