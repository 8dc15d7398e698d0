"""The open streams of this process, and the one task that feeds them: however many there are, one connection at most.

The task looks where somebody wrote, or, where nobody says so, where somebody listens. It reads what has changed since,
asks for each viewer what they may know of it, and leaves it to their streams to send it.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi.sse import ServerSentEvent

from app.crypto import Vault
from app.database import Database
from app.errors import Busy, TooManyRequests
from app.listener import FEED, Listener
from app.live import cursor as cursors
from app.live.stream import RETRY_MILLISECONDS, Stream, Viewer
from app.schemas.live import End
from app.services import live_prompts
from app.services.live_prompts import Happened, Look, Members, Opening, Wanted
from app.telemetry import STREAMS, STREAMS_ENDED

if TYPE_CHECKING:
    from app.call import Call

log = logging.getLogger("ballast.live")

MOST_OF_A_PERSON = 10
CHECK_SECONDS = 20.0  # and a look's pause more
# Who could not be checked for so long is told nothing any more.
UNCHECKED_SECONDS = 90.0
# How often to look by oneself: where nobody says when, and where somebody does, who may once be missed.
POLL_SECONDS, LISTENING_POLL_SECONDS = 1.0, 10.0
TICK_SECONDS = 0.2
LEAST_GAP_SECONDS = 0.05
VIEWERS_AT_ONCE = 50


class Hub:
    """Opens streams, within limits, and feeds them as long as there are any."""

    def __init__(self, database: Database | None, most: int, is_stopping: Callable[[], bool]) -> None:
        self._database, self.most, self._is_stopping = database, most, is_stopping
        self._streams: dict[UUID, set[Stream]] = {}
        self._members: dict[UUID, Members] = {}
        self._heard: set[UUID] = set()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listener: Listener | None = None

    @property
    def database(self) -> Database:
        assert self._database is not None  # noqa: S101  # an application without one serves nothing
        return self._database

    @property
    def vault(self) -> Vault:
        assert self.database.vault is not None  # noqa: S101  # the application has given it one
        return self.database.vault()

    def __len__(self) -> int:
        return sum(map(len, self._streams.values()))

    def hear_from(self, listener: Listener) -> None:
        """Be told by a listener when something has been numbered. To be called before it runs."""
        self._listener = listener
        listener.subscribe(FEED, self.wake)

    def wake(self, organisation_id: UUID) -> None:
        """Look at an organisation soon: something of it has been numbered."""
        if organisation_id in self._streams:
            self._heard.add(organisation_id)
            self._woken.set()

    @asynccontextmanager
    async def opened(self, call: "Call", team_id: UUID | None, cursor: str | None) -> AsyncIterator[Stream]:
        """Open a stream for who calls, for as long as the block lasts.

        Raise Busy where this process has too many, TooManyRequests where the person has.
        """
        self._require_room()
        opening: Opening = await call.fetch(live_prompts.open_, self.vault, team_id, cursor)
        stream = self._open(opening)
        try:
            yield stream
        finally:
            self._forget(stream)

    def _require_room(self) -> None:
        if self._is_stopping():
            raise Busy("stopping", "The service is stopping.")
        if len(self) >= self.most:
            raise Busy("too_many_streams", "There are as many open streams as this service has room for.")

    def _open(self, opening: Opening) -> Stream:
        self._require_room()  # others came in meanwhile
        viewer = opening.viewer
        here = self._streams.get(viewer.organisation_id, set())
        if sum(stream.viewer.person_id == viewer.person_id for stream in here) >= MOST_OF_A_PERSON:
            detail = f"You have {MOST_OF_A_PERSON} streams open already: close one."
            raise TooManyRequests("too_many_streams", detail, headers={"Retry-After": "30"})
        stream = Stream(viewer, opening.position, opening.members, self._first(opening))
        self._streams.setdefault(viewer.organisation_id, here).add(stream)
        STREAMS.inc()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._feed())
        self.wake(viewer.organisation_id)  # what was numbered since the stream began
        return stream

    def _first(self, opening: Opening) -> list[ServerSentEvent]:
        viewer, members = opening.viewer, opening.members
        told = [self._event(viewer, members, each) for each in opening.happened]
        return [ServerSentEvent(retry=RETRY_MILLISECONDS), *told, self._place(viewer, opening.position, members)]

    def _forget(self, stream: Stream) -> None:
        stream.close()
        organisation_id = stream.viewer.organisation_id
        here = self._streams[organisation_id]
        here.discard(stream)
        if not here:
            del self._streams[organisation_id]
            self._members.pop(organisation_id, None)
        STREAMS.dec()
        STREAMS_ENDED.labels(stream.ended or "left").inc()

    async def _feed(self) -> None:
        """Tell the streams what happens, until there are none."""
        loop, looked = asyncio.get_running_loop(), 0.0
        while self._streams:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), TICK_SECONDS)
                await asyncio.sleep(LEAST_GAP_SECONDS)  # what is written in one go is told in one go
            self._woken.clear()
            if self._is_stopping():
                self.end_all(End.stopping)
                continue
            heard, self._heard = self._heard, set()
            if loop.time() - looked >= self._pause:  # which is a short one from the moment that nobody listens
                heard, looked = set(self._streams), loop.time()
            for organisation_id in heard:
                await self._attend(organisation_id)

    @property
    def _pause(self) -> float:
        listening = self._listener is not None and self._listener.is_listening
        return LISTENING_POLL_SECONDS if listening else POLL_SECONDS

    async def _attend(self, organisation_id: UUID) -> None:
        """Tell the streams of one organisation what is new. Never raises: the next look is for all that was missed."""
        streams = [stream for stream in self._streams.get(organisation_id, ()) if stream.ended is None]
        if not streams:
            return
        now = asyncio.get_running_loop().time()
        try:
            await self._tell(organisation_id, streams, now)
        except Exception as error:  # noqa: BLE001  # the database may be away, or busy
            log.warning("streams were not told", extra={"error": type(error).__name__})
            for stream in streams:
                if now - stream.checked_at > UNCHECKED_SECONDS:
                    stream.end(End.unavailable)

    async def _tell(self, organisation_id: UUID, streams: Sequence[Stream], now: float) -> None:
        check = any(now - stream.checked_at >= CHECK_SECONDS for stream in streams)
        teams = {stream.viewer.team_id for stream in streams if stream.viewer.team_id is not None}
        known = None if check else self._members.get(organisation_id)
        since = min(stream.position for stream in streams)
        look = await self.database.run(live_prompts.look, organisation_id, since, teams, known)
        self._members[organisation_id] = look.members
        of_viewers: dict[Viewer, list[Stream]] = defaultdict(list)
        for stream in streams:
            of_viewers[stream.viewer].append(stream)
        wanted = []
        for viewer, theirs in of_viewers.items():
            each = _wanted(viewer, theirs, look)
            if each.entries or each.anew or check:
                wanted.append(each)
            else:
                self._deliver(each, theirs, look, ())
        for batch in (wanted[at : at + VIEWERS_AT_ONCE] for at in range(0, len(wanted), VIEWERS_AT_ONCE)):
            told = await self.database.run(live_prompts.report, organisation_id, self.vault, batch)
            for each in batch:
                self._deliver(each, of_viewers[each.viewer], look, told[each.viewer])
                for stream in of_viewers[each.viewer]:
                    stream.checked_at = now
                    if check:  # however little there was to tell: it is resumed from here
                        stream.tell(self._place(stream.viewer, stream.position, stream.members))
        if look.more:
            self.wake(organisation_id)

    def _deliver(
        self, wanted: Wanted, streams: Iterable[Stream], look: Look, happened: Sequence[Happened] | None
    ) -> None:
        """Tell a viewer's streams what has happened that they were not told yet, or that it is over."""
        members = _digest(wanted.viewer, look)
        for stream in streams:
            if happened is None:
                stream.end(End.access_ended)
                continue
            for each in happened:
                if wanted.anew or each.number > stream.position:
                    stream.tell(self._event(wanted.viewer, members, each))
            stream.position, stream.members = max(stream.position, look.until), members

    def _event(self, viewer: Viewer, members: str, happened: Happened) -> ServerSentEvent:
        cursor = cursors.of(self.vault, viewer, happened.number, members)
        return ServerSentEvent(event=happened.name, raw_data=happened.data, id=cursor)

    def _place(self, viewer: Viewer, position: int, members: str) -> ServerSentEvent:
        """Return an event that tells nothing but where to resume: a browser keeps its id and shows nobody."""
        return ServerSentEvent(id=cursors.of(self.vault, viewer, position, members))

    def end_all(self, why: End) -> None:
        """End every stream: each reader is told, and cut off who does not read it."""
        for streams in self._streams.values():
            for stream in streams:
                stream.end(why)

    async def close(self) -> None:
        """End every stream and the task."""
        self.end_all(End.stopping)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None


def _digest(viewer: Viewer, look: Look) -> str:
    return cursors.digest_of(look.members.get(viewer.team_id)) if viewer.team_id else ""


def _wanted(viewer: Viewer, streams: Iterable[Stream], look: Look) -> Wanted:
    since, members = min(stream.position for stream in streams), _digest(viewer, look)
    entries = [e for e in live_prompts.concerning(viewer, look.entries, look.members) if e.number > since]
    return Wanted(viewer, entries, any(stream.members != members for stream in streams), look.until)
