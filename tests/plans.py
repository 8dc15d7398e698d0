"""Builders of plans, goals and what is said of them, each through HTTP, and what they leave behind."""

from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import httpx
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import clock, reasons
from app.auth import Caller
from app.models import AuditEntry
from tests.world import World

PLANS, GOALS = "/v1/development-plans", "/v1/goals"
DUE_ON = str(date(2099, 6, 30))
SMART: dict[str, Any] = {
    "title": "Leave on time",
    "description": "Less overtime on the evening line.",
    "pillars": ["physical_health"],
    "kind": "duration",
    "baseline": 10,
    "target": 4,
    "unit": "hours a month",
    "why_it_matters": "To sleep well.",
    "how_to_reach_it": "Hand over open cases at half past eight.",
    "confidence": 4,
    "due_on": DUE_ON,
}
LETTERS = ["specific", "measurable", "attainable", "relevant", "time_bound"]


def today() -> date:
    return clock.now().date()


def in_days(days: int) -> str:
    return str(today() + timedelta(days=days))


def period(first: int = -30, last: int = 150) -> dict[str, str]:
    """Return a period from so many days from now to so many."""
    return {"starts_on": in_days(first), "ends_on": in_days(last)}


async def made(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def done(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def make_plan(who: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    return await made(await who.post(PLANS, json={"title": "Calm and clear", **period(), **fields}))


async def make_goal(who: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Make a draft that is SMART but for what ``fields`` say otherwise."""
    return await made(await who.post(GOALS, json={**SMART, **fields}))


async def make_active(who: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    goal = await make_goal(who, **fields)
    return await done(await who.post(f"{GOALS}/{goal['id']}/activate"))


async def say(who: httpx.AsyncClient, goal: dict[str, Any], value: float | None, **fields: Any) -> dict[str, Any]:
    body = {"value": value, "health": "on_track", **fields}
    return await made(await who.post(f"{GOALS}/{goal['id']}/progress-updates", json=body))


async def read_goal(who: httpx.AsyncClient, goal: dict[str, Any]) -> dict[str, Any]:
    return await done(await who.get(f"{GOALS}/{goal['id']}"))


async def running_plan(who: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Make an active plan without goals."""
    plan = await make_plan(who, **fields)
    return await done(await who.post(f"{PLANS}/{plan['id']}/activate"))


class Change(NamedTuple):
    """What an audit entry says of a change."""

    action: str
    actor_id: UUID | None
    subject_id: UUID | None
    details: dict[str, Any]


async def trail(world: World, row: dict[str, Any]) -> list[Change]:
    """Return the audit entries of the changes of a row: action, actor, subject, details, the oldest first.

    The reasons that were given stand among the details, as its history shows them.
    """
    entries = AuditEntry.__table__
    query = select(entries).where(entries.c.organisation_id == world.id, entries.c.resource_id == UUID(row["id"]))
    query = query.where(entries.c.access_right.is_(None)).order_by(entries.c.id)
    owner_id = UUID(row["employee_id"]) if row.get("employee_id") else None

    def read(session: Session) -> list[Change]:
        found = [dict(each) for each in session.execute(query).mappings()]
        shown = reasons.reveal(session, Caller(world.id, "system", None), found, owner_id)
        return [Change(each["action"], each["actor_id"], each["subject_id"], each["details"]) for each in shown]

    return list(await world.run(read))


async def outgoing(world: World) -> list[tuple[str, str]]:
    """Return the type and the row of every event that leaves, the oldest first."""
    query = text("SELECT type, resource_id::text FROM outgoing_event ORDER BY id")
    return [tuple(row) for row in await world.run(lambda session: session.execute(query).all())]
