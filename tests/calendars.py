"""What the tests of calendars share: subscribing, polling, and reading what was sent with another's eyes."""

from typing import Any

import httpx
from ical.calendar_stream import IcsCalendarStream
from ical.event import Event

from tests.plans import made
from tests.world import World

FEEDS = "/v1/calendar-feeds"


async def subscribe(who: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    return await made(await who.post(FEEDS, json={"name": "My phone", **fields}))


def path_of(feed: dict[str, Any]) -> str:
    """Return the path of an address, which is all that differs from where it is in a test."""
    return httpx.URL(feed["url"]).path


async def poll(world: World, feed: dict[str, Any], **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.http().get(path_of(feed), headers=named)


async def events(world: World, feed: dict[str, Any]) -> list[Event]:
    """Return the events of a feed as a program reads them that knows nothing of ours."""
    answer = await poll(world, feed)
    assert answer.status_code == 200, answer.text
    return list(IcsCalendarStream.calendar_from_ics(answer.text).events)


def unfolded(text: str) -> list[str]:
    return text.replace("\r\n ", "").split("\r\n")
