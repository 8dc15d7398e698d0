"""The five pillars, and an organisation's own."""

from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.services import library
from tests.world import World, etag

FIVE = ["emotional_wellbeing", "inner_drive", "future_focus", "relationships", "physical_health"]
OWN = {"key": "pride_in_work", "name": "Pride in work", "description": "Seeing what one's work is for."}


async def keys(caller: httpx.AsyncClient, **params: str) -> list[str]:
    answer = await caller.get("/v1/pillars", params=params)
    assert answer.status_code == 200, answer.text
    return [pillar["key"] for pillar in answer.json()["data"]]


async def named(caller: httpx.AsyncClient, key: str) -> dict[str, Any]:
    answer = await caller.get("/v1/pillars", params={"hidden": "any"})
    return next(pillar for pillar in answer.json()["data"] if pillar["key"] == key)


class TestRead:
    async def test_everyone_has_the_five_in_order(self, amira: httpx.AsyncClient) -> None:
        pillars = (await amira.get("/v1/pillars")).json()["data"]

        assert [pillar["key"] for pillar in pillars] == FIVE
        assert {pillar["origin"] for pillar in pillars} == {"ballast"}
        assert all(pillar["source"] and pillar["description"] for pillar in pillars)
        assert (await amira.get(f"/v1/pillars/{pillars[0]['id']}")).json() == pillars[0]

    async def test_pages_by_position(self, amira: httpx.AsyncClient) -> None:
        first = (await amira.get("/v1/pillars", params={"limit": 3})).json()
        rest = (await amira.get("/v1/pillars", params={"limit": 3, "cursor": first["next_cursor"]})).json()

        assert [pillar["key"] for pillar in first["data"] + rest["data"]] == FIVE


class TestOurs:
    async def test_can_be_hidden_and_shown(self, noor: httpx.AsyncClient, amira: httpx.AsyncClient) -> None:
        pillar = await named(noor, "inner_drive")
        path = f"/v1/pillars/{pillar['id']}"

        hidden = await noor.patch(path, json={"hidden": True}, headers=etag(pillar))

        assert hidden.json()["hidden"] is True
        assert await keys(amira) == [key for key in FIVE if key != "inner_drive"]
        assert await keys(amira, hidden="true") == ["inner_drive"]
        assert await keys(amira, hidden="any") == FIVE

        await noor.patch(path, json={"hidden": False}, headers=etag(hidden))

        assert await keys(amira) == FIVE

    async def test_stays_hidden_when_the_library_is_renewed(self, noor: httpx.AsyncClient, world: World) -> None:
        pillar = await named(noor, "inner_drive")
        await noor.patch(f"/v1/pillars/{pillar['id']}", json={"hidden": True}, headers=etag(pillar))

        def renew(session: Session) -> None:
            session.execute(text("UPDATE pillar SET name = 'An older name'"))
            library.give(session.connection(), world.id)

        await world.run(renew)
        renewed = await named(noor, "inner_drive")

        assert (renewed["hidden"], renewed["name"]) == (True, pillar["name"])

    async def test_cannot_be_changed_or_deleted(self, noor: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
        pillar = await named(noor, "inner_drive")
        path = f"/v1/pillars/{pillar['id']}"

        for caller in (noor, client):
            for patch in ({"name": "Ours"}, {"hidden": True, "position": 9}, {"source": None}):
                changed = await caller.patch(path, json=patch, headers=etag(pillar))
                assert (changed.status_code, changed.json()["code"]) == (409, "library_is_fixed")
            deleted = await caller.delete(path, headers=etag(pillar))
            assert (deleted.status_code, deleted.json()["code"]) == (409, "library_is_fixed")

        assert await named(noor, "inner_drive") == pillar
        assert pillar["allowed_actions"] == ["update"]


class TestOwn:
    async def test_is_added_changed_and_deleted(self, noor: httpx.AsyncClient, amira: httpx.AsyncClient) -> None:
        made = await noor.post("/v1/pillars", json=OWN)
        assert (made.status_code, made.json()["origin"]) == (201, "organisation")
        assert await keys(amira) == [*FIVE, "pride_in_work"]
        path = made.headers["Location"]

        changed = await noor.patch(path, json={"name": "Pride", "position": 0}, headers=etag(made))
        assert changed.json()["name"] == "Pride"
        assert await keys(amira) == ["pride_in_work", *FIVE]

        assert (await noor.delete(path, headers=etag(changed))).status_code == 204
        assert (await noor.get(path)).status_code == 404

    async def test_a_key_is_taken_once(self, noor: httpx.AsyncClient) -> None:
        await noor.post("/v1/pillars", json=OWN)

        for key in ("pride_in_work", "inner_drive"):
            again = await noor.post("/v1/pillars", json={**OWN, "key": key})
            assert (again.status_code, again.json()["code"]) == (409, "already_exists")

    async def test_stays_while_a_practice_or_a_rule_names_it(self, noor: httpx.AsyncClient, world: World) -> None:
        made = await noor.post("/v1/pillars", json=OWN)
        practice = await noor.post(
            "/v1/practices",
            json={
                "key": "show_and_tell",
                "name": "Show and tell",
                "summary": "Tell a colleague of a call that went well.",
                "how_to": "Pick one.\nTell it.",
                "minutes": 5,
                "when_it_helps": "On a quiet afternoon.",
                "pillars": ["relationships", "pride_in_work"],
            },
        )
        path = made.headers["Location"]

        refused = await noor.delete(path, headers=etag(made))
        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")

        await noor.delete(practice.headers["Location"], headers=etag(practice))
        rule = text(
            "INSERT INTO strain_rule (organisation_id, id, name, name_key, description, basis, enabled, condition,"
            " severity, hard_severity, cooldown_seconds, service_area_ids, prompt_kind, prompt_pillar,"
            " prompt_expires_seconds)"
            " VALUES (:organisation, gen_random_uuid(), 'A', 'a', 'A', 'A', true, '{}', '{}', 1, 0, '{}', 'practice',"
            " 'pride_in_work', 60)"
        )
        await world.run(lambda session: session.execute(rule, {"organisation": world.id}))
        assert (await noor.delete(path, headers=etag(made))).json()["code"] == "in_use"

        await world.run(lambda session: session.execute(text("DELETE FROM strain_rule")))
        assert (await noor.delete(path, headers=etag(made))).status_code == 204

    async def test_only_the_programme_lead_and_clients_with_the_scope_change_the_library(
        self, amira: httpx.AsyncClient, hana: httpx.AsyncClient, world: World
    ) -> None:
        reader = await world.client("pillars:read")
        writer = await world.client("pillars:read", "pillars:write")

        for caller in (amira, hana, reader):
            assert (await caller.post("/v1/pillars", json=OWN)).status_code == 403
        assert (await writer.post("/v1/pillars", json=OWN)).status_code == 201
