"""Nobody is booked twice: not by overlaps, not in other zones, not by fifty at once; and nobody learns why."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from sqlalchemy import CheckConstraint, text

from app import migrate
from app.database import Database, make_engine
from app.main import create_app
from app.models.coaching_session import LONGEST, CoachingSession
from app.settings import Settings
from tests.plans import done, made
from tests.sessions import SERIES, SESSIONS, at, attempt, body, do, look, plan, with_people
from tests.world import World

AT_ONCE = 50
BASE = datetime(2027, 6, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def jonas(world: World) -> httpx.AsyncClient:
    return world.person("jonas")


async def bookings(world: World) -> list[Any]:
    query = text("SELECT employee_id, starts_at, ends_at FROM session_booking ORDER BY employee_id, starts_at")
    return list(await world.run(lambda session: session.execute(query).all()))


def overlapping(rows: list[Any]) -> list[Any]:
    return [a for a, b in pairwise(rows) if a.employee_id == b.employee_id and b.starts_at < a.ends_at]


class TestOverlaps:
    async def test_of_coach_and_of_attendee_in_every_way_but_end_to_start(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        """One from 10 to 11: what begins at 11 or ends at 10 is fine, everything else is not."""
        await plan(client, world, "jonas", "amira", **at(start=BASE))
        clash = [(0, 60), (-30, 60), (30, 60), (15, 30), (-60, 180), (59, 5), (-4, 5), (-600, 601)]
        fits = [(60, 60), (-60, 60)]

        for people, who in ((("jonas", "theo"), "jonas"), (("grace", "amira"), "amira"), (("amira", "theo"), "amira")):
            for minutes, length in clash:
                times = at(minutes=length, start=BASE + timedelta(minutes=minutes))
                response = await client.post(SESSIONS, json=body(world, *people, **times))
                assert (response.status_code, response.json()["code"]) == (409, "double_booked"), (people, minutes)
                assert [e["pointer"] for e in response.json()["errors"]] == [f"/people/{world.people[who]}"]
        for minutes, length in fits:
            await plan(client, world, "jonas", "amira", **at(minutes=length, start=BASE + timedelta(minutes=minutes)))
        assert overlapping(await bookings(world)) == []

    async def test_are_those_of_instants_whatever_the_zone(self, client: httpx.AsyncClient, world: World) -> None:
        """At the end of summer time in Berlin: 02:30 comes twice on 31 October 2027, and the two are an hour apart."""
        first = {"starts_at": "2027-10-31T02:30:00+02:00", "ends_at": "2027-10-31T03:00:00+01:00"}
        await plan(client, world, **first, time_zone="Europe/Berlin")
        same = {"starts_at": "2027-10-30T20:00:00-05:00", "ends_at": "2027-10-30T20:30:00-05:00"}
        for clash in (same, {"starts_at": "2027-10-31T10:45:00+09:00", "ends_at": "2027-10-31T11:00:00+09:00"}):
            response = await client.post(SESSIONS, json=body(world, "jonas", "theo", **clash, time_zone="Asia/Tokyo"))
            assert (response.status_code, response.json()["code"]) == (409, "double_booked")

        after = {"starts_at": "2027-10-31T03:00:00+01:00", "ends_at": "2027-10-31T03:30:00+01:00"}
        await plan(client, world, **after, time_zone="Europe/Berlin")

    async def test_the_search_looks_back_as_far_as_a_session_can_be_long(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        longest = int(LONGEST.total_seconds() // 60)
        await plan(client, world, **at(minutes=longest, start=BASE))
        last = at(minutes=5, start=BASE + LONGEST - timedelta(minutes=1))
        assert (await client.post(SESSIONS, json=body(world, **last))).status_code == 409
        checks = [str(each.sqltext) for each in CoachingSession.__table_args__ if isinstance(each, CheckConstraint)]
        bound = f"ends_at - starts_at <= interval '{longest // 60} hours'"
        assert any(bound in check for check in checks), "the database holds what the search relies on"

    async def test_tell_nothing_of_what_the_other_one_is(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        """Theo learns that Amira has no time, and nothing of with whom or why."""
        session = await plan(jonas, world, "jonas", "amira", subject="After the threat", **at(start=BASE))

        response = await theo.post(SESSIONS, json=body(world, "theo", "amira", **at(start=BASE)))

        assert response.status_code == 409
        for secret in (session["id"], str(world.people["jonas"]), "threat", "jonas"):
            assert secret not in response.text
        assert response.json()["errors"][0]["detail"] == "This person is not free then."

    async def test_requests_take_up_nothing_until_they_are_agreed_to(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        first = await made(await amira.post(SESSIONS, json=body(world, "jonas", "amira", **at(start=BASE))))
        second = await made(await theo.post(SESSIONS, json=body(world, "jonas", "theo", **at(start=BASE))))
        await do(jonas, first, "schedule")

        assert await attempt(jonas, second, "schedule") == (409, "double_booked")
        assert (await do(jonas, second, "schedule", **at(start=BASE + timedelta(hours=1))))["state"] == "scheduled"


class TestGivenBack:
    async def test_by_every_way_to_end_and_by_declining(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        soon = at(-0.2)
        for verb in ("cancel", "mark-no-show", "complete"):
            session = await plan(jonas, world, **soon)
            assert len(await bookings(world)) == 2
            await do(jonas, session, verb)
            assert await bookings(world) == []

        session = await plan(jonas, world, **at(start=BASE))
        await do(amira, session, "answer", answer="declined", note="I am on leave.")
        other = await plan(theo, world, "theo", "amira", **at(start=BASE))
        assert await attempt(amira, session, "answer", answer="accepted") == (409, "double_booked")
        assert (await look(jonas, session))["attendees"][0]["answer"] == "declined", "a refusal changes nothing"
        await do(theo, other, "cancel")
        assert (await do(amira, session, "answer", answer="tentative"))["attendees"][0]["answer"] == "tentative"
        assert len(await bookings(world)) == 2

    async def test_moving_within_ones_own_time_is_no_clash(self, jonas: httpx.AsyncClient, world: World) -> None:
        session = await plan(jonas, world, **at(start=BASE))
        await plan(jonas, world, "jonas", "theo", **at(start=BASE + timedelta(hours=2)))

        await do(jonas, session, "reschedule", **at(start=BASE + timedelta(minutes=30)))

        late = at(start=BASE + timedelta(minutes=90))
        assert await attempt(jonas, session, "reschedule", **late) == (409, "double_booked")
        assert (await look(jonas, session))["starts_at"].startswith("2027-06-01T10:30")

    async def test_new_people_have_to_be_free(self, jonas: httpx.AsyncClient, world: World) -> None:
        session = await plan(jonas, world, "jonas", "amira", kind="group", **at(start=BASE))
        await plan(await world.client(), world, "theo", "grace", **at(start=BASE))

        add = {"add_ids": with_people(world, None, "grace", "ines")["attendee_ids"]}
        response = await jonas.post(f"{SESSIONS}/{session['id']}/change-people", json=add)

        assert (response.status_code, response.json()["code"]) == (409, "double_booked")
        assert [e["pointer"] for e in response.json()["errors"]] == [f"/people/{world.people['grace']}"]
        assert len((await look(jonas, session))["attendees"]) == 1


@pytest.fixture
async def crowded(world: World, urls: migrate.Urls, settings: Settings) -> AsyncIterator[World]:
    """The same organisation, served with a connection for everybody who asks at once."""
    patient = {"pool_size": AT_ONCE, "pool_timeout_seconds": 30, "lock_timeout_seconds": 30}
    wide = settings.model_copy(update={**patient, "statement_timeout_seconds": 30})
    database = Database(make_engine(urls.application, wide, role=urls.application_role))
    crowd = World(create_app(wide, database), database, world.id, world.slug, world.people, world.team_id)
    yield crowd
    await crowd.close()
    await database.close()


class TestFiftyAtOnce:
    async def test_of_one_slot_get_it_once(self, world: World, crowded: World) -> None:
        """Fifty people ask for the same hour of one coach; each request has a connection of its own."""
        names = [f"p{number:02}" for number in range(AT_ONCE)]
        for name in names:
            await world.hire(name)
        client = await crowded.client()

        asked = [client.post(SESSIONS, json=body(world, "jonas", name, **at(start=BASE))) for name in names]
        answers = await asyncio.gather(*asked)

        codes = sorted((a.status_code, a.json().get("code")) for a in answers)
        assert codes == [(201, None)] + [(409, "double_booked")] * (AT_ONCE - 1)
        assert len(await bookings(world)) == 2

    async def test_with_people_in_every_order_neither_overlap_nor_hang(self, world: World, crowded: World) -> None:
        """Groups of the same six, each time with another coach: locks have one order, whatever the request's is."""
        names = ["jonas", "amira", "theo", "grace", "ines", "noor"]
        client = await crowded.client()
        turned = [names[n % 6 :] + names[: n % 6] for n in range(24)]
        times = [at(start=BASE + timedelta(minutes=20 * (n % 4))) for n in range(24)]

        asked = [
            client.post(SESSIONS, json=body(world, *order, kind="group", **when))
            for order, when in zip(turned, times, strict=True)
        ]
        answers = await asyncio.gather(*asked)

        assert {a.status_code for a in answers} == {201, 409}
        assert {a.json().get("code") for a in answers} == {None, "double_booked"}
        assert sum(a.status_code == 201 for a in answers) in (1, 2)
        assert overlapping(await bookings(world)) == []

    async def test_moves_answers_and_series_meet_under_the_same_rule(self, world: World, crowded: World) -> None:
        """Sessions moved to one hour, a decliner who comes back, and a series, all at once: one of them has Amira."""
        client, amira = await crowded.client(), crowded.person("amira")
        sessions = [
            await plan(client, world, coach, "amira", **at(start=BASE + timedelta(hours=2 + n)))
            for n, coach in enumerate(("jonas", "theo", "grace", "ines", "noor"))
        ]
        back = await plan(client, world, "hana", "amira", **at(start=BASE))
        await do(amira, back, "answer", answer="declined")
        series = {"starts_at": BASE.isoformat(), "duration_seconds": 3600, "rrule": "FREQ=WEEKLY;COUNT=4"}
        await world.hire("lena")

        answers = await asyncio.gather(
            *(client.post(f"{SESSIONS}/{each['id']}/reschedule", json=at(start=BASE)) for each in sessions),
            amira.post(f"{SESSIONS}/{back['id']}/answer", json={"answer": "accepted"}),
            client.post(SERIES, json=body(world, "lena", "amira", **series)),
        )

        assert sorted(a.status_code in (200, 201) for a in answers) == [False] * 6 + [True]
        assert {a.json().get("code") for a in answers} == {None, "double_booked"}
        rows = await bookings(world)
        assert overlapping(rows) == []
        assert sum(row.employee_id == world.people["amira"] and row.starts_at == BASE for row in rows) == 1

    async def test_people_changed_meanwhile_are_noticed(self, world: World, crowded: World) -> None:
        client = await crowded.client()
        session = await plan(client, world, "jonas", "amira", kind="group", **at(start=BASE))
        url = f"{SESSIONS}/{session['id']}"
        people = [with_people(world, None, name)["attendee_ids"] for name in ("theo", "grace", "ines", "noor")]

        answers = await asyncio.gather(
            *(client.post(f"{url}/change-people", json={"add_ids": each}) for each in people),
            client.post(f"{url}/reschedule", json=at(start=BASE + timedelta(hours=5))),
        )

        codes = {(a.status_code, a.json().get("code")) for a in answers}
        assert codes <= {(200, None), (409, "changed_meanwhile")}
        seen = await done(await client.get(url))
        rows = await bookings(world)
        assert len(rows) == len(seen["attendees"]) + 1
        assert len({row.starts_at for row in rows}) == 1, "all of them at the time that the session has"
