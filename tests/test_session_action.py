"""What was agreed in coaching sessions: by whom, until when, done by whom; seen by those who take part alone."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import clock
from app.models.base import new_id
from tests.held_sessions import alter_attendee, hold_session, rows
from tests.plans import done, made, outgoing, today
from tests.world import World, etag


@pytest.fixture
def jonas(world: World) -> httpx.AsyncClient:
    """Coaches."""
    return world.person("jonas")


@pytest.fixture
async def session_id(world: World) -> UUID:
    """Jonas coaches Amira tomorrow."""
    return await hold_session(world)


def actions_of(session_id: UUID) -> str:
    return f"/v1/coaching-sessions/{session_id}/actions"


async def agree(who: httpx.AsyncClient, session_id: UUID, **fields: Any) -> dict[str, Any]:
    body = {"words": "Agree the handover with the night line", **fields}
    return await made(await who.post(actions_of(session_id), json=body))


async def seen(who: httpx.AsyncClient, path: str = "/v1/session-actions") -> list[str]:
    return [each["id"] for each in (await done(await who.get(path)))["data"]]


class TestLife:
    async def test_agreed_done_and_by_whom(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        hers = str(world.people["amira"])
        action = await agree(jonas, session_id, employee_id=hers, due_on=str(today()))
        assert (action["employee_id"], action["agreed_by_id"]) == (hers, str(world.people["jonas"]))
        assert (action["state"], action["done_at"], action["done_by_id"]) == ("open", None, None)
        assert action["allowed_actions"] == ["update", "complete", "drop"], "a goal of it is hers to make"
        url = f"{actions_of(session_id)}/{action['id']}"

        completed = await done(await amira.post(f"{url}/complete", headers=etag(action)))
        assert (completed["state"], completed["done_by_id"]) == ("done", hers)
        assert completed["done_at"] is not None
        assert completed["allowed_actions"] == ["reopen"]
        reopened = await done(await jonas.post(f"{url}/reopen", json={"reason": "Not with all of them yet"}))
        assert (reopened["state"], reopened["done_at"], reopened["done_by_id"]) == ("open", None, None)
        await done(await amira.post(f"{url}/drop"))

        history = (await done(await amira.get(f"{url}/history")))["data"]
        verbs = ["dropped", "reopened", "completed", "created"]
        assert [entry["action"] for entry in history] == [f"session_action.{verb}" for verb in verbs]
        assert history[1]["details"]["reason"] == "Not with all of them yet"
        assert "handover" not in str(history)
        assert await outgoing(world) == [], "none of it leaves"

    async def test_one_that_is_not_open_is_not_changed(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        action = await agree(amira, session_id)
        url = f"{actions_of(session_id)}/{action['id']}"
        dropped = await done(await amira.post(f"{url}/drop"))

        for refused in (
            await amira.patch(url, json={"words": "Another"}, headers=etag(dropped)),
            await amira.post(f"{url}/complete"),
            await amira.post(f"{url}/goal", json={"pillars": ["relationships"]}),
        ):
            assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")

    async def test_by_one_who_takes_part(self, world: World, jonas: httpx.AsyncClient, session_id: UUID) -> None:
        for who in (world.people["theo"], new_id()):
            body = {"words": "x", "employee_id": str(who)}
            refused = await jonas.post(actions_of(session_id), json=body)
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["pointer"] == "/employee_id"

    async def test_a_session_holds_a_bounded_number(
        self, jonas: httpx.AsyncClient, session_id: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.services.session_action.MOST", 1)
        await agree(jonas, session_id)

        refused = await jonas.post(actions_of(session_id), json={"words": "x"})

        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_actions")


class TestWhoSees:
    async def test_those_who_take_part_and_nobody_else(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        action = await agree(amira, session_id)
        url = f"{actions_of(session_id)}/{action['id']}"
        for who in (jonas, amira):
            assert await seen(who) == await seen(who, actions_of(session_id)) == [action["id"]]
        for name in ("theo", "noor", "hana", "grace"):
            other = world.person(name)
            assert await seen(other) == []
            assert (await other.get(actions_of(session_id))).status_code in (403, 404)
            assert (await other.post(actions_of(session_id), json={"words": "x"})).status_code in (403, 404)
            assert (await other.get(url)).status_code == (await other.post(f"{url}/complete")).status_code == 404
        client = await world.client()
        for path in ("/v1/session-actions", actions_of(session_id), url):
            assert (await client.get(path)).json()["code"] == "people_only"

    async def test_who_left_the_session_keeps_what_they_are_to_do(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        hers = await agree(amira, session_id)
        await agree(jonas, session_id)

        await alter_attendee(world, session_id, "amira", removed_at=clock.now())

        assert await seen(amira) == [hers["id"]]

    async def test_by_doer_day_and_state(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        late = await agree(amira, session_id, due_on=str(today() - timedelta(days=1)))
        now = await agree(amira, session_id, due_on=str(today()))
        coachs = await agree(jonas, await hold_session(world))
        await done(await amira.post(f"{actions_of(session_id)}/{now['id']}/complete"))

        for query, wanted in {
            "overdue=true": [late],
            "overdue=false&state=open": [coachs],
            "state=done": [now],
            f"due_before={today()}": [late],
            f"employee_id={world.people['jonas']}": [coachs],
            f"session_id={session_id}": [late, now],
        }.items():
            assert await seen(jonas, f"/v1/session-actions?{query}") == [each["id"] for each in wanted], query
        lines = await amira.get("/v1/session-actions", headers={"Accept": "application/jsonl"})
        assert len(lines.text.splitlines()) == 3


class TestGoal:
    async def test_is_drafted_once_by_who_does_it(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        action = await agree(jonas, session_id, employee_id=str(world.people["amira"]), due_on="2099-06-30")
        url, pillars = f"{actions_of(session_id)}/{action['id']}", {"pillars": ["relationships"]}
        refused = await jonas.post(f"{url}/goal", json=pillars)
        assert refused.status_code == 403
        assert "make_goal" in (await done(await amira.get(url)))["allowed_actions"]

        answer = await amira.post(f"{url}/goal", json=pillars)

        goal = await made(answer)
        assert (goal["title"], goal["due_on"], goal["state"]) == (action["words"], "2099-06-30", "draft")
        assert answer.headers["Location"] == f"/v1/goals/{goal['id']}"
        again = await amira.post(f"{url}/goal", json=pillars)
        assert (again.status_code, again.json()["code"]) == (409, "already_a_goal")
        hers, coachs = [await done(await who.get(url)) for who in (amira, jonas)]
        assert (hers["goal_id"], coachs["goal_id"]) == (goal["id"], goal["id"])
        assert "make_goal" not in hers["allowed_actions"]

    async def test_made_private_is_not_told_to_the_coach(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        action = await agree(amira, session_id)
        url = f"{actions_of(session_id)}/{action['id']}"
        goal = await made(await amira.post(f"{url}/goal", json={"pillars": ["relationships"]}))

        await done(await amira.patch(f"/v1/goals/{goal['id']}", json={"private": True}, headers=etag(goal)))

        assert (await done(await amira.get(url)))["goal_id"] == goal["id"]
        assert (await done(await jonas.get(url)))["goal_id"] is None
        assert (await done(await jonas.get("/v1/session-actions")))["data"][0]["goal_id"] is None


async def test_none_of_it_moves_the_session(world: World, amira: httpx.AsyncClient, session_id: UUID) -> None:
    """Who leads Amira sees the session, and would see that something was agreed."""
    columns = "SELECT version, updated_at FROM coaching_session"
    before = await rows(world, columns)

    action = await agree(amira, session_id)
    await done(await amira.post(f"{actions_of(session_id)}/{action['id']}/complete"))

    assert await rows(world, columns) == before
