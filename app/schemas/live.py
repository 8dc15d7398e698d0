"""Streams of support prompts: the ticket that opens one, and what passes on it."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.schemas.base import Out
from app.schemas.support_prompt import SupportPromptOut

TICKET: dict[str, Any] = {
    "ticket": "blst_ticket_...",
    "expires_at": "2026-11-20T10:01:00Z",
    "url": "https://ballast.harbour.example/v1/me/support-prompts/stream",
}


class End(StrEnum):
    """Why a stream ends."""

    access_ended = "access_ended"
    time_over = "time_over"
    stopping = "stopping"
    too_slow = "too_slow"
    unavailable = "unavailable"


class StreamTicketOut(Out):
    """What opens one stream within a minute, where no header can be sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [TICKET]})

    ticket: str | None = Field(
        description="To send as `ticket` in the query of `url`. Null when the answer is replayed."
    )
    expires_at: datetime = Field(description="Until when it opens the stream; one that is open then stays open.")
    url: str = Field(description="The stream that it opens, without the ticket.")


class OpenPromptsOut(Out):
    """Event `snapshot`: the open prompts, in place of all that was told before."""

    data: list[SupportPromptOut]


class PromptRemovedOut(Out):
    """Event `support_prompt.removed`: it is no longer among what you may see. Not told is why."""

    id: UUID
    removed: Literal[True]


class StreamClosedOut(Out):
    """Event `closed`, the last one."""

    reason: End


LivePromptOut = SupportPromptOut | OpenPromptsOut | PromptRemovedOut | StreamClosedOut
