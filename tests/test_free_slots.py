"""Common free time: everybody's working hours, nobody's sessions, across zones and clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services import free_slots
from app.services.free_slots import Span, both, joined, starts, without, working
from app.services.work_pattern import Hours, Pattern
from tests.plans import done
from tests.sessions import SESSIONS, at, body, do, plan
from tests.world import World

URL = f"{SESSIONS}/free-slots"
MONDAY = datetime(2027, 6, 7, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def slots(who: httpx.AsyncClient, world: World, *names: str, days: float = 1, **query: Any) -> list[str]:
    asked: dict[str, Any] = {
        "employee_id": [str(world.people[name]) for name in names],
        "starts_after": MONDAY.isoformat(),
        "ends_before": (MONDAY + timedelta(days=days)).isoformat(),
        **query,
    }
    answer = await done(await who.get(URL, params=asked))
    return [slot["starts_at"][8:16] for slot in answer["slots"]]


async def works(who: httpx.AsyncClient, world: World, name: str, zone: str, *hours: tuple[int, str, str]) -> None:
    listed = [{"weekday": day, "starts_at": start, "ends_at": end} for day, start, end in hours]
    url = f"/v1/employees/{world.people[name]}/work-pattern"
    content = {"time_zone": zone, "languages": [], "hours": listed}
    await done(await world.person(name).put(url, json=content, headers={"If-Match": "*"}))


class TestFind:
    async def test_what_working_hours_in_two_zones_and_sessions_leave(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        """Jonas works 9 to 12 in Berlin (7 to 10 UTC), Amira 8 to 10 in London (7 to 9 UTC) with half an hour taken."""
        await works(client, world, "jonas", "Europe/Berlin", (1, "09:00", "12:00"))
        await works(client, world, "amira", "Europe/London", (1, "08:00", "10:00"))
        assert await slots(client, world, "jonas", "amira", minutes=60) == [
            f"07T07:{minute:02}" for minute in (0, 15, 30, 45)
        ] + ["07T08:00"]

        await plan(client, world, "theo", "amira", **at(minutes=30, start=MONDAY + timedelta(hours=7, minutes=20)))

        assert await slots(client, world, "jonas", "amira", minutes=45) == ["07T08:00", "07T08:15"]
        assert await slots(client, world, "jonas", "amira", minutes=20) == [
            "07T07:00",
            *(f"07T08:{m:02}" for m in (0, 15, 30)),
        ]
        assert "07T09:30" in await slots(client, world, "jonas", minutes=30)
        assert await slots(client, world, "jonas", "amira", minutes=121) == []

    async def test_every_slot_can_be_booked_and_is_gone_then(self, client: httpx.AsyncClient, world: World) -> None:
        first = (await slots(client, world, "jonas", "amira", minutes=60))[0]
        start = datetime.fromisoformat(f"2027-06-{first}:00+00:00")

        session = await plan(client, world, **at(minutes=60, start=start))

        left = await slots(client, world, "jonas", "amira", minutes=60)
        assert first not in left
        assert (start + timedelta(hours=1)).strftime("%dT%H:%M") in left
        await do(client, session, "cancel")
        assert (await slots(client, world, "jonas", "amira", minutes=60))[0] == first

    async def test_tells_of_people_whom_one_may_name_alone_and_nothing_but_time(
        self, amira: httpx.AsyncClient, client: httpx.AsyncClient, world: World
    ) -> None:
        await world.hire("bo")
        session = await plan(
            client, world, "jonas", "bo", subject="After the threat", **at(start=MONDAY + timedelta(hours=10))
        )
        query = {"starts_after": MONDAY.isoformat(), "ends_before": (MONDAY + timedelta(days=1)).isoformat()}
        for stranger in (world.people["bo"], UUID(int=7)):
            refused = await amira.get(URL, params={**query, "employee_id": [str(world.people["jonas"]), str(stranger)]})
            assert refused.status_code == 422
            assert refused.json()["errors"] == [
                {
                    "pointer": "?employee_id.1",
                    "code": "unknown_reference",
                    "detail": "There is no such person whom you may name.",
                }
            ]

        answer = await amira.get(URL, params={**query, "employee_id": str(world.people["jonas"])})

        assert answer.status_code == 200
        assert answer.json().keys() == {"slots", "more"}
        assert all(slot.keys() == {"starts_at", "ends_at"} for slot in answer.json()["slots"])
        assert session["id"] not in answer.text

    async def test_is_bounded(self, client: httpx.AsyncClient, world: World) -> None:
        jonas = str(world.people["jonas"])
        day = {"starts_after": MONDAY.isoformat(), "ends_before": (MONDAY + timedelta(days=1)).isoformat()}
        whole = await client.get(URL, params={**day, "employee_id": jonas, "minutes": 15, "most": 3})
        assert (len(whole.json()["slots"]), whole.json()["more"]) == (3, True)
        for wrong in (
            {"ends_before": (MONDAY + timedelta(days=31, seconds=1)).isoformat()},
            {"ends_before": MONDAY.isoformat()},
            {"ends_before": "2027-06-08T00:00:00"},
            {"minutes": 4},
            {"minutes": 721},
            {"most": 201},
            {"employee_id": [str(UUID(int=n)) for n in range(21)]},
        ):
            refused = await client.get(URL, params={**day, "employee_id": jonas, **wrong})
            assert refused.status_code == 422, wrong


# Days on which clocks change, in zones that change them by an hour, by half an hour, and never; and by midnight.
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo", "UTC")
WEEKS = tuple(date(2027, *day) for day in ((3, 12), (3, 26), (4, 2), (10, 1), (10, 28), (10, 29), (11, 5)))
# The edges of a shift lie outside the hours that a change skips or repeats: there the clock alone does not tell.
EDGES = (time(4, 0), time(7, 20), time(9, 0), time(13, 5), time(17, 0), time(22, 30))


@st.composite
def patterns(draw: st.DrawFn) -> Pattern:
    days = st.integers(1, 7)
    one = st.builds(Hours, days, st.sampled_from(EDGES), st.sampled_from(EDGES))
    hours = draw(st.lists(one, max_size=6))
    return Pattern(UUID(int=0), draw(st.sampled_from(ZONES)), (), tuple(hours), False)


def works_at(pattern: Pattern, moment: datetime) -> bool:
    """Whether somebody works at a moment, as they would tell from a calendar and a clock on the wall."""
    wall = moment.astimezone(ZoneInfo(pattern.time_zone))
    for hours in pattern.hours:
        today, yesterday = wall.isoweekday() == hours.weekday, wall.isoweekday() == hours.weekday % 7 + 1
        if hours.ends_at > hours.starts_at:
            if today and hours.starts_at <= wall.time() < hours.ends_at:
                return True
        elif (today and wall.time() >= hours.starts_at) or (yesterday and wall.time() < hours.ends_at):
            return True
    return False


class TestAgainstAGridOfMinutes:
    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(patterns(), min_size=1, max_size=3),
        st.sampled_from(WEEKS),
        st.lists(st.tuples(st.integers(0, 4 * 1440), st.integers(1, 720)), max_size=5),
        st.sampled_from([15, 45, 60, 240]),
    )
    def test_finds_what_brute_force_finds(
        self, people: list[Pattern], week: date, taken: list[tuple[int, int]], minutes: int
    ) -> None:
        start = datetime.combine(week, time(), UTC)
        window = (start, start + timedelta(days=4))
        sessions: list[Span] = [(start + n * MINUTE, start + (n + length) * MINUTE) for n, length in taken]
        grid = [start + n * MINUTE for n in range(4 * 1440)]
        free = [
            all(works_at(each, moment) for each in people) and not any(a <= moment < b for a, b in sessions)
            for moment in grid
        ]
        expected = [grid[n] for n in range(0, len(grid) - minutes + 1, 15) if all(free[n : n + minutes])]

        common: list[Span] = [window]
        for each in people:
            common = both(common, working(each, window))
        found = list(starts(without(common, sessions), timedelta(minutes=minutes)))

        assert found == expected

    def test_a_night_shift_is_an_hour_shorter_or_longer_where_the_clock_changes(self) -> None:
        nights = Pattern(UUID(int=0), "Europe/Berlin", (), (Hours(6, time(22), time(6)),), False)
        for day, hours in ((date(2027, 3, 27), 7), (date(2027, 10, 30), 9), (date(2027, 6, 5), 8)):
            start = datetime.combine(day, time(12), UTC)
            ((begin, end),) = working(nights, (start, start + timedelta(days=1)))
            assert (end - begin) == timedelta(hours=hours)

    def test_spans(self) -> None:
        def span(a: int, b: int) -> Span:
            return MONDAY + a * MINUTE, MONDAY + b * MINUTE

        assert joined([span(5, 7), span(0, 2), span(2, 3), span(4, 4), span(1, 2)]) == [span(0, 3), span(5, 7)]
        assert without([span(0, 10)], [span(2, 3), span(3, 4), span(9, 20)]) == [span(0, 2), span(4, 9)]
        assert timedelta(days=31) == free_slots.WINDOW


async def test_a_request_takes_up_no_time(client: httpx.AsyncClient, world: World) -> None:
    """A session that is only asked for takes up nobody's time."""
    await client.post(SESSIONS, json=body(world, None, "amira", **at(start=MONDAY + timedelta(hours=9))))
    assert "07T09:00" in await slots(client, world, "amira", minutes=60)
