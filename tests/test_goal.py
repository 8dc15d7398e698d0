"""Goals: made by whom they are of, let through by the SMART gate, moved by their owner, found in lists."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app import clock
from app.models.base import new_id
from app.schemas.goal import GOAL, UPDATE
from tests import plans as build
from tests.plans import (
    GOALS,
    LETTERS,
    PLANS,
    SMART,
    done,
    in_days,
    made,
    make_active,
    make_goal,
    make_plan,
    period,
    read_goal,
    running_plan,
    say,
)
from tests.test_conventions_access import assert_problem
from tests.world import World, etag

# A goal that lacks one letter, in each way there is, and the member that is pointed at.
LACKING: list[tuple[str, str, dict[str, Any]]] = [
    ("specific", "/title", {"title": "Breaks"}),
    ("specific", "/title", {"title": "Take breaks"}),
    ("measurable", "/kind", {"kind": None}),
    ("measurable", "/baseline", {"baseline": None}),
    ("measurable", "/target", {"target": None}),
    ("measurable", "/target", {"target": 10}),
    ("measurable", "/unit", {"unit": None}),
    ("attainable", "/confidence", {"confidence": None}),
    ("attainable", "/confidence", {"confidence": 2}),
    ("attainable", "/how_to_reach_it", {"how_to_reach_it": None}),
    ("relevant", "/why_it_matters", {"why_it_matters": None}),
    ("time_bound", "/due_on", {"due_on": None}),
    ("time_bound", "/due_on", {"due_on": "2020-01-01"}),
]
SATISFYING: list[dict[str, Any]] = [
    {},
    {"title": "Take a break"},
    {"title": "Unflappable!"},
    {"description": None},
    {"kind": "binary", "baseline": None, "target": None, "unit": None},
    {"confidence": 3},
    {"baseline": 4, "target": 10},
    {"if_then": "If it is half past eight, then I hand over."},
]


def lacks(found: dict[str, Any]) -> set[str]:
    return {letter["code"] for letter in found["missing"]}


class TestCreate:
    async def test_a_draft_may_be_incomplete(self, amira: httpx.AsyncClient, world: World) -> None:
        response = await amira.post(GOALS, json={"title": "Breaks", "pillars": ["physical_health"]})

        goal = await made(response)
        assert (goal["state"], goal["health"], goal["private"]) == ("draft", None, False)
        assert goal["employee_id"] == str(world.people["amira"])
        assert response.headers["Location"] == f"{GOALS}/{goal['id']}"
        assert [entry.action for entry in await build.trail(world, goal)] == ["goal.created"]
        assert await build.outgoing(world) == [("goal.created", goal["id"])]

    @pytest.mark.parametrize("pillars", [None, [], ["no_such_pillar"], ["inner_drive", "inner_drive"]])
    async def test_needs_a_pillar(self, amira: httpx.AsyncClient, pillars: list[str] | None) -> None:
        body = {"title": "Breaks"} if pillars is None else {"title": "Breaks", "pillars": pillars}

        assert_problem(await amira.post(GOALS, json=body), 422)

    async def test_on_more_than_one_pillar(self, amira: httpx.AsyncClient) -> None:
        goal = await make_goal(amira, pillars=["physical_health", "inner_drive"])

        assert goal["pillars"] == ["physical_health", "inner_drive"]

    @pytest.mark.parametrize("kind", ["count", "percent", "scale", "duration", "binary"])
    async def test_of_every_kind(self, amira: httpx.AsyncClient, kind: str) -> None:
        goal = await make_active(amira, kind=kind)

        assert (goal["kind"], goal["state"]) == (kind, "active")
        measure = (goal["baseline"], goal["target"], goal["unit"])
        assert measure == ((0, 1, None) if kind == "binary" else (10, 4, "hours a month"))

    async def test_keeps_what_was_said(self, amira: httpx.AsyncClient) -> None:
        said = {**GOAL, "priority": "high", "update_every_days": 14, "weight": 3}

        goal = await made(await amira.post(GOALS, json=said))

        assert said.items() <= goal.items()
        assert goal["plan_id"] is None

    async def test_a_manager_only_in_a_plan_that_is_proposed(
        self, theo: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        employee_id = str(world.people["amira"])
        plan = await make_plan(theo, employee_id=employee_id)
        goal = await make_goal(theo, employee_id=employee_id, plan_id=plan["id"])
        assert goal["employee_id"] == employee_id
        assert "update" in goal["allowed_actions"]
        better = await theo.patch(f"{GOALS}/{goal['id']}", json={"title": "Go home on time"}, headers=etag(goal))
        assert (await done(better))["title"] == "Go home on time"
        hidden = await theo.patch(f"{GOALS}/{goal['id']}", json={"private": True}, headers={"If-Match": "*"})
        assert_problem(hidden, 403, "not_allowed")
        await done(await amira.post(f"{PLANS}/{plan['id']}/accept"))

        body = {**SMART, "employee_id": employee_id}
        assert_problem(await theo.post(GOALS, json={**body, "plan_id": plan["id"]}), 409, "plan_not_proposed")
        assert_problem(await theo.post(GOALS, json=body), 409, "plan_not_proposed")
        assert (await read_goal(theo, goal))["allowed_actions"] == []
        late = await theo.patch(f"{GOALS}/{goal['id']}", json={"title": "Mine"}, headers={"If-Match": "*"})
        assert_problem(late, 403, "not_allowed")

    async def test_nobody_else_for_another(
        self, grace: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        body = {**SMART, "employee_id": str(world.people["amira"])}

        assert_problem(await grace.post(GOALS, json=body), 422)
        assert_problem(await noor.post(GOALS, json=body), 403, "not_allowed")

    async def test_in_ones_own_plan_while_that_is_open(
        self, amira: httpx.AsyncClient, grace: httpx.AsyncClient
    ) -> None:
        plan, hers = await make_plan(amira), await make_plan(grace)
        await make_goal(amira, plan_id=plan["id"])
        await done(await amira.post(f"{PLANS}/{plan['id']}/abandon"))

        closed = await amira.post(GOALS, json={**SMART, "plan_id": plan["id"]})
        foreign = await amira.post(GOALS, json={**SMART, "plan_id": hers["id"]})

        assert_problem(closed, 409, "plan_closed")
        assert_problem(foreign, 422)
        assert foreign.json()["errors"][0]["pointer"] == "/plan_id"

    async def test_not_without_end_in_one_plan(self, amira: httpx.AsyncClient, world: World) -> None:
        plan, goal = await make_plan(amira), await make_goal(amira)
        copies = text(
            "INSERT INTO goal (organisation_id, id, employee_id, plan_id, title, pillars, priority, weight, private,"
            " state) SELECT organisation_id, :id, employee_id, :plan, title, pillars, priority, weight, false, state"
            " FROM goal WHERE id = :goal"
        )
        rows = [{"id": new_id(), "plan": plan["id"], "goal": goal["id"]} for _ in range(100)]
        await world.run(lambda session: session.execute(copies, rows))

        assert_problem(await amira.post(GOALS, json={**SMART, "plan_id": plan["id"]}), 409, "too_many_goals")


class TestValidate:
    @pytest.mark.parametrize(("letter", "pointer", "fields"), LACKING)
    async def test_names_the_missing_letter(
        self, amira: httpx.AsyncClient, letter: str, pointer: str, fields: dict[str, Any]
    ) -> None:
        found = await done(await amira.post(f"{GOALS}/validate", json={**SMART, **fields}))

        assert found["smart"] is False
        assert [(each["code"], each["pointer"]) for each in found["missing"]] == [(letter, pointer)]
        assert len(found["missing"][0]["detail"]) > 20

    @pytest.mark.parametrize("fields", SATISFYING)
    async def test_finds_nothing_to_mend(self, amira: httpx.AsyncClient, fields: dict[str, Any]) -> None:
        found = await done(await amira.post(f"{GOALS}/validate", json={**SMART, **fields}))

        assert found == {"smart": True, "missing": []}

    async def test_names_every_letter_of_an_empty_goal_and_saves_nothing(
        self, amira: httpx.AsyncClient, world: World
    ) -> None:
        found = await done(await amira.post(f"{GOALS}/validate", json={}))

        assert [letter["code"] for letter in found["missing"]] == LETTERS
        assert (await done(await amira.get(GOALS)))["data"] == []
        entries = text("SELECT count(*) FROM audit_entry WHERE resource = 'goal'")
        assert await world.run(lambda session: session.execute(entries).scalar_one()) == 0

    async def test_specific_needs_what_or_how(self, amira: httpx.AsyncClient) -> None:
        fields = {"description": None, "how_to_reach_it": None}

        found = await done(await amira.post(f"{GOALS}/validate", json={**SMART, **fields}))

        assert [letter["code"] for letter in found["missing"]] == ["specific", "attainable"]

    @pytest.mark.parametrize("pillars", [[], ["no_such_pillar"]])
    async def test_relevant_needs_a_pillar(self, amira: httpx.AsyncClient, pillars: list[str]) -> None:
        found = await done(await amira.post(f"{GOALS}/validate", json={**SMART, "pillars": pillars}))

        assert [(each["code"], each["pointer"]) for each in found["missing"]] == [("relevant", "/pillars")]

    @pytest.mark.parametrize(
        ("days", "missing"), [(-31, {"time_bound"}), (-30, set()), (150, set()), (151, {"time_bound"})]
    )
    async def test_time_bound_is_within_the_plan(self, amira: httpx.AsyncClient, days: int, missing: set[str]) -> None:
        plan = await make_plan(amira)

        body = {**SMART, "plan_id": plan["id"], "due_on": in_days(days)}

        assert lacks(await done(await amira.post(f"{GOALS}/validate", json=body))) == missing

    @pytest.mark.parametrize(("days", "missing"), [(0, {"time_bound"}), (1, set())])
    async def test_time_bound_lies_ahead_outside_any_plan(
        self, amira: httpx.AsyncClient, days: int, missing: set[str]
    ) -> None:
        body = {**SMART, "due_on": in_days(days)}

        assert lacks(await done(await amira.post(f"{GOALS}/validate", json=body))) == missing

    async def test_of_a_plan_that_one_may_know_of(self, amira: httpx.AsyncClient, grace: httpx.AsyncClient) -> None:
        plan = await make_plan(amira)

        assert_problem(await grace.post(f"{GOALS}/validate", json={**SMART, "plan_id": plan["id"]}), 404)

    async def test_low_confidence_is_answered_with_what_to_change(self, amira: httpx.AsyncClient) -> None:
        found = await done(await amira.post(f"{GOALS}/validate", json={**SMART, "confidence": 2}))

        assert "smaller" in found["missing"][0]["detail"]
        assert "more time" in found["missing"][0]["detail"]


class TestActivate:
    @pytest.mark.parametrize(("letter", "_pointer", "fields"), LACKING)
    async def test_is_the_same_check(
        self, amira: httpx.AsyncClient, letter: str, _pointer: str, fields: dict[str, Any]
    ) -> None:
        goal = await make_goal(amira, **fields)

        response = await amira.post(f"{GOALS}/{goal['id']}/activate")

        assert_problem(response, 422, "not_smart")
        assert [(e["pointer"], e["code"]) for e in response.json()["errors"]] == [(f"/goals/{goal['id']}", letter)]
        assert (await read_goal(amira, goal))["state"] == "draft"

    @pytest.mark.parametrize("fields", SATISFYING)
    async def test_lets_a_smart_goal_through(self, amira: httpx.AsyncClient, fields: dict[str, Any]) -> None:
        goal = await make_active(amira, **fields)

        assert (goal["state"], goal["health"]) == ("active", "not_updated")
        assert goal["activated_at"] is not None

    async def test_names_all_five_at_once(self, amira: httpx.AsyncClient) -> None:
        goal = await made(await amira.post(GOALS, json={"title": "Breaks", "pillars": ["physical_health"]}))

        response = await amira.post(f"{GOALS}/{goal['id']}/activate")

        assert [error["code"] for error in response.json()["errors"]] == LETTERS

    async def test_in_a_plan_only_once_that_is_active(self, amira: httpx.AsyncClient) -> None:
        plan = await make_plan(amira)
        goal = await make_goal(amira, plan_id=plan["id"], due_on=in_days(10))

        early = await amira.post(f"{GOALS}/{goal['id']}/activate")
        await done(await amira.post(f"{PLANS}/{plan['id']}/activate"))
        later = await make_active(amira, plan_id=plan["id"], due_on=in_days(10))

        assert_problem(early, 409, "plan_not_active")
        assert (await read_goal(amira, goal))["state"] == later["state"] == "active"

    async def test_by_nobody_but_the_owner(self, amira: httpx.AsyncClient, theo: httpx.AsyncClient) -> None:
        goal = await make_goal(amira)

        for verb in ("activate", "achieve", "miss", "abandon"):
            assert_problem(await theo.post(f"{GOALS}/{goal['id']}/{verb}"), 403, "not_allowed")
        update = await theo.post(f"{GOALS}/{goal['id']}/progress-updates", json=UPDATE)
        assert_problem(update, 403, "not_allowed")

    async def test_an_active_goal_stays_smart(self, amira: httpx.AsyncClient) -> None:
        goal = await make_active(amira)

        worse = await amira.patch(f"{GOALS}/{goal['id']}", json={"target": None}, headers=etag(goal))
        other = await amira.patch(f"{GOALS}/{goal['id']}", json={"target": 5}, headers=etag(goal))

        assert_problem(worse, 422, "not_smart")
        assert [error["code"] for error in worse.json()["errors"]] == ["measurable"]
        assert (await done(other))["target"] == 5

    async def test_what_is_overdue_can_still_be_changed(
        self, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        goal = await make_active(amira, due_on=in_days(5))
        later = clock.now() + timedelta(days=10)
        monkeypatch.setattr(clock, "now", lambda: later)
        url = f"{GOALS}/{goal['id']}"

        title = await amira.patch(url, json={"title": "Go home early"}, headers={"If-Match": "*"})
        past = await amira.patch(url, json={"due_on": in_days(-1)}, headers={"If-Match": "*"})
        ahead = await amira.patch(url, json={"due_on": in_days(1)}, headers={"If-Match": "*"})

        assert [response.status_code for response in (title, past, ahead)] == [200, 422, 200]
        assert [error["code"] for error in past.json()["errors"]] == ["time_bound"]


class TestMove:
    @pytest.mark.parametrize(("verb", "state"), [("achieve", "achieved"), ("miss", "missed"), ("abandon", "abandoned")])
    async def test_ends_an_active_goal(self, amira: httpx.AsyncClient, world: World, verb: str, state: str) -> None:
        goal = await make_active(amira)
        await say(amira, goal, 8, health="at_risk")

        ended = await done(await amira.post(f"{GOALS}/{goal['id']}/{verb}", json={"reason": "Summer is over."}))

        assert (ended["state"], ended["health"], ended["current_value"]) == (state, None, 8)
        assert ended["closed_at"] is not None
        assert ended["allowed_actions"] == []
        last = (await build.trail(world, goal))[-1]
        assert (last.action, last.details["reason"]) == (f"goal.{state}", "Summer is over.")
        assert (await build.outgoing(world))[-1] == (f"goal.{state}", goal["id"])
        for again in ("activate", "achieve", "miss", "abandon"):
            assert_problem(await amira.post(f"{GOALS}/{goal['id']}/{again}"), 409, "wrong_state")
        patched = await amira.patch(f"{GOALS}/{goal['id']}", json={"title": "Anew"}, headers={"If-Match": "*"})
        assert_problem(patched, 409, "wrong_state")

    async def test_what_is_open_is_what_it_says(self, amira: httpx.AsyncClient) -> None:
        draft = await make_goal(amira)
        active = await make_active(amira)

        assert set(draft["allowed_actions"]) == {"update", "activate", "abandon"}
        assert set(active["allowed_actions"]) == {"update", "report_progress", "achieve", "miss", "abandon"}
        assert_problem(await amira.post(f"{GOALS}/{draft['id']}/achieve"), 409, "wrong_state")
        update = await amira.post(f"{GOALS}/{draft['id']}/progress-updates", json=UPDATE)
        assert_problem(update, 409, "wrong_state")

    async def test_what_is_done_or_not_is_done_when_achieved(self, amira: httpx.AsyncClient) -> None:
        goal = await make_active(amira, kind="binary")

        achieved = await done(await amira.post(f"{GOALS}/{goal['id']}/achieve"))

        assert (achieved["progress"], achieved["current_value"]) == (1, 1)

    async def test_outlives_its_plan(self, amira: httpx.AsyncClient) -> None:
        plan = await running_plan(amira)
        goal = await make_active(amira, plan_id=plan["id"], due_on=in_days(10))
        await done(await amira.post(f"{PLANS}/{plan['id']}/abandon"))
        following = await running_plan(amira, **period(0, 200))

        carried = await amira.patch(
            f"{GOALS}/{goal['id']}", json={"plan_id": following["id"]}, headers={"If-Match": "*"}
        )

        assert (await done(carried))["plan_id"] == following["id"]


class TestList:
    async def ids(self, who: httpx.AsyncClient, **query: Any) -> set[str]:
        return {goal["id"] for goal in (await done(await who.get(GOALS, params=query)))["data"]}

    async def test_by_what_a_screen_needs(
        self, amira: httpx.AsyncClient, grace: httpx.AsyncClient, client: httpx.AsyncClient, world: World
    ) -> None:
        area = (await made(await client.post("/v1/service-areas", json={"name": "Legal line"})))["id"]
        move = text("UPDATE employee SET service_area_id = :area WHERE id = :amira")
        await world.run(lambda session: session.execute(move, {"area": area, "amira": world.people["amira"]}))
        plan = await running_plan(amira)
        fields = {"plan_id": plan["id"], "due_on": in_days(5), "pillars": ["inner_drive"], "priority": "high"}
        wanted, other = await make_active(amira, **fields), await make_goal(grace)
        await say(amira, wanted, 9, health="at_risk")

        assert await self.ids(client) == {wanted["id"], other["id"]}
        for query in (
            {"employee_id": str(world.people["amira"])},
            {"team_id": str(world.team_id)},
            {"service_area_id": area},
            {"plan_id": plan["id"]},
            {"pillar": "inner_drive"},
            {"state": "active"},
            {"health": "at_risk"},
            {"priority": "high"},
            {"due_before": in_days(6)},
        ):
            assert await self.ids(client, **query) == {wanted["id"]}, query
        assert await self.ids(client, due_before=in_days(5)) == set()

    async def test_by_being_overdue(self, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        goal, draft = await make_active(amira, due_on=in_days(5)), await make_goal(amira, due_on=None)
        start = clock.now()
        for days, overdue in ((5, False), (6, True)):
            monkeypatch.setattr(clock, "now", lambda days=days: start + timedelta(days=days))
            assert (goal["id"] in await self.ids(amira, overdue=True)) is overdue
            assert (goal["id"] in await self.ids(amira, overdue=False)) is not overdue
            assert draft["id"] in await self.ids(amira, overdue=False)

    async def test_of_others_only_those_whom_one_leads(
        self, amira: httpx.AsyncClient, world: World, mallory: httpx.AsyncClient
    ) -> None:
        goal = await make_active(amira)
        await say(amira, goal, 7)

        for who, seen in (("theo", {goal["id"]}), ("grace", set()), ("noor", set()), ("hana", set()), ("ines", set())):
            assert await self.ids(world.person(who)) == seen, who
        assert await self.ids(mallory) == set()
        assert (await read_goal(world.person("theo"), goal))["progress"] == 0.5

    async def test_streams_lines_with_progress(self, amira: httpx.AsyncClient) -> None:
        goal = await make_active(amira)
        await say(amira, goal, 7)

        lines = await amira.get(GOALS, headers={"Accept": "application/jsonl"})

        assert '"progress":0.5' in lines.text


class TestDocumented:
    async def test_the_examples_are_true(self, amira: httpx.AsyncClient) -> None:
        goal = await made(await amira.post(GOALS, json=GOAL))
        checked = await done(await amira.post(f"{GOALS}/validate", json=GOAL))
        activated = await done(await amira.post(f"{GOALS}/{goal['id']}/activate"))
        update = await made(await amira.post(f"{GOALS}/{goal['id']}/progress-updates", json=UPDATE))

        assert checked["smart"] is True
        assert activated["state"] == "active"
        assert update["value"] == UPDATE["value"]
