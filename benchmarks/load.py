"""A small HTTP/1.1 load generator: raw keep-alive connections, one request in flight on each."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """What a run of ``seconds`` saw."""

    requests: int
    seconds: float
    refused: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


class _Connection(asyncio.Protocol):
    def __init__(self, request: Callable[[], bytes], deadline: float, done: "asyncio.Future[None]") -> None:
        self.request, self.deadline, self.done = request, deadline, done
        self.answered = self.refused = 0
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        start = head.lower().index(b"content-length:") + 15
        length = int(head[start:].split(b"\r", 1)[0])
        if len(body) < length:
            return
        self.answered += 1
        self.refused += head[9:10] != b"2"
        self.buffer = b""
        assert self.transport is not None
        if time.perf_counter() < self.deadline:
            self.transport.write(self.request())
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.done.done():
            self.done.set_result(None)


async def run(port: int, request: bytes | Callable[[], bytes], *, connections: int, seconds: float) -> Result:
    """Send ``request``, or what it returns each time, on ``connections`` to loopback, and count the answers."""
    next_request = request if callable(request) else lambda: request
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    opened = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        _, protocol = await loop.create_connection(
            lambda done=done: _Connection(next_request, started + seconds, done),  # type: ignore[misc]  # binds the loop's value
            "127.0.0.1",
            port,
        )
        opened.append(protocol)
    await asyncio.gather(*(connection.done for connection in opened))
    return Result(
        sum(connection.answered for connection in opened),
        time.perf_counter() - started,
        sum(connection.refused for connection in opened),
    )


def get(path: str, key: str) -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nAccept: */*\r\n\r\n".encode()


def post(path: str, key: str, body: bytes) -> bytes:
    """Return a POST request with a JSON body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(method: str, path: str, key: str, content: object) -> bytes:
    """Return a request with a JSON body."""
    body = json.dumps(content).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    head += f"Content-Type: application/scim+json\r\nContent-Length: {len(body)}\r\nAccept: */*\r\n\r\n"
    return head.encode() + body
