"""Connections to the outside that cannot be turned inward.

A name is looked up once, every address behind it is checked, and the connection goes to an address that was checked;
the certificate is still that of the name. Nothing here knows of proxies, so that none of the environment is used.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from ipaddress import ip_address
from time import monotonic

import certifi

from app.outgoing.rules import Address, Rules, Target, is_public

CONNECT_SECONDS = 5.0
MOST_ADDRESSES = 4
MOST_LOOK_UPS = 16

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Resolve = Callable[[str, int], Awaitable[list[Address]]]
Connect = Callable[[Address, int, ssl.SSLContext | None, str | None], Awaitable[Streams]]


class Failure(StrEnum):
    """Why there was no answer."""

    address_not_allowed = "address_not_allowed"
    host_not_found = "host_not_found"
    not_connected = "not_connected"
    tls_failed = "tls_failed"
    timed_out = "timed_out"
    connection_lost = "connection_lost"
    not_http = "not_http"


class NotAnswered(Exception):
    """No answer came. ``failure`` says why, without what was asked for."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass
class Resolver:
    """Looks names up in threads of its own, each name once at a time, so that one that hangs holds nobody else up."""

    at_most: int = MOST_LOOK_UPS
    _asked: dict[tuple[str, int], "asyncio.Future[list[Address]]"] = field(default_factory=dict)

    async def __call__(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host. Raise NotAnswered where it has none."""
        asked = self._asked.get((host, port))
        if asked is None:
            if len(self._asked) >= self.at_most:
                raise NotAnswered(Failure.timed_out)
            loop = asyncio.get_running_loop()
            asked = self._asked[host, port] = loop.create_future()
            asked.add_done_callback(lambda _: self._asked.pop((host, port)))
            threading.Thread(target=_look_up, args=(host, port, loop, asked), daemon=True).start()
        return await asyncio.shield(asked)


def _look_up(host: str, port: int, loop: asyncio.AbstractEventLoop, asked: "asyncio.Future[list[Address]]") -> None:
    try:
        found: list[Address] = addresses_of(host, port)
    except (OSError, UnicodeError, ValueError):
        found = []
    with suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(_note, asked, found)


def _note(asked: "asyncio.Future[list[Address]]", found: list[Address]) -> None:
    if asked.cancelled():
        return
    if found:
        asked.set_result(found)
    else:
        asked.set_exception(NotAnswered(Failure.host_not_found))
        asked.exception()  # retrieved, since whoever asked may have gone


def addresses_of(host: str, port: int) -> list[Address]:
    """Return what the system's resolver says, which reads more spellings of an address than one would think of."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(ip_address(sockaddr[0]) for *_, sockaddr in found))


async def connect(address: Address, port: int, tls: ssl.SSLContext | None, name: str | None) -> Streams:
    """Open a connection to an address, with the certificate of a name where that is to be encrypted."""
    return await asyncio.open_connection(str(address), port, ssl=tls, server_hostname=name)


@dataclass
class Guard:
    """Opens connections to allowed addresses alone."""

    rules: Rules
    resolve: Resolve = field(default_factory=Resolver)
    connect: Connect = connect
    tls: ssl.SSLContext | None = None

    async def open(self, target: Target) -> tuple[Streams, bool]:
        """Connect, and return whether that was to where only an operator's setting lets us.

        Raise NotAnswered, above all where any address of the host is not allowed, or OSError.
        """
        until = monotonic() + CONNECT_SECONDS
        async with asyncio.timeout(CONNECT_SECONDS):
            addresses = await self.resolve(target.host, target.port)
        if not all(map(self.rules.allow, addresses)):
            raise NotAnswered(Failure.address_not_allowed)
        tls, name = (self.tls or tls_context(), target.host) if target.scheme == "https" else (None, None)
        left = addresses[:MOST_ADDRESSES]
        while True:
            address, *left = left
            try:
                async with asyncio.timeout(max(until - monotonic(), 0.01) / (len(left) + 1)):
                    return await self.connect(address, target.port, tls, name), not is_public(address)
            except OSError as error:  # a time-out is one, too
                if not left:
                    raise NotAnswered(_failure_of(error)) from error


def _failure_of(error: OSError) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure.timed_out
    return Failure.tls_failed if isinstance(error, ssl.SSLError) else Failure.not_connected


@cache
def tls_context() -> ssl.SSLContext:
    """Return a context that trusts the public authorities and those of the machine, such as an organisation's own."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
