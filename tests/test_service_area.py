"""Service areas: what people work on."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.world import World, etag

URL = "/v1/service-areas"


async def add(client: httpx.AsyncClient, name: str, **fields: Any) -> dict[str, Any]:
    response = await client.post(URL, json={"name": name, **fields})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


class TestServiceAreas:
    async def test_are_made_read_changed_and_listed(self, noor: httpx.AsyncClient, amira: httpx.AsyncClient) -> None:
        await add(noor, "debt line")
        area = await add(noor, "Advice line", external_id="q-1", description="For tenants.")

        changed = await noor.patch(
            f"{URL}/{area['id']}", json={"name": "Legal advice", "description": None}, headers=etag(area)
        )

        assert changed.status_code == 200
        assert (changed.json()["name"], changed.json()["description"]) == ("Legal advice", None)
        assert changed.headers["ETag"] == '"2"'
        assert (await amira.get(f"{URL}/{area['id']}")).json() == {**changed.json(), "allowed_actions": []}
        listed = (await noor.get(URL, params={"sort": "name"})).json()["data"]
        assert [each["name"] for each in listed] == ["debt line", "Legal advice"]
        for query in ({"name": "LEGAL advice"}, {"external_id": "q-1"}):
            assert [each["id"] for each in (await noor.get(URL, params=query)).json()["data"]] == [area["id"]]
        history = (await noor.get(f"{URL}/{area['id']}/history")).json()["data"]
        assert [(each["action"], each["details"]) for each in history] == [
            ("service_area.updated", {"fields": ["description", "name"]}),
            ("service_area.created", {}),
        ]

    async def test_names_and_external_ids_are_unique(self, noor: httpx.AsyncClient) -> None:
        await add(noor, "Advice line", external_id="q-1")
        other = await add(noor, "Debt line")

        twice = await noor.post(URL, json={"name": "ADVICE LINE"})
        key = await noor.post(URL, json={"name": "Third", "external_id": "q-1"})
        renamed = await noor.patch(f"{URL}/{other['id']}", json={"name": "advice line"}, headers=etag(other))

        for response in (twice, key, renamed):
            assert (response.status_code, response.json()["code"]) == (409, "already_exists")

    @pytest.mark.parametrize("fields", [{"name": None}, {"name": " "}, {"name": "㌀" * 200}, {"colour": "red"}])
    async def test_a_bad_form_is_refused(self, noor: httpx.AsyncClient, fields: dict[str, Any]) -> None:
        area = await add(noor, "Advice line")

        assert (await noor.post(URL, json={"name": "New", **fields})).status_code == 422
        assert (await noor.patch(f"{URL}/{area['id']}", json=fields, headers=etag(area))).status_code == 422

    async def test_one_that_is_in_use_stays(self, client: httpx.AsyncClient, world: World) -> None:
        area = await add(client, "Advice line")
        url, any_version = f"{URL}/{area['id']}", {"If-Match": "*"}
        for other in (f"/v1/employees/{world.people['grace']}", f"/v1/teams/{world.team_id}"):
            await client.patch(other, json={"service_area_id": area["id"]}, headers=any_version)
            refused = await client.delete(url, headers=any_version)
            assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
            await client.patch(other, json={"service_area_id": None}, headers=any_version)

        history = (await client.get(f"{url}/history")).json()["data"]
        assert [entry["action"] for entry in history] == ["service_area.created"]
        assert (await client.delete(url, headers=any_version)).status_code == 204
        assert (await client.get(url)).status_code == 404

    async def test_a_stale_version_is_refused(self, noor: httpx.AsyncClient) -> None:
        area = await add(noor, "Advice line")

        assert (await noor.delete(f"{URL}/{area['id']}", headers={"If-Match": '"9"'})).status_code == 412
        assert (await noor.delete(f"{URL}/{area['id']}")).status_code == 428

    async def test_only_leads_of_the_programme_and_hr_change_them(self, world: World) -> None:
        for name, status in (("amira", 403), ("theo", 403), ("noor", 201), ("hana", 201)):
            response = await world.person(name).post(URL, json={"name": f"Of {name}"})
            assert response.status_code == status

    async def test_another_organisations_area_is_like_an_absent_one(
        self, noor: httpx.AsyncClient, mallory: httpx.AsyncClient
    ) -> None:
        area = await add(noor, "Advice line")
        for method, suffix, body in (
            ("GET", "", None),
            ("PATCH", "", {"name": "Mine"}),
            ("DELETE", "", None),
            ("GET", "/history", None),
        ):
            theirs, absent = [
                await mallory.request(method, f"{URL}/{id_}{suffix}", json=body, headers={"If-Match": "*"})
                for id_ in (area["id"], uuid4())
            ]
            assert theirs.status_code == absent.status_code == 404
            assert theirs.content == absent.content
        await add(mallory, "Advice line")
