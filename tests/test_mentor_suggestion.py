"""Who would suit as a mentor: ranked, with reasons one can read, and nothing that gives a private goal away."""

from typing import Any

import httpx
import pytest
from sqlalchemy import event

from tests.mentors import make_mentor, make_pair, propose
from tests.plans import done, made, make_active, make_goal
from tests.world import World, etag


async def suggested(who: httpx.AsyncClient, world: World, name: str = "amira", **query: Any) -> dict[str, Any]:
    answer = await who.get(f"/v1/employees/{world.people[name]}/mentor-suggestions", params=query)
    found = await done(answer)
    assert found["basis"]
    return {each["display_name"]: each for each in found["data"]}


def codes(suggestion: dict[str, Any]) -> set[str]:
    return {reason["code"] for reason in suggestion["reasons"]}


async def change(world: World, name: str, **fields: Any) -> None:
    hana, url = world.person("hana"), f"/v1/employees/{world.people[name]}"
    await done(await hana.patch(url, json=fields, headers=etag(await hana.get(url))))


async def say_hours(world: World, name: str, starts_at: str, ends_at: str, zone: str, languages: list[str]) -> None:
    hours = [{"weekday": day, "starts_at": starts_at, "ends_at": ends_at} for day in range(1, 6)]
    body = {"hours": hours, "time_zone": zone, "languages": languages}
    url = f"/v1/employees/{world.people[name]}/work-pattern"
    await done(await world.person(name).put(url, json=body, headers={"If-Match": '"0"'}))


class TestReasons:
    async def test_pillars_language_hours_area_and_load(self, amira: httpx.AsyncClient, world: World) -> None:
        area = await made(await world.person("hana").post("/v1/service-areas", json={"name": "Housing"}))
        for name in ("amira", "grace"):
            await change(world, name, service_area_id=area["id"])
        await say_hours(world, "amira", "09:00", "17:00", "Europe/London", ["en-GB"])
        await say_hours(world, "grace", "10:00", "18:00", "Europe/London", ["en"])
        await say_hours(world, "jonas", "09:00", "17:00", "Pacific/Auckland", ["en"])
        await make_active(amira, pillars=["relationships", "physical_health"])
        await make_mentor(world.person("jonas"), pillars=["inner_drive"])
        await make_mentor(world.person("grace"), capacity=2)
        await make_pair(world, mentee="ines")

        found = await suggested(amira, world)

        assert list(found) == ["Grace", "Jonas"], "the best first"
        grace, jonas = found.values()
        assert codes(grace) == {
            "shared_pillars",
            "shared_languages",
            "overlapping_hours",
            "same_service_area",
            "free_places",
        }
        assert codes(jonas) == {"shared_languages", "overlapping_hours", "free_places"}
        assert grace["score"] == sum(reason["points"] for reason in grace["reasons"]) > jonas["score"]
        words = {reason["code"]: reason["detail"] for reason in grace["reasons"]}
        assert words["overlapping_hours"] == "Both are at work 35 h 00 min a week."
        assert words["free_places"] == "1 of the mentor's 2 places are free."
        assert "relationships" in words["shared_pillars"]

    async def test_a_default_week_claims_nothing(self, amira: httpx.AsyncClient, world: World) -> None:
        await make_mentor(world.person("grace"))
        await say_hours(world, "amira", "09:00", "17:00", "UTC", [])

        (grace,) = (await suggested(amira, world)).values()

        assert codes(grace) == {"free_places"}, "nobody has said when she works"

    async def test_the_profile_goes_before_the_pattern(self, amira: httpx.AsyncClient, world: World) -> None:
        await say_hours(world, "amira", "09:00", "17:00", "UTC", ["cy"])
        await say_hours(world, "grace", "09:00", "17:00", "UTC", ["pl"])
        hours = [{"weekday": 1, "starts_at": "16:00", "ends_at": "18:00"}]
        await make_mentor(world.person("grace"), languages=["cy"], hours=hours)

        (grace,) = (await suggested(amira, world)).values()

        words = {reason["code"]: reason["detail"] for reason in grace["reasons"]}
        assert words["shared_languages"] == "Both speak cy."
        assert words["overlapping_hours"] == "Both are at work 1 h 00 min a week."

    async def test_the_pillar_that_is_asked_for(self, amira: httpx.AsyncClient, world: World) -> None:
        await make_mentor(world.person("grace"), pillars=["relationships"])
        await make_mentor(world.person("jonas"), pillars=["inner_drive"])

        assert list(await suggested(amira, world, pillar="inner_drive", limit=1)) == ["Jonas"]
        assert list(await suggested(amira, world, pillar="relationships", limit=1)) == ["Grace"]


class TestWhoIsNot:
    async def test_oneself_the_line_manager_an_open_pair_the_full_and_the_away(self, world: World) -> None:
        amira = world.person("amira")
        for name in ("amira", "theo", "jonas", "ines"):
            await make_mentor(world.person(name))
        await make_mentor(world.person("hana"), accepting=False)
        await make_mentor(world.person("noor"), capacity=0)
        await make_pair(world)
        await propose(amira, world.people["ines"], focus_pillars=["inner_drive"])

        assert set(await suggested(amira, world)) == {"Jonas"}
        assert set(await suggested(world.person("theo"), world, "theo")) == {"Amira", "Grace", "Ines", "Jonas"}


class TestPrivateGoals:
    async def test_count_for_the_persons_own_eyes_alone(self, amira: httpx.AsyncClient, world: World) -> None:
        await make_mentor(world.person("grace"), pillars=["emotional_wellbeing"])
        await make_goal(amira, pillars=["emotional_wellbeing"], private=True)

        for name, seen in (("amira", True), ("theo", False), ("noor", False)):
            (grace,) = (await suggested(world.person(name), world)).values()
            assert ("shared_pillars" in codes(grace)) == seen, name
            assert ("emotional_wellbeing" in str(grace)) == seen, name

    async def test_are_not_in_the_reasons_that_a_pair_keeps(self, amira: httpx.AsyncClient, world: World) -> None:
        await make_mentor(world.person("grace"), pillars=["emotional_wellbeing", "relationships"])
        await make_goal(amira, pillars=["emotional_wellbeing"], private=True)
        await make_goal(amira, pillars=["relationships"])

        pair = await propose(amira, world.people["grace"])

        assert pair["reasons"] == [
            "Mentors on the pillar asked for: relationships.",
            "Mentors on pillars of the mentee's goals: relationships.",
        ]


async def test_who_may_ask_for_whom(world: World) -> None:
    url = f"/v1/employees/{world.people['amira']}/mentor-suggestions"

    answers = {
        name: (await world.person(name).get(url)).status_code for name in ("amira", "theo", "noor", "hana", "grace")
    }

    assert answers == {"amira": 200, "theo": 200, "noor": 200, "hana": 403, "grace": 404}
    assert (await (await world.client()).get(url)).status_code == 403


@pytest.mark.parametrize("mentors", [1, 12])
async def test_takes_the_same_statements_however_many_there_are(world: World, mentors: int) -> None:
    noor, amira = world.person("noor"), world.person("amira")
    for number in range(mentors):
        person = await world.hire(f"mentor-{number}")
        await make_mentor(noor, employee_id=str(person))
    await suggested(amira, world)
    statements: list[str] = []
    engine = world.database.engine.sync_engine

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    try:
        assert len(await suggested(amira, world, limit=50)) == mentors
    finally:
        event.remove(engine, "before_cursor_execute", count)

    assert len(statements) == 8
