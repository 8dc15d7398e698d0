"""The summary of a plan: progress per pillar over time, as it is, as it was, and of what one may see."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app import clock
from tests.plans import GOALS, PLANS, done, in_days, make_active, make_goal, make_plan, period, running_plan, say
from tests.world import World

PILLARS = ["emotional_wellbeing", "inner_drive", "future_focus", "relationships", "physical_health"]


async def summary_of(who: httpx.AsyncClient, plan: dict[str, Any]) -> dict[str, Any]:
    return await done(await who.get(f"{PLANS}/{plan['id']}/summary"))


def ago(days: int) -> str:
    return (clock.now() - timedelta(days=days)).isoformat()


@pytest.fixture
async def plan(amira: httpx.AsyncClient) -> dict[str, Any]:
    """A plan whose third week ends today."""
    return await running_plan(amira, **period(-21, 100))


async def goal_in(who: httpx.AsyncClient, plan: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return await make_active(who, plan_id=plan["id"], due_on=in_days(50), **fields)


def line(summary: dict[str, Any], pillar: str | None) -> list[float | None]:
    (series,) = [series for series in summary["line"]["series"] if series["pillar"] == pillar]
    values: list[float | None] = series["values"]
    return values


class TestSummary:
    async def test_is_the_mean_of_the_goals_on_each_pillar(
        self, amira: httpx.AsyncClient, plan: dict[str, Any]
    ) -> None:
        one = await goal_in(amira, plan, pillars=["inner_drive", "physical_health"])
        two = await goal_in(amira, plan, pillars=["physical_health"])
        await say(amira, one, 4)
        await say(amira, two, 7, health="at_risk")

        summary = await summary_of(amira, plan)

        found = {row["pillar"]: (row["goals"], row["progress"]) for row in summary["pillars"]}
        assert found == {
            **dict.fromkeys(PILLARS, (0, None)),
            "inner_drive": (1, 1),
            "physical_health": (2, 0.75),
        }
        assert (summary["goals"], summary["progress"]) == (2, 0.75)
        assert summary["by_state"] == {"active": 2}
        assert summary["by_health"] == {"on_track": 1, "at_risk": 1}

    async def test_is_ready_to_draw_as_a_radar(self, amira: httpx.AsyncClient, plan: dict[str, Any]) -> None:
        await say(amira, await goal_in(amira, plan), 7)

        summary = await summary_of(amira, plan)

        assert summary["radar"]["labels"] == [row["name"] for row in summary["pillars"]]
        assert len(summary["radar"]["labels"]) == 5
        assert summary["radar"]["values"] == [None, None, None, None, 0.5]

    async def test_is_ready_to_draw_as_a_line(self, amira: httpx.AsyncClient, plan: dict[str, Any]) -> None:
        one = await goal_in(amira, plan)
        two = await goal_in(amira, plan, pillars=["inner_drive"])
        for days, value in ((20, 9), (15, 8.5), (12, 7)):
            await say(amira, one, value, as_of=ago(days))
        mistaken = await say(amira, one, 4, as_of=ago(1))
        await done(await amira.post(f"{GOALS}/{one['id']}/progress-updates/{mistaken['id']}/withdraw"))
        await say(amira, two, 4, as_of=ago(0))

        summary = await summary_of(amira, plan)

        assert summary["line"]["labels"] == [in_days(days) for days in (-21, -14, -7, 0)]
        assert line(summary, "physical_health") == [0, 0.25, 0.5, 0.5]
        assert line(summary, "inner_drive") == [0, 0, 0, 1]
        assert line(summary, None) == [0, 0.125, 0.25, 0.75]
        assert {series["pillar"] for series in summary["line"]["series"]} == {None, "physical_health", "inner_drive"}
        assert all(len(series["values"]) == len(summary["line"]["labels"]) for series in summary["line"]["series"])
        radar = dict(zip(PILLARS, summary["radar"]["values"], strict=True))
        assert (radar["physical_health"], radar["inner_drive"]) == (0.5, 1)

    async def test_has_a_point_for_today_and_none_after(self, amira: httpx.AsyncClient) -> None:
        plan = await running_plan(amira, **period(-10, 100))
        await say(amira, await goal_in(amira, plan), 7, as_of=ago(1))

        summary = await summary_of(amira, plan)

        assert summary["line"]["labels"] == [in_days(-10), in_days(-3), in_days(0)]
        assert line(summary, "physical_health") == [0, 0, 0.5]

    async def test_ends_with_the_plan(self, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        plan = await running_plan(amira, **period(-10, 4))
        later = clock.now() + timedelta(days=30)
        monkeypatch.setattr(clock, "now", lambda: later)

        assert (await summary_of(amira, plan))["line"]["labels"] == [in_days(days - 30) for days in (-10, -3, 4)]

    async def test_of_a_plan_that_lies_ahead_is_empty(self, amira: httpx.AsyncClient) -> None:
        plan = await make_plan(amira, **period(10, 100))

        summary = await summary_of(amira, plan)

        assert (summary["line"]["labels"], summary["progress"], summary["goals"]) == ([], None, 0)

    async def test_leaves_out_drafts_and_what_is_given_up(self, amira: httpx.AsyncClient, plan: dict[str, Any]) -> None:
        await say(amira, await goal_in(amira, plan), 7)
        await make_goal(amira, plan_id=plan["id"])
        given_up = await goal_in(amira, plan)
        await done(await amira.post(f"{GOALS}/{given_up['id']}/abandon"))
        missed = await goal_in(amira, plan)
        await done(await amira.post(f"{GOALS}/{missed['id']}/miss"))

        summary = await summary_of(amira, plan)

        assert (summary["goals"], summary["progress"]) == (2, 0.25)
        assert summary["by_state"] == {"active": 1, "draft": 1, "abandoned": 1, "missed": 1}

    async def test_goes_by_the_parts_of_a_goal_also_outside_the_plan(
        self, amira: httpx.AsyncClient, plan: dict[str, Any]
    ) -> None:
        goal = await goal_in(amira, plan)
        part = await make_active(amira, parent_id=goal["id"], weight=3)
        await make_active(amira, parent_id=goal["id"])
        await say(amira, part, 4, as_of=ago(8))

        summary = await summary_of(amira, plan)

        assert line(summary, "physical_health") == [0, 0, 0.75, 0.75]
        assert summary["progress"] == 0.75 == (await done(await amira.get(f"{GOALS}/{goal['id']}")))["progress"]

    async def test_is_of_the_goals_that_one_may_see(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, client: httpx.AsyncClient, plan: dict[str, Any]
    ) -> None:
        await say(amira, await goal_in(amira, plan), 7)
        secret = await goal_in(amira, plan, private=True, pillars=["inner_drive"])
        await say(amira, secret, 4, health="off_track")

        mine = await summary_of(amira, plan)

        assert (mine["goals"], mine["progress"]) == (2, 0.75)
        for who in (theo, client):
            theirs = await summary_of(who, plan)
            assert (theirs["goals"], theirs["progress"]) == (1, 0.5)
            assert theirs["by_health"] == {"on_track": 1}
            assert dict(zip(PILLARS, theirs["radar"]["values"], strict=True))["inner_drive"] is None
            assert {series["pillar"] for series in theirs["line"]["series"]} == {None, "physical_health"}

    async def test_agrees_with_the_goals_themselves(self, amira: httpx.AsyncClient, plan: dict[str, Any]) -> None:
        """The present is worked out twice, in SQL for the goals and here from the weeks: they say the same."""
        goals = [await goal_in(amira, plan, baseline=baseline) for baseline in (1, 6, 11)]
        part = await make_active(amira, parent_id=goals[2]["id"], kind="binary")
        for goal, value in zip(goals, (2.5, 5.5, 9), strict=True):
            for days in (30, 9, 3, 0):
                await say(amira, goal, value + days / 10, as_of=ago(days))
        await say(amira, part, 1)

        summary = await summary_of(amira, plan)

        own = [(await done(await amira.get(f"{GOALS}/{goal['id']}")))["progress"] for goal in goals]
        assert summary["progress"] == pytest.approx(sum(own) / 3, abs=2e-6)
        assert line(summary, None)[-1] == summary["progress"]

    async def test_names_an_own_pillar_and_not_a_hidden_one(
        self, amira: httpx.AsyncClient, noor: httpx.AsyncClient, plan: dict[str, Any], world: World
    ) -> None:
        await noor.post("/v1/pillars", json={"key": "pride", "name": "Pride", "description": "What it is for."})
        (hidden,) = [
            pillar for pillar in (await done(await noor.get("/v1/pillars")))["data"] if pillar["key"] == "future_focus"
        ]
        await noor.patch(f"/v1/pillars/{hidden['id']}", json={"hidden": True}, headers={"If-Match": "*"})
        await goal_in(amira, plan, pillars=["pride"])

        summary = await summary_of(amira, plan)

        assert "Pride" in summary["radar"]["labels"]
        assert hidden["name"] not in summary["radar"]["labels"]
