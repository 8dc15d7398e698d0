"""How support prompts end without an answer: they run out, lose their ground, or people pause them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.models import AuditEntry
from app.services import support_prompt as prompts
from tests.prompts import ONE, STREAK, Move, listed, one_offer, passing
from tests.strain import EASY, NOW, change, only, post, system, told
from tests.world import World

wait = pytest.fixture(passing, autouse=True, name="wait")


@pytest.fixture
def person(world: World) -> UUID:
    return world.people["amira"]


class TestExpiry:
    async def test_it_expires_without_anybody_sweeping(
        self, world: World, amira: httpx.AsyncClient, person: UUID, wait: Move
    ) -> None:
        prompt = await one_offer(world, amira, person)
        wait(20)

        read = await amira.get(f"/v1/support-prompts/{prompt['id']}", headers={"If-None-Match": '"1"'})
        answer = await amira.post(f"/v1/support-prompts/{prompt['id']}/accept")

        assert (read.status_code, read.json()["state"], read.json()["allowed_actions"]) == (200, "expired", [])
        assert (answer.status_code, answer.json()["code"]) == (409, "prompt_expired")
        assert [p["id"] for p in await listed(amira, state="expired")] == [prompt["id"]]
        assert await listed(amira, state="offered") == []

    async def test_until_the_last_moment_it_can_be_accepted(
        self, world: World, amira: httpx.AsyncClient, person: UUID, wait: Move
    ) -> None:
        prompt = await one_offer(world, amira, person)
        wait(19.9)

        assert (await amira.post(f"/v1/support-prompts/{prompt['id']}/accept")).status_code == 200

    async def test_the_sweep_changes_nothing_that_is_read(
        self, world: World, amira: httpx.AsyncClient, person: UUID, wait: Move
    ) -> None:
        prompt = await one_offer(world, amira, person)
        wait(20)
        path = f"/v1/support-prompts/{prompt['id']}"
        before = await amira.get(path)

        swept = await world.run(lambda s: [prompts.expire(s, system(world), clock.now()) for _ in range(2)])
        after = await amira.get(path)

        assert swept == [1, 0]
        assert after.json() == before.json()
        assert after.headers["ETag"] == before.headers["ETag"] == '"2"'
        answer = await amira.post(f"{path}/accept", headers={"If-Match": '"2"'})
        assert (answer.status_code, answer.json()["code"]) == (409, "prompt_expired")

    async def test_the_sweep_leaves_what_is_open_or_answered(
        self, world: World, amira: httpx.AsyncClient, person: UUID, wait: Move
    ) -> None:
        prompt = await one_offer(world, amira, person)
        assert await world.run(lambda s: prompts.expire(s, system(world), clock.now())) == 0
        await amira.post(f"/v1/support-prompts/{prompt['id']}/accept")
        wait(600)

        assert await world.run(lambda s: prompts.expire(s, system(world), clock.now())) == 0


class TestSuperseded:
    async def test_an_open_offer_goes_with_its_signal(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world, ONE)
        call = told(person, 10)
        await post(world, call)

        await change(world, call, voided_at=NOW)

        (prompt,) = await listed(amira)
        assert (prompt["state"], prompt["allowed_actions"]) == ("superseded", [])
        answer = await amira.post(f"/v1/support-prompts/{prompt['id']}/accept")
        assert (answer.status_code, answer.json()["code"]) == (409, "prompt_superseded")

    async def test_an_answer_stays_an_answer(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        await only(world, ONE)
        call = told(person, 10)
        await post(world, call)
        (prompt,) = await listed(amira)
        await amira.post(f"/v1/support-prompts/{prompt['id']}/accept")

        await change(world, call, voided_at=NOW)

        assert [p["state"] for p in await listed(amira)] == ["accepted"]

    @pytest.mark.parametrize(("action", "state"), [(None, "offered"), ("accept", "accepted"), ("decline", "declined")])
    async def test_nothing_is_offered_twice_when_a_signal_takes_anothers_place(
        self, world: World, amira: httpx.AsyncClient, person: UUID, action: str | None, state: str
    ) -> None:
        await only(world, STREAK)
        await post(world, told(person, 25), told(person, 10))
        (prompt,) = await listed(amira)
        if action:
            await amira.post(f"/v1/support-prompts/{prompt['id']}/{action}")

        await post(world, told(person, 15))

        (signal,) = (await amira.get("/v1/strain-signals")).json()["data"]
        (after,) = await listed(amira)
        assert signal["id"] != prompt["signal_id"]
        assert (after["id"], after["signal_id"], after["state"]) == (prompt["id"], signal["id"], state)

    async def test_outside_of_the_cool_down_it_is_another_matter(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world, {**STREAK, "cooldown_seconds": 300, "prompt": {"kind": "mentor", "expires_seconds": 7200}})
        await post(world, told(person, 50), told(person, 10), told(person, 55, EASY))
        assert len(await listed(amira)) == 1

        await post(world, told(person, 30, EASY), told(person, 52))

        assert [p["state"] for p in await listed(amira)] == ["superseded", "offered"]


class TestPause:
    async def test_a_paused_person_is_offered_nothing(
        self, world: World, amira: httpx.AsyncClient, person: UUID, wait: Move
    ) -> None:
        await only(world, ONE)
        until = (NOW + timedelta(hours=1)).isoformat()
        answer = await amira.post("/v1/me/prompt-pause", json={"until": until})
        assert datetime.fromisoformat(answer.json()["until"]) == NOW + timedelta(hours=1)

        await post(world, told(person, 10))
        assert await listed(amira) == []

        wait(61)
        await post(world, told(person, -60))
        assert len(await listed(amira)) == 1
        assert (await amira.get("/v1/me/prompt-pause")).json() == {"until": None}

    async def test_null_ends_it(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        await only(world, ONE)
        await amira.post("/v1/me/prompt-pause", json={"until": (NOW + timedelta(days=9)).isoformat()})

        assert (await amira.post("/v1/me/prompt-pause", json={"until": None})).json() == {"until": None}
        await post(world, told(person, 10))

        assert len(await listed(amira)) == 1

    async def test_it_must_lie_ahead(self, amira: httpx.AsyncClient) -> None:
        answer = await amira.post("/v1/me/prompt-pause", json={"until": NOW.isoformat()})

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/until")

    async def test_nobody_else_learns_of_it(
        self, world: World, amira: httpx.AsyncClient, hana: httpx.AsyncClient, client: httpx.AsyncClient, person: UUID
    ) -> None:
        before = (await hana.get(f"/v1/employees/{person}")).json()

        await amira.post("/v1/me/prompt-pause", json={"until": (NOW + timedelta(days=9)).isoformat()})

        def trail(session: Session) -> Any:
            mine = select(AuditEntry).where(AuditEntry.organisation_id == world.id).order_by(AuditEntry.id.desc())
            entry = session.scalars(mine).first()
            assert entry is not None
            return entry.action, entry.resource, entry.subject_id, entry.actor_id, entry.request_id, entry.details

        assert (await hana.get(f"/v1/employees/{person}")).json() == before
        assert await world.run(trail) == ("own_record.changed", "own_record", None, None, None, {})
        assert (await client.post("/v1/me/prompt-pause", json={"until": None})).status_code == 403
