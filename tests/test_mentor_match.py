"""Matching for a cohort over HTTP: a job, its proposal with reasons, its confirmation; for the programme lead alone."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app import clock
from app.models.client import Role
from app.worker import REGULARLY, Worker
from tests.matches import MATCHES, ask, confirm, look, matched, pairs_of, run, unmatched_of
from tests.mentors import PAIRS, Time, act, deactivate, make_mentor, propose
from tests.plans import done, make_goal, trail
from tests.test_conventions_access import assert_problem
from tests.world import World


@pytest.fixture
async def cohort(world: World, grace: httpx.AsyncClient) -> dict[str, str]:
    """Three who want a mentor, and two with one place each: Grace, on relationships, and Jonas, on inner drive."""
    for name in ("robin", "sam"):
        await world.hire(name, manager_id=world.people["theo"])
    await make_mentor(grace, pillars=["relationships"], capacity=1)
    await make_mentor(world.person("jonas"), pillars=["inner_drive"], capacity=1)
    await make_goal(world.person("robin"), pillars=["inner_drive"])
    await make_goal(world.person("amira"), pillars=["relationships"])
    return {name: str(world.people[name]) for name in ("amira", "robin", "sam", "grace", "jonas", "theo")}


def who_with_whom(pairs: list[dict[str, Any]]) -> dict[str, str]:
    return {pair["mentee_id"]: pair["mentor_id"] for pair in pairs}


class TestRequest:
    async def test_is_a_job_that_proposes_the_best_for_all(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]
    ) -> None:
        waiting = await ask(noor, [cohort["amira"], cohort["robin"], cohort["sam"]])
        assert (waiting["state"], waiting["progress"], waiting["pair_count"]) == ("queued", 0, None)
        assert waiting["allowed_actions"] == ["cancel"]

        await run(world)

        match = await look(noor, waiting)
        assert (match["state"], match["progress"], match["allowed_actions"]) == ("succeeded", 100, ["confirm"])
        assert [match[f"{each}_count"] for each in ("mentee", "mentor", "pair", "unmatched", "confirmed")] == [
            3,
            2,
            2,
            1,
            0,
        ]
        pairs = await pairs_of(noor, match)
        assert who_with_whom(pairs) == {cohort["amira"]: cohort["grace"], cohort["robin"]: cohort["jonas"]}
        assert match["total_fit"] == sum(pair["score"] for pair in pairs)
        for pair in pairs:
            assert pair["score"] == sum(reason["points"] for reason in pair["reasons"])
            assert "shared_pillars" in {reason["code"] for reason in pair["reasons"]}
        (alone,) = await unmatched_of(noor, match)
        assert (alone["mentee_id"], alone["code"], alone["obstacles"]) == (
            cohort["sam"],
            "places_taken",
            {"places_taken": 2},
        )
        entries = [(each.action, each.actor_id) for each in await trail(world, match)]
        assert entries == [
            ("mentor_match.requested", world.people["noor"]),
            ("mentor_match.started", None),
            ("mentor_match.succeeded", None),
        ]

    async def test_saves_no_assignment(self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]) -> None:
        await matched(world, noor, [cohort["amira"]])

        assert (await done(await noor.get(PAIRS)))["data"] == []

    async def test_takes_a_team_or_a_service_area(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str], client: httpx.AsyncClient
    ) -> None:
        area = (await client.post("/v1/service-areas", json={"name": "Housing"})).json()["id"]
        await world.hire("kim", service_area_id=area)
        await world.hire("lee", service_area_id=area, active=False)

        for asked, expected in (({"team_id": str(world.team_id)}, "amira"), ({"service_area_id": area}, "kim")):
            response = await noor.post(MATCHES, json=asked)
            await run(world)
            assert who_with_whom(await pairs_of(noor, response.json())).keys() == {str(world.people[expected])}

    async def test_never_the_line_manager_and_not_who_is_a_pair_already(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str], theo: httpx.AsyncClient
    ) -> None:
        """Theo would suit best; Grace's place is promised by a proposal that nobody has answered yet."""
        await make_mentor(theo, pillars=["relationships", "inner_drive"], capacity=9)
        await propose(world.person("amira"), cohort["grace"])

        match = await matched(world, noor, [cohort["amira"], cohort["sam"]])

        (pair,) = await pairs_of(noor, match)
        assert pair["mentor_id"] == cohort["jonas"]
        (alone,) = await unmatched_of(noor, match)
        assert {"line_manager": 1}.items() <= alone["obstacles"].items()

    async def test_not_on_what_another_mentor_is_for(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]
    ) -> None:
        await make_mentor(world.person("hana"), pillars=["relationships", "inner_drive"], capacity=5)
        pair = await propose(world.person("amira"), cohort["grace"])
        await act(world.person("grace"), pair, "accept")

        covered = await matched(world, noor, [cohort["amira"]], pillar="relationships")
        other = await matched(world, noor, [cohort["amira"]], weights={"same_service_area": 1})

        assert [each["code"] for each in await unmatched_of(noor, covered)] == ["focus_already_covered"]
        (found,) = await pairs_of(noor, other)
        assert found["focus_pillars"] == ["inner_drive"]
        assert "shared_pillars" not in {reason["code"] for reason in found["reasons"]}

    async def test_knows_nothing_of_private_goals(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]
    ) -> None:
        await make_goal(world.person("sam"), pillars=["inner_drive"], private=True)

        match = await matched(world, noor, [cohort["sam"]])

        (pair,) = await pairs_of(noor, match)
        assert "shared_pillars" not in {reason["code"] for reason in pair["reasons"]}

    async def test_follows_what_was_asked_for(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]
    ) -> None:
        asked = {"pillar": "inner_drive", "require_shared_pillar": True, "weights": {"focus_pillar": 90}}

        match = await matched(world, noor, [cohort["amira"], cohort["robin"]], **asked)

        (pair,) = await pairs_of(noor, match)
        assert (pair["mentor_id"], pair["focus_pillars"]) == (cohort["jonas"], ["inner_drive"])
        assert pair["reasons"][0]["points"] == match["weights"]["focus_pillar"] == 90
        nobody = await matched(world, noor, [cohort["amira"]], least_score=100)
        assert [each["code"] for each in await unmatched_of(noor, nobody)] == ["below_least_score"]

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "/"),
            ({"mentee_ids": []}, "/mentee_ids"),
            ({"mentee_ids": ["amira", "amira"]}, "/"),
            ({"mentee_ids": ["amira"], "team_id": "team"}, "/"),
            ({"mentee_ids": ["amira", "nobody"]}, "/mentee_ids/1"),
            ({"team_id": "nobody"}, "/team_id"),
            ({"service_area_id": "nobody"}, "/service_area_id"),
            ({"mentee_ids": ["amira"], "pillar": "no_such_pillar"}, "/pillar"),
            ({"mentee_ids": ["amira"], "weights": {"shared_pillar": 101}}, "/weights/shared_pillar"),
        ],
    )
    async def test_is_asked_for_somebody(
        self, noor: httpx.AsyncClient, world: World, body: dict[str, Any], pointer: str
    ) -> None:
        known = {"amira": world.people["amira"], "team": world.team_id, "nobody": world.id}

        def filled(value: Any) -> Any:
            return [filled(each) for each in value] if isinstance(value, list) else str(known.get(value, value))

        response = await noor.post(MATCHES, json={n: filled(v) if n != "weights" else v for n, v in body.items()})

        assert_problem(response, 422)
        assert {fault["pointer"] for fault in response.json()["errors"]} == {pointer}

    async def test_is_the_programme_lead_s_alone(
        self, world: World, noor: httpx.AsyncClient, cohort: dict[str, str]
    ) -> None:
        match = await matched(world, noor, [cohort["amira"]])
        await world.grant("grace", Role.auditor)

        for name in ("amira", "theo", "grace", "hana", "jonas", "ines"):
            who = world.person(name)
            assert_problem(await who.post(MATCHES, json={"mentee_ids": [cohort["amira"]]}), 403)
            for path in ("", f"/{match['id']}", f"/{match['id']}/pairs", f"/{match['id']}/unmatched"):
                assert_problem(await who.get(MATCHES + path), 403)
            for verb in ("confirm", "cancel"):
                assert_problem(await who.post(f"{MATCHES}/{match['id']}/{verb}"), 403)

    async def test_is_kept_for_thirty_days(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        time = Time(monkeypatch)
        match = await matched(world, noor, [cohort["amira"], cohort["robin"]])
        await confirm(noor, match)
        worker = Worker(world.database, world.app.state.wakeup, 1)

        time.pass_by(days=29, hours=23)
        await worker.attend(world.id, {"purge": REGULARLY["purge"]})
        assert clock.now() < clock.now().fromisoformat(match["kept_until"]) <= clock.now() + timedelta(hours=2)
        await look(noor, match)
        time.pass_by(hours=2)
        await worker.attend(world.id, {"purge": REGULARLY["purge"]})

        assert_problem(await noor.get(f"{MATCHES}/{match['id']}"), 404)
        assert len((await done(await noor.get(PAIRS)))["data"]) == 2


class TestConfirm:
    async def test_makes_proposals_that_both_still_agree_to(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]
    ) -> None:
        match = await matched(world, noor, [cohort["amira"], cohort["robin"], cohort["sam"]])
        pairs = await pairs_of(noor, match)

        answer = await confirm(noor, match, rationale="For the spring cohort.")

        assert (answer["confirmed"], answer["refused"], answer["open"]) == (2, 0, 0)
        assert [each["pair_id"] for each in answer["results"]] == [pair["id"] for pair in pairs]
        assert (await look(noor, match))["confirmed_count"] == 2
        amira, grace = world.person("amira"), world.person("grace")
        (found,) = (await done(await amira.get(PAIRS)))["data"]
        assert found["id"] == answer["results"][0]["assignment_id"]
        assert (found["state"], found["mentor_id"], found["focus_pillars"]) == (
            "proposed",
            cohort["grace"],
            ["relationships"],
        )
        assert found["reasons"] == [reason["detail"] for reason in pairs[0]["reasons"]]
        assert found["rationale"] == "For the spring cohort."
        await act(amira, found, "accept")
        assert (await act(grace, found, "accept"))["state"] == "active"
        confirmed = await pairs_of(noor, match, confirmed=True)
        assert [pair["assignment_id"] for pair in confirmed] == [each["assignment_id"] for each in answer["results"]]
        last = (await trail(world, match))[-1]
        assert (last.action, last.details) == ("mentor_match.confirmed", {"confirmed": 2})

    async def test_is_safe_to_repeat(self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]) -> None:
        match = await matched(world, noor, [cohort["amira"], cohort["robin"]])
        pair_ids = [pair["id"] for pair in await pairs_of(noor, match)]

        first = await confirm(noor, match, pair_ids=pair_ids)
        again = await confirm(noor, match, pair_ids=pair_ids)

        assert again == first
        assert (await confirm(noor, match))["results"] == []
        assert len((await done(await noor.get(PAIRS)))["data"]) == 2
        assert (await look(noor, match))["confirmed_count"] == 2

    async def test_asks_again_of_each_pair_what_has_to_hold(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]
    ) -> None:
        """Since the matching Amira has found a mentor and Robin has left; Sam's pair is as good as it was."""
        await make_mentor(world.person("hana"), capacity=3)
        match = await matched(world, noor, [cohort["amira"], cohort["robin"], cohort["sam"]])
        pairs = {pair["mentee_id"]: pair for pair in await pairs_of(noor, match)}
        other = await propose(world.person("amira"), pairs[cohort["amira"]]["mentor_id"])
        await deactivate(world, "robin")
        names = ("amira", "robin", "sam")

        answer = await confirm(noor, match, pair_ids=[pairs[cohort[name]]["id"] for name in names] + [str(world.id)])

        codes = [each["code"] for each in answer["results"]]
        assert codes == ["pair_already_open", "person_inactive", None, "unknown_reference"]
        assert (answer["confirmed"], answer["refused"], answer["open"]) == (1, 3, 2)
        found = (await done(await noor.get(PAIRS)))["data"]
        assert {pair["id"] for pair in found} == {other["id"], answer["results"][2]["assignment_id"]}

    async def test_holds_capacity(self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]) -> None:
        match = await matched(world, noor, [cohort["amira"]])
        pair = await propose(world.person("robin"), cohort["grace"])
        await act(world.person("grace"), pair, "accept")

        answer = await confirm(noor, match)

        assert [each["code"] for each in answer["results"]] == ["mentor_at_capacity"]

    async def test_only_of_what_is_done(self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]) -> None:
        match = await ask(noor, [cohort["amira"]])

        assert_problem(await noor.post(f"{MATCHES}/{match['id']}/confirm"), 409, "wrong_state")


class TestCancel:
    async def test_one_that_waits_is_never_done(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]
    ) -> None:
        match = await ask(noor, [cohort["amira"]])

        cancelled = await done(await noor.post(f"{MATCHES}/{match['id']}/cancel"))

        assert (cancelled["state"], cancelled["allowed_actions"]) == ("cancelled", [])
        assert await run(world) == 0
        assert_problem(await noor.post(f"{MATCHES}/{match['id']}/cancel"), 409, "wrong_state")

    async def test_lists_find_them_by_state(
        self, noor: httpx.AsyncClient, world: World, cohort: dict[str, str]
    ) -> None:
        first, second = await ask(noor, [cohort["amira"]]), await ask(noor, [cohort["sam"]])
        await noor.post(f"{MATCHES}/{first['id']}/cancel")

        found = (await done(await noor.get(MATCHES, params={"state": "queued"})))["data"]

        assert [each["id"] for each in found] == [second["id"]]
        assert await run(world) == 1
