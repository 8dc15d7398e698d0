"""Who sees and does what with mentors, pairs and their meetings: every route, every relation, both organisations.

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
from tests.mentors import PAIRS, PROFILES, look, make_mentor, make_pair, meet, propose, verb
from tests.operations import Operation, Stage, every_operation, named, staged
from tests.plans import done
from tests.world import World, etag

RESOURCES = ("work_pattern", "mentor_profile", "mentor_assignment", "mentor_meeting")
OPERATIONS = [o for o in every_operation() if o.route.action is not None and o.route.action[0] in RESOURCES]
# Who of the cast stands so to Amira and to nobody else, and how no other does. Grace mentors her in the example, Jonas
# is the mentor who is asked.
WHO = {
    "self": "amira",
    "line_manager": "theo",
    "team_lead": "lee",
    "mentor": "grace",
    "mentor_to_agree": "jonas",
    "colleague": "cole",
    "programme_lead": "noor",
    "hr_administrator": "hana",
    "auditor": "audrey",
    "client": "client",
}
NEAR = {"self", "line_manager", "team_lead"}
EVERYBODY = set(WHO)
PAIR = ("self", "mentor", "programme_lead")
MAY: dict[tuple[str, str], set[str]] = {
    ("work_pattern", "read"): NEAR | {"programme_lead", "hr_administrator", "client"},
    ("work_pattern", "update"): {"self", "hr_administrator", "client"},
    ("mentor_profile", "read"): EVERYBODY,
    ("mentor_profile", "create"): {"line_manager", "programme_lead", "client"},  # the example is about Theo himself
    ("mentor_profile", "update"): {"mentor", "programme_lead", "client"},
    ("mentor_profile", "delete"): {"mentor", "programme_lead", "client"},
    ("mentor_assignment", "suggest"): NEAR | {"programme_lead"},
    ("mentor_assignment", "create"): NEAR | {"programme_lead"},
    ("mentor_assignment", "update"): {"self", "mentor"},
    ("mentor_assignment", "accept"): {"self"},
    ("mentor_assignment", "pause"): set(PAIR),
    ("mentor_assignment", "complete"): set(PAIR),
    ("mentor_assignment", "end"): set(PAIR),
    ("mentor_assignment", "follow"): set(PAIR),
    ("mentor_meeting", "read"): set(PAIR),
    ("mentor_meeting", "create"): {"self", "mentor"},
    ("mentor_meeting", "withdraw"): {"self", "mentor"},
}
# The example of this one operation is another pair: the one that is proposed by Jonas, or the one that Noor mentors in.
OF_OPERATION = {
    "list_mentor_assignments": NEAR | {"mentor", "mentor_to_agree", "programme_lead"},
    "read_mentor_assignment": NEAR | {"mentor", "programme_lead"},
    "decline_mentor_assignment": {"self", "mentor_to_agree"},
    "resume_mentor_assignment": {"self", "programme_lead"},
}
# Asked of a row, not of a route: seen through the routes above, and below.
ASKED_OF_ROWS = {("mentor_assignment", "offer"), ("mentor_assignment", "record_meeting")}
THROUGH_OPERATIONS = {("mentor_assignment", name) for name in ("read", "decline", "resume")}
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
    for name in ("lee", "cole", "audrey"):
        await world.hire(name)
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


def may(operation: Operation) -> set[str]:
    assert operation.route.action is not None
    return OF_OPERATION.get(operation.name) or MAY[operation.route.action]


def test_the_table_has_a_row_for_every_rule() -> None:
    ours = {key for key in POLICY if key[0] in RESOURCES}

    assert ours == set(MAY) | ASKED_OF_ROWS | THROUGH_OPERATIONS
    assert {operation.route.action for operation in OPERATIONS} == set(MAY) | THROUGH_OPERATIONS
    assert set(RESOURCES) <= set(MODELS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_is_open_to_these_relations_and_no_other(operation: Operation, scene: Scene) -> None:
    """Open means: refused, if at all, by a rule about its state, not for who asks."""
    # Once Amira has agreed, nobody is left to agree: the others are asked before her.
    order = sorted(scene.callers, key=lambda relation: relation == "self")
    open_to: set[str] = set()
    for relation in order:
        response = await scene.callers[relation].request(**operation.request(scene.stage.mine))
        rows = response.json().get("data") if response.status_code == 200 and operation.is_list else True
        if code_of(response) not in DENIED and rows:
            open_to.add(relation)

    assert open_to == may(operation)


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if "{" in o.path], ids=named)
async def test_is_absent_in_another_organisation_for_all_of_them(operation: Operation, shared: Scene) -> None:
    for relation, caller in shared.callers.items():
        response = await caller.request(**operation.request(shared.stage.theirs))

        assert code_of(response) in {"not_found", "missing_role", "people_only"}, relation
        if code_of(response) != "not_found":
            assert relation not in may(operation), relation


class TestWhoLeadsTheMentee:
    async def test_sees_that_there_is_a_pair_and_not_how_it_goes(self, world: World) -> None:
        amira, theo, noor = (world.person(name) for name in ("amira", "theo", "noor"))
        pair = await make_pair(world, rationale="I would like to talk about leaving.")
        meeting = await meet(amira, pair)
        url = f"{PAIRS}/{pair['id']}"

        seen, all_of_it = await look(theo, pair), await look(noor, pair)

        hidden = {name for name in seen if seen[name] is None and all_of_it[name] is not None}
        assert hidden == {"rationale", "reasons", "last_met_at", "meetings_held", "meeting_due_at"}
        assert (seen["state"], seen["mentor_name"], seen["allowed_actions"]) == ("active", "Grace", [])
        for path in (f"{url}/history", f"{url}/meetings"):
            assert (await theo.get(path)).status_code == 403
            assert (await noor.get(path)).status_code == 200
        assert (await theo.get(f"{url}/meetings/{meeting['id']}")).status_code == 404
        ended = await done(await verb(amira, pair, "end", reason="I feel watched."))
        assert ended["ended_reason"] == "I feel watched."
        assert (await look(theo, pair))["ended_reason"] is None

    async def test_the_mentors_lead_sees_nothing(self, world: World) -> None:
        hana, url = world.person("hana"), f"/v1/employees/{world.people['grace']}"
        boss = {"manager_id": str(world.people["ines"])}
        await done(await hana.patch(url, json=boss, headers=etag(await hana.get(url))))
        pair = await make_pair(world)

        assert (await world.person("ines").get(f"{PAIRS}/{pair['id']}")).status_code == 404


async def test_a_former_mentor_keeps_what_was_theirs_and_a_stranger_has_nothing(world: World) -> None:
    grace, jonas = world.person("grace"), world.person("jonas")
    pair = await make_pair(world)
    await verb(grace, pair, "complete")

    assert (await look(grace, pair))["allowed_actions"] == []
    assert (await jonas.get(f"{PAIRS}/{pair['id']}")).status_code == 404
    assert (await jonas.get(PAIRS)).json()["data"] == []


async def test_a_proposer_takes_back_what_they_proposed_and_no_other(world: World) -> None:
    await make_mentor(world.person("grace"))
    noor, theo = world.person("noor"), world.person("theo")
    pair = await propose(theo, world.people["grace"], mentee_id=world.people["amira"])

    assert "decline" not in (await look(noor, pair))["allowed_actions"]
    assert (await verb(noor, pair, "decline")).status_code == 403
    assert (await look(theo, pair))["allowed_actions"] == ["decline"]
    assert (await verb(theo, pair, "decline")).status_code == 200


async def test_clients_see_the_directory_and_no_pair(world: World) -> None:
    await make_mentor(world.person("grace"))
    reader, writer = await world.client("mentors:read"), await world.client("mentors:write")
    body = {"employee_id": str(world.people["jonas"]), "pillars": ["relationships"]}

    assert len((await reader.get(PROFILES)).json()["data"]) == 1
    assert (await reader.post(PROFILES, json=body)).status_code == 403
    assert (await writer.post(PROFILES, json=body)).status_code == 201
    assert (await reader.get(PAIRS)).json()["code"] == "people_only"
