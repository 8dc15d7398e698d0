"""Goal templates: kept by the programme, assigned to many people at once, each with their own result."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.models.base import new_id
from app.schemas.goal_template import TEMPLATE
from tests import plans as build
from tests.plans import GOALS, PLANS, done, in_days, made, make_plan, read_goal
from tests.test_conventions_access import assert_problem
from tests.world import World, etag

TEMPLATES = "/v1/goal-templates"


async def make_template(who: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    return await made(await who.post(TEMPLATES, json={**TEMPLATE, **fields}))


async def assign(who: httpx.AsyncClient, template: dict[str, Any], *people: UUID, **fields: Any) -> dict[str, Any]:
    body = {"employee_ids": [str(person) for person in people], **fields}
    return await done(await who.post(f"{TEMPLATES}/{template['id']}/assign", json=body))


def outcomes(answer: dict[str, Any]) -> list[str]:
    return [result["code"] or result["status"] for result in answer["results"]]


class TestKeeping:
    async def test_by_the_programme_lead_and_read_by_anyone(
        self, noor: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        template = await make_template(noor)

        assert TEMPLATE.items() <= template.items()
        assert set(template["allowed_actions"]) == {"update", "archive", "assign"}
        seen = await done(await amira.get(f"{TEMPLATES}/{template['id']}"))
        assert seen["allowed_actions"] == ["assign"]
        assert_problem(await amira.post(TEMPLATES, json=TEMPLATE), 403)
        changed = await noor.patch(f"{TEMPLATES}/{template['id']}", json={"target": 5}, headers=etag(template))
        assert (await done(changed))["target"] == 5
        actions = [entry.action for entry in await build.trail(world, template)]
        assert actions == ["goal_template.created", "goal_template.updated"]

    async def test_per_pillar(self, noor: httpx.AsyncClient) -> None:
        one = await make_template(noor)
        two = await make_template(noor, pillars=["inner_drive", "physical_health"])

        for pillar, expected in (
            ("physical_health", [one["id"], two["id"]]),
            ("inner_drive", [two["id"]]),
            ("future_focus", []),
        ):
            found = (await done(await noor.get(TEMPLATES, params={"pillar": pillar})))["data"]
            assert [template["id"] for template in found] == expected
        for pillars in ([], ["no_such_pillar"]):
            assert_problem(await noor.post(TEMPLATES, json={**TEMPLATE, "pillars": pillars}), 422)

    async def test_out_of_use_they_are_kept_and_not_assigned(self, noor: httpx.AsyncClient, world: World) -> None:
        template = await make_template(noor)

        archived = await done(await noor.post(f"{TEMPLATES}/{template['id']}/archive"))

        assert (archived["state"], archived["allowed_actions"]) == ("archived", [])
        body = {"employee_ids": [str(world.people["amira"])]}
        assert_problem(await noor.post(f"{TEMPLATES}/{template['id']}/assign", json=body), 409, "wrong_state")
        assert (await done(await noor.get(TEMPLATES, params={"state": "active"})))["data"] == []
        history = (await done(await noor.get(f"{TEMPLATES}/{template['id']}/history")))["data"]
        assert [entry["action"] for entry in history] == ["goal_template.archived", "goal_template.created"]

    async def test_keep_their_pillar(self, noor: httpx.AsyncClient) -> None:
        pillar = await noor.post("/v1/pillars", json={"key": "pride", "name": "Pride", "description": "What for."})
        await make_template(noor, pillars=["pride"])

        kept = await noor.delete(f"/v1/pillars/{pillar.json()['id']}", headers=etag(pillar))

        assert_problem(kept, 409, "in_use")

    async def test_the_example_is_true(self, noor: httpx.AsyncClient) -> None:
        assert (await noor.post(TEMPLATES, json=TEMPLATE)).status_code == 201


class TestAssign:
    async def test_gives_each_a_draft_with_a_link_back(
        self, noor: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        template = await make_template(noor)
        people = [await world.hire(f"p{number}") for number in range(3)]

        answer = await assign(noor, template, world.people["amira"], *people)

        assert (answer["assigned"], answer["refused"]) == (4, 0)
        assert [result["employee_id"] for result in answer["results"]] == [
            str(world.people["amira"]),
            *(str(person) for person in people),
        ]
        goal = await read_goal(amira, {"id": answer["results"][0]["goal_id"]})
        copied = {name: value for name, value in TEMPLATE.items() if name != "due_in_days"}
        assert copied.items() <= goal.items()
        assert (goal["state"], goal["template_id"], goal["private"]) == ("draft", template["id"], False)
        assert goal["due_on"] == in_days(90)
        linked = (await done(await amira.get(GOALS, params={"template_id": template["id"]})))["data"]
        assert [row["id"] for row in linked] == [goal["id"]]
        ((action, actor, subject, _),) = await build.trail(world, goal)
        assert (action, actor, subject) == ("goal.assigned", world.people["noor"], world.people["amira"])
        assert [kind for kind, _ in await build.outgoing(world)].count("goal.assigned") == 4

    async def test_the_draft_is_the_persons_to_make_theirs(
        self, noor: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        template = await make_template(noor)
        goal = {"id": (await assign(noor, template, world.people["amira"]))["results"][0]["goal_id"]}
        refused = await amira.post(f"{GOALS}/{goal['id']}/activate")
        assert [error["code"] for error in refused.json()["errors"]] == ["attainable"]
        plan = await make_plan(amira)
        mine = {"confidence": 4, "target": 6, "plan_id": plan["id"]}
        await done(await amira.patch(f"{GOALS}/{goal['id']}", json=mine, headers={"If-Match": "*"}))

        await done(await amira.post(f"{PLANS}/{plan['id']}/activate"))

        assert (await read_goal(amira, goal))["state"] == "active"
        assert (await done(await noor.get(f"{TEMPLATES}/{template['id']}")))["target"] == 4
        assert_problem(await noor.get(f"{GOALS}/{goal['id']}"), 404)

    async def test_one_who_is_refused_sinks_no_other(self, theo: httpx.AsyncClient, world: World) -> None:
        template = await make_template(world.person("noor"))
        left = await world.hire("left", manager_id=world.people["theo"], active=False)
        ben = await world.hire("ben", manager_id=world.people["theo"])
        amira, grace = world.people["amira"], world.people["grace"]
        await assign(theo, template, ben)

        answer = await assign(theo, template, left, amira, uuid7(), grace, amira, ben, world.people["theo"])

        assert outcomes(answer) == [
            "employee_inactive",
            "assigned",
            "unknown_reference",
            "unknown_reference",
            "already_assigned",
            "already_assigned",
            "assigned",
        ]
        assert (answer["assigned"], answer["refused"]) == (2, 5)
        assert all((result["goal_id"] is None) == (result["status"] == "refused") for result in answer["results"])
        assert all((result["detail"] is None) == (result["status"] == "assigned") for result in answer["results"])

    async def test_who_may_give_to_whom(self, world: World) -> None:
        template = await make_template(world.person("noor"))
        amira, grace = world.people["amira"], world.people["grace"]
        await world.hire("lee")
        lead = text("UPDATE team SET lead_id = :lead")
        await world.run(lambda session: session.execute(lead, {"lead": world.people["lee"]}))
        expected = {
            "noor": ["assigned", "assigned"],
            "client": ["assigned", "assigned"],
            "theo": ["assigned", "unknown_reference"],
            "lee": ["assigned", "unknown_reference"],
            "amira": ["assigned", "unknown_reference"],
            "jonas": ["unknown_reference", "unknown_reference"],
            "hana": ["unknown_reference", "unknown_reference"],
        }
        for name, results in expected.items():
            who = await world.client() if name == "client" else world.person(name)
            assert outcomes(await assign(who, template, amira, grace)) == results, name
            await world.run(lambda session: session.execute(text("UPDATE goal SET state = 'abandoned'")))

    async def test_tells_nobody_of_a_private_goal(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        template = await make_template(world.person("noor"))
        mine = (await assign(amira, template, world.people["amira"]))["results"][0]["goal_id"]
        await done(await amira.patch(f"{GOALS}/{mine}", json={"private": True}, headers={"If-Match": "*"}))

        assert outcomes(await assign(theo, template, world.people["amira"])) == ["assigned"]

    async def test_on_a_day_of_its_own(self, amira: httpx.AsyncClient, world: World) -> None:
        template = await make_template(world.person("noor"), due_in_days=None)

        answer = await assign(amira, template, world.people["amira"], due_on="2099-01-01")

        assert (await read_goal(amira, {"id": answer["results"][0]["goal_id"]}))["due_on"] == "2099-01-01"

    async def test_to_five_hundred_at_once_and_no_more(self, noor: httpx.AsyncClient, world: World) -> None:
        template = await make_template(noor)
        people = [new_id() for _ in range(500)]
        hire = text(
            "INSERT INTO employee (organisation_id, id, user_name, user_name_key, display_name, active)"
            " VALUES (:organisation, :id, :name, :name, 'Q', true)"
        )
        rows = [{"organisation": world.id, "id": each, "name": str(each)} for each in people]
        await world.run(lambda session: session.execute(hire, rows))

        answer = await assign(noor, template, *people)

        assert (answer["assigned"], answer["refused"]) == (500, 0)
        assert len({result["goal_id"] for result in answer["results"]}) == 500
        body = {"employee_ids": [str(person) for person in [*people, world.people["amira"]]]}
        assert_problem(await noor.post(f"{TEMPLATES}/{template['id']}/assign", json=body), 422)

    @pytest.mark.parametrize("times", [2])
    async def test_once_where_the_request_is_repeated(self, noor: httpx.AsyncClient, world: World, times: int) -> None:
        template = await make_template(noor)
        body = {"employee_ids": [str(world.people["amira"])]}
        url, key = f"{TEMPLATES}/{template['id']}/assign", {"Idempotency-Key": "once"}

        answers = [await done(await noor.post(url, json=body, headers=key)) for _ in range(times)]

        assert answers[0] == answers[1]
        count = text("SELECT count(*) FROM goal")
        assert await world.run(lambda session: session.execute(count).scalar_one()) == 1
