"""Streams of support prompts over HTTP, as server-sent events, and the tickets that open them."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse

from app.call import Call
from app.live.route import STREAM, LiveRoute
from app.live.stream import Stream
from app.routing import Route, allows
from app.schemas.live import LivePromptOut, StreamTicketOut
from app.services import live_prompts

MINE, OF_TEAM = "/v1/me/support-prompts", "/v1/teams/{team_id}/support-prompts"
LONGEST = 400

router = APIRouter(tags=["Support prompts"], route_class=Route)
streams = APIRouter(tags=["Support prompts"], route_class=LiveRoute)

OPENED: dict[str, Any] = {
    "response_class": EventSourceResponse,
    "responses": {
        200: {
            "description": "Events as they happen: `snapshot` first, then `support_prompt.offered` and the like. The"
            " data of each is JSON. A comment every 15 seconds keeps the connection open."
        }
    },
    "openapi_extra": {"security": [{"person": []}, {"ticket": []}]},
}
Ticket = Annotated[str | None, Query(alias="ticket", max_length=LONGEST, include_in_schema=False)]
LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        max_length=LONGEST,
        description="The `id` of the last event: the stream goes on after it.",
    ),
]
LastId = Annotated[
    str | None,
    Query(max_length=LONGEST, description="The same, where no header can be sent. `Last-Event-ID` comes before it."),
]


async def place(_ticket: Ticket = None, last_event: LastEventId = None, last_event_id: LastId = None) -> str | None:
    """Return after which event a stream is to go on. The ticket was read before: it says who asks."""
    return last_event or last_event_id


After = Annotated[str | None, Depends(place)]


async def my_stream(call: Call, after: After) -> AsyncIterator[Stream]:
    """Open the caller's own stream for as long as it is answered with."""
    async with call.app.state.live.opened(call, None, after) as stream:
        call.scope[STREAM] = stream
        yield stream


async def stream_of_team(call: Call, team_id: UUID, after: After) -> AsyncIterator[Stream]:
    """Open the stream of a team for as long as it is answered with."""
    async with call.app.state.live.opened(call, team_id, after) as stream:
        call.scope[STREAM] = stream
        yield stream


@router.post(MINE + "/stream-tickets", status_code=201)
@allows("support_prompt", "watch", secret="ticket")  # noqa: S106 - the name of a field
async def create_my_stream_ticket(call: Call) -> StreamTicketOut:
    """Make a ticket that opens one's own stream within a minute, for a browser's EventSource."""
    state = call.app.state
    return await call(live_prompts.ticket, state.vault, state.settings.public_url, MINE + "/stream", None)


@router.post(OF_TEAM + "/stream-tickets", status_code=201)
@allows("team", "watch", secret="ticket")  # noqa: S106 - the name of a field
async def create_team_stream_ticket(call: Call, team_id: UUID) -> StreamTicketOut:
    """Make a ticket that opens the stream of a team within a minute, for a browser's EventSource."""
    state, path = call.app.state, OF_TEAM.format(team_id=team_id) + "/stream"
    return await call(live_prompts.ticket, state.vault, state.settings.public_url, path, team_id)


@streams.get(MINE + "/stream", **OPENED)
@allows("support_prompt", "watch")
async def follow_my_support_prompts(stream: Annotated[Stream, Depends(my_stream)]) -> AsyncIterable[LivePromptOut]:
    """Follow one's own prompts: those that are open, then every change, as it happens."""
    async for event in stream:
        yield event


@streams.get(OF_TEAM + "/stream", **OPENED)
@allows("team", "watch")
async def follow_team_support_prompts(
    stream: Annotated[Stream, Depends(stream_of_team)],
) -> AsyncIterable[LivePromptOut]:
    """Follow a team one leads: the open prompts of its members, none that is private, and what has left them.

    The programme lead follows those about the team's work.
    """
    async for event in stream:
        yield event
