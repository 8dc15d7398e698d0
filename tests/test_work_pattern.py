"""When people work: always an answer, labelled while nobody has said, and theirs to say."""

from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy.orm import Session

from app.auth import Caller
from app.models import Employee
from app.services import work_pattern as work_patterns
from tests.plans import done, outgoing, trail
from tests.world import World, etag

NIGHT = {"weekday": 7, "starts_at": "22:00", "ends_at": "06:00"}
MONDAY = {"weekday": 1, "starts_at": "06:00", "ends_at": "14:30"}


def url(world: World, name: str = "amira") -> str:
    return f"/v1/employees/{world.people[name]}/work-pattern"


async def put(who: httpx.AsyncClient, world: World, version: int, **fields: Any) -> httpx.Response:
    return await who.put(url(world), json={"hours": [], **fields}, headers={"If-Match": f'"{version}"'})


class TestDefault:
    async def test_is_an_office_week_and_says_so(self, amira: httpx.AsyncClient, world: World) -> None:
        answer = await amira.get(url(world))

        pattern = await done(answer)
        assert [each["weekday"] for each in pattern["hours"]] == [1, 2, 3, 4, 5]
        assert {(each["starts_at"], each["ends_at"]) for each in pattern["hours"]} == {("09:00", "17:00")}
        assert (pattern["is_default"], pattern["version"], answer.headers["ETag"]) == (True, 0, '"0"')
        assert "judgement" in pattern["basis"]
        assert (pattern["time_zone"], pattern["effective_time_zone"], pattern["languages"]) == (None, "UTC", [])
        assert pattern["allowed_actions"] == ["update"]

    async def test_zone_and_language_follow_the_directory(
        self, amira: httpx.AsyncClient, hana: httpx.AsyncClient, world: World
    ) -> None:
        person = f"/v1/employees/{world.people['amira']}"
        body = {"time_zone": "America/Port-au-Prince", "locale": "ht-HT"}
        await done(await hana.patch(person, json=body, headers=etag(await hana.get(person))))

        pattern = await done(await amira.get(url(world)))

        assert (pattern["effective_time_zone"], pattern["effective_languages"]) == ("America/Port-au-Prince", ["ht"])

    async def test_a_zone_that_the_machine_does_not_know_falls_back(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        def rename(session: Session) -> None:
            session.get_one(Employee, (world.id, world.people["amira"])).time_zone = "Mars/Olympus"

        await world.run(rename)

        assert (await done(await client.get(url(world))))["effective_time_zone"] == "UTC"


class TestPut:
    async def test_the_first_takes_the_version_of_the_default(self, amira: httpx.AsyncClient, world: World) -> None:
        said = await put(amira, world, 0, hours=[NIGHT, MONDAY], time_zone="Europe/London", languages=["EN-gb", "cy"])
        late = await put(amira, world, 0, hours=[])

        pattern = await done(said)
        assert (said.headers["ETag"], pattern["is_default"], pattern["basis"]) == ('"1"', False, None)
        assert (pattern["hours"], pattern["languages"]) == ([NIGHT, MONDAY], ["en-gb", "cy"])
        assert late.status_code == 412
        assert (await amira.put(url(world), json={"hours": []})).status_code == 428
        assert await done(await amira.get(url(world))) == pattern

    async def test_replaces_what_was_there_and_is_written_down_once(
        self, amira: httpx.AsyncClient, world: World
    ) -> None:
        await put(amira, world, 0, hours=[MONDAY], languages=["en"])
        second = await done(await put(amira, world, 1, hours=[NIGHT]))
        same = await done(await put(amira, world, 2, hours=[NIGHT]))

        assert (second["languages"], second["hours"], second["version"]) == ([], [NIGHT], 2)
        assert same == second
        assert [kind for kind, _ in await outgoing(world)] == ["work_pattern.updated"] * 2

    @pytest.mark.parametrize(
        "hours",
        [
            [{**MONDAY, "ends_at": "06:00"}],
            [MONDAY, {**MONDAY, "starts_at": "14:00", "ends_at": "15:00"}],
            [NIGHT, {"weekday": 1, "starts_at": "05:00", "ends_at": "07:00"}],
            [{**MONDAY, "weekday": 0}],
            [{**MONDAY, "weekday": 8}],
            [{**MONDAY, "ends_at": "24:00"}],
        ],
        ids=["no time at all", "overlapping", "overlapping across the week", "day 0", "day 8", "24 o'clock"],
    )
    async def test_hours_that_cannot_be(self, amira: httpx.AsyncClient, world: World, hours: list[Any]) -> None:
        assert (await put(amira, world, 0, hours=hours)).status_code == 422

    async def test_zones_of_every_kind(self, amira: httpx.AsyncClient, world: World) -> None:
        for version, zone in enumerate(("UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+3", "Asia/Kathmandu")):
            assert (await done(await put(amira, world, version, time_zone=zone)))["effective_time_zone"] == zone
        assert (await put(amira, world, 4, time_zone="Europe/Nowhere")).status_code == 422


class TestAccess:
    async def test_who_reads_and_who_says(self, world: World) -> None:
        for name, read, said in (
            ("amira", 200, 200),
            ("theo", 200, 403),
            ("noor", 200, 403),
            ("hana", 200, 200),
            ("grace", 404, 404),
            ("ines", 404, 404),
        ):
            who = world.person(name)
            answer = await who.get(url(world))
            assert answer.status_code == read, name
            headers = {"If-Match": answer.headers.get("ETag", "*")}
            assert (await who.put(url(world), json={"hours": []}, headers=headers)).status_code == said, name

    async def test_a_client_needs_the_scope(self, world: World) -> None:
        reader, writer = await world.client("employees:read"), await world.client("employees:write")

        assert (await done(await reader.get(url(world))))["allowed_actions"] == []
        assert (await put(reader, world, 0)).status_code == 403
        assert (await put(writer, world, 0)).status_code == 200


async def test_of_many_in_one_go(amira: httpx.AsyncClient, world: World) -> None:
    await put(amira, world, 0, hours=[NIGHT], time_zone="Europe/London", languages=["cy"])
    people = [world.people["amira"], world.people["theo"]]

    found = await world.run(lambda session: work_patterns.of(session, Caller(world.id, "system", None), people))

    mine, theirs = (found[person] for person in people)
    assert (mine.time_zone, mine.languages, mine.is_default) == ("Europe/London", ("cy",), False)
    (hours,) = mine.hours
    assert (hours.weekday, hours.starts_at.hour, hours.ends_at.hour) == (7, 22, 6)
    assert (theirs.is_default, len(theirs.hours), ZoneInfo(theirs.time_zone).key) == (True, 5, "UTC")


async def test_the_entry_names_the_person(amira: httpx.AsyncClient, world: World) -> None:
    await put(amira, world, 0, hours=[NIGHT])
    ((_, row_id),) = await outgoing(world)

    ((action, actor, subject, details),) = await trail(world, {"id": row_id})

    assert (action, actor, subject) == ("work_pattern.updated", world.people["amira"], world.people["amira"])
    assert details == {"fields": ["hours", "languages"]}
