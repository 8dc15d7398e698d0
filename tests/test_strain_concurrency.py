"""Batches about one person that commit side by side leave the signals that they leave one after the other."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import any_, select
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from app import clock, migrate
from app.database import Database, make_engine
from app.services import strain_reading
from app.settings import Settings
from tests.strain import EASY, NOW, Told, ago, live, only, post, source, take_in, team_of, told
from tests.world import World

SIDE_BY_SIDE = 8


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return NOW


@pytest.fixture
async def crowd(world: World, urls: migrate.Urls, settings: Settings) -> AsyncIterator[World]:
    """The same organisation, with connections enough for everyone to be inside a transaction at once."""
    patient = settings.model_copy(update={"pool_size": SIDE_BY_SIDE, "lock_timeout_seconds": 20})
    database = Database(make_engine(urls.application, patient, role=urls.application_role))
    yield World(world.app, database, world.id, world.slug, world.people, world.team_id)
    await database.close()


async def side_by_side(crowd: World, batches: list[list[Told]]) -> None:
    """Take in batches in transactions of their own: all have written their calls before the first follows them."""
    source_id = await source(crowd)
    for number in range(0, len(batches), SIDE_BY_SIDE):
        some = batches[number : number + SIDE_BY_SIDE]
        everyone = asyncio.Barrier(len(some))
        met: set[int] = set()

        def meet(who: int, everyone: asyncio.Barrier = everyone, met: set[int] = met) -> None:
            if who not in met:  # one that is tried again does not wait again
                met.add(who)
                await_only(everyone.wait())

        def work(session: Session, who: int, batch: list[Told]) -> None:
            take_in(session, crowd, source_id, batch, bounded=True, then=lambda: meet(who))

        await asyncio.gather(*(crowd.run(work, who, batch) for who, batch in enumerate(some)))


class TestSideBySide:
    async def test_two_batches_never_miss_the_signal_that_they_make_together(self, crowd: World) -> None:
        await only(crowd)
        people = [await crowd.hire(f"agent-{n}") for n in range(10)]

        for person in people:
            await side_by_side(crowd, [[told(person, 30)], [told(person, 20)]])

        assert [who for _, who, *_ in await live(crowd, *people)] == list(range(10))

    async def test_without_the_lock_it_is_missed(self, crowd: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Show that the test above can fail: unlocked, neither batch sees the other's call."""
        await only(crowd)
        everyone = strain_reading.PERSON.c.id == any_(strain_reading.PEOPLE)
        unlocked = select(*strain_reading.LOCK.selected_columns).where(everyone)
        monkeypatch.setattr(strain_reading, "LOCK", unlocked)
        person, source_id = await crowd.hire("agent"), await source(crowd)
        both_in = asyncio.Barrier(2)

        def work(session: Session, call: Told) -> None:
            take_in(session, crowd, source_id, [call])
            await_only(both_in.wait())

        await asyncio.gather(*(crowd.run(work, told(person, minutes)) for minutes in (30, 20)))

        assert await live(crowd, person) == []

    async def test_many_batches_about_few_people(self, crowd: World) -> None:
        await only(crowd, {"cooldown_seconds": 600}, {"condition": {"kind": "self_flag"}})
        first, second = [await crowd.hire(f"a{n}") for n in range(3)], [await crowd.hire(f"b{n}") for n in range(3)]
        spread = [(n % 3, n * 7 % 200, f"c{n}") for n in range(48)]

        await post(crowd, *(Told(first[who], ago(minutes), contact_id=contact) for who, minutes, contact in spread))
        calls = [Told(second[who], ago(minutes), contact_id=contact) for who, minutes, contact in spread]
        await side_by_side(crowd, [calls[n::16] for n in range(16)])

        assert await live(crowd, *second) == await live(crowd, *first) != []

    async def test_overlapping_people_in_any_order_do_not_deadlock(self, crowd: World) -> None:
        await only(crowd)
        people = [await crowd.hire(f"agent-{n}") for n in range(6)]
        batches = [[told(person, 30 - n) for person in (people if n % 2 else reversed(people))] for n in range(8)]

        await side_by_side(crowd, batches)

        assert len({who for _, who, *_ in await live(crowd, *people)}) == 6

    async def test_a_flag_beside_a_batch(self, crowd: World, amira: httpx.AsyncClient) -> None:
        await only(crowd)
        person = crowd.people["amira"]

        flag = amira.post("/v1/me/call-flags", json={"occurred_at": ago(25).isoformat(), "kind": "aimed_at_me"})
        answer, _ = await asyncio.gather(flag, side_by_side(crowd, [[told(person, 30)]]))

        assert answer.status_code == 201
        assert [found[-1] for found in await live(crowd, person)] == [True]

    async def test_a_whole_team_compared_side_by_side(self, crowd: World) -> None:
        rule = {
            "condition": {"kind": "above_team_median", "multiple": 1.2, "shifts": 1, "minimum_hard_calls": 1},
            "cooldown_seconds": 0,
        }
        await only(crowd, rule)
        first, second = await team_of(crowd, 5), await team_of(crowd, 5)
        spread = [(who, day, n) for day in range(4) for who in range(5) for n in range((who + day) % 4 + 1)]

        def spoken(people: list[UUID]) -> list[Told]:
            return [
                Told(people[who], ago(day * 1440 + n), contact_id=f"{people[who]}/{day}/{n}") for who, day, n in spread
            ]

        def numbers(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            return [(*one[:6], len(one[6])) for one in found]

        for people in (first, second):
            await post(crowd, Told(people[0], ago(-1), EASY, f"{people[0]}/today"))
        await post(crowd, *spoken(first))
        calls = spoken(second)
        await side_by_side(crowd, [[call for call in calls if call.employee_id == person] for person in second])

        assert numbers(await live(crowd, *second)) == numbers(await live(crowd, *first)) != []


class TestOneTeamPrompt:
    async def test_signals_of_several_people_at_once_ask_once(self, crowd: World, noor: httpx.AsyncClient) -> None:
        await only(crowd, {"condition": {"kind": "hard_call_count", "count": 1, "window_seconds": 60}})
        people = await team_of(crowd, 8)

        await side_by_side(crowd, [[told(person, 5)] for person in people])

        prompts = (await noor.get("/v1/support-prompts", params={"kind": "team_review"})).json()["data"]
        assert len(prompts) == 1

    async def test_none_is_missed_when_each_sees_only_its_own(self, crowd: World, noor: httpx.AsyncClient) -> None:
        await only(crowd, {"condition": {"kind": "hard_call_count", "count": 1, "window_seconds": 60}})
        teams = [await team_of(crowd, 5) for _ in range(5)]

        for people in teams:
            await side_by_side(crowd, [[told(person, 5)] for person in people[:3]])

        prompts = (await noor.get("/v1/support-prompts", params={"kind": "team_review"})).json()["data"]
        assert len(prompts) == len(teams)
