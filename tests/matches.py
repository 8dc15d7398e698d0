"""Builders of matchings, through HTTP and the runner of jobs."""

from typing import Any

import httpx

from app.job_runner import JobRunner
from tests.plans import done
from tests.world import World

MATCHES = "/v1/mentor-matches"


async def ask(who: httpx.AsyncClient, mentee_ids: list[Any], **fields: Any) -> dict[str, Any]:
    """Ask for a matching."""
    response = await who.post(MATCHES, json={"mentee_ids": [str(each) for each in mentee_ids], **fields})
    assert response.status_code == 202, response.text
    assert response.headers["Location"] == f"{MATCHES}/{response.json()['id']}"
    body: dict[str, Any] = response.json()
    return body


async def run(world: World) -> int:
    """Do the jobs that wait."""
    return await JobRunner(world.database, 0.05, renewed_every_seconds=0.05).attend(world.id)


async def matched(world: World, who: httpx.AsyncClient, mentee_ids: list[Any], **fields: Any) -> dict[str, Any]:
    """Ask for a matching and have it done."""
    match = await ask(who, mentee_ids, **fields)
    assert await run(world) == 1
    match = await look(who, match)
    assert match["state"] == "succeeded", match
    return match


async def look(who: httpx.AsyncClient, match: dict[str, Any]) -> dict[str, Any]:
    return await done(await who.get(f"{MATCHES}/{match['id']}"))


async def pairs_of(who: httpx.AsyncClient, match: dict[str, Any], **filters: Any) -> list[dict[str, Any]]:
    answer = await done(await who.get(f"{MATCHES}/{match['id']}/pairs", params=filters))
    found: list[dict[str, Any]] = answer["data"]
    return found


async def unmatched_of(who: httpx.AsyncClient, match: dict[str, Any], **filters: Any) -> list[dict[str, Any]]:
    answer = await done(await who.get(f"{MATCHES}/{match['id']}/unmatched", params=filters))
    found: list[dict[str, Any]] = answer["data"]
    return found


async def confirm(who: httpx.AsyncClient, match: dict[str, Any], **body: Any) -> dict[str, Any]:
    return await done(await who.post(f"{MATCHES}/{match['id']}/confirm", json=body or None))
