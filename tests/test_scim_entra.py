"""What Microsoft Entra sends, request by request: its published examples, and the tests of its validators.

After "Develop and plan provisioning for a SCIM endpoint", "Known issues with SCIM 2.0 protocol compliance" and the
overview of the tests for its application gallery. Those that act on a directory stand here as what Entra then sends.
"""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.scim.resources import CORE, ENTERPRISE, GROUP, PROVIDER, USER
from app.scim.search import Search
from app.scim.service import Service
from tests import scim
from tests.scim import asked, patch
from tests.world import World

FOREIGN = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
WORK, MANAGER = 'emails[type eq "work"].value', f"{ENTERPRISE}:manager"
NAME, OBJECT_ID, MAIL = "Test_User_00aa@harbour.example", "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "test@harbour.example"


@pytest.fixture
async def entra(world: World) -> httpx.AsyncClient:
    client = await scim.provider(world)
    client.headers["Accept"] = "application/scim+json"
    return client


def sample(**attributes: Any) -> dict[str, Any]:
    """Return the body of the tutorial's request to create a user."""
    return {
        "schemas": [f"{CORE}User", ENTERPRISE],
        "externalId": OBJECT_ID,
        "userName": NAME,
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": MAIL}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        "roles": [],
        **attributes,
    }


async def ids(client: httpx.AsyncClient, path: str, condition: str, **query: str) -> list[str]:
    """Return the ids of whom a filter finds."""
    page = await asked(client, "GET", path, 200, params={"filter": condition, **query})
    assert page["totalResults"] == len(page["Resources"])
    return [each["id"] for each in page["Resources"]]


async def changed(client: httpx.AsyncClient, url: str, *operations: dict[str, Any]) -> dict[str, Any]:
    """Change a user, and return them as the answer and a later reading show them."""
    after: dict[str, Any] = await asked(client, "PATCH", url, 200, json=patch(*operations))
    assert await asked(client, "GET", url, 200) == after
    return after


async def test_connection_and_credentials(world: World, stranger: httpx.AsyncClient) -> None:
    """Entra: Test Connection, and Validate_Credentials_Test: a user by a random GUID, with a key and with a token."""
    key = await world.key("scim:read", "scim:write", name="Entra")
    clients = (await (await world.client("clients:read")).get("/v1/clients")).json()["data"]
    (client_id,) = (each["id"] for each in clients if each["name"] == "Entra")
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": key}
    granted = await stranger.post("/oauth/token", data=form)
    assert granted.status_code == 200
    assert granted.json()["token_type"] == "Bearer"
    assert 60 <= granted.json()["expires_in"] / 60 <= 360, "the gallery asks for 60 to 360 minutes"
    for secret in (key, granted.json()["access_token"]):
        for matching in ("userName", "externalId", WORK):
            assert await ids(world.http(secret), "/Users", f'{matching} eq "{uuid4()}"') == []
    await asked(world.http("blst_live_nothing"), "GET", "/Users", 401)


async def test_creating_a_user(entra: httpx.AsyncClient) -> None:
    """Entra: Create_User_Test and SCIM_User_Create_Test: asked for, created, found by every matching attribute."""
    assert await ids(entra, "/Users", f'userName eq "{NAME}"') == []
    user = await asked(entra, "POST", "/Users", 201, json=sample())
    expected = sample(name={"familyName": "familyName", "givenName": "givenName"})
    assert {name: user[name] for name in ("externalId", "userName", "active", "emails", "name")} == {
        name: expected[name] for name in ("externalId", "userName", "active", "emails", "name")
    }
    assert await asked(entra, "GET", f"/Users/{user['id']}", 200) == user
    for condition in (
        f'userName eq "{NAME}"',
        f'userName eq "{NAME.upper()}"',
        f'externalId eq "{OBJECT_ID}"',
        f'{WORK} eq "{MAIL}"',
        f'emails[type eq "work" and value eq "{MAIL}"]',
        f'userName eq "{NAME}" and externalId eq "{OBJECT_ID}"',
    ):
        assert await ids(entra, "/Users", condition) == [user["id"]], condition
    for again in (sample(externalId=None), sample(userName="another")):
        assert (await asked(entra, "POST", "/Users", 409, json=again))["scimType"] == "uniqueness"
    assert await ids(entra, "/Users", f'userName eq "{NAME}"', aadOptscim062020="") == [user["id"]]


async def test_creating_a_user_with_nulls(entra: httpx.AsyncClient) -> None:
    """Entra: the tutorial's example 2: what has no value is sent as null, also by names without their schema."""
    empty = ("addresses", "phoneNumbers", "preferredLanguage", "title", "department", "manager")
    schemas = [f"{CORE}User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"]
    user = await asked(entra, "POST", "/Users", 201, json=sample(schemas=schemas, **dict.fromkeys(empty)))
    assert user["schemas"] == [f"{CORE}User"]
    assert not user.keys() & set(empty)


async def test_updating_one_attribute_and_several(entra: httpx.AsyncClient) -> None:
    """Entra: the tutorial's updates, and the forms with and without the flag aadOptscim062020."""
    user = await asked(entra, "POST", "/Users", 201, json=sample())
    url = f"/Users/{user['id']}"
    after = await changed(
        entra,
        url,
        {"op": "Replace", "path": WORK, "value": "updated@harbour.example"},
        {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
    )
    assert after["emails"] == [{"value": "updated@harbour.example", "type": "work", "primary": True}]
    assert after["name"] == {"familyName": "updatedFamilyName", "givenName": "givenName"}
    after = await changed(entra, url, {"op": "Replace", "path": "userName", "value": "5b50@harbour.example"})
    assert after["userName"] == "5b50@harbour.example"
    assert await ids(entra, "/Users", f'userName eq "{NAME}"') == []

    values = {
        "displayName": "Pvlo",
        WORK: "bcwqnm@harbour.example",
        "name.givenName": "Gtfd",
        "name.familyName": "Pkqf",
        "externalId": "Eqpj",
        f"{ENTERPRISE}:employeeNumber": "4711",
    }
    after = await changed(entra, url, *({"op": "Replace", "path": p, "value": v} for p, v in values.items()))
    shown = (after["displayName"], after["externalId"], after["name"], after[ENTERPRISE])
    assert shown == ("Pvlo", "Eqpj", {"givenName": "Gtfd", "familyName": "Pkqf"}, {"employeeNumber": "4711"})

    flagged = {"displayName": "Bjfe", "name.givenName": "Kkom", f"{ENTERPRISE}:employeeNumber": "4712"}
    mail = {"op": "replace", "path": WORK, "value": "mhvaes@harbour.example"}
    after = await changed(entra, url, mail, {"op": "replace", "value": flagged})
    assert (after["displayName"], after["name"]["givenName"], after["name"]["familyName"]) == ("Bjfe", "Kkom", "Pkqf")
    assert (after["emails"][0]["value"], after[ENTERPRISE]["employeeNumber"]) == ("mhvaes@harbour.example", "4712")
    unknown = {"op": "Add", "path": "nickName", "value": "Babs"}
    assert await changed(entra, url, unknown) == after, "what is not stored changes nothing, and is no error"


async def test_updating_every_attribute_that_the_schema_offers(entra: httpx.AsyncClient) -> None:
    """Entra: SCIM_User_Update_Test and SCIM_Group_Update_Test: single-valued attributes as /Schemas lists them."""
    user = await asked(entra, "POST", "/Users", 201, json=sample())
    group = await asked(entra, "POST", "/Groups", 201, json=scim.group("Crew"))
    schemas = {each["id"]: each["attributes"] for each in (await asked(entra, "GET", "/Schemas", 200))["Resources"]}
    known: dict[str, Any] = {"active": True, "timezone": "Europe/London", "locale": "en-GB"}  # no text of any kind

    def updates(schema: str, prefix: str = "") -> dict[str, Any]:
        plain = (each for each in schemas[schema] if not each["multiValued"] and each["type"] in ("string", "boolean"))
        names = [each["name"] for each in plain if each["mutability"] == "readWrite"]
        return {prefix + name: known.get(name, f"upd-{name}") for name in names}

    core, extended = updates(f"{CORE}User"), updates(ENTERPRISE, f"{ENTERPRISE}:")
    assert len(core) + len(extended) > 10
    operations = [{"op": "Replace", "path": p, "value": value} for p, value in {**core, **extended}.items()]
    after = await changed(entra, f"/Users/{user['id']}", *operations)
    assert {path: after[path] for path in core} == core
    assert {f"{ENTERPRISE}:{name}": value for name, value in after[ENTERPRISE].items()} == extended

    for path, value in updates(f"{CORE}Group").items():
        change = patch({"op": "Replace", "path": path, "value": value})
        await asked(entra, "PATCH", f"/Groups/{group['id']}", 204, json=change)
        assert (await asked(entra, "GET", f"/Groups/{group['id']}", 200))[path] == value


async def test_emptying_attributes(entra: httpx.AsyncClient) -> None:
    """Entra: SCIM_Null_Update_Test: every optional attribute replaced by an empty text, then by null."""
    extension = {"employeeNumber": "4711", "department": "Legal", "costCenter": "C1", "division": "D"}
    filled = sample(displayName="Test", title="Adviser", locale="en-GB", timezone="UTC", **{ENTERPRISE: extension})
    user = await asked(entra, "POST", "/Users", 201, json=filled)
    paths = ["displayName", "title", "locale", "timezone", "name.givenName", "name.familyName", "name.formatted", WORK]
    paths += [f"{ENTERPRISE}:{name}" for name in extension]
    paths += ["preferredLanguage", 'phoneNumbers[type eq "work"].value', 'addresses[type eq "work"].locality']
    for nothing in ("", None):
        operations = [{"op": "replace", "path": path, "value": nothing} for path in paths]
        after = await changed(entra, f"/Users/{user['id']}", *operations)
        kept = {"schemas", "id", "meta", "userName", "externalId", "active"}
        assert after.keys() == kept, nothing


async def test_setting_changing_and_removing_a_manager(entra: httpx.AsyncClient) -> None:
    """Entra: SCIM_Update_Manager_Test and the tutorial's examples 4 and 5: asked for, then written, in each form."""
    user = await asked(entra, "POST", "/Users", 201, json=sample())
    one, two = [(await scim.made(entra, scim.user(name)))["id"] for name in ("one", "two")]
    url = f"/Users/{user['id']}"

    async def manager(*operations: dict[str, Any]) -> str | None:
        after = await changed(entra, url, *operations)
        return after.get(ENTERPRISE, {}).get("manager", {}).get("value")  # type: ignore[no-any-return]  # JSON

    assert await manager({"op": "Add", "path": MANAGER, "value": one}) == one
    assert await manager({"op": "Replace", "path": MANAGER, "value": two}) == two
    assert await manager({"op": "Replace", "path": MANAGER, "value": ""}) is None
    for path in (MANAGER, "manager"):
        reference = {"$ref": f"https://ballast.example.com/scim/v2/Users/{one}", "value": one}
        asking = f'id eq "{user["id"]}" and manager eq "{one}"'
        assert await ids(entra, "/Users", asking, attributes="id") == []
        assert await manager({"op": "Add", "path": path, "value": [reference]}) == one
        assert await ids(entra, "/Users", asking, attributes="id") == [user["id"]]
        assert await manager({"op": "Replace", "path": path, "value": {"value": two}}) == two
        assert await manager({"op": "Remove", "path": path, "value": two}) is None
    assert await manager({"op": "Add", "value": {"manager": one, "department": "Legal"}}) == one
    assert await ids(entra, "/Users", 'department eq "legal" and manager pr') == [user["id"]]
    assert await manager({"op": "Remove", "path": MANAGER}) is None


async def test_disabling_and_restoring(world: World, entra: httpx.AsyncClient) -> None:
    """Entra: Disable_User_Test and Restore_User_Test: who is disabled is still returned, by id and by filter."""
    user = await asked(entra, "POST", "/Users", 201, json=sample())
    url, person = f"/Users/{user['id']}", world.person(NAME)
    for verb, off, on in (("Replace", "False", "True"), ("replace", False, True)):
        assert (await changed(entra, url, {"op": verb, "path": "active", "value": off}))["active"] is False
        assert (await person.get("/v1/me")).status_code == 401
        assert await ids(entra, "/Users", f'userName eq "{NAME}"') == [user["id"]]
        after = await changed(entra, url, {"op": verb, "path": "active", "value": on})
        assert {**after, "meta": user["meta"]} == user, "nothing else changes"
        assert (await person.get("/v1/me")).status_code == 200


async def test_deleting_and_starting_anew(entra: httpx.AsyncClient) -> None:
    """Entra: Delete_User_Test, and Restore_User_Test where removing the assignment deletes."""
    user = await asked(entra, "POST", "/Users", 201, json=sample())
    url = f"/Users/{user['id']}"
    await asked(entra, "DELETE", url, 204)
    for method in ("GET", "DELETE", "PATCH"):
        await asked(entra, method, url, 404, json=patch({"op": "Replace", "path": "active", "value": False}))
    for condition in (f'userName eq "{NAME}"', f'externalId eq "{OBJECT_ID}"', f'{WORK} eq "{MAIL}"'):
        assert await ids(entra, "/Users", condition) == []
    again = await asked(entra, "POST", "/Users", 201, json=sample())
    assert await ids(entra, "/Users", f'userName eq "{NAME}"') == [again["id"]]
    assert again["active"] is True


async def test_a_groups_life(entra: httpx.AsyncClient) -> None:
    """Entra: Create_, Update_, Delete_ and Restore_Group_Test: read and found without its members throughout."""
    name, found = "Evening crew", {"excludedAttributes": "members"}
    body = {
        "schemas": [f"{CORE}Group", FOREIGN],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
        "displayName": name,
        "meta": {"resourceType": "Group"},
    }
    assert await ids(entra, "/Groups", f'displayName eq "{name}"', **found) == []
    group = await asked(entra, "POST", "/Groups", 201, json=body)
    assert (group["displayName"], group["externalId"], group["schemas"]) == (name, body["externalId"], [f"{CORE}Group"])
    url = f"/Groups/{group['id']}"
    assert await asked(entra, "GET", url, 200, params=found) == group
    assert await ids(entra, "/Groups", f'displayName eq "{name}"', **found) == [group["id"]]
    assert await ids(entra, "/Groups", f'externalId eq "{body["externalId"]}"', **found) == [group["id"]]
    assert (await asked(entra, "POST", "/Groups", 409, json=body))["scimType"] == "uniqueness"

    for path, value in (("displayName", "Night crew"), ("externalId", "another")):
        change = patch({"op": "Replace", "path": path, "value": value})
        await asked(entra, "PATCH", url, 204, json=change)
        assert (await asked(entra, "GET", url, 200, params=found))[path] == value
    assert await ids(entra, "/Groups", f'displayName eq "{name}"') == []
    assert await ids(entra, "/Groups", 'displayName eq "Night crew"') == [group["id"]]

    await asked(entra, "DELETE", url, 204)
    await asked(entra, "GET", url, 404, params=found)
    assert await ids(entra, "/Groups", 'displayName eq "Night crew"') == []
    again = await asked(entra, "POST", "/Groups", 201, json=body)
    assert await ids(entra, "/Groups", f'displayName eq "{name}"') == [again["id"]]


async def test_a_groups_members(entra: httpx.AsyncClient) -> None:
    """Entra: Group_Update_Add_ and _Remove_Member_Test: asked for by reference, one and many, in both spellings."""
    leo, mia, ben = [(await scim.made(entra, scim.user(name)))["id"] for name in ("leo", "mia", "ben")]
    group = await asked(entra, "POST", "/Groups", 201, json=scim.group("Crew"))

    async def send(op: str, *people: str) -> None:
        value = [{"$ref": None, "value": each} for each in people]
        change = patch({"op": op, "path": "members", "value": value})
        await asked(entra, "PATCH", f"/Groups/{group['id']}", 204, json=change)

    async def members() -> set[str]:
        """Ask for each as Entra does, which never reads the members of a group."""
        condition = 'id eq "{}" and members eq "{}"'
        answers = {
            each: await ids(entra, "/Groups", condition.format(group["id"], each), attributes="id")
            for each in (leo, mia, ben)
        }
        return {each for each, answer in answers.items() if answer == [group["id"]]}

    assert await members() == set()
    await send("Add", leo)
    assert await members() == {leo}
    await send("Add", mia, ben, leo)
    assert await members() == {leo, mia, ben}, "several with one PATCH"
    await send("Remove", leo, mia)
    assert await members() == {ben}
    await send("Remove", leo)
    flagged = patch({"op": "remove", "path": f'members[value eq "{ben}"]'})
    await asked(entra, "PATCH", f"/Groups/{group['id']}", 204, json=flagged)
    assert await members() == set()
    whole = await asked(entra, "GET", f"/Groups/{group['id']}", 200)
    assert "members" not in whole


def test_what_entra_asks_for_is_one_look_into_an_index() -> None:
    """Entra asks before each change: by a matching attribute, by id and reference, and for members."""
    service, someone = Service(PROVIDER, secret=bytes(32)), uuid4()
    for kind, condition, columns in (
        (USER, 'userName eq "leo"', ["employee.user_name_key"]),
        (USER, 'externalId eq "leo"', ["employee.external_id"]),
        (USER, f'{WORK} eq "leo@harbour.example"', ["employee.email_key"]),
        (USER, f'id eq "{someone}" and manager eq "{someone}"', ["employee.id", "employee.manager_id"]),
        (GROUP, 'displayName eq "Crew"', ["team.name_key"]),
        (GROUP, 'externalId eq "crew"', ["team.external_id"]),
        (GROUP, f'id eq "{someone}" and members eq "{someone}"', ["team.id", "team_member.employee_id"]),
        (GROUP, f'members[value eq "{someone}"]', ["team_member.employee_id"]),
    ):
        with PROVIDER:
            request, _ = service.read_search([kind], {"filter": condition})
            statement = str(Search([kind], request, None).rows())
        for column in columns:
            assert f"{column} = :" in statement, "compared as it is indexed, without a function around it"


async def test_pages_of_five(entra: httpx.AsyncClient) -> None:
    """Entra: SCIM_User_Pagination_Test and SCIM_Group_Pagination_Test: eleven at least, five a page."""
    for number in range(11):
        await scim.made(entra, scim.user(f"user {number:02}"))
        await scim.made(entra, scim.group(f"group {number:02}"))
    for path in ("/Users", "/Groups"):
        total = (await asked(entra, "GET", path, 200, params={"count": 0}))["totalResults"]
        assert total > 10
        seen: list[str] = []
        for start in range(1, total + 1, 5):
            page = await asked(entra, "GET", path, 200, params={"startIndex": start, "count": 5})
            assert (page["startIndex"], page["totalResults"]) == (start, total)
            seen += [each["id"] for each in page["Resources"]]
        assert len(set(seen)) == len(seen) == total


async def test_names_of_attributes_in_any_case(entra: httpx.AsyncClient) -> None:
    """Entra: general guidelines: structural elements of SCIM match without regard to case."""
    user = await asked(entra, "POST", "/Users", 201, json=sample())
    upper = ENTERPRISE.replace("enterprise", "Enterprise")
    after = await changed(
        entra,
        f"/Users/{user['id']}",
        {"op": "REPLACE", "path": "DisplayName", "value": "Test"},
        {"op": "aDD", "path": f"{upper}:Department", "value": "Legal"},
        {"op": "Replace", "path": 'Emails[Type Eq "work"].Value', "value": "other@harbour.example"},
        {"op": "replace", "value": {"NAME.givenname": "Given"}},
    )
    assert (after["displayName"], after[ENTERPRISE]) == ("Test", {"department": "Legal"})
    assert (after["emails"][0]["value"], after["name"]["givenName"]) == ("other@harbour.example", "Given")
    assert await ids(entra, "/Users", f'USERNAME EQ "{NAME}" AND Active Eq true') == [user["id"]]


async def test_schema_discovery(entra: httpx.AsyncClient) -> None:
    """Entra: Schema_Discoverability_Test: all that docs/scim.md maps is in /Schemas, by Entra's names."""
    answer = await asked(entra, "GET", "/Schemas", 200)
    discovered = set()
    for schema in answer["Resources"]:
        prefix = f"{schema['id']}:" if schema["id"] == ENTERPRISE else ""
        discovered |= {prefix + name for attribute in schema["attributes"] for name in _names(attribute)}
    page = (Path(__file__).parents[1] / "docs" / "scim.md").read_text(encoding="utf-8")
    entra_part = page.partition("## Microsoft Entra ID")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:3] for line in entra_part.splitlines() if line.startswith("| `")]
    mapped = {cell.split("`")[1].replace("…", ENTERPRISE) for _, cell in rows}
    others = {name for name in discovered if name.startswith("emails[") and name != WORK}
    assert mapped == discovered - others - {"timezone"}, "Entra has no time zone to send"


def _names(attribute: dict[str, Any]) -> list[str]:
    """Return how Entra names an attribute and its parts."""
    name, parts = attribute["name"], attribute.get("subAttributes", [])
    if attribute["type"] != "complex" or name in ("manager", "members"):
        return [name]
    if not attribute["multiValued"]:
        return [f"{name}.{part['name']}" for part in parts]
    (kinds,) = (part["canonicalValues"] for part in parts if part["name"] == "type")
    return [f'{name}[type eq "{kind}"].{part["name"]}' for kind in kinds for part in parts]
