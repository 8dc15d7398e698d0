"""Who sees and does what with plans, goals, templates and reviews: every route, every relation, both organisations.

The table is written down here a second time: what is taken out of the policy, or put in, fails.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database import Database
from app.policy import MODELS, POLICY
from tests.operations import Operation, Stage, every_operation, named, staged
from tests.plans import GOALS, PLANS, make_goal, make_plan
from tests.world import World

RESOURCES = ("development_plan", "goal", "progress_update", "goal_template", "review", "review_action")
OPERATIONS = [o for o in every_operation() if o.route.action is not None and o.route.action[0] in RESOURCES]
# Who of the cast stands so to Amira and to nobody else, and how no other does.
WHO = {
    "self": "amira",
    "line_manager": "theo",
    "team_lead": "lee",
    "colleague": "grace",
    "programme_lead": "noor",
    "hr_administrator": "hana",
    "coach": "jonas",
    "eap_coordinator": "ines",
    "client": "client",
}
NEAR = {"self", "line_manager", "team_lead"}
EVERYBODY = set(WHO)
# Of a plan that is a draft, and of goals that are not private. A client needs the scope.
MAY: dict[tuple[str, str], set[str]] = {
    ("development_plan", "read"): NEAR | {"client"},
    ("development_plan", "count"): {"programme_lead"},
    ("development_plan", "create"): NEAR | {"client"},
    ("development_plan", "update"): {"self"},
    ("development_plan", "accept"): {"self"},
    ("development_plan", "decline"): {"self"},
    ("development_plan", "activate"): {"self"},
    ("development_plan", "start_review"): NEAR,
    ("development_plan", "complete"): {"line_manager", "team_lead"},
    ("development_plan", "abandon"): {"self"},
    ("development_plan", "archive"): {"self"},
    ("goal", "read"): NEAR | {"client"},
    ("goal", "validate"): EVERYBODY,
    ("goal", "create"): NEAR | {"client"},
    ("goal", "take_up"): {"self"},
    ("goal", "update"): {"self"},
    ("goal", "activate"): {"self"},
    ("goal", "achieve"): {"self"},
    ("goal", "miss"): {"self"},
    ("goal", "abandon"): {"self"},
    ("progress_update", "read"): NEAR | {"client"},
    ("progress_update", "create"): {"self"},
    ("progress_update", "withdraw"): {"self"},
    ("goal_template", "read"): EVERYBODY,
    ("goal_template", "create"): {"programme_lead", "client"},
    ("goal_template", "update"): {"programme_lead", "client"},
    ("goal_template", "archive"): {"programme_lead", "client"},
    ("goal_template", "assign"): EVERYBODY,
    ("review", "read"): NEAR | {"client"},
    ("review", "create"): NEAR,
    ("review", "update"): NEAR,
    ("review", "share"): NEAR,
    ("review", "complete"): {"line_manager", "team_lead"},
    ("review_action", "read"): NEAR | {"client"},
    ("review_action", "create"): NEAR,
}
# Asked of a row, not of a route: seen through the routes above, and in the tests of templates and reviews.
ASKED_OF_ROWS = {
    ("development_plan", "review"),
    ("goal", "hand_out"),
    ("goal", "report_progress"),
    ("review", "add_action"),
    ("review_action", "make_goal"),
}
DENIED = {"not_allowed", "missing_role", "people_only", "not_found", "unknown_reference"}


@dataclass
class Scene:
    """A furnished organisation, perhaps another one, and somebody in every relation to the Amira of the first."""

    stage: Stage
    callers: dict[str, httpx.AsyncClient]


async def one_world(app: FastAPI, database: Database) -> AsyncIterator[Scene]:
    world = await World(app, database).build()
    yield await set_up(world)
    await world.close()


async def two_worlds(app: FastAPI, database: Database) -> AsyncIterator[Scene]:
    world, elsewhere = await World(app, database).build(), await World(app, database).build()
    yield await set_up(world, elsewhere)
    await world.close()
    await elsewhere.close()


async def set_up(world: World, elsewhere: World | None = None) -> Scene:
    await world.hire("lee")
    stage = await staged(world, elsewhere)
    lead = text("UPDATE team SET lead_id = :lead")
    await world.run(lambda session: session.execute(lead, {"lead": world.people["lee"]}))
    callers = {relation: world.person(name) for relation, name in WHO.items() if name != "client"}
    return Scene(stage, {**callers, "client": stage.client})


# What one relation is let do changes things for the next operation: a fresh one for each.
scene = pytest.fixture(one_world, name="scene")
shared = pytest.fixture(two_worlds, scope="module", name="shared")


def code_of(response: httpx.Response) -> str | None:
    if response.status_code < 400:
        return None
    problem: dict[str, Any] = response.json()
    faults: list[dict[str, str]] = problem.get("errors", [])
    return next((fault["code"] for fault in faults if fault["code"] in DENIED), str(problem["code"]))


def test_the_table_has_a_row_for_every_rule() -> None:
    ours = {key for key in POLICY if key[0] in RESOURCES}

    assert ours == set(MAY) | ASKED_OF_ROWS
    assert {operation.route.action for operation in OPERATIONS} == set(MAY)
    assert set(RESOURCES) <= set(MODELS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_is_open_to_these_relations_and_no_other(operation: Operation, scene: Scene) -> None:
    """Open means: refused, if at all, by a rule about its state, not for who asks."""
    assert operation.route.action is not None
    open_to: set[str] = set()
    for relation, caller in scene.callers.items():
        request = operation.request(scene.stage.mine)
        response = await caller.request(**request)
        rows = response.json().get("data") if response.status_code == 200 and operation.is_list else True
        if code_of(response) not in DENIED and rows:
            open_to.add(relation)

    assert open_to == MAY[operation.route.action]


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if "{" in o.path], ids=named)
async def test_is_absent_in_another_organisation_for_all_of_them(operation: Operation, shared: Scene) -> None:
    for relation, caller in shared.callers.items():
        response = await caller.request(**operation.request(shared.stage.theirs))

        assert code_of(response) in ({"not_found"} | ({"missing_role", "people_only"} & DENIED)), relation
        if code_of(response) != "not_found":
            assert relation not in MAY[operation.route.action or ("", "")], relation


async def test_what_is_only_proposed_is_open_to_who_leads_too(scene: Scene) -> None:
    """The plan and the goals in it, each by either lead, and by nobody else."""
    theo, of_amira = scene.callers["line_manager"], {"employee_id": str(scene.stage.world.people["amira"])}
    plan = await make_plan(theo, **of_amira)
    goal = await make_goal(theo, **of_amira, plan_id=plan["id"])

    for path in (f"{PLANS}/{plan['id']}", f"{GOALS}/{goal['id']}"):
        open_to = set()
        for relation, caller in scene.callers.items():
            response = await caller.patch(path, json={"title": f"As {relation} says"}, headers={"If-Match": "*"})
            if response.status_code == 200:
                open_to.add(relation)
        assert open_to == NEAR, path
