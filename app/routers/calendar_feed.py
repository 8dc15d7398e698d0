"""Calendar feeds over HTTP: their management, and the secret address that calendars read."""

from asyncio import to_thread
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from app.auth import parse_key
from app.call import Call
from app.errors import NotFound, Unauthenticated
from app.openapi import problem_responses
from app.routers.parameters import Paged
from app.routing import Route, allows, public
from app.schemas.base import HistoryEntry, Page, Reason
from app.schemas.calendar_feed import FeedCreate, FeedCreated, FeedOut, FeedUpdate
from app.services import calendar_feed as feeds
from app.services import calendar_reading, history

router = APIRouter(tags=["Calendar feeds"], route_class=Route)
FEEDS = "/v1/calendar-feeds"
ONE = FEEDS + "/{feed_id}"
ICALENDAR = "text/calendar"
# The address is the secret: no cache that others share keeps what it answers, and no page that follows learns of it.
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Content-Disposition": 'inline; filename="coaching.ics"',
}


@router.get(FEEDS)
@allows("calendar_feed", "read")
async def list_calendar_feeds(call: Call, paging: Paged) -> Page[FeedOut]:
    """List one's own calendar feeds, revoked ones too."""
    return await call.page(feeds.list_, paging)


@router.post(FEEDS, status_code=201)
@allows("calendar_feed", "create", secret="url")  # noqa: S106 - the name of a field
async def create_calendar_feed(call: Call, data: FeedCreate) -> FeedCreated:
    """Make a calendar of one's coaching sessions to subscribe to. Its address is shown this once."""
    return await call(feeds.create, data, call.app.state.settings.public_url)


@router.get(ONE)
@allows("calendar_feed", "read")
async def read_calendar_feed(call: Call, feed_id: UUID) -> FeedOut:
    """Read one feed, without its address."""
    return await call(feeds.read, feed_id)


@router.patch(ONE)
@allows("calendar_feed", "update")
async def update_calendar_feed(call: Call, feed_id: UUID, data: FeedUpdate) -> FeedOut:
    """Change what a feed is called, or whether it shows subjects, by a JSON merge patch."""
    return await call(feeds.change, feed_id, data)


@router.post(ONE + "/rotate")
@allows("calendar_feed", "rotate", secret="url")  # noqa: S106 - the name of a field
async def rotate_calendar_feed(call: Call, feed_id: UUID) -> FeedCreated:
    """Give a feed a new address, shown this once. The old one answers no more."""
    return await call(feeds.rotate, feed_id, call.app.state.settings.public_url)


@router.post(ONE + "/revoke")
@allows("calendar_feed", "revoke")
async def revoke_calendar_feed(call: Call, feed_id: UUID, data: Reason | None = None) -> FeedOut:
    """End a feed for good. Its address answers no more."""
    return await call(feeds.revoke, feed_id, data)


@router.get(ONE + "/history")
@allows("calendar_feed", "read")
async def list_calendar_feed_history(call: Call, paging: Paged, feed_id: UUID) -> Page[HistoryEntry]:
    """List what was done to a feed and when, the newest first."""
    return await call.page(history.list_, paging, "calendar_feed", feed_id)


@router.get(
    "/v1/calendars/{token}.ics",
    response_class=Response,
    responses={
        200: {"description": "The calendar (RFC 5545).", "content": {ICALENDAR: {"schema": {"type": "string"}}}},
        304: {"description": "It is as `If-None-Match` knows it."},
        **problem_responses(404, 429),
    },
)
@public
async def read_calendar(
    request: Request, token: str, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Read one person's coaching sessions as iCalendar. The address alone opens it; poll it with `If-None-Match`."""
    try:
        key = parse_key(token, "cal")
    except Unauthenticated:
        raise NotFound from None
    request.app.state.calendar_limiter.spend(key, request.scope)
    found = await request.app.state.database.run(calendar_reading.read, key)
    headers = {**HEADERS, "ETag": found.tag}
    if _has(if_none_match, found.tag):
        return Response(status_code=304, headers=headers)
    return Response(await to_thread(found.text), headers=headers, media_type=ICALENDAR)


def _has(if_none_match: str | None, tag: str) -> bool:
    given = {each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")}
    return "*" in given or tag in given
