"""Practices: ours, and an organisation's own."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.world import World, etag

OWN: dict[str, Any] = {
    "key": "walk_by_the_quay",
    "name": "A walk by the quay",
    "summary": "Once around the basin and back.",
    "how_to": "Put the headset down.\nWalk.\nCome back when you like.",
    "minutes": 12,
    "when_it_helps": "After a long morning.",
    "pillars": ["physical_health"],
}


async def listed(caller: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await caller.get("/v1/practices", params={"limit": 200, **params})
    assert answer.status_code == 200, answer.text
    practices: list[dict[str, Any]] = answer.json()["data"]
    return practices


class TestRead:
    async def test_everyone_has_at_least_24_each_with_its_pillars_and_its_text(self, amira: httpx.AsyncClient) -> None:
        practices = await listed(amira)
        pillars = {pillar["key"] for pillar in (await amira.get("/v1/pillars")).json()["data"]}

        assert len(practices) >= 24
        for practice in practices:
            assert set(practice["pillars"]) <= pillars, practice["key"]
            for field in ("summary", "how_to", "when_it_helps", "source"):
                assert practice[field], practice["key"]
            assert practice["minutes"] >= 1

    async def test_filters(self, amira: httpx.AsyncClient) -> None:
        everything = await listed(amira)

        for_calls = await listed(amira, pillar="relationships", moment="after_a_hard_call", minutes_max=10)

        assert 0 < len(for_calls) < len(everything)
        assert for_calls == [
            practice
            for practice in everything
            if "relationships" in practice["pillars"]
            and practice["moment"] == "after_a_hard_call"
            and practice["minutes"] <= 10
        ]
        assert await listed(amira, pillar="no_such_pillar") == []
        assert await listed(amira, origin="organisation") == []

    @pytest.mark.parametrize(
        "params", [{"moment": "noon"}, {"minutes_max": 0}, {"hidden": "maybe"}, {"origin": "them"}]
    )
    async def test_refuses_filters_that_cannot_be(self, amira: httpx.AsyncClient, params: dict[str, Any]) -> None:
        assert (await amira.get("/v1/practices", params=params)).status_code == 422


class TestOurs:
    async def test_can_be_hidden_from_the_list(self, noor: httpx.AsyncClient, amira: httpx.AsyncClient) -> None:
        practice = (await listed(noor))[0]

        hidden = await noor.patch(f"/v1/practices/{practice['id']}", json={"hidden": True}, headers=etag(practice))

        assert hidden.status_code == 200
        assert practice["key"] not in [each["key"] for each in await listed(amira)]
        assert [each["key"] for each in await listed(amira, hidden="true")] == [practice["key"]]
        assert len(await listed(amira, hidden="any")) == len(await listed(amira)) + 1

    async def test_a_sync_learns_of_it(self, noor: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
        practice = (await listed(noor))[0]
        watermark = (await client.get("/v1/practices")).json()["next_watermark"]
        await noor.patch(f"/v1/practices/{practice['id']}", json={"hidden": True}, headers=etag(practice))

        changed = await listed(client, hidden="any", modified_since=watermark)

        assert [each["key"] for each in changed] == [practice["key"]]

    async def test_cannot_be_changed_or_deleted(self, noor: httpx.AsyncClient) -> None:
        practice = (await listed(noor))[0]
        path = f"/v1/practices/{practice['id']}"

        for patch in ({"minutes": 1}, {"pillars": ["physical_health"]}, {"caution": None, "hidden": True}):
            changed = await noor.patch(path, json=patch, headers=etag(practice))
            assert (changed.status_code, changed.json()["code"]) == (409, "library_is_fixed")
        deleted = await noor.delete(path, headers=etag(practice))

        assert (deleted.status_code, deleted.json()["code"]) == (409, "library_is_fixed")
        assert (await noor.get(path)).json() == practice


class TestOwn:
    async def test_is_added_changed_hidden_and_deleted(self, noor: httpx.AsyncClient, amira: httpx.AsyncClient) -> None:
        made = await noor.post("/v1/practices", json=OWN)
        assert made.status_code == 201
        assert {name: made.json()[name] for name in OWN} == OWN
        assert (made.json()["moment"], made.json()["origin"]) == ("any_time", "organisation")
        path = made.headers["Location"]

        changed = await noor.patch(path, json={"minutes": 15, "caution": "Not in a storm."}, headers=etag(made))
        assert (changed.json()["minutes"], changed.json()["caution"]) == (15, "Not in a storm.")
        cleared = await noor.patch(path, json={"caution": None, "hidden": True}, headers=etag(changed))
        assert (cleared.json()["caution"], cleared.json()["hidden"]) == (None, True)
        assert await listed(amira, origin="organisation") == []

        assert (await noor.delete(path, headers=etag(cleared))).status_code == 204
        assert await listed(amira, origin="organisation", hidden="any") == []

    async def test_names_pillars_that_exist(self, noor: httpx.AsyncClient) -> None:
        body = {**OWN, "pillars": ["physical_health", "no_such_pillar"]}
        made = await noor.post("/v1/practices", json=OWN)

        refused = await noor.post("/v1/practices", json={**body, "key": "another"})
        changed = await noor.patch(made.headers["Location"], json={"pillars": body["pillars"]}, headers=etag(made))

        for answer in (refused, changed):
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == "/pillars/1"

    @pytest.mark.parametrize(
        "fields",
        [
            {"pillars": []},
            {"pillars": ["physical_health", "physical_health"]},
            {"minutes": 0},
            {"minutes": 481},
            {"moment": "noon"},
            {"key": "Not A Key"},
            {"name": " "},
            {"origin": "ballast"},
            {"hidden": True},
        ],
    )
    async def test_refuses_what_cannot_be(self, noor: httpx.AsyncClient, fields: dict[str, Any]) -> None:
        assert (await noor.post("/v1/practices", json={**OWN, **fields})).status_code == 422

    @pytest.mark.parametrize("field", ["name", "summary", "how_to", "minutes", "when_it_helps", "moment", "pillars"])
    async def test_keeps_what_it_needs(self, noor: httpx.AsyncClient, field: str) -> None:
        made = await noor.post("/v1/practices", json=OWN)

        answer = await noor.patch(made.headers["Location"], json={field: None}, headers=etag(made))

        assert answer.status_code == 422

    async def test_a_key_is_taken_once(self, noor: httpx.AsyncClient) -> None:
        await noor.post("/v1/practices", json=OWN)

        for key in (OWN["key"], "slow_breathing"):
            again = await noor.post("/v1/practices", json={**OWN, "key": key})
            assert (again.status_code, again.json()["code"]) == (409, "already_exists")

    async def test_never_outlives_its_pillar(self, noor: httpx.AsyncClient, world: World) -> None:
        pillar = await noor.post("/v1/pillars", json={"key": "quay", "name": "Quay", "description": "The quay."})
        twin = text(
            "INSERT INTO practice (organisation_id, id, key, origin, hidden, name, summary, how_to, minutes,"
            " when_it_helps, pillars) SELECT organisation_id, gen_random_uuid(), :key, origin, hidden, name, summary,"
            " how_to, minutes, when_it_helps, pillars FROM practice LIMIT 1"
        )

        async with world.database.engine.connect() as held:  # keeps the new practice waiting, after its pillars' check
            await held.execute(text("SELECT set_tenant(:id)"), {"id": world.id})
            await held.execute(twin, {"key": OWN["key"]})
            made = asyncio.create_task(noor.post("/v1/practices", json={**OWN, "pillars": ["quay"]}))
            await asyncio.sleep(0.3)
            deleted = asyncio.create_task(noor.delete(pillar.headers["Location"], headers=etag(pillar)))
            await asyncio.sleep(0.3)
            assert not made.done()
            assert not deleted.done()
            await held.rollback()

        assert (await made).status_code == 201
        assert (await deleted).json()["code"] == "in_use"

    async def test_is_ones_own_organisations(
        self, noor: httpx.AsyncClient, mallory: httpx.AsyncClient, elsewhere: World
    ) -> None:
        made = await noor.post("/v1/practices", json=OWN)

        assert await listed(mallory, origin="organisation") == []
        assert (await mallory.get(made.headers["Location"])).status_code == 404
