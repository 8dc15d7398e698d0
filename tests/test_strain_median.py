"""Strain signals of whoever has more hard calls than their team."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from app import clock
from app.models import Team
from tests.strain import (
    EASY,
    NOW,
    Told,
    live,
    only,
    post,
    signals,
    team_of,
    told,
)
from tests.world import World

HOURS = 60


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return NOW


@pytest.fixture
def person(world: World) -> UUID:
    return world.people["amira"]


WEEK = 7 * 24 * HOURS
MEDIAN = {
    "condition": {"kind": "above_team_median", "multiple": 1.5, "shifts": 2, "minimum_hard_calls": 3},
    "cooldown_seconds": 86_400,
    "prompt": {"kind": "mentor", "expires_seconds": 604_800},
}


def shifts(people: Sequence[UUID], hard: Sequence[int], days_ago: int) -> list[Told]:
    """Return a shift of each person with so many hard calls and one easy one."""
    start = days_ago * 24 * HOURS
    calls = [told(person, start, EASY) for person in people]
    return calls + [told(p, start + n + 1) for p, count in zip(people, hard, strict=True) for n in range(count)]


class TestAboveTeamMedian:
    async def test_a_day_is_looked_at_when_the_team_has_begun_another(self, world: World) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 6)
        await post(world, *shifts(people, [3, 1, 1, 1, 1, 1], 3))
        await post(world, *shifts(people, [3, 1, 1, 1, 1, 1], 2))
        assert await live(world, *people) == []

        await post(world, told(people[4], 0, EASY))

        ((_, who, triggered_at, window_from, measure, threshold, calls, _, private),) = await live(world, *people)
        assert (who, measure, threshold, private) == (0, 6, 3, False)
        assert triggered_at == datetime(2026, 3, 3, tzinfo=NOW.tzinfo)
        assert window_from == datetime(2026, 3, 1, tzinfo=NOW.tzinfo)
        assert len(calls) == 6

    async def test_it_tells_the_teams_middle_value_and_names_nobody(
        self, world: World, client: httpx.AsyncClient
    ) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 6)
        await post(world, *shifts(people, [3, 1, 1, 1, 1, 1], 3), *shifts(people, [3, 1, 1, 1, 1, 1], 2))

        await post(world, told(people[4], 0, EASY))

        (signal,) = await signals(client)
        assert signal["explanation"] == (
            "6 hard calls on the last 2 shifts since 1 March 2026."
            " That is more than 1.5 times the middle value of the team, 2."
        )

    async def test_a_late_call_of_a_colleague_supersedes_it(self, world: World) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 6)
        await post(world, *shifts(people, [3, 1, 1, 1, 1, 1], 3), *shifts(people, [3, 1, 1, 1, 1, 1], 2))
        await post(world, told(people[4], 0, EASY))
        assert len(await live(world, *people)) == 1

        await post(world, *(told(person, 3 * 24 * HOURS + 30 + n) for person in people[1:4] for n in range(3)))

        assert await live(world, *people) == []

    async def test_a_team_of_four_gives_none(self, world: World) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 4)

        await post(world, *shifts(people, [9, 1, 1, 1], 3), *shifts(people, [9, 1, 1, 1], 2))
        await post(world, told(people[1], 0, EASY))

        assert await live(world, *people) == []

    async def test_nor_one_smaller_than_the_organisation_shows(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world, MEDIAN)
        await noor.patch("/v1/organisation", json={"minimum_group_size": 7}, headers={"If-Match": "*"})
        people = await team_of(world, 6)

        await post(world, *shifts(people, [9, 1, 1, 1, 1, 1], 3), *shifts(people, [9, 1, 1, 1, 1, 1], 2))
        await post(world, told(people[1], 0, EASY))

        assert await live(world, *people) == []

    async def test_noting_the_day_is_no_change_of_the_team(
        self, world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 6)
        before = (await client.get("/v1/teams")).json()["data"]
        monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=1))

        await post(world, *shifts(people, [1] * 6, 0))

        query = select(Team.last_call_on).where(Team.organisation_id == world.id, Team.id != world.team_id)
        assert await world.run(lambda session: session.scalar(query)) == NOW.date()
        assert (await client.get("/v1/teams")).json()["data"] == before
