"""Reviews: two parts, each its author's until it is shared, locked on completion, and fed by nothing else."""

from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from app.models import Base
from app.schemas.review import REVIEW
from tests import plans as build
from tests.plans import GOALS, PLANS, done, made, make_plan, period, read_goal, running_plan
from tests.test_conventions_access import assert_problem
from tests.world import World, etag

STRAIN_TABLES = {
    name for name in Base.metadata.tables if name.startswith(("strain", "call", "support_prompt", "refused_call"))
}


async def make_review(who: httpx.AsyncClient, plan: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"kind": "one_to_one", **fields}
    return await made(await who.post(f"{PLANS}/{plan['id']}/reviews", json=body))


def url(review: dict[str, Any], *more: str) -> str:
    return "/".join((f"{PLANS}/{review['plan_id']}/reviews/{review['id']}", *more))


async def write(who: httpx.AsyncClient, review: dict[str, Any], **parts: Any) -> httpx.Response:
    return await who.patch(url(review), json=parts, headers={"If-Match": "*"})


async def parts(who: httpx.AsyncClient, review: dict[str, Any]) -> tuple[str | None, str | None]:
    seen = await done(await who.get(url(review)))
    return seen["self_part"], seen["reviewer_part"]


class TestCreate:
    @pytest.mark.parametrize("kind", ["one_to_one", "appraisal"])
    @pytest.mark.parametrize("who", ["amira", "theo"])
    async def test_by_either_side(self, amira: httpx.AsyncClient, world: World, kind: str, who: str) -> None:
        plan = await running_plan(amira)

        review = await make_review(world.person(who), plan, kind=kind)

        assert (review["kind"], review["state"], review["plan_id"]) == (kind, "open", plan["id"])
        assert review["reviewer_id"] == str(world.people["theo"])
        assert review["employee_id"] == str(world.people["amira"])
        assert [entry.action for entry in await build.trail(world, review)] == ["review.created"]
        assert (await build.outgoing(world))[-1] == ("review.created", review["id"])

    async def test_with_a_reviewer_who_leads_the_person(
        self, amira: httpx.AsyncClient, hana: httpx.AsyncClient, world: World
    ) -> None:
        await world.hire("lee")
        plan, hers = await running_plan(amira), await running_plan(hana)
        lead = text("UPDATE team SET lead_id = :lead")
        await world.run(lambda session: session.execute(lead, {"lead": world.people["lee"]}))

        review = await make_review(amira, plan, reviewer_id=str(world.people["lee"]))
        stranger = await amira.post(
            f"{PLANS}/{plan['id']}/reviews", json={"kind": "appraisal", "reviewer_id": str(world.people["grace"])}
        )
        nobody = await hana.post(f"{PLANS}/{hers['id']}/reviews", json={"kind": "appraisal"})

        assert review["reviewer_id"] == str(world.people["lee"])
        assert_problem(stranger, 422)
        assert_problem(nobody, 409, "no_reviewer")

    async def test_not_of_a_plan_that_is_closed(self, amira: httpx.AsyncClient) -> None:
        plan = await make_plan(amira)
        await done(await amira.post(f"{PLANS}/{plan['id']}/abandon"))

        assert_problem(await amira.post(f"{PLANS}/{plan['id']}/reviews", json={"kind": "appraisal"}), 409)

    async def test_nobody_else_learns_of_one(self, amira: httpx.AsyncClient, world: World) -> None:
        plan = await running_plan(amira)
        review = await make_review(amira, plan)

        for name in ("grace", "noor", "hana", "jonas"):
            who = world.person(name)
            assert_problem(await who.get(url(review)), 404)
            assert_problem(await who.get(f"{PLANS}/{plan['id']}/reviews"), 404)
            assert_problem(await who.post(f"{PLANS}/{plan['id']}/reviews", json={"kind": "appraisal"}), 404)

    async def test_the_example_is_true(self, amira: httpx.AsyncClient) -> None:
        plan = await running_plan(amira)

        assert REVIEW.items() <= (await make_review(amira, plan, **REVIEW)).items()


class TestParts:
    async def test_each_side_writes_its_own(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        review = await make_review(amira, await running_plan(amira))

        assert (await write(amira, review, self_part="The handover works.")).status_code == 200
        assert (await write(theo, review, reviewer_part="I see it, too.")).status_code == 200
        assert_problem(await write(theo, review, self_part="She says so."), 403, "not_your_part")
        assert_problem(await write(amira, review, reviewer_part="He says so."), 403, "not_your_part")
        assert (await build.trail(world, review))[-1].details == {"fields": ["reviewer_part"]}

    async def test_is_its_authors_alone_until_shared(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, client: httpx.AsyncClient
    ) -> None:
        review = await make_review(amira, await running_plan(amira))
        await write(amira, review, self_part="Mine.")
        await write(theo, review, reviewer_part="His.")
        assert await parts(amira, review) == ("Mine.", None)
        assert await parts(theo, review) == (None, "His.")

        await done(await amira.post(url(review, "share")))
        assert await parts(theo, review) == ("Mine.", "His.")
        assert await parts(amira, review) == ("Mine.", None)
        await done(await theo.post(url(review, "share")))

        assert await parts(amira, review) == ("Mine.", "His.")
        assert await parts(client, review) == (None, None)
        listed = (await done(await theo.get(f"{PLANS}/{review['plan_id']}/reviews")))["data"]
        assert [(row["self_part"], row["reviewer_part"]) for row in listed] == [("Mine.", "His.")]

    async def test_neither_is_seen_before_both_are_shared_if_so_chosen(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        plan = await running_plan(amira)
        for first, second in ((amira, theo), (theo, amira)):
            review = await make_review(amira, plan, shown_when="both_shared")
            await write(amira, review, self_part="Mine.")
            await write(theo, review, reviewer_part="His.")

            await done(await first.post(url(review, "share")))
            assert await parts(amira, review) == ("Mine.", None)
            assert await parts(theo, review) == (None, "His.")
            await done(await second.post(url(review, "share")))

            assert await parts(amira, review) == await parts(theo, review) == ("Mine.", "His.")

    async def test_what_is_given_for_an_exchange_is_not_written_anew(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        review = await make_review(amira, await running_plan(amira), shown_when="both_shared")
        await write(amira, review, self_part="Mine.")
        await done(await amira.post(url(review, "share")))

        assert_problem(await write(amira, review, self_part="Other."), 409, "part_shared")
        assert (await write(theo, review, reviewer_part="His.")).status_code == 200

    async def test_another_lead_sees_what_is_shared_and_writes_nothing(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        await world.hire("lee")
        lead = text("UPDATE team SET lead_id = :lead")
        await world.run(lambda session: session.execute(lead, {"lead": world.people["lee"]}))
        lee = world.person("lee")
        review = await make_review(theo, await running_plan(amira))
        await write(amira, review, self_part="Mine.")
        await write(theo, review, reviewer_part="His.")
        assert await parts(lee, review) == (None, None)
        assert_problem(await write(lee, review, reviewer_part="Hers."), 403, "not_your_part")
        assert_problem(await lee.post(url(review, "share")), 403, "not_your_part")

        await done(await amira.post(url(review, "share")))

        assert await parts(lee, review) == ("Mine.", None)

    async def test_an_empty_one_is_not_shared_nor_one_twice(self, amira: httpx.AsyncClient) -> None:
        review = await make_review(amira, await running_plan(amira))
        assert "share" not in review["allowed_actions"]
        assert_problem(await amira.post(url(review, "share")), 409, "nothing_to_share")
        written = await done(await write(amira, review, self_part="Mine."))
        assert "share" in written["allowed_actions"]
        await done(await amira.post(url(review, "share")))

        assert_problem(await amira.post(url(review, "share")), 409, "already_shared")

    @pytest.mark.parametrize("shown_when", ["each_shared", "both_shared"])
    async def test_both_are_locked_on_complete(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World, shown_when: str
    ) -> None:
        review = await make_review(amira, await running_plan(amira), shown_when=shown_when)
        await write(amira, review, self_part="Mine.")
        await write(theo, review, reviewer_part="His.")
        assert_problem(await amira.post(url(review, "complete")), 403, "not_allowed")

        completed = await done(await theo.post(url(review, "complete")))

        assert (completed["state"], completed["allowed_actions"]) == ("completed", [])
        assert completed["completed_at"] is not None
        for who, part in ((amira, {"self_part": "Other."}), (theo, {"reviewer_part": "Other."})):
            assert_problem(await write(who, review, **part), 409, "review_locked")
            assert_problem(await write(who, review, held_on="2026-01-01"), 409, "review_locked")
            assert_problem(await who.post(url(review, "share")), 409, "review_locked")
            assert_problem(await who.post(url(review, "actions"), json={"words": "Late"}), 409, "review_locked")
        assert_problem(await theo.post(url(review, "complete")), 409, "review_locked")
        assert await parts(amira, review) == ("Mine.", None)
        assert await parts(theo, review) == (None, "His.")
        history = (await done(await amira.get(url(review, "history"))))["data"]
        assert history[0]["action"] == "review.completed"

    async def test_the_owner_completes_it_where_nobody_leads_them_any_more(
        self, amira: httpx.AsyncClient, world: World
    ) -> None:
        review = await make_review(amira, await running_plan(amira))
        for statement in ("UPDATE employee SET manager_id = NULL", "UPDATE team SET lead_id = NULL"):
            await world.run(lambda session, statement=statement: session.execute(text(statement)))

        assert (await done(await amira.post(url(review, "complete"))))["state"] == "completed"

    async def test_of_another_plan_is_not_found(self, amira: httpx.AsyncClient, theo: httpx.AsyncClient) -> None:
        review = await make_review(amira, await running_plan(amira))
        other = await make_plan(amira, **period(500, 600))
        elsewhere = {**review, "plan_id": other["id"]}

        assert_problem(await amira.get(url(elsewhere)), 404)
        assert_problem(await amira.get(url(elsewhere, "history")), 404)
        assert_problem(await write(amira, elsewhere, self_part="Mine."), 404)
        assert_problem(await theo.post(url(elsewhere, "complete")), 404)
        assert await parts(amira, review) == (None, None)


class TestActions:
    async def action(self, who: httpx.AsyncClient, review: dict[str, Any]) -> dict[str, Any]:
        body = {"words": "Agree the handover with the night line", "due_on": "2099-01-01"}
        return await made(await who.post(url(review, "actions"), json=body))

    async def test_come_out_of_a_review(self, amira: httpx.AsyncClient, theo: httpx.AsyncClient) -> None:
        review = await make_review(amira, await running_plan(amira))

        action = await self.action(theo, review)

        assert await done(await theo.get(url(review, "actions", action["id"]))) == action
        seen = await done(await amira.get(url(review)))
        assert seen["actions"] == [{name: action[name] for name in ("id", "words", "due_on", "goal_id")}]
        assert seen["version"] == review["version"] + 1

    @pytest.mark.parametrize("completed", [False, True])
    async def test_become_a_goal_once(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World, completed: bool
    ) -> None:
        plan = await running_plan(amira)
        review = await make_review(theo, plan)
        action = await self.action(theo, review)
        assert "make_goal" in (await done(await amira.get(url(review, "actions", action["id"]))))["allowed_actions"]
        if completed:
            await done(await theo.post(url(review, "complete")))
        path, body = url(review, "actions", action["id"], "goal"), {"pillars": ["relationships"]}
        assert_problem(await theo.post(path, json=body), 403, "not_allowed")

        response = await amira.post(path, json=body)

        goal = await made(response)
        assert response.headers["Location"] == f"{GOALS}/{goal['id']}"
        assert (goal["title"], goal["due_on"], goal["state"]) == (action["words"], action["due_on"], "draft")
        assert (goal["plan_id"], goal["pillars"]) == (plan["id"], ["relationships"])
        assert (await done(await theo.get(url(review))))["actions"][0]["goal_id"] == goal["id"]
        assert_problem(await amira.post(path, json=body), 409, "already_a_goal")
        entries = [entry.action for entry in await build.trail(world, action)]
        assert entries == ["review_action.created", "review_action.made_goal"]

    async def test_a_goal_that_is_private_since_is_not_shown(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        review = await make_review(theo, await running_plan(amira))
        action = await self.action(theo, review)
        path = url(review, "actions", action["id"])
        goal = await made(await amira.post(f"{path}/goal", json={"pillars": ["relationships"]}))

        await done(await amira.patch(f"{GOALS}/{goal['id']}", json={"private": True}, headers={"If-Match": "*"}))

        assert (await done(await theo.get(url(review))))["actions"][0]["goal_id"] is None
        assert (await done(await theo.get(path)))["goal_id"] is None
        assert (await done(await amira.get(path)))["goal_id"] == goal["id"]

    async def test_outside_the_plan_when_that_is_closed(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        plan = await running_plan(amira)
        review = await make_review(theo, plan)
        action = await self.action(theo, review)
        await done(await amira.post(f"{PLANS}/{plan['id']}/abandon"))

        path = url(review, "actions", action["id"], "goal")
        goal = await made(await amira.post(path, json={"pillars": ["relationships"]}))

        assert (await read_goal(amira, goal))["plan_id"] is None


class TestFedByNothing:
    async def test_no_statement_of_a_review_looks_at_strain_or_calls(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        """And no member of one could hold any: what is shown is what was written, and nothing beside."""
        said: list[str] = []
        engine = world.database.engine.sync_engine

        def note(_c: Any, _u: Any, statement: str, *_: Any) -> None:
            said.append(statement)

        plan = await running_plan(amira)
        event.listen(engine, "before_cursor_execute", note)
        try:
            review = await make_review(theo, plan, kind="appraisal")
            await write(amira, review, self_part="Mine.")
            await write(theo, review, reviewer_part="His.")
            await amira.post(url(review, "share"))
            await theo.post(url(review, "share"))
            action = await made(await theo.post(url(review, "actions"), json={"words": "Rest more"}))
            goal = url(review, "actions", action["id"], "goal")
            await made(await amira.post(goal, json={"pillars": ["relationships"]}))
            await done(await theo.post(url(review, "complete")))
            for path in (url(review), url(review, "history"), f"{PLANS}/{plan['id']}/summary"):
                await done(await theo.get(path))
        finally:
            event.remove(engine, "before_cursor_execute", note)

        assert len(STRAIN_TABLES) >= 6
        assert len(said) > 30
        for statement in said:
            assert not [table for table in STRAIN_TABLES if f"FROM {table}" in statement or f" {table}." in statement]

    def test_no_column_could_hold_any(self) -> None:
        names = set(Base.metadata.tables["review"].c.keys()) | set(Base.metadata.tables["review_action"].c.keys())
        targets = {
            key.column.table.name
            for table in ("review", "review_action")
            for key in Base.metadata.tables[table].foreign_keys
        }

        assert not [name for name in names if any(word in name for word in ("strain", "signal", "call", "prompt"))]
        assert targets & STRAIN_TABLES == set()


async def test_a_review_has_a_version(amira: httpx.AsyncClient) -> None:
    review = await make_review(amira, await running_plan(amira))

    first = await amira.patch(url(review), json={"self_part": "One."}, headers=etag(review))
    second = await amira.patch(url(review), json={"self_part": "Two."}, headers=etag(review))

    assert first.status_code == 200
    assert_problem(second, 412)
