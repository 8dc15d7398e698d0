"""Somebody who follows a stream of server-sent events, without a server between: at their own pace."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlencode
from uuid import UUID

from fastapi import FastAPI
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.models import SupportPrompt
from app.models.strain import PromptKind
from app.worker import AT_ONCE, Worker
from tests.world import World

MINE = "/v1/me/support-prompts/stream"
PATIENCE_SECONDS = 5.0


def of_team(team_id: UUID) -> str:
    return f"/v1/teams/{team_id}/support-prompts/stream"


@dataclass(frozen=True)
class Event:
    """One event as a browser would dispatch it."""

    name: str
    data: Any
    id: str


@dataclass
class Follower:
    """Opens a stream and keeps what comes, until it is left or told to stop reading."""

    app: FastAPI
    path: str = MINE
    token: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    answer: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    comments: int = 0
    retry: str = ""
    last_id: str = ""
    told: "asyncio.Queue[Event]" = field(default_factory=asyncio.Queue)
    _left: asyncio.Event = field(default_factory=asyncio.Event)
    _reads: asyncio.Event = field(default_factory=asyncio.Event)
    _began: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None
    _rest: bytes = b""

    async def __aenter__(self) -> Self:
        headers = {"host": "ballast.test", **self.headers}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": urlencode(self.query).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        self._reads.set()
        self._task = asyncio.create_task(self.app(scope, self._receive, self._send))
        began = asyncio.create_task(self._began.wait())
        await asyncio.wait([self._task, began], timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        began.cancel()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._left.set()
        self._reads.set()
        await self.ended()

    async def _receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answer = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            await self._reads.wait()
            self.body += message.get("body", b"")
            self._rest += message.get("body", b"")
            if self.status == 200:
                self._parse()
        self._began.set()

    def _parse(self) -> None:
        while b"\n\n" in self._rest:
            block, _, self._rest = self._rest.partition(b"\n\n")
            fields = {"event": "message", "data": None}
            for line in block.decode().split("\n"):
                name, _, value = line.partition(": ")
                if name in ("", ":"):
                    self.comments += 1
                fields[name] = value
            self.last_id = fields.get("id") or self.last_id
            self.retry = fields.get("retry") or self.retry
            if fields["data"] is not None:
                self.told.put_nowait(Event(fields["event"] or "", json.loads(fields["data"]), self.last_id))

    async def next(self, *, within: float = PATIENCE_SECONDS) -> Event:
        """Return the next event."""
        return await asyncio.wait_for(self.told.get(), within)

    async def nothing(self, seconds: float = 0.3) -> bool:
        """Return whether there is no event for a while."""
        await asyncio.sleep(seconds)
        return self.told.empty()

    def stop_reading(self) -> None:
        self._reads.clear()

    async def ended(self, within: float = PATIENCE_SECONDS) -> None:
        """Wait until the stream is over."""
        assert self._task is not None
        await asyncio.wait([self._task], timeout=within)
        assert self._task.done(), "it goes on"
        self._task.result()

    @property
    def is_over(self) -> bool:
        return self._task is not None and self._task.done()


async def offer(world: World, person: str | UUID | None, *, private: bool = False, **fields: Any) -> UUID:
    """Offer a break, as the rules do, and return the prompt."""

    def make(session: Session) -> UUID:
        now = clock.now()
        prompt = SupportPrompt(
            organisation_id=world.id,
            employee_id=world.people[person] if isinstance(person, str) else person,
            kind=fields.pop("kind", PromptKind.take_break),
            message="Take five minutes?",
            minutes=5,
            private=private,
            offered_at=now,
            expires_at=now + fields.pop("lasts", timedelta(minutes=30)),
            **fields,
        )
        session.add(prompt)
        session.flush()
        events.record(session, Caller(world.id, "system", None), "support_prompt.offered", prompt)
        return prompt.id

    return UUID(str(await world.run(make)))


async def numbered(world: World) -> None:
    """Let a worker number what has been written, and say so, as it does by NOTIFY."""
    await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, AT_ONCE)
    world.app.state.live.wake(world.id)


async def until(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.01)
