"""The feed of events over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.call import Call
from app.openapi import problem_responses
from app.routers.parameters import Limit
from app.routing import Route, allows
from app.schemas.base import Moment
from app.schemas.event import EventPage, EventType
from app.services import event_feed as feed

router = APIRouter(prefix="/v1/events", tags=["Events"], route_class=Route)

After = Annotated[
    str | None,
    Query(min_length=1, max_length=2000, description="`next_cursor` of the page before, also of one without events."),
]
Types = Annotated[
    list[EventType] | None,
    Query(max_length=200, description="The types that are wanted, with wildcards; left out, all."),
]
Since = Annotated[Moment | None, Query(description="Without a cursor: begin here, instead of 90 days ago.")]


@router.get("", responses=problem_responses(400, 410))
@allows("event", "read")
async def list_events(
    call: Call,
    limit: Limit = 50,
    after: After = None,
    type: Types = None,  # noqa: A002 - the name of a parameter
    since: Since = None,
) -> EventPage:
    """List what happened, as far as the client may read what it happened to. Events are kept for 90 days.

    There is always a cursor to go on from. Repeat with it as `after`, with the same `type`: at once while there is
    more, else whenever you like. Nothing is skipped; the order is the one in which events became visible. 410 says that
    a cursor is older than what is kept.
    """
    settings, vault = call.app.state.settings, call.app.state.vault
    question = feed.Question(vault, limit, after, tuple(type or ("*",)), since)
    return await call(feed.page, question, settings.public_url)
