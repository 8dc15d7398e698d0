"""Hears what PostgreSQL's NOTIFY says, so that what was written in one process is seen at once in the others.

Nothing depends on it: who listens also looks by itself now and then. A notification may be lost, when its connection
is, and through a pooler or a worker node of Citus it never arrives.

Only workers notify. A transaction that notifies holds a lock of the whole database until it has committed, so that
no two of them commit at the same time; in requests that would make all writers wait for one another.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from random import uniform
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ARRAY, Text, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session

log = logging.getLogger("ballast.listener")

WORK = "ballast_work"  # something is to be numbered, by a worker
DELIVER = "ballast_deliver"  # something is to be delivered
FEED = "ballast_feed"  # something was numbered

CONNECT_SECONDS = 5.0
PROVED_EVERY_SECONDS = 30.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0

Heard = Callable[[UUID], None]

NOTIFY = select(func.pg_notify(bindparam("channel"), func.unnest(bindparam("organisations", type_=ARRAY(Text)))))


def notify(session: Session, channel: str, organisation_ids: Iterable[UUID]) -> None:
    """Tell who listens, when this transaction has committed. Not for requests: see above."""
    session.execute(NOTIFY, {"channel": channel, "organisations": sorted(map(str, organisation_ids))})


class Listener:
    """One connection of its own, which is opened again whenever it is lost."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._subscribers: dict[str, list[Heard]] = defaultdict(list)
        self.is_listening = False

    def subscribe(self, channel: str, heard: Heard) -> None:
        """Have ``heard`` called with an organisation whenever it is named on a channel. Before ``run``."""
        self._subscribers[channel].append(heard)

    async def run(self) -> None:
        """Listen until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._listen()
                pause = FIRST_PAUSE_SECONDS
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("not listening", extra={"error": type(error).__name__})
            self.is_listening = False
            await asyncio.sleep(pause * uniform(0.5, 1))  # noqa: S311  # no secret
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _listen(self) -> None:
        """Listen on one connection until it is lost."""
        connection = await asyncpg.connect(**_where(self._engine))
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            for channel in self._subscribers:
                await connection.add_listener(channel, self._hear)
            self.is_listening = True
            while not lost.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), PROVED_EVERY_SECONDS)
                if not lost.is_set():
                    await connection.execute("SELECT 1", timeout=CONNECT_SECONDS)
        finally:
            connection.terminate()

    def _hear(self, _connection: Any, _pid: int, channel: str, payload: Any) -> None:
        try:
            organisation_id = UUID(payload)
        except ValueError:
            return  # not one of ours: any role may notify on any channel
        for heard in self._subscribers[channel]:
            heard(organisation_id)


def _where(engine: AsyncEngine) -> dict[str, Any]:
    """Return how the driver connects to the same database, beside the pool."""
    _, options = engine.dialect.create_connect_args(engine.url)
    ours = {name: value for name, value in options.items() if not name.startswith("prepared_statement_")}
    return {**ours, "timeout": CONNECT_SECONDS, "server_settings": {"application_name": "ballast listener"}}
