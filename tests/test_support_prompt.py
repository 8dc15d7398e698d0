"""Support prompts: offered while it makes sense, answered freely, seen by few."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import clock
from app.models import AuditEntry, Employee, OutgoingEvent, Practice, SupportPrompt
from app.services import prompt_offer
from app.services import support_prompt as prompts
from app.services.strain_conditions import Rule
from app.telemetry import PROMPTS
from tests.strain import EASY, NOW, ago, change, only, post, system, team_of, told
from tests.world import World, etag

ONE = {"condition": {"kind": "hard_call_count", "count": 1, "window_seconds": 60}, "cooldown_seconds": 600}
STREAK = {"condition": {"kind": "hard_call_streak", "count": 2, "window_seconds": 3600}}
Move = Callable[[float], None]


@pytest.fixture(autouse=True)
def wait(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Return what lets minutes pass."""
    moment = [NOW]
    monkeypatch.setattr(clock, "now", lambda: moment[0])

    def move(minutes: float) -> None:
        moment[0] += timedelta(minutes=minutes)

    return move


@pytest.fixture
def person(world: World) -> UUID:
    return world.people["amira"]


async def listed(caller: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    answer = await caller.get("/v1/support-prompts", params=filters)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def one_offer(world: World, caller: httpx.AsyncClient, person: UUID) -> dict[str, Any]:
    """Have a break offered that can be answered for 20 minutes more."""
    await only(world, ONE)
    await post(world, told(person, 10))
    (prompt,) = await listed(caller)
    return prompt


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


class TestTeamPrompt:
    async def test_repeated_signals_ask_the_programme_lead_about_the_work(
        self, world: World, noor: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)

        await post(world, told(people[0], 60), told(people[0], 25))
        assert await listed(noor) == []
        await post(world, told(people[1], 10))

        (prompt,) = await listed(noor)
        assert prompt["kind"] == "team_review"
        assert prompt["employee_id"] is None
        assert prompt["signal_id"] is None
        assert prompt["allowed_actions"] == ["accept", "decline"]
        assert "work" in prompt["message"]
        assert not any(str(number) in prompt["message"] for number in range(10))
        assert datetime.fromisoformat(prompt["expires_at"]) == NOW + timedelta(days=14)
        assert [p for p in await listed(theo) if p["kind"] == "team_review"] == []

    async def test_the_programme_lead_answers_and_still_sees_it(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)
        await post(world, *(told(person, 10) for person in people))
        (prompt,) = await listed(noor)
        path = f"/v1/support-prompts/{prompt['id']}"

        assert (await noor.post(f"{path}/accept")).json()["state"] == "accepted"
        assert (await noor.post(f"{path}/complete")).json()["state"] == "done"
        assert [p["state"] for p in await listed(noor)] == ["done"]

    async def test_once_in_a_period(self, world: World, noor: httpx.AsyncClient, wait: Move) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)
        await post(world, *(told(person, 10) for person in people))
        (prompt,) = await listed(noor)
        await noor.post(f"/v1/support-prompts/{prompt['id']}/decline")

        await post(world, *(told(person, -5) for person in people))
        assert len(await listed(noor)) == 1

        wait(14 * 24 * 60 + 1)
        await post(world, *(told(person, -14 * 24 * 60) for person in people))
        assert len(await listed(noor)) == 2

    async def test_an_unanswered_one_makes_room_when_its_time_is_over(
        self, world: World, noor: httpx.AsyncClient, wait: Move
    ) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)
        await post(world, *(told(person, 10) for person in people))
        wait(14 * 24 * 60 + 1)

        await post(world, *(told(person, -14 * 24 * 60) for person in people))

        assert sorted(p["state"] for p in await listed(noor)) == ["expired", "offered"]

    async def test_a_shorter_period_does_not_ask_beside_an_open_one(
        self, world: World, noor: httpx.AsyncClient, wait: Move
    ) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)
        await post(world, *(told(person, 10) for person in people))
        await noor.patch("/v1/organisation", json={"team_prompt_days": 1}, headers={"If-Match": "*"})
        wait(2 * 24 * 60)

        await post(world, *(told(person, -2 * 24 * 60) for person in people))

        assert [p["state"] for p in await listed(noor)] == ["offered"]
        assert len((await (await world.client()).get("/v1/strain-signals")).json()["data"]) == 10

    @pytest.mark.parametrize(
        ("size", "strained", "minutes"),
        [
            pytest.param(4, 4, 10, id="a small team"),
            pytest.param(5, 1, 10, id="one person"),
            pytest.param(5, 5, 31, id="past"),
        ],
    )
    async def test_not_of(
        self, world: World, noor: httpx.AsyncClient, size: int, strained: int, minutes: float
    ) -> None:
        await only(world, *[ONE] * 4)
        people = await team_of(world, size)

        await post(world, *(told(person, minutes) for person in people[:strained]))

        assert await listed(noor) == []

    async def test_people_who_left_make_no_team(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)
        leaving = update(Employee).where(Employee.organisation_id == world.id, Employee.id == people[4])
        await world.run(lambda session: session.execute(leaving.values(active=False)))

        await post(world, *(told(person, 10) for person in people[:4]))

        assert await listed(noor) == []

    async def test_the_programme_lead_cannot_answer_for_a_person(
        self, world: World, noor: httpx.AsyncClient, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        manager = update(Employee).where(Employee.organisation_id == world.id, Employee.id == person)
        await world.run(lambda session: session.execute(manager.values(manager_id=world.people["noor"])))
        prompt = await one_offer(world, amira, person)

        (seen,) = await listed(noor)
        answer = await noor.post(f"/v1/support-prompts/{prompt['id']}/decline")

        assert seen["allowed_actions"] == []
        assert answer.status_code == 403


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
