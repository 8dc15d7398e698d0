"""Builders of coaching sessions and series, each through HTTP."""

from datetime import datetime, timedelta
from typing import Any

import httpx

from app import clock
from app.models.client import Role
from tests.plans import done, made
from tests.world import World

SESSIONS, SERIES = "/v1/coaching-sessions", "/v1/coaching-series"


def at(hours: float = 24.0, minutes: int = 60, start: datetime | None = None) -> dict[str, str]:
    """Return the times of a session that begins so many hours from now, on the full minute."""
    begins = start or clock.now().replace(second=0, microsecond=0) + timedelta(hours=hours)
    return {"starts_at": begins.isoformat(), "ends_at": (begins + timedelta(minutes=minutes)).isoformat()}


def with_people(world: World, coach: str | None, *attendees: str) -> dict[str, Any]:
    found: dict[str, Any] = {"attendee_ids": [str(world.people[name]) for name in attendees]} if attendees else {}
    return found | ({"coach_id": str(world.people[coach])} if coach else {})


def body(world: World, coach: str | None = "jonas", *attendees: str, **fields: Any) -> dict[str, Any]:
    return {"subject": "A word", **with_people(world, coach, *(attendees or ("amira",))), **fields}


async def plan(who: httpx.AsyncClient, world: World, *people: str, **fields: Any) -> dict[str, Any]:
    """Make a session tomorrow; of Jonas with Amira where nobody is named."""
    names = people or ("jonas", "amira")
    kind = {"kind": "group"} if len(names) > 2 else {}
    return await made(await who.post(SESSIONS, json=body(world, *names, **{**kind, **at(), **fields})))


async def do(who: httpx.AsyncClient, session: dict[str, Any], verb: str, **fields: Any) -> dict[str, Any]:
    return await done(await who.post(f"{SESSIONS}/{session['id']}/{verb}", json=fields or None))


async def attempt(who: httpx.AsyncClient, session: dict[str, Any], verb: str, **fields: Any) -> tuple[int, str | None]:
    """Return the status and the code of an answer."""
    response = await who.post(f"{SESSIONS}/{session['id']}/{verb}", json=fields or None)
    return response.status_code, response.json().get("code")


async def look(who: httpx.AsyncClient, session: dict[str, Any]) -> dict[str, Any]:
    return await done(await who.get(f"{SESSIONS}/{session['id']}"))


async def found(who: httpx.AsyncClient, **filters: Any) -> list[str]:
    """Return the ids that a list holds, in their order."""
    answer = await done(await who.get(SESSIONS, params={"sort": "starts_at", **filters}))
    return [row["id"] for row in answer["data"]]


async def second_coach(world: World, name: str = "lena") -> httpx.AsyncClient:
    await world.hire(name)
    await world.grant(name, Role.coach)
    return world.person(name)
