"""Support prompts: offered while it makes sense, answered freely, seen by few."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import Employee, OutgoingEvent, Practice, SupportPrompt
from app.services import prompt_offer
from app.services.strain_conditions import Rule
from app.telemetry import PROMPTS
from tests.prompts import ONE, Move, listed, one_offer, passing
from tests.strain import NOW, ago, only, post, told
from tests.world import World, etag

wait = pytest.fixture(passing, autouse=True, name="wait")


@pytest.fixture
def person(world: World) -> UUID:
    return world.people["amira"]


class TestOffer:
    async def test_a_signal_offers_what_its_rule_says(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        prompt = await one_offer(world, amira, person)

        (signal,) = (await amira.get("/v1/strain-signals")).json()["data"]
        assert (prompt["kind"], prompt["minutes"], prompt["state"]) == ("break", 5, "offered")
        assert prompt["signal_id"] == signal["id"]
        assert prompt["employee_id"] == str(person)
        assert datetime.fromisoformat(prompt["offered_at"]) == NOW
        assert datetime.fromisoformat(prompt["expires_at"]) == ago(10) + timedelta(minutes=30)
        assert prompt["allowed_actions"] == ["accept", "decline"]
        assert "5 minutes" in prompt["message"]
        assert "no consequence" in prompt["message"]

    async def test_a_window_that_is_past_raises_a_signal_and_offers_nothing(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world, ONE)

        await post(world, told(person, 31))

        assert len((await amira.get("/v1/strain-signals")).json()["data"]) == 1
        assert await listed(amira) == []

    async def test_an_open_offer_of_the_rule_is_enough(
        self, world: World, amira: httpx.AsyncClient, person: UUID, wait: Move
    ) -> None:
        await only(world, ONE, ONE)
        await post(world, told(person, 1))
        wait(15)

        await post(world, told(person, -14))

        assert len((await amira.get("/v1/strain-signals")).json()["data"]) == 4
        assert len(await listed(amira)) == 2

    async def test_an_answered_one_makes_room_for_the_next(
        self, world: World, amira: httpx.AsyncClient, person: UUID, wait: Move
    ) -> None:
        prompt = await one_offer(world, amira, person)
        await amira.post(f"/v1/support-prompts/{prompt['id']}/decline")
        wait(15)

        await post(world, told(person, -14))

        assert [p["state"] for p in await listed(amira)] == ["declined", "offered"]

    async def test_nothing_to_somebody_who_left(self, world: World, client: httpx.AsyncClient, person: UUID) -> None:
        await only(world, ONE)
        leaving = update(Employee).where(Employee.organisation_id == world.id, Employee.id == person)
        await world.run(lambda session: session.execute(leaving.values(active=False)))

        await post(world, told(person, 10))

        assert len((await client.get("/v1/strain-signals")).json()["data"]) == 1
        assert await listed(client) == []

    async def test_each_kind_has_words_of_its_own(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        offers: list[dict[str, Any]] = [
            {"kind": "break", "minutes": 15, "expires_seconds": 3600},
            {"kind": "debrief", "minutes": 15, "expires_seconds": 3600},
            {"kind": "mentor", "expires_seconds": 3600},
            {"kind": "practice", "expires_seconds": 3600, "pillar": "future_focus"},
        ]
        await only(world, *({**ONE, "prompt": offer} for offer in offers))

        await post(world, told(person, 10))

        found = await listed(amira)
        assert {p["kind"] for p in found} == {"break", "debrief", "mentor", "practice"}
        assert len({p["message"] for p in found}) == 4
        assert all(p["message"].endswith("Saying no needs no reason and has no consequence.") for p in found)

    async def test_a_practice_is_one_of_the_pillar_and_not_hidden(
        self, world: World, amira: httpx.AsyncClient, client: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world, {**ONE, "prompt": {"kind": "practice", "expires_seconds": 3600, "pillar": "physical_health"}})
        shown = (await client.get("/v1/practices", params={"pillar": "physical_health"})).json()["data"]
        for practice in shown[1:]:
            path = f"/v1/practices/{practice['id']}"
            assert (await client.patch(path, json={"hidden": True}, headers=etag(practice))).status_code == 200

        await post(world, told(person, 10))

        assert [p["practice_id"] for p in await listed(amira)] == [shown[0]["id"]]

    async def test_a_break_comes_with_what_helps_between_calls(
        self, world: World, amira: httpx.AsyncClient, client: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(
            world,
            {**ONE, "prompt": {"kind": "break", "minutes": 5, "expires_seconds": 3600, "pillar": "relationships"}},
        )

        await post(world, told(person, 10))

        (prompt,) = await listed(amira)
        practice = (await client.get(f"/v1/practices/{prompt['practice_id']}")).json()
        assert practice["moment"] in ("after_a_hard_call", "between_calls")
        assert "relationships" in practice["pillars"]
        assert practice["minutes"] <= 5

    async def test_practices_take_turns(self, world: World, person: UUID) -> None:
        def found(session: Session) -> list[Any]:
            query = select(Practice).where(Practice.organisation_id == world.id).order_by(Practice.key)
            return list(session.scalars(query))

        row = {"prompt_pillar": "inner_drive", "prompt_minutes": None, "prompt_kind": "practice"}
        rule = Rule(person, 1, "self_flag", {}, frozenset(), timedelta(0), row=row)
        practices = await world.run(found)

        week = [prompt_offer.pick(practices, rule, person, NOW + timedelta(days=day)) for day in range(5)]

        assert len(set(week)) == 5
        assert week == [prompt_offer.pick(practices, rule, person, NOW + timedelta(days=day)) for day in range(5)]


class TestAnswer:
    @pytest.mark.parametrize(("action", "state"), [("accept", "accepted"), ("decline", "declined")])
    async def test_the_same_answer_twice_is_one_answer(
        self, world: World, amira: httpx.AsyncClient, person: UUID, action: str, state: str
    ) -> None:
        prompt = await one_offer(world, amira, person)
        path = f"/v1/support-prompts/{prompt['id']}/{action}"

        first, second = await amira.post(path), await amira.post(path)

        assert first.status_code == second.status_code == 200
        assert first.json() == second.json()
        assert (first.json()["state"], first.json()["version"]) == (state, 2)
        assert datetime.fromisoformat(first.json()["answered_at"]) == NOW

    @pytest.mark.parametrize(
        ("first", "second"), [("accept", "decline"), ("decline", "accept"), ("decline", "complete")]
    )
    async def test_another_answer_is_refused(
        self, world: World, amira: httpx.AsyncClient, person: UUID, first: str, second: str
    ) -> None:
        prompt = await one_offer(world, amira, person)
        await amira.post(f"/v1/support-prompts/{prompt['id']}/{first}")

        answer = await amira.post(f"/v1/support-prompts/{prompt['id']}/{second}")

        assert (answer.status_code, answer.json()["code"]) == (409, "already_answered")

    async def test_what_was_accepted_can_be_done(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        prompt = await one_offer(world, amira, person)
        path = f"/v1/support-prompts/{prompt['id']}"
        early = await amira.post(f"{path}/complete")
        accepted = await amira.post(f"{path}/accept")

        done, again = await amira.post(f"{path}/complete"), await amira.post(f"{path}/complete")

        assert (early.status_code, early.json()["code"]) == (409, "wrong_state")
        assert accepted.json()["allowed_actions"] == ["complete", "request_debrief"]
        assert done.json() == again.json()
        assert (done.json()["state"], done.json()["allowed_actions"]) == ("done", [])
        assert datetime.fromisoformat(done.json()["done_at"]) == NOW
        assert (await amira.post(f"{path}/accept")).json()["state"] == "done"

    async def test_an_answer_needs_no_words_and_takes_none(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        prompt = await one_offer(world, amira, person)
        path = f"/v1/support-prompts/{prompt['id']}/decline"

        assert (await amira.post(path, json={"reason": "busy"})).status_code == 422
        assert (await amira.post(path, json={})).status_code == 200

    async def test_declining_leaves_no_trace_outside(
        self, world: World, amira: httpx.AsyncClient, theo: httpx.AsyncClient, person: UUID
    ) -> None:
        prompt = await one_offer(world, amira, person)
        await amira.post(f"/v1/support-prompts/{prompt['id']}/decline")

        def types(session: Session) -> list[str]:
            mine = OutgoingEvent.organisation_id == world.id, OutgoingEvent.resource == "support_prompt"
            return list(session.scalars(select(OutgoingEvent.type).where(*mine)))

        assert await world.run(types) == ["support_prompt.offered"]
        assert await listed(theo) == []

    async def test_a_stale_version_is_refused(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        prompt = await one_offer(world, amira, person)

        answer = await amira.post(f"/v1/support-prompts/{prompt['id']}/accept", headers={"If-Match": '"9"'})

        assert answer.status_code == 412

    async def test_every_change_is_kept(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        prompt = await one_offer(world, amira, person)
        for action in ("accept", "complete"):
            await amira.post(f"/v1/support-prompts/{prompt['id']}/{action}")

        history = (await amira.get(f"/v1/support-prompts/{prompt['id']}/history")).json()["data"]

        assert [(e["action"], e["actor_kind"]) for e in history] == [
            ("support_prompt.done", "person"),
            ("support_prompt.accepted", "person"),
            ("support_prompt.offered", "system"),
        ]


class TestSeen:
    async def test_leads_see_their_reports_open_ones_without_the_signal(
        self, world: World, amira: httpx.AsyncClient, theo: httpx.AsyncClient, person: UUID
    ) -> None:
        prompt = await one_offer(world, amira, person)

        (seen,) = await listed(theo)
        assert seen["id"] == prompt["id"]
        assert seen["signal_id"] is None
        assert seen["allowed_actions"] == []
        answer = await theo.post(f"/v1/support-prompts/{prompt['id']}/accept")
        assert answer.status_code == 403

    async def test_not_once_it_is_answered_or_over(
        self, world: World, amira: httpx.AsyncClient, theo: httpx.AsyncClient, person: UUID, wait: Move
    ) -> None:
        prompt = await one_offer(world, amira, person)
        wait(20)
        assert await listed(theo) == []
        assert (await theo.get(f"/v1/support-prompts/{prompt['id']}")).status_code == 404

    async def test_nobody_else_does(
        self,
        world: World,
        amira: httpx.AsyncClient,
        grace: httpx.AsyncClient,
        noor: httpx.AsyncClient,
        hana: httpx.AsyncClient,
        mallory: httpx.AsyncClient,
        person: UUID,
    ) -> None:
        prompt = await one_offer(world, amira, person)

        for caller in (grace, noor, hana, mallory):
            path = f"/v1/support-prompts/{prompt['id']}"
            assert (await caller.get(path)).status_code in (403, 404)
            assert (await caller.post(f"{path}/accept")).status_code in (403, 404)

    async def test_filters(
        self, world: World, amira: httpx.AsyncClient, client: httpx.AsyncClient, person: UUID
    ) -> None:
        prompt = await one_offer(world, amira, person)
        await post(world, told(world.people["grace"], 10))

        assert len(await listed(client)) == 2
        assert [p["id"] for p in await listed(client, employee_id=str(person))] == [prompt["id"]]
        assert [p["id"] for p in await listed(client, team_id=str(world.team_id))] == [prompt["id"]]
        assert await listed(client, kind="mentor") == []
        assert len(await listed(client, kind="break", state="offered", sort="-expires_at")) == 2


async def test_metrics_count_what_became_of_prompts(world: World, amira: httpx.AsyncClient, person: UUID) -> None:
    def value(state: str) -> float:
        return float(PROMPTS.labels(state)._value.get())

    before = value("offered"), value("accepted")
    prompt = await one_offer(world, amira, person)
    await amira.post(f"/v1/support-prompts/{prompt['id']}/accept")

    assert (value("offered"), value("accepted")) == (before[0] + 1, before[1] + 1)


def test_prompts_hold_no_feeling() -> None:
    for message in prompt_offer.MESSAGES.values():
        assert not {"stressed", "upset", "angry", "sad", "overwhelmed"} & set(message.lower().split())
    assert SupportPrompt.__table__.c.message.nullable is False
