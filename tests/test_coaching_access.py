"""Who sees and does what with coaching sessions: every route, every relation, both organisations.

The table is written down here a second time: what is taken out of the policy, or put in, fails.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app import clock
from app.database import Database
from app.models.client import Role
from app.policy import POLICY
from tests.operations import Operation, Stage, every_operation, named, staged
from tests.plans import done, made, make_goal, outgoing, trail
from tests.sessions import SERIES, SESSIONS, at, attempt, body, do, found, look, plan, second_coach
from tests.test_plan_access import code_of
from tests.world import World

# Asked with a query of its own: see the tests of free slots.
ELSEWHERE = {"find_free_slots"}
PATHS = ("/v1/coaching-sessions", "/v1/coaching-series")
RESOURCES = ("coaching_session", "session_attendee", "session_link", "session_series")
OPERATIONS = [
    o for o in every_operation() if o.route.action and o.route.action[0] in RESOURCES and o.name not in ELSEWHERE
]
# Who of the cast stands so to the session of Jonas with Amira, and how no other does.
WHO = {
    "attendee": "amira",
    "its_coach": "jonas",
    "line_manager": "theo",
    "team_lead": "lee",
    "another_coach": "lena",
    "colleague": "grace",
    "programme_lead": "noor",
    "hr_administrator": "hana",
    "eap_coordinator": "ines",
    "client": "client",
}
THEIRS = {"attendee", "its_coach", "client"}
ITS_COACH = {"its_coach", "client"}
LEADS = {"line_manager", "team_lead"}
MAY: dict[str, set[str]] = {
    "list_coaching_sessions": THEIRS | LEADS,
    "read_coaching_session": THEIRS | LEADS,
    "list_coaching_session_history": THEIRS,
    "create_coaching_session": THEIRS | LEADS,
    "count_coaching_sessions": {"programme_lead"},
    "update_coaching_session": THEIRS,
    "schedule_coaching_session": ITS_COACH,
    "decline_coaching_session": ITS_COACH,
    "answer_coaching_session": {"attendee"},
    "reschedule_coaching_session": ITS_COACH,
    "change_coaching_session_people": ITS_COACH,
    "start_coaching_session": ITS_COACH,
    "complete_coaching_session": ITS_COACH,
    "mark_coaching_session_no_show": ITS_COACH,
    "acknowledge_coaching_session": {"attendee"},
    "cancel_coaching_session": ITS_COACH,
    # Of Amira's own goal and call.
    "list_session_links": {"attendee"},
    "create_session_link": {"attendee"},
    "delete_session_link": {"attendee"},
    "request_debrief": {"attendee"},
    "list_coaching_series": THEIRS,
    "read_coaching_series": THEIRS,
    "list_coaching_series_history": THEIRS,
    "create_coaching_series": ITS_COACH,
    "change_coaching_series": ITS_COACH,
    "cancel_coaching_series": ITS_COACH,
}
DENIED = {"not_allowed", "missing_role", "people_only", "not_found", "unknown_reference"}
WORDS = ("subject", "agenda", "location", "meeting_url", "requested_by_id", "reason", "series_id", "started_at")


@dataclass
class Scene:
    """A furnished organisation, perhaps another one, and somebody in every relation to a session of its Amira."""

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
    await second_coach(world)
    stage = await staged(world, elsewhere)
    lead = text("UPDATE team SET lead_id = :lead")
    await world.run(lambda session: session.execute(lead, {"lead": world.people["lee"]}))
    theo_out = text("DELETE FROM team_member WHERE employee_id = :theo")
    await world.run(lambda session: session.execute(theo_out, {"theo": world.people["theo"]}))
    callers = {relation: world.person(name) for relation, name in WHO.items() if name != "client"}
    return Scene(stage, {**callers, "client": stage.client})


# What one relation is let do changes things for the next operation: a fresh one for each.
scene = pytest.fixture(one_world, name="scene")
shared = pytest.fixture(two_worlds, scope="module", name="shared")


@pytest.fixture
def jonas(world: World) -> httpx.AsyncClient:
    return world.person("jonas")


def test_the_table_has_a_row_for_every_route() -> None:
    assert {operation.name for operation in OPERATIONS} == set(MAY)
    actions = {operation.route.action for operation in OPERATIONS}
    assert {key for key in POLICY if key[0] in RESOURCES} - actions == {
        ("session_attendee", "read"),
        ("session_attendee", "create"),
    }, "asked of people: see TestNaming and the tests of free slots"


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_is_open_to_these_relations_and_no_other(operation: Operation, scene: Scene) -> None:
    """Open means: refused, if at all, by a rule about its state, not for who asks."""
    open_to: set[str] = set()
    for relation, caller in scene.callers.items():
        response = await caller.request(**operation.request(scene.stage.mine))
        rows = response.json().get("data") if response.status_code == 200 and operation.is_list else True
        if code_of(response) not in DENIED and rows:
            open_to.add(relation)

    assert open_to == MAY[operation.name]


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if "{" in o.path], ids=named)
async def test_is_absent_in_another_organisation_for_all_of_them(operation: Operation, shared: Scene) -> None:
    for relation, caller in shared.callers.items():
        response = await caller.request(**operation.request(shared.stage.theirs))

        assert code_of(response) in {"not_found", "missing_role", "people_only"}, relation


class TestSchedule:
    """What a lead sees of the sessions of their people: that they are, and nothing of what they are about."""

    async def test_is_when_what_kind_and_in_what_state(
        self, theo: httpx.AsyncClient, jonas: httpx.AsyncClient, world: World
    ) -> None:
        words = {"agenda": "The threat.", "location": "Room 4", "pillars": ["relationships"]}
        session = await plan(jonas, world, "jonas", "amira", "grace", subject="After the threat", **words)
        await do(world.person("amira"), session, "answer", answer="tentative", note="If I can.")

        seen = await look(theo, session)

        assert {name: seen[name] for name in WORDS} == dict.fromkeys(WORDS)
        assert (seen["pillars"], seen["coach_id"], seen["allowed_actions"]) == ([], None, [])
        assert [
            name for name in ("kind", "state", "starts_at", "ends_at", "time_zone") if seen[name] != session[name]
        ] == []
        nothing = {"answer": None, "answered_at": None, "note": None, "attended": None, "acknowledged_at": None}
        assert seen["attendees"] == [{"employee_id": str(world.people["amira"]), **nothing}]
        listed = (await done(await theo.get(SESSIONS)))["data"]
        assert listed == [seen]
        assert "threat" not in (await theo.get(SESSIONS, headers={"Accept": "application/jsonl"})).text

    async def test_cannot_be_searched_for_what_it_hides(
        self, theo: httpx.AsyncClient, jonas: httpx.AsyncClient, world: World
    ) -> None:
        await plan(jonas, world, "jonas", "amira", "grace", pillars=["relationships"])
        amira, grace, coach = (str(world.people[name]) for name in ("amira", "grace", "jonas"))

        assert len(await found(theo, employee_id=amira)) == 1
        assert len(await found(theo, team_id=str(world.team_id))) == 1
        for hidden in (
            {"employee_id": grace},
            {"employee_id": coach},
            {"coach_id": coach},
            {"pillar": "relationships"},
        ):
            assert await found(theo, **hidden) == [], hidden
            assert len(await found(jonas, **hidden)) == 1, hidden

    async def test_holds_nothing_that_was_only_asked_for_and_no_history(
        self, theo: httpx.AsyncClient, amira: httpx.AsyncClient, jonas: httpx.AsyncClient, world: World
    ) -> None:
        asked = await made(await amira.post(SESSIONS, json=body(world, "jonas", **at())))
        assert (await theo.get(f"{SESSIONS}/{asked['id']}")).status_code == 404
        await do(amira, asked, "cancel", reason="I dare not.")
        assert await found(theo) == []

        session = await plan(jonas, world)
        assert await found(theo) == [session["id"]]
        for path in ("history", "links"):
            response = await theo.get(f"{SESSIONS}/{session['id']}/{path}")
            assert (response.status_code, response.json()["code"]) == (403, "not_allowed")

    async def test_ends_with_being_their_lead(
        self, theo: httpx.AsyncClient, jonas: httpx.AsyncClient, world: World
    ) -> None:
        session = await plan(jonas, world)
        for change in ("UPDATE employee SET manager_id = NULL", "DELETE FROM team_member"):
            assert (await theo.get(f"{SESSIONS}/{session['id']}")).status_code == 200
            await world.run(lambda s, change=change: s.execute(text(change)))

        assert (await theo.get(f"{SESSIONS}/{session['id']}")).status_code == 404

    async def test_a_word_to_the_coach_is_not_for_the_group(
        self, amira: httpx.AsyncClient, grace: httpx.AsyncClient, jonas: httpx.AsyncClient, world: World
    ) -> None:
        session = await plan(jonas, world, "jonas", "amira", "grace")
        word, client = "I am with the doctor.", await world.client()
        await do(amira, session, "answer", answer="declined", note=word)

        for who, expected in ((jonas, word), (amira, word), (grace, None), (client, None)):
            seen = {a["employee_id"]: a for a in (await look(who, session))["attendees"]}[str(world.people["amira"])]
            assert (seen["answer"], seen["note"]) == ("declined", expected)


class TestLinks:
    async def test_each_reader_sees_what_they_could_see_before(
        self,
        amira: httpx.AsyncClient,
        theo: httpx.AsyncClient,
        grace: httpx.AsyncClient,
        client: httpx.AsyncClient,
        world: World,
    ) -> None:
        """Theo coaches Amira and Grace. He leads Amira, so that her goal is shown to him; her private one is not."""
        goal, private = await make_goal(amira), await make_goal(amira, private=True)
        session = await plan(client, world, "theo", "amira", "grace", goal_ids=[goal["id"]])
        url = f"{SESSIONS}/{session['id']}"
        before = (await look(theo, session), await trail(world, session))

        link = await made(await amira.post(f"{url}/links", json={"goal_id": private["id"]}))

        async def goals(who: httpx.AsyncClient) -> set[str]:
            return {each["goal_id"] for each in (await done(await who.get(f"{url}/links")))["data"]}

        assert await goals(amira) == {goal["id"], private["id"]}
        assert await goals(theo) == {goal["id"]}
        assert await goals(grace) == set()
        assert (await look(theo, session), await trail(world, session)) == before, "nothing tells of the private one"
        assert {row.actor_id for row in await trail(world, link)} == {None}
        assert not [type_ for type_, _ in await outgoing(world) if type_.startswith("session_link")]
        assert (await theo.delete(f"{url}/links/{link['id']}")).status_code == 404
        assert (await amira.delete(f"{url}/links/{link['id']}")).status_code == 204
        assert await goals(amira) == {goal["id"]}

    async def test_only_what_the_caller_may_see_can_be_linked(
        self,
        amira: httpx.AsyncClient,
        theo: httpx.AsyncClient,
        grace: httpx.AsyncClient,
        client: httpx.AsyncClient,
        world: World,
    ) -> None:
        private, graces = await make_goal(amira, private=True), await make_goal(grace)
        session = await plan(client, world, "theo", "amira", "grace")
        for who, goal in ((theo, private), (theo, graces), (amira, graces)):
            response = await who.post(f"{SESSIONS}/{session['id']}/links", json={"goal_id": goal["id"]})
            assert response.status_code == 422
            assert response.json()["errors"][0]["pointer"] == "/goal_id"
            refused = await who.post(SESSIONS, json=body(world, "theo", "amira", goal_ids=[goal["id"]], **at(48)))
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/goal_ids/0")

        await made(await grace.post(f"{SESSIONS}/{session['id']}/links", json={"goal_id": graces["id"]}))
        twice = await grace.post(f"{SESSIONS}/{session['id']}/links", json={"goal_id": graces["id"]})
        assert (twice.status_code, twice.json()["code"]) == (409, "already_linked")

    async def test_a_client_links_what_its_scopes_let_it_see(self, amira: httpx.AsyncClient, world: World) -> None:
        goal, private = await make_goal(amira), await make_goal(amira, private=True)
        for scopes, linked, status in (
            (("sessions:write", "sessions:read"), goal, 422),
            (("sessions:write", "sessions:read", "plans:read"), private, 422),
            (("sessions:write", "sessions:read", "plans:read"), goal, 201),
        ):
            client = await world.client(*scopes)
            response = await client.post(SESSIONS, json=body(world, "jonas", goal_ids=[linked["id"]], **at()))
            assert response.status_code == status, scopes

    def test_the_policy_of_links_follows_that_of_goals_and_calls(self) -> None:
        relations = [POLICY[resource, "read"].relations for resource in ("session_link", "goal", "call_event")]
        names = [{relation.name for relation in each} for each in relations]

        assert names[0] <= names[1]
        assert names[0] <= names[2]


class TestNaming:
    """Whom one may bring into a session: each relation alone is enough; without any, they might as well not exist."""

    async def tried(self, who: httpx.AsyncClient, world: World, coach: str | None, *attendees: str) -> int:
        return (await who.post(SESSIONS, json=body(world, coach, *attendees, kind="group"))).status_code

    async def test_by_each_relation_alone(self, world: World) -> None:
        for name in ("bo", "cleo", "dan", "elsa"):
            await world.hire(name)
        ids = world.people
        await world.run(
            lambda s: s.execute(
                text("UPDATE employee SET manager_id = :dan WHERE id = :bo"), {"dan": ids["dan"], "bo": ids["bo"]}
            )
        )
        bo, dan, elsa = world.person("bo"), world.person("dan"), world.person("elsa")
        assert await self.tried(bo, world, None, "bo") == 201, "oneself"
        assert await self.tried(bo, world, "dan", "bo") == 201, "one's manager"
        assert await self.tried(dan, world, "dan", "bo") == 201, "one's report"
        assert await self.tried(bo, world, "jonas", "bo") == 201, "a coach"
        assert await self.tried(world.person("jonas"), world, "jonas", "elsa") == 201, "a coach names anybody"
        assert await self.tried(bo, world, "cleo", "bo") == 422, "nobody to do with"
        assert await self.tried(elsa, world, "bo", "elsa") == 422
        assert await self.tried(world.person("amira"), world, "theo", "amira") == 201, "one's team lead"
        assert await self.tried(world.person("theo"), world, "theo", "amira") == 201, "of one's team"

        both = text("INSERT INTO team_member (organisation_id, id, team_id, employee_id) VALUES (:o, :i, :t, :e)")
        for number, name in enumerate(("bo", "cleo")):
            values = {"o": world.id, "i": ids[name], "t": world.team_id, "e": ids[name]}
            await world.run(lambda s, values=values: s.execute(both, values))
            assert await self.tried(bo, world, "cleo", "bo") == (201 if number else 422), "a team-mate"

    async def test_a_role_that_was_taken_back_names_nobody(self, amira: httpx.AsyncClient, world: World) -> None:
        assert await self.tried(amira, world, "jonas", "amira") == 201
        await world.run(lambda s: s.execute(text("UPDATE role_grant SET state = 'revoked' WHERE role = 'coach'")))

        assert await self.tried(amira, world, "jonas", "amira") == 422
        assert await self.tried(world.person("jonas"), world, "jonas", "amira") == 422


class TestCounts:
    async def test_name_nobody_and_show_no_small_group(
        self, client: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = datetime(2027, 5, 20, 9, 0, tzinfo=UTC)
        monkeypatch.setattr(clock, "now", lambda: now)
        names = [f"p{number}" for number in range(5)]
        for name in names:
            await world.hire(name)
        big = await plan(client, world, "jonas", *names, **at(start=now))
        small = await plan(client, world, "theo", "amira", kind="debrief", **at(start=now))
        for session in (big, small):
            await do(client, session, "complete")

        async def counted() -> dict[str, tuple[int | None, int | None]]:
            answer = await done(await noor.get(f"{SESSIONS}/counts"))
            assert answer.keys() == {"minimum_group_size", "starts_on", "ends_on", "kinds"}
            return {row["kind"]: (row["sessions"], row["people"]) for row in answer["kinds"]}

        assert set((await counted()).values()) == {(0, 0)}, "the month is not over"
        monkeypatch.setattr(clock, "now", lambda: datetime(2027, 6, 1, 9, 0, tzinfo=UTC))
        found = await counted()
        assert (found["group"], found["debrief"], found["peer"]) == ((1, 5), (None, None), (0, 0))
        monkeypatch.setattr(clock, "now", lambda: datetime(2028, 6, 1, 9, 0, tzinfo=UTC))
        assert set((await counted()).values()) == {(0, 0)}, "a year has passed"


async def test_a_series_is_known_to_those_in_it(
    world: World, jonas: httpx.AsyncClient, grace: httpx.AsyncClient
) -> None:
    begin = at(start=datetime(2027, 6, 1, 9, 0, tzinfo=UTC))["starts_at"]
    rule = {"starts_at": begin, "duration_seconds": 1800, "rrule": "FREQ=WEEKLY;COUNT=2"}
    await world.grant("grace", Role.coach)
    series = await made(await jonas.post(SERIES, json={**body(world, None, "amira"), **rule}))

    assert (await grace.get(f"{SERIES}/{series['id']}")).status_code == 404
    first = (await done(await jonas.get(SESSIONS, params={"series_id": series["id"], "sort": "starts_at"})))["data"][0]
    await do(jonas, first, "change-people", coach_id=str(world.people["grace"]))
    assert (await grace.get(f"{SERIES}/{series['id']}")).status_code == 404, "one occurrence is not the series"
    assert await attempt(grace, first, "cancel") == (200, None)
