"""What identity providers really send: each form once, as their documentation and their administrators describe it."""

import asyncio
from typing import Any

import httpx
import pytest

from app.scim.resources import CORE, ENTERPRISE
from tests import scim
from tests.scim import GROUPS, USERS, patch
from tests.world import World

FOREIGN = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
WORK = 'emails[type eq "work"].value'


@pytest.fixture
async def entra(world: World) -> httpx.AsyncClient:
    return await scim.provider(world)


@pytest.fixture
async def leo(entra: httpx.AsyncClient) -> dict[str, Any]:
    return await scim.made(entra, scim.user("leo@harbour.example", externalId="leo", displayName="Leo"))


async def changed(client: httpx.AsyncClient, resource: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    answer = await client.patch(resource["meta"]["location"], json=patch(*operations))
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    assert content == (await client.get(resource["meta"]["location"])).json()
    return content


class TestUserPatches:
    async def test_capitalised_operations_and_booleans_as_texts(self, entra: Any, leo: Any) -> None:
        assert (await changed(entra, leo, {"op": "Replace", "path": "active", "value": "False"}))["active"] is False
        assert (await changed(entra, leo, {"op": "Add", "path": "active", "value": "True"}))["active"] is True

    async def test_replace_without_a_path_with_dotted_and_urn_keys(self, entra: Any, leo: Any) -> None:
        value = {"name.givenName": "Leo", "name.familyName": "Marsh", f"{ENTERPRISE}:department": "Legal advice"}
        after = await changed(entra, leo, {"op": "replace", "value": {**value, "active": False}})
        assert (after["name"], after["active"]) == ({"givenName": "Leo", "familyName": "Marsh"}, False)
        assert after[ENTERPRISE] == {"department": "Legal advice"}

    @pytest.mark.parametrize("op", ["Add", "Replace"])
    async def test_work_address_where_none_is_there(self, entra: Any, leo: Any, op: str) -> None:
        after = await changed(entra, leo, {"op": op, "path": WORK, "value": "leo@work.example"})
        assert [(each["value"], each["type"]) for each in after["emails"]] == [("leo@work.example", "work")]
        again = await changed(entra, leo, {"op": "Replace", "path": WORK, "value": "marsh@work.example"})
        assert [each["value"] for each in again["emails"]] == ["marsh@work.example"]

    async def test_nulls_as_empty_texts(self, entra: Any, leo: Any) -> None:
        await changed(
            entra,
            leo,
            {"op": "Add", "path": "title", "value": "Adviser"},
            {"op": "Add", "path": WORK, "value": "leo@work.example"},
            {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Legal"},
        )
        paths = ("title", WORK, f"{ENTERPRISE}:department")
        after = await changed(entra, leo, *({"op": "Replace", "path": path, "value": ""} for path in paths))
        assert not after.keys() & {"title", "emails", ENTERPRISE}

    async def test_every_form_of_a_manager(self, entra: Any, leo: Any) -> None:
        path = f"{ENTERPRISE}:manager"
        boss = await scim.made(entra, scim.user("boss@harbour.example"))
        for value in (
            boss["id"],
            {"value": boss["id"]},
            {"value": boss["id"], "displayName": "x", "$ref": "../Users/x"},
        ):
            after = await changed(entra, leo, {"op": "Add", "path": path, "value": value})
            assert after[ENTERPRISE]["manager"]["value"] == boss["id"]
            cleared: dict[str, Any] = {"op": "Replace", "path": path, "value": ""}
            assert ENTERPRISE not in await changed(entra, leo, cleared)
        await changed(entra, leo, {"op": "Add", "path": f"{path}.value", "value": boss["id"]})
        assert ENTERPRISE not in await changed(entra, leo, {"op": "Replace", "path": path, "value": None})
        for nobody in ("nobody", leo["id"]):
            answer = await entra.patch(f"{USERS}/{leo['id']}", json=patch({"op": "Add", "path": path, "value": nobody}))
            assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")

    async def test_what_we_do_not_store_is_left_out_without_a_word(self, entra: Any, leo: Any) -> None:
        before = (await entra.get(f"{USERS}/{leo['id']}")).json()
        extra = {"op": "Add", "path": "nickName", "value": "L", "foo": "bar"}
        after = await changed(
            entra, leo, extra, {"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": "1"}
        )
        assert after == before

    async def test_put_of_the_whole_resource_as_it_was_read(self, entra: Any, leo: Any) -> None:
        whole = (await entra.get(f"{USERS}/{leo['id']}")).json()
        body = {**whole, "groups": [], "title": "Adviser", "roles": [], "password": "x"}
        answer = await entra.put(f"{USERS}/{leo['id']}", json=body)
        assert (answer.status_code, answer.json()["title"]) == (200, "Adviser")
        assert (await entra.put(f"{USERS}/{leo['id']}", json=whole)).json().keys() == whole.keys()

    async def test_leaving_and_coming_back(self, world: World, entra: Any, leo: Any, hana: Any) -> None:
        team = await scim.made(entra, scim.group("Evening crew", leo["id"]))
        person = world.person("leo@harbour.example")
        assert (await person.get("/v1/me")).status_code == 200
        await changed(entra, leo, {"op": "Replace", "path": "active", "value": False})
        assert (await person.get("/v1/me")).status_code == 401
        found = (await entra.get(USERS, params={"filter": 'userName eq "LEO@harbour.example"'})).json()
        assert [each["active"] for each in found["Resources"]] == [False], "only a DELETE hides"
        await changed(entra, leo, {"op": "Replace", "path": "active", "value": True})
        assert (await person.get("/v1/me")).status_code == 200
        members = (await entra.get(f"{GROUPS}/{team['id']}")).json()["members"]
        assert [each["value"] for each in members] == [leo["id"]], "memberships outlast an absence"

    async def test_delete_after_the_soft_delete_and_a_new_start(
        self, world: World, entra: Any, leo: Any, hana: Any
    ) -> None:
        team = await scim.made(entra, scim.group("Evening crew", leo["id"]))
        await changed(entra, leo, {"op": "Replace", "path": "active", "value": False})
        assert (await entra.delete(f"{USERS}/{leo['id']}")).status_code == 204
        assert (await entra.get(f"{USERS}/{leo['id']}")).status_code == 404
        assert (await entra.delete(f"{USERS}/{leo['id']}")).status_code == 404
        found = (await entra.get(USERS, params={"filter": 'userName eq "leo@harbour.example"'})).json()
        assert (found["totalResults"], found.get("Resources", [])) == (0, [])
        assert "members" not in (await entra.get(f"{GROUPS}/{team['id']}")).json()
        kept = (await hana.get(f"/v1/employees/{leo['id']}")).json()
        assert (kept["active"], kept["display_name"]) == (False, "Leo"), "nothing is removed"
        again = await scim.made(entra, scim.user("Leo@harbour.example", displayName="Leo again"))
        assert (again["id"], again["active"]) == (leo["id"], True)


class TestGroups:
    async def test_members_come_and_go(self, entra: Any, leo: Any) -> None:
        mia = await scim.made(entra, scim.user("mia@harbour.example"))
        team = await scim.made(entra, scim.group("Crew", schemas=[f"{CORE}Group", FOREIGN], externalId="8aa1"))
        url = f"{GROUPS}/{team['id']}"

        async def members(*operations: dict[str, Any]) -> list[str]:
            answer = await entra.patch(url, json=patch(*operations))
            assert (answer.status_code, answer.content) == (204, b""), answer.text
            whole = (await entra.get(url)).json()
            assert whole["meta"]["version"] == answer.headers["ETag"]
            return [each["value"] for each in whole.get("members", [])]

        both = [{"value": leo["id"], "$ref": None, "display": "L"}, {"value": mia["id"], "type": "User"}]
        assert await members({"op": "Add", "path": "members", "value": both}) == [leo["id"], mia["id"]]
        twice = [{"value": leo["id"], "display": "another name"}]
        assert await members({"op": "Add", "path": "members", "value": twice}) == [leo["id"], mia["id"]]
        legacy = {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": leo["id"]}]}
        assert await members(legacy) == [mia["id"]]
        assert await members(legacy) == [mia["id"]], "who is not in it is no error"
        assert await members({"op": "remove", "path": f'members[value eq "{mia["id"]}"]'}) == []
        assert await members({"op": "add", "value": {"members": [{"value": mia["id"]}]}}) == [mia["id"]]
        assert await members({"op": "replace", "path": "members", "value": [{"value": leo["id"]}]}) == [leo["id"]]
        assert await members({"op": "replace", "path": "members", "value": []}) == []
        assert await members({"op": "add", "path": "members", "value": both}, {"op": "remove", "path": "members"}) == []

    async def test_rename_with_the_id_in_the_value(self, entra: Any, leo: Any) -> None:
        team = await scim.made(entra, scim.group("Crew", leo["id"]))
        rename = {"op": "replace", "value": {"id": team["id"], "displayName": "Night crew"}}
        assert (await entra.patch(f"{GROUPS}/{team['id']}", json=patch(rename))).status_code == 204
        after = (await entra.get(f"{GROUPS}/{team['id']}")).json()
        assert (after["displayName"], len(after["members"])) == ("Night crew", 1), "what is not named is not cleared"

    async def test_put_and_delete(self, entra: Any, leo: Any) -> None:
        team = await scim.made(entra, scim.group("Crew", leo["id"]))
        answer = await entra.put(f"{GROUPS}/{team['id']}", json={**team, "displayName": "Day crew", "members": []})
        assert (answer.status_code, answer.json()["displayName"], "members" in answer.json()) == (
            200,
            "Day crew",
            False,
        )
        assert (await entra.delete(f"{GROUPS}/{team['id']}")).status_code == 204
        assert (await entra.get(f"{USERS}/{leo['id']}")).status_code == 200

    async def test_names_are_unique(self, entra: Any) -> None:
        await scim.made(entra, scim.group("Crew"))
        answer = await entra.post(GROUPS, json=scim.group("CREW"))
        assert (answer.status_code, answer.json()["scimType"]) == (409, "uniqueness")

    async def test_found_by_name_without_members(self, entra: Any, leo: Any) -> None:
        await scim.made(entra, scim.group("Crew", leo["id"]))
        asked = {"filter": 'displayName eq "crew"', "excludedAttributes": "members"}
        (found,) = (await entra.get(GROUPS, params=asked)).json()["Resources"]
        assert found["displayName"] == "Crew"
        assert "members" not in found

    async def test_nobody_is_no_member(self, entra: Any) -> None:
        team = await scim.made(entra, scim.group("Crew"))
        for nobody in ("nobody", "01900000-0000-7000-8000-000000000000"):
            add = {"op": "add", "path": "members", "value": [{"value": nobody}]}
            answer = await entra.patch(f"{GROUPS}/{team['id']}", json=patch(add))
            assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")


class TestLists:
    async def test_pages_of_100_in_a_stable_order(self, entra: Any) -> None:
        operations = [
            {"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": scim.user(f"user-{n:03}")}
            for n in range(250)
        ]
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
        answer = await entra.post("/scim/v2/Bulk", json=body)
        assert {each["status"] for each in answer.json()["Operations"]} == {"201"}
        seen: list[str] = []
        page: dict[str, Any] = {}
        for start in range(1, 300, 100):
            page = (await entra.get(USERS, params={"startIndex": start, "count": 100})).json()
            assert (page["startIndex"], page["itemsPerPage"]) == (start, len(page["Resources"]))
            seen += [each["id"] for each in page["Resources"]]
        assert len(seen) == len(set(seen)) == page["totalResults"]
        by_cursor: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await entra.get(USERS, params={"cursor": cursor, "count": 90})).json()
            by_cursor += [each["id"] for each in page["Resources"]]
            cursor = page.get("nextCursor")
        assert by_cursor == seen

    async def test_nobody_found_is_an_empty_list(self, entra: Any) -> None:
        answer = await entra.get(USERS, params={"filter": 'userName eq "nobody@harbour.example"'})
        assert (answer.status_code, answer.json()["totalResults"]) == (200, 0)


class TestTwice:
    async def test_duplicates_are_conflicts(self, entra: Any, leo: Any) -> None:
        for body in (scim.user("LEO@harbour.example"), scim.user("other", externalId="leo")):
            answer = await entra.post(USERS, json=body)
            assert (answer.status_code, answer.json()["scimType"], answer.json()["status"]) == (
                409,
                "uniqueness",
                "409",
            )

    async def test_one_of_fifty_at_once(self, entra: Any) -> None:
        async def create() -> int:
            answer = await entra.post(USERS, json=scim.user("mia@harbour.example"))
            if answer.status_code == 503:  # a busy machine: again, as the answer asks for
                await asyncio.sleep(1)
                return await create()
            return int(answer.status_code)

        assert sorted(await asyncio.gather(*(create() for _ in range(50)))) == [201, *[409] * 49]

    async def test_patches_at_once_lose_nothing_and_refuse_nobody(self, entra: Any, leo: Any) -> None:
        fields = ("title", "locale", f"{ENTERPRISE}:division", f"{ENTERPRISE}:costCenter", "name.givenName")
        sent = [
            entra.patch(f"{USERS}/{leo['id']}", json=patch({"op": "add", "path": f, "value": "en"})) for f in fields
        ]
        answers = await asyncio.gather(*sent)
        assert [answer.status_code for answer in answers] == [200] * len(fields), [answer.text for answer in answers]
        after = (await entra.get(f"{USERS}/{leo['id']}")).json()
        assert (after["title"], after["locale"], after["name"], len(after[ENTERPRISE])) == (
            "en",
            "en",
            {"givenName": "en"},
            2,
        )

    async def test_stale_versions_are_refused_where_one_is_named(self, entra: Any, leo: Any) -> None:
        title = {"op": "add", "path": "title", "value": "Adviser"}
        url, named = f"{USERS}/{leo['id']}", {"If-Match": leo["meta"]["version"]}
        assert (await entra.patch(url, json=patch(title), headers=named)).status_code == 200
        other = {**title, "value": "Lead"}
        assert (await entra.patch(url, json=patch(other), headers=named)).status_code == 412
        assert (await entra.put(url, json=leo, headers=named)).status_code == 412
        assert (await entra.delete(url, headers=named)).status_code == 412
        assert (await entra.get(url, headers={"If-None-Match": leo["meta"]["version"]})).status_code == 200
        now = (await entra.get(url)).headers["ETag"]
        assert (await entra.get(url, headers={"If-None-Match": now})).status_code == 304


async def test_two_organisations_see_nothing_of_each_other(entra: Any, leo: Any, elsewhere: World) -> None:
    other = await scim.provider(elsewhere)
    await scim.made(other, scim.user("leo@harbour.example", externalId="leo"))
    team = await scim.made(other, scim.group("Crew"))
    assert (await other.get(f"{USERS}/{leo['id']}")).status_code == 404
    assert (
        await other.patch(f"{USERS}/{leo['id']}", json=patch({"op": "add", "path": "title", "value": "x"}))
    ).status_code == 404
    add = {"op": "add", "path": "members", "value": [{"value": leo["id"]}]}
    assert (await other.patch(f"{GROUPS}/{team['id']}", json=patch(add))).status_code == 400
    theirs = (await other.get(USERS, params={"filter": f'id eq "{leo["id"]}" or externalId eq "leo"'})).json()[
        "Resources"
    ]
    assert leo["id"] not in {each["id"] for each in theirs}
    both = (await other.get("/scim/v2/", params={"count": 200})).json()["Resources"]
    assert leo["id"] not in {each["id"] for each in both}
    assert {each["meta"]["resourceType"] for each in both} == {"User", "Group"}
