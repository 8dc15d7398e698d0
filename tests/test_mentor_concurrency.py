"""Fifty acceptances of one mentor at once, on real connections, and people who leave in the very moment."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.util import await_only

from app import migrate
from app.database import Database, make_engine
from app.main import create_app
from app.services import mentor_rules as rules
from app.settings import Settings
from tests.mentors import PAIRS, make_mentor, propose, verb
from tests.world import World, etag

AT_ONCE, PLACES = 50, 3


@pytest.fixture
async def crowd(world: World, urls: migrate.Urls, settings: Settings) -> AsyncIterator[World]:
    """The same organisation, with a connection for each of fifty requests at once."""
    patient = settings.model_copy(update={"pool_size": AT_ONCE, "lock_timeout_seconds": 20, "pool_timeout_seconds": 20})
    database = Database(make_engine(urls.application, patient, role=urls.application_role))
    crowd = World(create_app(patient, database), database, world.id, world.slug, world.people, world.team_id)
    yield crowd
    await crowd.close()
    await database.close()


async def count(world: World, state: str) -> int:
    query = text("SELECT count(*) FROM mentor_assignment WHERE state = :state")
    found: int = await world.run(lambda session: session.execute(query, {"state": state}).scalar_one())
    return found


async def offers(world: World, number: int, **profile: Any) -> list[tuple[str, dict[str, Any]]]:
    """Let Grace offer to mentor so many people; return each with the proposal."""
    grace = world.person("grace")
    await make_mentor(grace, **profile)
    names = [f"agent-{n}" for n in range(number)]
    people = [await world.hire(name) for name in names]
    return [(n, await propose(grace, world.people["grace"], mentee_id=p)) for n, p in zip(names, people, strict=True)]


async def test_capacity_holds_when_fifty_accept_at_once(crowd: World) -> None:
    proposed = await offers(crowd, AT_ONCE, capacity=PLACES)

    answers = await asyncio.gather(*(verb(crowd.person(name), pair, "accept") for name, pair in proposed))

    told = Counter(answer.json().get("code", answer.json().get("state")) for answer in answers)
    assert told == {"active": PLACES, "mentor_at_capacity": AT_ONCE - PLACES}
    assert (await count(crowd, "active"), await count(crowd, "proposed")) == (PLACES, AT_ONCE - PLACES)


async def test_without_the_lock_it_does_not(crowd: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show that the test above can fail: unlocked, both see the one free place."""
    proposed = await offers(crowd, 2, capacity=1)
    both_in, asked = asyncio.Barrier(2), rules.require_place

    def ask_and_wait(*arguments: Any) -> None:
        asked(*arguments)
        await_only(both_in.wait())

    monkeypatch.setattr(rules, "hold_pair", lambda *_: None)
    monkeypatch.setattr(rules, "require_place", ask_and_wait)

    await asyncio.gather(*(verb(crowd.person(name), pair, "accept") for name, pair in proposed))

    assert await count(crowd, "active") == 2


async def test_the_same_two_become_one_pair_however_often_it_is_proposed(crowd: World) -> None:
    await make_mentor(crowd.person("grace"))
    body = {"mentor_id": str(crowd.people["grace"]), "focus_pillars": ["relationships"]}
    amira = crowd.person("amira")

    answers = await asyncio.gather(*(amira.post(PAIRS, json=body) for _ in range(10)))

    assert Counter(answer.json().get("code", "made") for answer in answers) == {"made": 1, "pair_already_open": 9}


async def test_both_accept_in_the_same_moment(crowd: World) -> None:
    await make_mentor(crowd.person("grace"))
    noor, sides = crowd.person("noor"), [crowd.person(name) for name in ("amira", "grace")]
    pair = await propose(noor, crowd.people["grace"], mentee_id=crowd.people["amira"])

    answers = await asyncio.gather(*(verb(side, pair, "accept") for side in sides))

    assert sorted(answer.json()["state"] for answer in answers) == ["active", "proposed"]
    assert await count(crowd, "active") == 1


async def test_nobody_is_in_an_active_pair_who_left_in_the_same_moment(crowd: World) -> None:
    proposed = await offers(crowd, 20, capacity=20)
    hana = crowd.person("hana")

    async def leave(name: str) -> None:
        url = f"/v1/employees/{crowd.people[name]}"
        answer = await hana.post(f"{url}/deactivate", headers=etag(await hana.get(url)))
        assert answer.status_code == 200, answer.text

    accepting = (verb(crowd.person(name), pair, "accept") for name, pair in proposed)
    await asyncio.gather(*accepting, *(leave(name) for name, _ in proposed))

    assert await count(crowd, "active") == await count(crowd, "proposed") == 0
    assert await count(crowd, "paused") + await count(crowd, "expired") == 20
