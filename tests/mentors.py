"""Builders of mentors and pairs, each through HTTP."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from app import clock
from app.worker import WHEN_DUE, Worker
from tests.plans import done, made
from tests.world import World, etag

PROFILES, PAIRS = "/v1/mentor-profiles", "/v1/mentor-assignments"


class Time:
    """The service's clock, which stands until it is moved."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = clock.now().replace(microsecond=0)
        patch.setattr(clock, "now", lambda: self.now)

    def pass_by(self, **time: float) -> datetime:
        self.now += timedelta(**time)
        return self.now


async def make_mentor(who: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    return await made(await who.post(PROFILES, json={"pillars": ["relationships"], **fields}))


async def propose(who: httpx.AsyncClient, mentor_id: Any, **fields: Any) -> dict[str, Any]:
    body = {"mentor_id": str(mentor_id), "focus_pillars": ["relationships"], **fields}
    return await made(await who.post(PAIRS, json={n: str(v) if n.endswith("_id") else v for n, v in body.items()}))


async def verb(who: httpx.AsyncClient, pair: dict[str, Any], name: str, **body: Any) -> httpx.Response:
    return await who.post(f"{PAIRS}/{pair['id']}/{name}", json=body or None)


async def act(who: httpx.AsyncClient, pair: dict[str, Any], name: str, **body: Any) -> dict[str, Any]:
    return await done(await verb(who, pair, name, **body))


async def make_pair(world: World, mentee: str = "amira", mentor: str = "grace", **fields: Any) -> dict[str, Any]:
    """Make an active pair: the mentee asks and the mentor, who has a profile by then, accepts."""
    asking, asked = world.person(mentee), world.person(mentor)
    if not (await asking.get(PROFILES, params={"employee_id": str(world.people[mentor])})).json()["data"]:
        await make_mentor(asked)
    pair = await propose(asking, world.people[mentor], **fields)
    return await act(asked, pair, "accept")


async def meet(who: httpx.AsyncClient, pair: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return await made(await who.post(f"{PAIRS}/{pair['id']}/meetings", json=fields))


async def look(who: httpx.AsyncClient, pair: dict[str, Any]) -> dict[str, Any]:
    return await done(await who.get(f"{PAIRS}/{pair['id']}"))


async def ids(who: httpx.AsyncClient, **filters: Any) -> set[str]:
    """Return the ids of the pairs in a list."""
    answer = await done(await who.get(PAIRS, params={n: str(v) for n, v in filters.items()}))
    return {row["id"] for row in answer["data"]}


async def history(who: httpx.AsyncClient, pair: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return what became of a pair and its details, the oldest first."""
    answer = await done(await who.get(f"{PAIRS}/{pair['id']}/history"))
    return [(each["action"], each["details"]) for each in answer["data"][::-1]]


async def work(world: World) -> None:
    """Let the worker do what is due."""
    await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, WHEN_DUE)


async def deactivate(world: World, name: str) -> dict[str, Any]:
    return await switch(world, name, "deactivate")


async def switch(world: World, name: str, verb: str) -> dict[str, Any]:
    hana, url = world.person("hana"), f"/v1/employees/{world.people[name]}"
    return await done(await hana.post(f"{url}/{verb}", headers=etag(await hana.get(url))))


def code(response: httpx.Response) -> str:
    assert response.status_code == 409, response.text
    return str(response.json()["code"])
