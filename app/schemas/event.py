"""Events: what happened, in the feed and as it is posted to webhook endpoints."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from app.schemas.base import Out
from app.webhooks.catalogue import SUBSCRIBABLE, WILDCARDS


def _known_type(value: str) -> str:
    if value not in SUBSCRIBABLE and value not in WILDCARDS:
        raise ValueError("Must be a type that is documented, such as support_prompt.offered, support_prompt.* or *.")
    return value


EventType = Annotated[
    str,
    AfterValidator(_known_type),
    Field(max_length=100, description="A type of event, all of one resource (`goal.*`), or all (`*`).", examples=["*"]),
]


class EventData(Out):
    """What an event is about. Read the rest with a request: then the policy of that moment decides what you see."""

    id: UUID
    version: int = Field(description="Events come in no promised order: the higher version is the later one.")
    state: str | None = Field(description="Its state after the event, where it has states.")
    url: str | None = Field(description="Where it can be read, where it has a URL of its own.")


class EventMessage(Out):
    """An event as it is posted to an endpoint with `format` `standard`."""

    type: str
    timestamp: datetime = Field(description="When it happened.")
    data: EventData


class EventOut(Out):
    """An event in the feed. Its id is the `webhook-id` that it is delivered with."""

    id: UUID
    type: str
    timestamp: datetime = Field(description="When it happened.")
    data: EventData


class EventPage(Out):
    """The next events, in the order in which they became visible."""

    data: list[EventOut]
    next_cursor: str = Field(description="Send it as `after` for what comes next, at once or at any later time.")
    has_more: bool = Field(description="Whether there is more already.")
