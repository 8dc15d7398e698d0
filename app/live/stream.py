"""One open stream: what waits to be sent on it, and its end."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from random import uniform
from typing import Any
from uuid import UUID

from anyio import CancelScope
from fastapi.sse import ServerSentEvent

from app.schemas.live import End, StreamClosedOut
from app.telemetry import STREAM_EVENTS

# Nobody who reads falls so far behind: what they are behind by stands in the buffers of the connection first.
MOST_WAITING = 100
OPEN_SECONDS = 3600.0
# How long an end that was told may take to be sent, before the connection is cut.
CUT_SECONDS = 1.0
RETRY_MILLISECONDS = 2000


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who follows what: their own prompts, or those of a team. Their streams are told the same."""

    organisation_id: UUID
    person_id: UUID
    team_id: UUID | None


class Stream:
    """What one viewer is told over one connection. ``position`` is the number up to which that is complete."""

    def __init__(self, viewer: Viewer, position: int, members: str, first: Iterable[ServerSentEvent]) -> None:
        self.viewer, self.position, self.members = viewer, position, members
        self.checked_at = asyncio.get_running_loop().time()
        self.ended: End | None = None
        self._waiting = deque(first)
        self._news = asyncio.Event()
        self._connection: CancelScope | None = None
        # Not all at once, or all that were opened together would come back together.
        seconds = OPEN_SECONDS * uniform(0.9, 1)  # noqa: S311  # no secret
        self._timers = [asyncio.get_running_loop().call_later(seconds, self.end, End.time_over)]

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._events()

    async def _events(self) -> AsyncIterator[ServerSentEvent]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self.ended is not None:
                return
            self._news.clear()
            await self._news.wait()

    def tell(self, event: ServerSentEvent) -> None:
        """Have an event sent. Who is too far behind is cut off: they resume from what they have read."""
        if self.ended is not None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.end(End.too_slow)
            return
        self._waiting.append(event)
        self._news.set()
        STREAM_EVENTS.inc()

    def end(self, why: End) -> None:
        """Say so and end, at once where the reader is too slow, else when it has been told or its time is over."""
        if self.ended is not None:
            return
        self.ended = why
        if why is End.too_slow:
            self._waiting.clear()
        self._waiting.append(ServerSentEvent(event="closed", data=StreamClosedOut(reason=why)))
        self._news.set()
        seconds = 0.0 if why is End.too_slow else CUT_SECONDS
        self._timers.append(asyncio.get_running_loop().call_later(seconds, self._cut))

    def carried_by(self, connection: CancelScope) -> None:
        """Note what to cancel when its reader does not take what is sent."""
        self._connection = connection

    def _cut(self) -> None:
        if self._connection is not None:
            self._connection.cancel()

    def close(self) -> None:
        """Forget what was still to be done."""
        for timer in self._timers:
            timer.cancel()
        self._connection = None
