"""A goal marked private is its owner's alone."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app import clock
from app.models.client import Role
from app.schemas.goal import UPDATE
from app.worker import REGULARLY, Worker
from tests import plans as build
from tests.plans import (
    GOALS,
    PLANS,
    SMART,
    done,
    in_days,
    make_active,
    make_goal,
    read_goal,
    running_plan,
    say,
)
from tests.test_conventions_access import assert_problem
from tests.world import World, etag


class TestPrivate:
    """A goal marked private is its owner's alone: not in anybody's list, counts, history or events."""

    async def seen(self, world: World, plan: dict[str, Any]) -> dict[str, Any]:
        """Return all that others get to see of Amira's plan and goals: bodies, statuses, ETags."""
        queries = ("", "?pillar=inner_drive", "?health=off_track", "?health=not_updated", "?state=active")
        paths = [
            *(f"{base}{query}" for base in (PLANS, GOALS) for query in queries),
            f"{GOALS}?plan_id={plan['id']}",
            f"{GOALS}?employee_id={world.people['amira']}",
            *(f"{PLANS}/{plan['id']}{part}" for part in ("", "/summary", "/history", "/reviews")),
        ]
        found: dict[str, Any] = {}
        callers = {"theo": world.person("theo"), "noor": world.person("noor"), "client": await world.client()}
        for name, caller in callers.items():
            for path in paths:
                response = await caller.get(path)
                body = {**response.json(), "next_watermark": None}
                tag = None if "next_watermark" in response.json() else response.headers.get("ETag")
                found[f"{name} {path}"] = (response.status_code, body, tag)
        found["counts"] = (await world.person("noor").get(f"{PLANS}/counts")).json()
        return found

    async def test_nothing_that_others_see_moves_with_one(
        self, amira: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan = await running_plan(amira)
        await say(amira, await make_active(amira, plan_id=plan["id"], due_on=in_days(9)), 9)
        await world.run(lambda session: session.execute(text("UPDATE organisation SET minimum_group_size = 5")))
        before, left = await self.seen(world, plan), await build.outgoing(world)
        fields = {"plan_id": plan["id"], "due_on": in_days(9), "pillars": ["inner_drive"], "private": True}

        goal = await make_goal(amira, **fields)
        steps = [await self.seen(world, plan)]
        await done(await amira.post(f"{GOALS}/{goal['id']}/activate"))
        steps.append(await self.seen(world, plan))
        update = await say(amira, goal, 4, health="off_track", note="Between us.")
        await done(await amira.post(f"{GOALS}/{goal['id']}/progress-updates/{update['id']}/withdraw"))
        steps.append(await self.seen(world, plan))
        part = await make_active(amira, **fields, parent_id=goal["id"])
        await say(amira, part, 4)
        steps.append(await self.seen(world, plan))
        await done(await amira.patch(f"{GOALS}/{goal['id']}", json={"weight": 2}, headers={"If-Match": "*"}))
        await done(await amira.post(f"{GOALS}/{part['id']}/achieve"))
        await done(await amira.post(f"{GOALS}/{goal['id']}/miss"))
        steps.append(await self.seen(world, plan))

        assert all(step == before for step in steps)
        assert await build.outgoing(world) == left
        mine = (await done(await amira.get(GOALS, params={"plan_id": plan["id"]})))["data"]
        assert len(mine) == 3

    async def test_is_as_absent_for_everybody_else(self, amira: httpx.AsyncClient, world: World) -> None:
        goal = await make_active(amira, private=True)
        update = await say(amira, goal, 9)
        callers = {name: world.person(name) for name in world.people if name != "amira"}
        for role in Role:
            await world.hire(f"holder-{role}")
            await world.grant(f"holder-{role}", role)
            callers[role] = world.person(f"holder-{role}")
        callers["client"] = await world.client()
        absent = {"id": str(world.people["amira"])}

        for name, caller in callers.items():
            for part in ("", "/history", "/progress-updates", f"/progress-updates/{update['id']}"):
                there = await caller.get(f"{GOALS}/{goal['id']}{part}")
                nowhere = await caller.get(f"{GOALS}/{absent['id']}{part}")
                assert_problem(there, 404, "not_found")
                assert there.content == nowhere.content, name
            if name == "client":
                continue
            for verb in ("activate", "achieve", "miss", "abandon"):
                assert_problem(await caller.post(f"{GOALS}/{goal['id']}/{verb}"), 404)
            update_url = f"{GOALS}/{goal['id']}/progress-updates"
            assert_problem(await caller.post(update_url, json=UPDATE), 404)
            assert_problem(await caller.post(f"{update_url}/{update['id']}/withdraw"), 404)
            patch = await caller.patch(f"{GOALS}/{goal['id']}", json={"title": "x"}, headers={"If-Match": "*"})
            assert_problem(patch, 404)
            assert (await done(await caller.get(GOALS)))["data"] == []

    async def test_its_audit_names_nobody(self, amira: httpx.AsyncClient, world: World) -> None:
        await world.hire("audra")
        await world.grant("audra", Role.auditor)
        goal = await make_active(amira, private=True)
        await say(amira, goal, 9)

        entries = (await done(await world.person("audra").get("/v1/audit-entries", params={"limit": 200})))["data"]

        about = [entry for entry in entries if entry["resource"] in ("goal", "progress_update")]
        assert len(about) == 4
        for entry in about:
            assert (entry["actor_id"], entry["subject_id"], entry.get("request_id")) == (None, None, None)
        history = (await done(await amira.get(f"{GOALS}/{goal['id']}/history")))["data"]
        assert [entry["action"] for entry in history] == ["goal.progressed", "goal.activated", "goal.created"]

    async def test_goes_out_of_sight_and_comes_back(self, amira: httpx.AsyncClient, theo: httpx.AsyncClient) -> None:
        goal = await make_active(amira)
        part = await make_active(amira, parent_id=goal["id"])
        hidden = await amira.patch(f"{GOALS}/{goal['id']}", json={"private": True}, headers={"If-Match": "*"})
        assert (await done(hidden))["private"] is True
        assert (await read_goal(amira, part))["private"] is True
        for one in (goal, part):
            assert_problem(await theo.get(f"{GOALS}/{one['id']}"), 404)

        shown = await amira.patch(f"{GOALS}/{goal['id']}", json={"private": False}, headers={"If-Match": "*"})

        assert (await done(shown))["private"] is False
        assert (await read_goal(theo, part))["private"] is False

    async def test_goes_with_its_parts(self, amira: httpx.AsyncClient) -> None:
        goal, secret = await make_goal(amira), await make_goal(amira, private=True)
        part = await make_goal(amira, parent_id=secret["id"])
        assert part["private"] is True

        mixed = await amira.post(GOALS, json={**SMART, "parent_id": secret["id"], "private": False})
        moved = await amira.patch(f"{GOALS}/{goal['id']}", json={"parent_id": secret["id"]}, headers={"If-Match": "*"})
        alone = await amira.patch(f"{GOALS}/{part['id']}", json={"private": False}, headers={"If-Match": "*"})

        for response in (mixed, moved, alone):
            assert_problem(response, 409, "privacy_differs")

    async def test_the_sweep_says_nothing_of_it(
        self, amira: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        goal = await make_active(amira, private=True)
        await say(amira, goal, 9)
        left = await build.outgoing(world)
        later = clock.now() + timedelta(days=8)
        monkeypatch.setattr(clock, "now", lambda: later)

        await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, REGULARLY)

        assert (await read_goal(amira, goal))["health"] == "not_updated"
        assert await build.outgoing(world) == left
        lapsed = (await build.trail(world, goal))[-1]
        assert (lapsed.action, lapsed.actor_id, lapsed.subject_id) == ("goal.lapsed", None, None)

    async def test_keeps_no_pillar_from_being_deleted(self, amira: httpx.AsyncClient, noor: httpx.AsyncClient) -> None:
        own = {"key": "pride", "name": "Pride", "description": "What it is for."}
        pillar = await noor.post("/v1/pillars", json=own)
        goal = await make_goal(amira, pillars=["pride"], private=True)

        gone = await noor.delete(f"/v1/pillars/{pillar.json()['id']}", headers=etag(pillar))

        assert gone.status_code == 204
        assert (await read_goal(amira, goal))["pillars"] == ["pride"]

    async def test_one_that_is_not_keeps_its_pillar(self, amira: httpx.AsyncClient, noor: httpx.AsyncClient) -> None:
        pillar = await noor.post("/v1/pillars", json={"key": "pride", "name": "Pride", "description": "What for."})
        await make_goal(amira, pillars=["pride"])

        kept = await noor.delete(f"/v1/pillars/{pillar.json()['id']}", headers=etag(pillar))

        assert_problem(kept, 409, "in_use")
