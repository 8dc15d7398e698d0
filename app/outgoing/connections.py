"""Requests over guarded connections that are kept: HTTP/1.1, with limits on all that comes back.

There are no redirects, no cookies and no decompression, since nothing here knows of them.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

import h11

from app.outgoing.guard import Failure, Guard, NotAnswered, Streams
from app.outgoing.rules import Target

KEEP_SECONDS = 4.0  # many servers hang up after five
MOST_OF_HEADERS = 32_768
READ_AT_ONCE = 65_536


@dataclass(slots=True)
class Answer:
    """What was answered: headers by their names in lower case, and the first bytes of the body, as they were sent.

    ``is_whole`` says whether the body ended within what was read. ``is_inner`` says that the answer came from where
    only an operator's setting let us.
    """

    status: int
    headers: Mapping[str, str]
    is_inner: bool
    body: bytes = b""
    is_whole: bool = False


class Connection:
    """One connection, for one request at a time."""

    def __init__(self, streams: Streams, *, is_inner: bool) -> None:
        self._reader, self._writer = streams
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_OF_HEADERS)
        self._kept_until = 0.0
        self.is_inner = is_inner

    async def ask(self, request: h11.Request, content: bytes) -> Answer:
        """Send a request and return the answer as it begins."""
        sent = [self._http.send(request), self._http.send(h11.Data(content)), self._http.send(h11.EndOfMessage())]
        if self._writer.is_closing():  # some event loops raise another error at a write then
            raise ConnectionResetError
        self._writer.write(b"".join(part for part in sent if part))
        await self._writer.drain()
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):
                break
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        return Answer(event.status_code, headers, self.is_inner)

    async def read(self, answer: Answer, most_bytes: int) -> None:
        """Read the body of an answer, but no further than so many bytes."""
        while True:
            event = await self._next_event()
            if isinstance(event, h11.EndOfMessage):
                answer.is_whole = True
                return
            if isinstance(event, h11.Data):
                answer.body = (answer.body + event.data)[:most_bytes]
                if len(answer.body) == most_bytes:
                    return

    async def _next_event(self) -> object:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            data = await self._reader.read(READ_AT_ONCE)
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise ConnectionResetError
            self._http.receive_data(data)

    def can_be_kept(self) -> bool:
        """Make ready for another request, where the last one ended in good order."""
        if (
            self._http.our_state is not h11.DONE
            or self._http.their_state is not h11.DONE
            or self._http.trailing_data[0]
        ):
            return False
        self._http.start_next_cycle()
        self._kept_until = monotonic() + KEEP_SECONDS
        return True

    def is_fresh(self) -> bool:
        """Return whether a request may be sent over this connection, which was kept."""
        is_lost = self._reader.at_eof() or self._reader.exception() is not None or self._writer.is_closing()
        return not is_lost and monotonic() < self._kept_until

    def close(self) -> None:
        """Hang up at once."""
        self._writer.transport.abort()


class Connections:
    """Guarded connections to one target, kept between requests."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._kept: deque[Connection] = deque()

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._kept:
            self._kept.pop().close()

    async def send(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        content: bytes = b"",
        *,
        seconds: float,
        most_bytes: int,
    ) -> Answer:
        """Send a request, and read at most so many bytes of the answer. Raise NotAnswered when there is none in time.

        An answer that has begun in time counts, however its body goes on.
        """
        told = {"Host": target.authority, "Accept-Encoding": "identity", **headers}
        if content or method == "POST":
            told["Content-Length"] = str(len(content))
        request = h11.Request(method=method, target=target.path, headers=list(told.items()))
        connection = answer = None
        try:
            async with asyncio.timeout(seconds):
                connection = self._fresh() or await self._open(target)
                answer = await connection.ask(request, content)
                await connection.read(answer, most_bytes)
        except (OSError, h11.RemoteProtocolError) as error:  # a time-out is an OSError, too
            if answer is None:
                raise NotAnswered(_failure_of(error)) from error
        finally:
            if connection is not None:
                if connection.can_be_kept():
                    self._kept.append(connection)
                else:
                    connection.close()
        return answer

    def _fresh(self) -> Connection | None:
        while self._kept:
            connection = self._kept.pop()
            if connection.is_fresh():
                return connection
            connection.close()
        return None

    async def _open(self, target: Target) -> Connection:
        streams, is_inner = await self._guard.open(target)
        return Connection(streams, is_inner=is_inner)


def _failure_of(error: OSError | h11.RemoteProtocolError) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure.timed_out
    return Failure.connection_lost if isinstance(error, OSError) else Failure.not_http
