"""Series: made at once or not at all, each occurrence alone, and the rest changed or called off from a day on."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from app import clock
from tests.plans import done, made, trail
from tests.sessions import SERIES, SESSIONS, at, attempt, body, do, look, plan
from tests.world import World

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2027, 2, 20, 12, 0, tzinfo=UTC)
TUESDAY = datetime(2027, 3, 2, 9, 0, tzinfo=UTC)  # ten o'clock in Berlin; summer time begins on 28 March


@pytest.fixture(autouse=True)
def clockwork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def jonas(world: World) -> httpx.AsyncClient:
    return world.person("jonas")


def weekly(world: World, *attendees: str, count: int = 6, **fields: Any) -> dict[str, Any]:
    return {
        **body(world, "jonas", *(attendees or ("amira",))),
        "starts_at": TUESDAY.isoformat(),
        "duration_seconds": 2700,
        "time_zone": "Europe/Berlin",
        "rrule": f"FREQ=WEEKLY;COUNT={count}",
        **fields,
    }


async def make(who: httpx.AsyncClient, world: World, *attendees: str, **fields: Any) -> dict[str, Any]:
    return await made(await who.post(SERIES, json=weekly(world, *attendees, **fields)))


async def occurrences(who: httpx.AsyncClient, series: dict[str, Any], **filters: Any) -> list[dict[str, Any]]:
    query = {"series_id": series["id"], "sort": "starts_at", "limit": 200, **filters}
    found: list[dict[str, Any]] = (await done(await who.get(SESSIONS, params=query)))["data"]
    return found


def local(session: dict[str, Any], field: str = "starts_at") -> str:
    return datetime.fromisoformat(session[field]).astimezone(BERLIN).strftime("%m-%d %H:%M")


async def turn(who: httpx.AsyncClient, series: dict[str, Any], verb: str, **fields: Any) -> dict[str, Any]:
    return await done(await who.post(f"{SERIES}/{series['id']}/{verb}", json=fields))


class TestMake:
    async def test_books_each_at_the_same_local_hour(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        series = await make(jonas, world, agenda="Where you stand.", location="Room 4")

        found = await occurrences(amira, series)
        days = ["03-02", "03-09", "03-16", "03-23", "03-30", "04-06"]
        assert [local(each) for each in found] == [f"{day} 10:00" for day in days]
        assert {datetime.fromisoformat(each["starts_at"]).hour for each in found} == {9, 8}, "summer time has begun"
        assert {each["state"] for each in found} == {"scheduled"}
        assert {(each["agenda"], each["location"], each["sequence"]) for each in found} == {
            ("Where you stand.", "Room 4", 0)
        }
        assert all(each["occurrence_at"] == each["starts_at"] for each in found)
        assert (series["until_at"], series["skipped"], series["state"]) == (found[-1]["starts_at"], [], "active")
        assert [row.action for row in await trail(world, series)] == ["session_series.created"]
        assert [row.action for row in await trail(world, found[3])] == ["coaching_session.scheduled"]
        for each in found:
            clash = await world.person("theo").post(
                SESSIONS, json=body(world, "theo", "amira", **at(start=datetime.fromisoformat(each["starts_at"])))
            )
            assert clash.json()["code"] == "double_booked"

    async def test_all_or_none_and_says_at_which_dates_who_is_not_free(
        self, jonas: httpx.AsyncClient, client: httpx.AsyncClient, world: World
    ) -> None:
        third, fifth = TUESDAY + timedelta(days=14), datetime(2027, 3, 30, 8, 15, tzinfo=UTC)
        await plan(client, world, "theo", "amira", **at(start=third))
        await plan(client, world, "jonas", "grace", **at(start=fifth))

        refused = await jonas.post(SERIES, json=weekly(world))

        assert (refused.status_code, refused.json()["code"]) == (409, "double_booked")
        assert [fault["pointer"] for fault in refused.json()["errors"]] == [
            f"/occurrences/2027-03-16T09:00:00+00:00/people/{world.people['amira']}",
            f"/occurrences/2027-03-30T08:00:00+00:00/people/{world.people['jonas']}",
        ]
        assert (await done(await jonas.get(SERIES)))["data"] == []

        series = await make(jonas, world, skip_conflicts=True)
        found = await occurrences(jonas, series)
        assert [local(each)[:5] for each in found] == ["03-02", "03-09", "03-23", "04-06"]
        assert [moment[:10] for moment in series["skipped"]] == ["2027-03-16", "2027-03-30"]

    async def test_refuses_rules_without_end_before_any_work(self, jonas: httpx.AsyncClient, world: World) -> None:
        for rule in (
            "FREQ=SECONDLY;COUNT=1000000000",
            "FREQ=DAILY;UNTIL=99991231",
            "FREQ=DAILY;COUNT=105",
            "FREQ=MONTHLY;BYDAY=1MO;BYSETPOS=31;COUNT=104",
            "FREQ=WEEKLY;BYDAY=MO;COUNT=3",
        ):
            started = time.process_time()
            response = await jonas.post(SERIES, json=weekly(world, rrule=rule))
            assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/rrule"), rule
            assert time.process_time() - started < 1
            assert rule not in response.text

    async def test_at_most_by_its_coach(
        self, amira: httpx.AsyncClient, client: httpx.AsyncClient, world: World
    ) -> None:
        response = await amira.post(SERIES, json=weekly(world))
        assert (response.status_code, response.json()["code"]) == (403, "not_allowed")
        content = weekly(world)
        del content["coach_id"]
        missing = await client.post(SERIES, json=content)
        assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (422, "/coach_id")

    async def test_two_years_of_a_group_are_made_in_one_request(self, jonas: httpx.AsyncClient, world: World) -> None:
        names = [f"p{number}" for number in range(10)]
        for name in names:
            await world.hire(name)

        series = await make(jonas, world, *names, kind="group", count=104)

        found = await occurrences(jonas, series)
        assert len(found) == 104
        assert {local(each)[6:] for each in found} == {"10:00"}
        assert {len(each["attendees"]) for each in found} == {10}


class TestOneOccurrence:
    async def test_is_moved_or_called_off_alone(self, jonas: httpx.AsyncClient, world: World) -> None:
        series = await make(jonas, world)
        first, second, third, *_ = await occurrences(jonas, series)

        moved = await do(jonas, second, "reschedule", **at(start=TUESDAY + timedelta(days=8)))
        await do(jonas, third, "cancel")

        assert (moved["occurrence_at"], moved["series_id"]) == (second["occurrence_at"], series["id"])
        found = await occurrences(jonas, series)
        assert [(local(each)[:5], each["state"]) for each in found][:3] == [
            ("03-02", "scheduled"),
            ("03-10", "scheduled"),
            ("03-16", "cancelled"),
        ]
        assert await look(jonas, first) == first
        assert (await done(await jonas.get(f"{SERIES}/{series['id']}")))["version"] == series["version"]


class TestChange:
    async def test_of_time_from_a_day_on_is_a_new_series_of_the_rest(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        """The fourth was moved alone and keeps its time; the fifth is after the clock change and keeps the hour."""
        series = await make(jonas, world)
        before = await occurrences(jonas, series)
        alone = await do(jonas, before[3], "reschedule", **at(start=TUESDAY + timedelta(days=22)))
        await do(amira, before[4], "answer", answer="accepted")

        rest = await turn(
            jonas, series, "change", starting_on="2027-03-16", start_time="14:30", reason="The early shift."
        )

        assert rest["id"] != series["id"]
        after = await occurrences(jonas, rest)
        assert [local(each) for each in after] == ["03-16 14:30", local(alone), "03-30 14:30", "04-06 14:30"]
        assert [each["id"] for each in after] == [each["id"] for each in before[2:]], "the sessions stay who they are"
        assert [each["sequence"] for each in after] == [1, 1, 1, 1]
        assert [each["attendees"][0]["answer"] for each in after] == ["needs_action"] * 4
        assert all(
            datetime.fromisoformat(each["ends_at"]) - datetime.fromisoformat(each["starts_at"]) == timedelta(minutes=45)
            for each in after
            if each["id"] != alone["id"]
        )
        assert (rest["starts_at"], rest["until_at"]) == (after[0]["starts_at"], after[-1]["starts_at"])
        assert rest["rrule"].startswith("FREQ=WEEKLY;UNTIL=20270406T")
        old = await done(await jonas.get(f"{SERIES}/{series['id']}"))
        assert (old["until_at"], old["state"]) == (before[1]["starts_at"], "active")
        assert [local(each) for each in await occurrences(jonas, series)] == ["03-02 10:00", "03-09 10:00"]
        last = (await trail(world, after[0]))[-1]
        assert (last.action, last.details["reason"]) == ("coaching_session.rescheduled", "The early shift.")
        again = await turn(jonas, rest, "change", starting_on="2027-03-01", duration_seconds=3600)
        assert again["id"] == rest["id"], "nothing comes before: the same series, begun anew"
        assert again["duration_seconds"] == 3600

    async def test_of_words_reaches_the_rest_alone(self, jonas: httpx.AsyncClient, world: World) -> None:
        series = await make(jonas, world, agenda="One")

        changed = await turn(jonas, series, "change", starting_on="2027-03-20", agenda="Two", location="Room 5")

        assert changed["id"] == series["id"]
        found = await occurrences(jonas, series)
        assert [each["agenda"] for each in found] == ["One", "One", "One", "Two", "Two", "Two"]
        assert [each["sequence"] for each in found] == [0, 0, 0, 1, 1, 1], "where to go is news for a calendar"

    async def test_is_all_or_nothing(self, jonas: httpx.AsyncClient, client: httpx.AsyncClient, world: World) -> None:
        series = await make(jonas, world)
        await plan(client, world, "theo", "amira", **at(start=datetime(2027, 3, 30, 12, 0, tzinfo=UTC)))
        before = await occurrences(jonas, series)
        change = {"starting_on": "2027-03-10", "start_time": "14:00", "agenda": "Another"}

        response = await jonas.post(f"{SERIES}/{series['id']}/change", json=change)

        assert (response.status_code, response.json()["code"]) == (409, "double_booked")
        pointer = f"/occurrences/2027-03-30T12:00:00+00:00/people/{world.people['amira']}"
        assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]
        assert await occurrences(jonas, series) == before
        nothing = await jonas.post(f"{SERIES}/{series['id']}/change", json={**change, "starting_on": "2027-12-01"})
        assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_left")


class TestCancel:
    async def test_from_a_day_on_frees_the_rest(
        self, jonas: httpx.AsyncClient, theo: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        series = await make(jonas, world)
        found = await occurrences(jonas, series)

        cut = await turn(jonas, series, "cancel", starting_on="2027-03-23", reason="A new coach from April.")

        assert (cut["state"], cut["until_at"]) == ("active", found[2]["starts_at"])
        assert cut["rrule"] == "FREQ=WEEKLY;UNTIL=20270316T090000Z"
        left = await occurrences(jonas, series)
        assert [each["state"] for each in left] == ["scheduled"] * 3 + ["cancelled"] * 3
        assert {each["reason"] for each in left[3:]} == {"A new coach from April."}
        await plan(theo, world, "theo", "amira", **at(start=datetime.fromisoformat(found[3]["starts_at"])))

        monkeypatch.setattr(clock, "now", lambda: TUESDAY + timedelta(hours=1))
        await do(jonas, found[0], "complete")
        ended = await turn(jonas, series, "cancel")
        assert (ended["state"], ended["allowed_actions"]) == ("ended", [])
        assert [each["state"] for each in await occurrences(jonas, series)] == ["completed"] + ["cancelled"] * 5
        again = await jonas.post(f"{SERIES}/{series['id']}/cancel", json={})
        assert (again.status_code, again.json()["code"]) == (409, "wrong_state")


class TestDeparture:
    async def test_of_the_coach_calls_off_what_is_to_come_and_says_why(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, hana: httpx.AsyncClient, world: World
    ) -> None:
        held = await plan(jonas, world, **at(start=NOW - timedelta(hours=2)))
        series, asked = await make(jonas, world), await made(await amira.post(SESSIONS, json=body(world, "jonas")))

        await done(await hana.post(f"/v1/employees/{world.people['jonas']}/deactivate"))

        assert {(s["state"], s["reason"]) for s in await occurrences(amira, series)} == {
            ("cancelled", "The coach has left the organisation.")
        }
        assert (await look(amira, asked))["state"] == "declined"
        assert (await look(amira, held))["state"] == "scheduled"
        assert (await done(await amira.get(f"{SERIES}/{series['id']}")))["state"] == "ended"

    async def test_of_an_attendee_takes_them_off_and_calls_off_what_was_for_them_alone(
        self, jonas: httpx.AsyncClient, hana: httpx.AsyncClient, world: World
    ) -> None:
        group = await plan(jonas, world, "jonas", "amira", "grace", **at(start=TUESDAY))
        alone = await plan(jonas, world, **at(start=TUESDAY + timedelta(hours=1)))

        await done(await hana.post(f"/v1/employees/{world.people['amira']}/deactivate"))

        seen = await look(jonas, group)
        assert [each["employee_id"] for each in seen["attendees"]] == [str(world.people["grace"])]
        assert (await trail(world, group))[-1].details["reason"] == "Left the organisation."
        assert (await look(jonas, alone))["state"] == "cancelled"
        assert await attempt(jonas, group, "reschedule", **at(start=TUESDAY + timedelta(hours=1))) == (200, None)
