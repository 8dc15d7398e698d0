"""The progress of goals in either direction, what it is said by, their health, and their parts."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app import clock
from app.schemas.goal import UPDATE
from app.worker import REGULARLY, Worker
from tests import plans as build
from tests.plans import (
    GOALS,
    SMART,
    done,
    made,
    make_active,
    make_goal,
    read_goal,
    say,
)
from tests.test_conventions_access import assert_problem
from tests.world import World, etag


class TestProgress:
    @pytest.mark.parametrize(
        ("baseline", "target", "value", "progress", "direction"),
        [
            (10, 4, 10, 0, "decrease"),
            (10, 4, 7, 0.5, "decrease"),
            (10, 4, 4, 1, "decrease"),
            (10, 4, 3, 1, "decrease"),
            (10, 4, 12, 0, "decrease"),
            (4, 6, 4, 0, "increase"),
            (4, 6, 5, 0.5, "increase"),
            (4, 6, 9, 1, "increase"),
            (4, 6, 1, 0, "increase"),
            (-5, 5, 0, 0.5, "increase"),
            (0, 3, 1, 0.333333, "increase"),
            (0.5, 0.1, 0.2, 0.75, "decrease"),
            (0, 0.000001, 1000000000, 1, "increase"),
        ],
    )
    async def test_is_the_way_gone_from_baseline_to_target(
        self, amira: httpx.AsyncClient, baseline: float, target: float, value: float, progress: float, direction: str
    ) -> None:
        goal = await make_active(amira, baseline=baseline, target=target)
        assert (goal["progress"], goal["current_value"]) == (0, baseline)

        await say(amira, goal, value)

        answer = await amira.get(f"{GOALS}/{goal['id']}")
        now = answer.json()
        assert (now["progress"], now["current_value"], now["direction"]) == (progress, value, direction)
        assert '"progress":-' not in answer.text

    async def test_is_unknown_while_there_is_nothing_to_measure_by(self, amira: httpx.AsyncClient) -> None:
        goal = await make_goal(amira, kind=None, baseline=None)

        assert (goal["progress"], goal["direction"], goal["current_value"]) == (None, None, None)

    async def test_of_what_is_done_or_not(self, amira: httpx.AsyncClient) -> None:
        goal = await make_active(amira, kind="binary")
        half = await amira.post(f"{GOALS}/{goal['id']}/progress-updates", json={"value": 0.5, "health": "on_track"})
        assert_problem(half, 422)
        assert half.json()["errors"][0]["code"] == "not_binary"
        assert (await read_goal(amira, goal))["progress"] == 0

        await say(amira, goal, 1)

        assert (await read_goal(amira, goal))["progress"] == 1

    @pytest.mark.parametrize("number", ["1e400", "NaN", "true", '"7"', "1e-9", "1000000001", "-1e10"])
    async def test_takes_only_numbers_that_it_can_keep(self, amira: httpx.AsyncClient, number: str) -> None:
        goal = await make_active(amira)
        body = f'{{"health": "on_track", "value": {number}}}'

        response = await amira.post(
            f"{GOALS}/{goal['id']}/progress-updates", content=body, headers={"Content-Type": "application/json"}
        )

        assert response.status_code in (400, 422)


class TestUpdates:
    async def url(self, goal: dict[str, Any]) -> str:
        return f"{GOALS}/{goal['id']}/progress-updates"

    async def test_are_appended_with_who_and_when(self, amira: httpx.AsyncClient, world: World) -> None:
        goal = await make_active(amira)

        response = await amira.post(await self.url(goal), json=UPDATE)
        update = await made(response)

        assert UPDATE.items() <= update.items()
        assert update["recorded_by_id"] == str(world.people["amira"])
        assert (update["state"], update["withdrawn_at"]) == ("recorded", None)
        assert response.headers["Location"] == f"{await self.url(goal)}/{update['id']}"
        assert await done(await amira.get(response.headers["Location"])) == update
        for method in ("PATCH", "PUT", "DELETE"):
            assert (await amira.request(method, response.headers["Location"])).status_code == 405
        assert [entry.action for entry in await build.trail(world, update)] == ["progress_update.recorded"]
        assert (await build.trail(world, goal))[-1].action == "goal.progressed"
        assert [kind for kind, _ in await build.outgoing(world)][-2:] == ["progress_update.recorded", "goal.progressed"]

    async def test_move_the_goals_version(self, amira: httpx.AsyncClient) -> None:
        goal = await make_active(amira)

        await say(amira, goal, 8)

        now = await read_goal(amira, goal)
        assert now["version"] == goal["version"] + 1
        assert now["updated_at"] > goal["updated_at"]

    async def test_the_latest_counts_not_the_last_to_be_written(self, amira: httpx.AsyncClient) -> None:
        goal = await make_active(amira)
        await say(amira, goal, 7, health="at_risk")
        before = (clock.now() - timedelta(days=2)).isoformat()

        await say(amira, goal, 9, health="off_track", as_of=before)

        now = await read_goal(amira, goal)
        assert (now["current_value"], now["health"]) == (7, "at_risk")

    async def test_are_not_of_the_future(self, amira: httpx.AsyncClient) -> None:
        goal = await make_active(amira)
        ahead = (clock.now() + timedelta(minutes=1)).isoformat()

        response = await amira.post(await self.url(goal), json={**UPDATE, "as_of": ahead})

        assert_problem(response, 422)
        assert response.json()["errors"][0]["pointer"] == "/as_of"

    async def test_a_note_alone_leaves_the_number(self, amira: httpx.AsyncClient) -> None:
        goal = await make_active(amira)
        await say(amira, goal, 7)

        await say(amira, goal, None, note="A quiet week.", health="off_track")

        now = await read_goal(amira, goal)
        assert (now["current_value"], now["health"]) == (7, "off_track")

    async def test_a_mistaken_one_is_withdrawn_not_deleted(self, amira: httpx.AsyncClient, world: World) -> None:
        goal = await make_active(amira)
        await say(amira, goal, 8, health="at_risk")
        mistaken = await say(amira, goal, 4)
        assert (await read_goal(amira, goal))["progress"] == 1
        before = await read_goal(amira, goal)

        url = f"{await self.url(goal)}/{mistaken['id']}/withdraw"
        withdrawn = await done(await amira.post(url, json={"reason": "A slip of the finger."}))

        assert (withdrawn["state"], withdrawn["value"]) == ("withdrawn", 4)
        assert withdrawn["withdrawn_at"] is not None
        now = await read_goal(amira, goal)
        assert (now["current_value"], now["progress"], now["health"]) == (8, 0.333333, "at_risk")
        assert now["version"] == before["version"] + 1
        listed = (await done(await amira.get(await self.url(goal))))["data"]
        assert [(update["value"], update["state"]) for update in listed] == [(8, "recorded"), (4, "withdrawn")]
        only = (await done(await amira.get(await self.url(goal), params={"state": "recorded"})))["data"]
        assert [update["value"] for update in only] == [8]
        assert (await build.trail(world, mistaken))[-1].details == {"reason": "A slip of the finger."}
        assert_problem(await amira.post(url), 409, "wrong_state")

    async def test_the_only_one_withdrawn_leaves_the_start(self, amira: httpx.AsyncClient) -> None:
        goal = await make_active(amira)
        update = await say(amira, goal, 4)

        await done(await amira.post(f"{await self.url(goal)}/{update['id']}/withdraw"))

        now = await read_goal(amira, goal)
        assert (now["current_value"], now["progress"], now["health"]) == (10, 0, "not_updated")

    async def test_of_another_goal_are_not_found(self, amira: httpx.AsyncClient) -> None:
        goal, other = await make_active(amira), await make_active(amira)
        update = await say(amira, goal, 4)

        assert_problem(await amira.get(f"{await self.url(other)}/{update['id']}"), 404)
        assert_problem(await amira.post(f"{await self.url(other)}/{update['id']}/withdraw"), 404)
        assert (await read_goal(amira, goal))["progress"] == 1

    async def test_a_lead_reads_them_and_writes_none(self, amira: httpx.AsyncClient, theo: httpx.AsyncClient) -> None:
        goal = await make_active(amira)
        update = await say(amira, goal, 4)

        seen = (await done(await theo.get(await self.url(goal))))["data"]

        assert [(row["id"], row["allowed_actions"]) for row in seen] == [(update["id"], [])]
        assert_problem(await theo.post(f"{await self.url(goal)}/{update['id']}/withdraw"), 403, "not_allowed")


class TestHealth:
    async def test_is_what_the_owner_says_apart_from_the_state(self, amira: httpx.AsyncClient) -> None:
        goal = await make_active(amira)
        for health in ("on_track", "at_risk", "off_track"):
            await say(amira, goal, 9, health=health)
            now = await read_goal(amira, goal)
            assert (now["health"], now["state"]) == (health, "active")
        wrong = await amira.post(f"{GOALS}/{goal['id']}/progress-updates", json={"value": 1, "health": "not_updated"})
        assert_problem(wrong, 422)

    async def test_turns_not_updated_by_itself_when_the_rhythm_passes(
        self, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        goal = await make_active(amira, update_every_days=3)
        start = clock.now()
        monkeypatch.setattr(clock, "now", lambda: start)
        await say(amira, goal, 9)
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=3, seconds=-1))
        before = await amira.get(f"{GOALS}/{goal['id']}")
        assert before.json()["health"] == "on_track"

        monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=3))

        after = await amira.get(f"{GOALS}/{goal['id']}", headers={"If-None-Match": before.headers["ETag"]})
        assert (after.status_code, after.json()["health"], after.json()["state"]) == (200, "not_updated", "active")
        assert (await self.of(amira, health="not_updated"), await self.of(amira, health="on_track")) == (
            [goal["id"]],
            [],
        )
        await say(amira, goal, 9)
        assert (await read_goal(amira, goal))["health"] == "on_track"

    async def of(self, who: httpx.AsyncClient, **query: str) -> list[str]:
        return [goal["id"] for goal in (await done(await who.get(GOALS, params=query)))["data"]]

    async def test_reads_the_same_before_and_after_the_sweep(
        self, amira: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        goal = await make_active(amira)
        await say(amira, goal, 9)
        later = clock.now() + timedelta(days=8)
        monkeypatch.setattr(clock, "now", lambda: later)
        before = await amira.get(f"{GOALS}/{goal['id']}")

        await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, REGULARLY)

        after = await amira.get(f"{GOALS}/{goal['id']}")
        assert (after.json(), after.headers["ETag"]) == (before.json(), before.headers["ETag"])
        lapsed = (await build.trail(world, goal))[-1]
        assert (lapsed.action, lapsed.actor_id) == ("goal.lapsed", None)
        assert (await build.outgoing(world))[-1] == ("goal.lapsed", goal["id"])

    async def test_a_change_takes_the_version_that_was_read(
        self, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        goal = await make_active(amira)
        await say(amira, goal, 9)
        swept = clock.now() + timedelta(days=8)
        monkeypatch.setattr(clock, "now", lambda: swept)
        now = await read_goal(amira, goal)

        changed = await amira.patch(f"{GOALS}/{goal['id']}", json={"title": "Go home early"}, headers=etag(now))

        assert (await done(changed))["version"] == now["version"] + 1
        assert changed.json()["health"] == "not_updated"

    async def test_without_a_rhythm_stays(self, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        goal = await make_active(amira, update_every_days=None)
        await say(amira, goal, 9)
        later = clock.now() + timedelta(days=300)
        monkeypatch.setattr(clock, "now", lambda: later)

        assert (await read_goal(amira, goal))["health"] == "on_track"

    async def test_follows_another_rhythm(self, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        goal = await make_active(amira, update_every_days=30)
        await say(amira, goal, 9)
        later = clock.now() + timedelta(days=8)
        monkeypatch.setattr(clock, "now", lambda: later)
        now = await read_goal(amira, goal)
        assert now["health"] == "on_track"

        changed = await amira.patch(f"{GOALS}/{goal['id']}", json={"update_every_days": 7}, headers=etag(now))

        assert (await done(changed))["health"] == "not_updated"

    async def test_the_worker_wakes_when_it_is_due(self, amira: httpx.AsyncClient, world: World) -> None:
        goal = await make_active(amira, update_every_days=1)
        as_of = clock.now() - timedelta(hours=23, minutes=50)
        await say(amira, goal, 9, as_of=as_of.isoformat())
        worker = Worker(world.database, world.app.state.wakeup, 1)

        await world.alone()
        await worker.sweep(everyone=True)

        due = text("SELECT due_at FROM organisation_directory WHERE organisation_id = :id")
        found = await world.run(lambda session: session.execute(due, {"id": world.id}).scalar_one())
        assert abs(found - (as_of + timedelta(days=1))) < timedelta(seconds=1)


class TestParts:
    async def test_a_parents_progress_is_the_weighted_mean_of_its_parts(self, amira: httpx.AsyncClient) -> None:
        parent = await make_active(amira)
        await say(amira, parent, 4)
        heavy = await make_active(amira, parent_id=parent["id"], weight=3)
        light = await make_active(amira, parent_id=parent["id"], weight=1)
        assert (await read_goal(amira, parent))["progress"] == 0

        await say(amira, heavy, 7)

        assert (await read_goal(amira, parent))["progress"] == 0.375
        await say(amira, light, 4)
        assert (await read_goal(amira, parent))["progress"] == 0.625
        assert (await read_goal(amira, parent))["current_value"] == 4

    async def test_through_every_level(self, amira: httpx.AsyncClient) -> None:
        top = await make_active(amira)
        left = await make_active(amira, parent_id=top["id"])
        await make_active(amira, parent_id=top["id"])
        leaf = await make_active(amira, parent_id=left["id"])
        await make_active(amira, parent_id=left["id"], weight=2)

        await say(amira, leaf, 4)

        assert (await read_goal(amira, left))["progress"] == 0.333333
        assert (await read_goal(amira, top))["progress"] == 0.166667
        listed = (await done(await amira.get(GOALS, params={"parent_id": top["id"]})))["data"]
        assert [goal["progress"] for goal in listed] == [0.333333, 0]

    async def test_what_is_given_up_does_not_count(self, amira: httpx.AsyncClient) -> None:
        parent = await make_active(amira)
        await say(amira, parent, 7)
        done_part = await make_active(amira, parent_id=parent["id"])
        given_up = await make_active(amira, parent_id=parent["id"], weight=9)
        await say(amira, done_part, 4)
        assert (await read_goal(amira, parent))["progress"] == 0.1

        await done(await amira.post(f"{GOALS}/{given_up['id']}/abandon"))
        assert (await read_goal(amira, parent))["progress"] == 1
        await done(await amira.post(f"{GOALS}/{done_part['id']}/abandon"))
        assert (await read_goal(amira, parent))["progress"] == 0.5

    async def test_what_moves_a_part_moves_the_version_of_all_above(
        self, amira: httpx.AsyncClient, world: World
    ) -> None:
        top = await make_active(amira)
        middle = await make_active(amira, parent_id=top["id"])
        leaf = await make_active(amira, parent_id=middle["id"])
        other = await make_active(amira)

        async def tags() -> list[str]:
            return [(await amira.get(f"{GOALS}/{g['id']}")).headers["ETag"] for g in (top, middle, other)]

        before = await tags()
        await say(amira, leaf, 7)
        after = await tags()

        assert after[0] != before[0]
        assert after[1] != before[1]
        assert after[2] == before[2]
        assert (await build.trail(world, top))[-1].details == {"part": leaf["id"]}
        given_up = await make_active(amira, parent_id=middle["id"])
        before_that = await tags()
        await done(await amira.post(f"{GOALS}/{given_up['id']}/abandon"))
        after = await tags()
        assert [one != two for one, two in zip(after, before_that, strict=True)] == [True, True, False]
        heavier = await amira.patch(f"{GOALS}/{leaf['id']}", json={"weight": 2}, headers={"If-Match": "*"})
        assert heavier.status_code == 200
        assert (await tags())[:2] != after[:2]
        after = await tags()
        moved = await amira.patch(f"{GOALS}/{leaf['id']}", json={"parent_id": other["id"]}, headers={"If-Match": "*"})
        assert (await done(moved))["parent_id"] == other["id"]
        assert all(one != two for one, two in zip(await tags(), after, strict=True))

    async def test_are_of_the_same_owner(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, grace: httpx.AsyncClient
    ) -> None:
        hers, secret = await make_goal(grace), await make_goal(grace, private=True)
        reports = await make_goal(amira)

        answers = [
            await who.post(GOALS, json={**SMART, "parent_id": parent["id"]})
            for who, parent in ((amira, hers), (amira, secret), (theo, reports))
        ]

        for answer in answers:
            assert_problem(answer, 422)
            assert answer.json()["errors"] == answers[0].json()["errors"]
            assert answer.json()["errors"][0]["pointer"] == "/parent_id"

    async def test_never_come_round_in_a_circle(self, amira: httpx.AsyncClient) -> None:
        top = await make_goal(amira)
        middle = await make_goal(amira, parent_id=top["id"])
        leaf = await make_goal(amira, parent_id=middle["id"])

        for goal, parent in ((top, leaf), (top, middle), (middle, leaf), (top, top)):
            response = await amira.patch(
                f"{GOALS}/{goal['id']}", json={"parent_id": parent["id"]}, headers={"If-Match": "*"}
            )
            assert_problem(response, 409, "goal_cycle")
        assert (await read_goal(amira, top))["parent_id"] is None

    async def test_not_even_by_two_changes_at_once(self, amira: httpx.AsyncClient) -> None:
        for _ in range(5):
            one, two = await make_goal(amira), await make_goal(amira)

            changes = [
                amira.patch(f"{GOALS}/{goal['id']}", json={"parent_id": parent["id"]}, headers={"If-Match": "*"})
                for goal, parent in ((one, two), (two, one))
            ]
            answers = await asyncio.gather(*changes)

            assert sorted(answer.status_code for answer in answers) == [200, 409]

    async def test_have_five_levels_at_most(self, amira: httpx.AsyncClient) -> None:
        goals = [await make_goal(amira)]
        for _ in range(4):
            goals.append(await make_goal(amira, parent_id=goals[-1]["id"]))

        sixth = await amira.post(GOALS, json={**SMART, "parent_id": goals[-1]["id"]})
        above = await make_goal(amira)
        pushed = await amira.patch(
            f"{GOALS}/{goals[0]['id']}", json={"parent_id": above["id"]}, headers={"If-Match": "*"}
        )

        assert_problem(sixth, 409, "goal_too_deep")
        assert_problem(pushed, 409, "goal_too_deep")
