"""Development plans: whose they are, how they move, one at a time, and what others see of them."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app import clock
from app.models.client import Role
from app.routers.development_plan import router
from app.schemas.development_plan import PLAN
from app.worker import AT_ONCE, Worker
from tests import plans as build
from tests.plans import GOALS, PLANS, done, in_days, made, make_active, make_goal, make_plan, period, running_plan, say
from tests.test_conventions_access import assert_problem
from tests.world import World, etag

VERBS = ("accept", "decline", "activate", "start-review", "complete", "abandon", "archive")
# How to get a plan of Amira's into each state: who does what.
WAYS: dict[str, list[tuple[str, str]]] = {
    "proposed": [],
    "draft": [("amira", "accept")],
    "declined": [("amira", "decline")],
    "active": [("amira", "accept"), ("amira", "activate")],
    "in_review": [("amira", "accept"), ("amira", "activate"), ("theo", "start-review")],
    "completed": [("amira", "accept"), ("amira", "activate"), ("theo", "start-review"), ("theo", "complete")],
    "abandoned": [("amira", "accept"), ("amira", "abandon")],
    "archived": [("amira", "decline"), ("amira", "archive")],
}
# What is open to whom in which state, beside what nobody may.
OPEN: dict[str, dict[str, set[str]]] = {
    "amira": {
        "proposed": {"accept", "decline", "update"},
        "draft": {"activate", "abandon", "update", "review"},
        "active": {"start_review", "abandon", "update", "review"},
        "in_review": {"update", "review"},
        "completed": {"archive"},
        "abandoned": {"archive"},
        "declined": {"archive"},
    },
    "theo": {
        "proposed": {"update"},
        "draft": {"review"},
        "active": {"start_review", "review"},
        "in_review": {"complete", "review"},
    },
}


async def plan_in(world: World, state: str, **fields: Any) -> dict[str, Any]:
    plan = await make_plan(world.person("theo"), employee_id=str(world.people["amira"]), **fields)
    for who, verb in WAYS[state]:
        plan = await done(await world.person(who).post(f"{PLANS}/{plan['id']}/{verb}"))
    assert plan["state"] == state
    return plan


class TestCreate:
    async def test_an_employee_drafts_and_owns_theirs(self, amira: httpx.AsyncClient, world: World) -> None:
        response = await amira.post(PLANS, json=PLAN)

        plan = await made(response)
        assert plan["state"] == "draft"
        assert plan["employee_id"] == str(world.people["amira"])
        assert plan["proposed_by_id"] is None
        assert PLAN.items() <= plan.items()
        assert response.headers["Location"] == f"{PLANS}/{plan['id']}"
        assert [entry.action for entry in await build.trail(world, plan)] == ["development_plan.created"]
        assert await build.outgoing(world) == [("development_plan.created", plan["id"])]

    async def test_a_manager_proposes_one(self, theo: httpx.AsyncClient, world: World) -> None:
        plan = await make_plan(theo, employee_id=str(world.people["amira"]))

        assert plan["state"] == "proposed"
        assert plan["proposed_by_id"] == str(world.people["theo"])
        ((action, actor, subject, _),) = await build.trail(world, plan)
        assert (action, actor, subject) == ("development_plan.proposed", world.people["theo"], world.people["amira"])

    async def test_so_does_who_leads_a_team_of_the_person(self, world: World) -> None:
        await world.hire("lee")
        lead = text("UPDATE team SET lead_id = :lead")
        await world.run(lambda session: session.execute(lead, {"lead": world.people["lee"]}))

        plan = await make_plan(world.person("lee"), employee_id=str(world.people["amira"]))

        assert plan["state"] == "proposed"

    async def test_a_client_proposes_for_somebody(self, client: httpx.AsyncClient, world: World) -> None:
        plan = await make_plan(client, employee_id=str(world.people["amira"]))

        assert (plan["state"], plan["proposed_by_id"]) == ("proposed", None)
        assert_problem(await client.post(PLANS, json={"title": "Whose?", **period()}), 422)

    async def test_nobody_else_does(self, world: World, grace: httpx.AsyncClient, noor: httpx.AsyncClient) -> None:
        body = {"title": "Yours", **period(), "employee_id": str(world.people["amira"])}

        unknown = await grace.post(PLANS, json=body)
        refused = await noor.post(PLANS, json=body)

        assert_problem(unknown, 422)
        assert unknown.json()["errors"][0]["code"] == "unknown_reference"
        assert_problem(refused, 403, "not_allowed")

    async def test_not_for_somebody_who_has_left(self, theo: httpx.AsyncClient, world: World) -> None:
        left = await world.hire("left", manager_id=world.people["theo"], active=False)

        response = await theo.post(PLANS, json={"title": "Yours", **period(), "employee_id": str(left)})

        assert_problem(response, 409, "employee_inactive")

    @pytest.mark.parametrize(("last", "code"), [(-31, "before_start"), (-30, "before_start"), (1900, "too_long")])
    async def test_for_a_period_that_is_one(self, amira: httpx.AsyncClient, last: int, code: str) -> None:
        response = await amira.post(PLANS, json={"title": "When?", **period(-30, last)})

        assert_problem(response, 422)
        assert [(e["pointer"], e["code"]) for e in response.json()["errors"]] == [("/ends_on", code)]


class TestMove:
    async def test_through_its_life_with_who_when_and_why(self, world: World, amira: httpx.AsyncClient) -> None:
        theo = world.person("theo")
        plan = await make_plan(theo, employee_id=str(world.people["amira"]))
        steps = [
            (amira, "accept", "draft", "accepted"),
            (amira, "activate", "active", "activated"),
            (theo, "start-review", "in_review", "review_started"),
            (theo, "complete", "completed", "completed"),
            (amira, "archive", "archived", "archived"),
        ]
        for who, verb, state, _ in steps:
            plan = await done(await who.post(f"{PLANS}/{plan['id']}/{verb}", json={"reason": f"Because {verb}."}))
            assert plan["state"] == state

        history = (await done(await theo.get(f"{PLANS}/{plan['id']}/history")))["data"]
        named = {world.people["amira"]: amira, world.people["theo"]: theo}
        assert [entry["action"] for entry in history] == [
            *(f"development_plan.{event}" for *_, event in reversed(steps)),
            "development_plan.proposed",
        ]
        for entry, (who, verb, state, _) in zip(history, reversed(steps), strict=False):
            assert next(client for person, client in named.items() if str(person) == entry["actor_id"]) is who
            assert (entry["details"]["state"], entry["details"]["reason"]) == (state, f"Because {verb}.")
            assert entry["recorded_at"]
        assert [kind for kind, _ in await build.outgoing(world)] == [
            "development_plan.proposed",
            *(f"development_plan.{event}" for *_, event in steps),
        ]

    @pytest.mark.parametrize("state", WAYS)
    @pytest.mark.parametrize("who", ["amira", "theo", "grace", "noor"])
    async def test_is_open_to_whom_it_says(self, world: World, who: str, state: str) -> None:
        """`allowed_actions` and what the verbs then do are the same table."""
        caller = world.person(who)
        plan = await plan_in(world, state)
        expected = OPEN.get(who, {}).get(state, set())

        seen = await caller.get(f"{PLANS}/{plan['id']}")

        if who not in OPEN:
            assert_problem(seen, 404)
            for verb in VERBS:
                assert_problem(await caller.post(f"{PLANS}/{plan['id']}/{verb}"), 404)
            return
        assert set(seen.json()["allowed_actions"]) == expected
        for verb in VERBS:
            another = await plan_in(
                world, state, **period(2000 + VERBS.index(verb) * 10, 2005 + VERBS.index(verb) * 10)
            )
            response = await caller.post(f"{PLANS}/{another['id']}/{verb}")
            wanted = {200} if verb.replace("-", "_") in expected else {403, 409}
            assert response.status_code in wanted, (verb, response.text)

    async def test_a_client_moves_none(self, client: httpx.AsyncClient, world: World) -> None:
        plan = await plan_in(world, "proposed")

        assert (await done(await client.get(f"{PLANS}/{plan['id']}")))["allowed_actions"] == []
        for verb in VERBS:
            assert_problem(await client.post(f"{PLANS}/{plan['id']}/{verb}"), 403, "people_only")

    async def test_who_has_no_lead_completes_their_own(self, hana: httpx.AsyncClient, world: World) -> None:
        plan = await running_plan(hana)
        plan = await done(await hana.post(f"{PLANS}/{plan['id']}/start-review"))
        assert "complete" in plan["allowed_actions"]
        manager = text("UPDATE employee SET manager_id = :manager WHERE id = :hana")
        values = {"manager": world.people["noor"], "hana": world.people["hana"]}
        await world.run(lambda session: session.execute(manager, values))
        assert_problem(await hana.post(f"{PLANS}/{plan['id']}/complete"), 403)
        assert "complete" not in (await done(await hana.get(f"{PLANS}/{plan['id']}")))["allowed_actions"]
        await world.run(lambda session: session.execute(manager, {**values, "manager": None}))

        completed = await done(await hana.post(f"{PLANS}/{plan['id']}/complete"))

        assert completed["state"] == "completed"


class TestUpdate:
    async def test_by_its_owner(self, amira: httpx.AsyncClient, world: World) -> None:
        plan = await make_plan(amira, purpose="To stay.")

        changed = await done(
            await amira.patch(f"{PLANS}/{plan['id']}", json={"title": "New", "purpose": None}, headers=etag(plan))
        )

        assert (changed["title"], changed["purpose"], changed["version"]) == ("New", None, 2)
        assert (await build.trail(world, plan))[-1].details == {"fields": ["purpose", "title"]}

    async def test_by_the_manager_while_it_is_proposed(self, theo: httpx.AsyncClient, world: World) -> None:
        plan = await plan_in(world, "proposed")
        changed = await theo.patch(f"{PLANS}/{plan['id']}", json={"title": "Better"}, headers=etag(plan))
        assert (await done(changed))["title"] == "Better"
        accepted = await done(await world.person("amira").post(f"{PLANS}/{plan['id']}/accept"))

        late = await theo.patch(f"{PLANS}/{plan['id']}", json={"title": "Mine"}, headers=etag(accepted))

        assert_problem(late, 403, "not_allowed")

    async def test_not_past_what_an_active_goal_is_due_on(self, amira: httpx.AsyncClient) -> None:
        plan = await running_plan(amira)
        await make_active(amira, plan_id=plan["id"], due_on=in_days(100))

        short = await amira.patch(f"{PLANS}/{plan['id']}", json={"ends_on": in_days(99)}, headers=etag(plan))
        long = await amira.patch(f"{PLANS}/{plan['id']}", json={"ends_on": in_days(100)}, headers=etag(plan))

        assert_problem(short, 409, "goals_outside_period")
        assert (await done(long))["ends_on"] == in_days(100)


class TestOverlap:
    @pytest.mark.parametrize("state", ["active", "in_review"])
    @pytest.mark.parametrize(("first", "last"), [(-30, 150), (-60, -30), (150, 200), (0, 1), (-60, 200)])
    async def test_names_the_other_plan(
        self, amira: httpx.AsyncClient, world: World, state: str, first: int, last: int
    ) -> None:
        other = await plan_in(world, state)
        plan = await make_plan(amira, **period(first, last))

        response = await amira.post(f"{PLANS}/{plan['id']}/activate")

        assert_problem(response, 409, "overlapping_plan")
        assert other["id"] in response.json()["detail"]
        assert (await done(await amira.get(f"{PLANS}/{plan['id']}")))["state"] == "draft"

    @pytest.mark.parametrize("state", ["proposed", "draft", "declined", "completed", "abandoned", "archived"])
    async def test_not_with_one_that_is_not_under_way(self, amira: httpx.AsyncClient, world: World, state: str) -> None:
        await plan_in(world, state)

        assert (await running_plan(amira))["state"] == "active"

    async def test_not_with_the_days_before_and_after(self, amira: httpx.AsyncClient) -> None:
        await running_plan(amira)

        assert (await running_plan(amira, **period(151, 200)))["state"] == "active"
        assert (await running_plan(amira, **period(-60, -31)))["state"] == "active"

    async def test_not_with_another_persons(self, amira: httpx.AsyncClient, grace: httpx.AsyncClient) -> None:
        await running_plan(amira)

        assert (await running_plan(grace))["state"] == "active"

    async def test_not_by_moving_into_it(self, amira: httpx.AsyncClient) -> None:
        other = await running_plan(amira)
        later = await running_plan(amira, **period(151, 200))

        response = await amira.patch(f"{PLANS}/{later['id']}", json={"starts_on": in_days(150)}, headers=etag(later))

        assert_problem(response, 409, "overlapping_plan")
        assert other["id"] in response.json()["detail"]

    async def test_one_of_many_at_once(self, amira: httpx.AsyncClient, world: World) -> None:
        drafts = [await make_plan(amira) for _ in range(20)]

        answers = await asyncio.gather(*(amira.post(f"{PLANS}/{plan['id']}/activate") for plan in drafts))

        statuses = [answer.status_code for answer in answers]
        assert statuses.count(200) == 1
        assert set(statuses) - {503} == {200, 409}  # a slow machine may be too busy for some
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"overlapping_plan"}
        active = (await done(await amira.get(PLANS, params={"state": "active"})))["data"]
        assert len(active) == 1

    async def test_activating_and_moving_at_once(self, amira: httpx.AsyncClient) -> None:
        """Each would be sound alone; together they would overlap."""
        for turn in range(5):
            base = 1000 * (turn + 1)
            running = await running_plan(amira, **period(base, base + 100))
            draft = await make_plan(amira, **period(base + 101, base + 200))
            stretched = {"ends_on": in_days(base + 150)}

            answers = await asyncio.gather(
                amira.patch(f"{PLANS}/{running['id']}", json=stretched, headers={"If-Match": "*"}),
                amira.post(f"{PLANS}/{draft['id']}/activate"),
            )

            assert sorted(answer.status_code for answer in answers) == [200, 409]


class TestTheGate:
    async def test_refuses_the_whole_plan_until_it_is_mended(self, amira: httpx.AsyncClient) -> None:
        plan = await make_plan(amira)
        vague = await make_goal(amira, plan_id=plan["id"], due_on=in_days(10), title="Calm", kind=None)
        late = await make_goal(amira, plan_id=plan["id"], due_on=in_days(151))
        sound = await make_goal(amira, plan_id=plan["id"], due_on=in_days(150))

        refused = await amira.post(f"{PLANS}/{plan['id']}/activate")

        assert_problem(refused, 422, "not_smart")
        found = [(e["pointer"], e["code"]) for e in refused.json()["errors"]]
        assert found == [
            (f"/goals/{vague['id']}", "specific"),
            (f"/goals/{vague['id']}", "measurable"),
            (f"/goals/{late['id']}", "time_bound"),
        ]
        assert all(e["detail"].endswith((".", "characters.")) for e in refused.json()["errors"])
        assert (await build.read_goal(amira, sound))["state"] == "draft"
        mended = {"title": "Calm after hard calls", "kind": "binary"}
        await done(await amira.patch(f"{GOALS}/{vague['id']}", json=mended, headers={"If-Match": "*"}))
        await done(await amira.patch(f"{GOALS}/{late['id']}", json={"due_on": in_days(150)}, headers={"If-Match": "*"}))
        assert (await done(await amira.post(f"{PLANS}/{plan['id']}/activate")))["state"] == "active"
        states = {(await build.read_goal(amira, goal))["state"] for goal in (vague, late, sound)}
        assert states == {"active"}

    async def test_leaves_out_what_is_given_up(self, amira: httpx.AsyncClient) -> None:
        plan = await make_plan(amira)
        goal = await make_goal(amira, plan_id=plan["id"], kind=None)
        await done(await amira.post(f"{GOALS}/{goal['id']}/abandon"))

        assert (await done(await amira.post(f"{PLANS}/{plan['id']}/activate")))["state"] == "active"


class TestList:
    async def ids(self, who: httpx.AsyncClient, **query: Any) -> set[str]:
        return {plan["id"] for plan in (await done(await who.get(PLANS, params=query)))["data"]}

    async def test_by_person_team_and_service_area(
        self, amira: httpx.AsyncClient, client: httpx.AsyncClient, grace: httpx.AsyncClient, world: World
    ) -> None:
        area = (await made(await client.post("/v1/service-areas", json={"name": "Legal line"})))["id"]
        await world.run(
            lambda session: session.execute(
                text("UPDATE employee SET service_area_id = :area WHERE id = :amira"),
                {"area": area, "amira": world.people["amira"]},
            )
        )
        mine, other = await make_plan(amira), await make_plan(grace)

        assert await self.ids(client) == {mine["id"], other["id"]}
        for query in (
            {"employee_id": str(world.people["amira"])},
            {"team_id": str(world.team_id)},
            {"service_area_id": area},
        ):
            assert await self.ids(client, **query) == {mine["id"]}, query

    async def test_by_state_and_days(self, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        active, draft = await running_plan(amira, **period(-30, 10)), await make_plan(amira, **period(-30, 20))

        assert await self.ids(amira, state="active") == {active["id"]}
        assert await self.ids(amira, due_before=in_days(11)) == {active["id"]}
        assert await self.ids(amira, due_before=in_days(10)) == set()
        assert await self.ids(amira, overdue=True) == set()
        assert await self.ids(amira, overdue=False) == {active["id"], draft["id"]}
        later = clock.now() + timedelta(days=30)
        monkeypatch.setattr(clock, "now", lambda: later)
        assert await self.ids(amira, overdue=True) == {active["id"]}
        assert await self.ids(amira, overdue=False) == {draft["id"]}

    async def test_by_the_pillars_and_health_of_goals_that_one_may_see(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        plan = await running_plan(amira)
        goal = await make_active(amira, plan_id=plan["id"], due_on=in_days(9), pillars=["inner_drive"], private=True)
        await say(amira, goal, 9, health="off_track")
        open_goal = await make_active(amira, plan_id=plan["id"], due_on=in_days(9), pillars=["relationships"])
        await say(amira, open_goal, 9, health="at_risk")

        for who, hidden in ((amira, {plan["id"]}), (theo, set())):
            assert await self.ids(who, pillar="relationships") == {plan["id"]}
            assert await self.ids(who, health="at_risk") == {plan["id"]}
            assert await self.ids(who, pillar="inner_drive") == hidden
            assert await self.ids(who, health="off_track") == hidden
            assert await self.ids(who, pillar="future_focus") == set()

    async def test_shows_what_has_changed_and_streams_lines(self, amira: httpx.AsyncClient, world: World) -> None:
        old = await make_plan(amira)
        await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, AT_ONCE)
        watermark = (await done(await amira.get(PLANS)))["next_watermark"]
        new = await make_plan(amira)

        assert await self.ids(amira, modified_since=watermark) == {new["id"]}
        lines = await amira.get(PLANS, headers={"Accept": "application/jsonl"}, params={"sort": "-starts_on"})
        assert len(lines.text.splitlines()) == 2
        assert old["id"] in lines.text

    async def test_of_others_only_those_whom_one_leads(
        self, amira: httpx.AsyncClient, world: World, mallory: httpx.AsyncClient
    ) -> None:
        plan = await make_plan(amira)

        for who, seen in (("theo", {plan["id"]}), ("grace", set()), ("noor", set()), ("hana", set()), ("jonas", set())):
            assert await self.ids(world.person(who)) == seen, who
        assert await self.ids(mallory) == set()
        gone = text("UPDATE employee SET manager_id = NULL WHERE id = :amira")
        await world.run(lambda session: session.execute(gone, {"amira": world.people["amira"]}))
        await world.run(lambda session: session.execute(text("UPDATE team SET lead_id = NULL")))
        assert await self.ids(world.person("theo")) == set()


class TestCounts:
    async def test_are_the_programme_leads_alone(self, world: World) -> None:
        for who in ("amira", "theo", "hana"):
            assert_problem(await world.person(who).get(f"{PLANS}/counts"), 403, "missing_role")
        assert_problem(await (await world.client()).get(f"{PLANS}/counts"), 403, "people_only")

    async def test_name_nobody_and_hide_what_is_small_or_private(self, noor: httpx.AsyncClient, world: World) -> None:
        for number in range(5):
            await world.hire(f"p{number}")
            who = world.person(f"p{number}")
            await make_plan(who)
            await make_active(who, pillars=["inner_drive"])
            if number:
                await make_plan(who)
                await running_plan(who, **period(200, 300))
            await make_active(who, pillars=["future_focus"], private=number == 0)

        counts = await done(await noor.get(f"{PLANS}/counts"))

        states = {row["state"]: row["plans"] for row in counts["plans"]}
        assert states == {**dict.fromkeys(states, 0), "draft": 9, "active": None}
        pillars = {row["pillar"]: row["people"] for row in counts["pillars"]}
        assert pillars == {**dict.fromkeys(pillars, 0), "inner_drive": 5, "future_focus": None}
        assert counts["minimum_group_size"] == 5
        assert not {str(person) for person in world.people.values()} & set(str(counts).split("'"))


class TestDocumented:
    async def test_the_example_is_true(self, amira: httpx.AsyncClient) -> None:
        assert (await amira.post(PLANS, json=PLAN)).status_code == 201

    def test_every_verb_has_a_test(self) -> None:
        paths = {getattr(route, "path", "") for route in router.routes}
        assert {f"{PLANS}/{{plan_id}}/{verb}" for verb in VERBS} <= paths


async def test_leads_with_a_role_see_no_plan_by_it(world: World, amira: httpx.AsyncClient) -> None:
    plan = await make_plan(amira)
    for role in Role:
        await world.hire(f"holder-{role}")
        await world.grant(f"holder-{role}", role)
        assert_problem(await world.person(f"holder-{role}").get(f"{PLANS}/{plan['id']}"), 404)
