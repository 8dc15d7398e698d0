"""The loop beside the requests: it numbers what has committed, expires prompts and removes what has run out.

It has no rules of its own. Each duty is a plain function in one organisation's transaction, and any number of workers
may run side by side: a duty that another worker is just doing is left to that one.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from app import clock, duties
from app.auth import Caller
from app.database import Database, set_tenant
from app.listener import WORK, notify
from app.models import DirectoryEntry
from app.models.organisation import OrganisationState
from app.services import eap_count, retention, source_health
from app.telemetry import DUTY_LAG, DUTY_RUNS
from app.wakeup import Wakeup

log = logging.getLogger("ballast.worker")

Duty = Callable[[Session, Caller, datetime], duties.Done]

AT_ONCE: Mapping[str, Duty] = {"number": duties.number, "fan_out": duties.fan_out}
# Expiring and lapsing write entries to number.
WHEN_DUE: Mapping[str, Duty] = {
    "expire": duties.expire,
    "lapse": duties.lapse,
    "flag": duties.flag,
    "close_break_glass": duties.close_break_glass,
    **AT_ONCE,
    "seal": duties.seal,
}
REGULARLY: Mapping[str, Duty] = {
    **WHEN_DUE,
    "purge": duties.purge,
    "watch_sources": source_health.watch,
    "freeze_counts": eap_count.freeze,
    "retain": retention.apply,
    "seal_texts": duties.seal_texts,
}

EVERYONE_SECONDS = 60.0
LEAST_GAP_SECONDS = 0.1

TRY_LOCK = select(func.pg_try_advisory_xact_lock(bindparam("number")))
ACTIVE = select(DirectoryEntry.organisation_id).where(DirectoryEntry.state == OrganisationState.active)
DUE = ACTIVE.where(DirectoryEntry.due_at <= bindparam("now")).order_by(DirectoryEntry.due_at)


@dataclass
class Worker:
    """Attends to every organisation: at once to one that this process wrote to, in time to all others."""

    database: Database
    wakeup: Wakeup
    interval_seconds: float
    _again: set[UUID] = field(default_factory=set)
    _failing: dict[tuple[UUID, str], float] = field(default_factory=dict)

    async def run(self) -> None:
        """Work until cancelled. A transaction that is under way then still ends."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._sweep())

    async def _follow(self) -> None:
        """Give numbers to what this process writes, right away; the next sweep looks again, as a commit may be slow."""
        while True:
            organisations = await self.wakeup.wait(self.interval_seconds)
            self._again |= organisations
            for organisation_id in organisations:
                await self.attend(organisation_id, AT_ONCE)
            if organisations:
                await asyncio.sleep(LEAST_GAP_SECONDS)  # what a busy organisation writes meanwhile is numbered together

    async def _sweep(self) -> None:
        everyone = 0.0
        while True:
            started = time.monotonic()
            if started >= everyone:
                everyone = started + EVERYONE_SECONDS
                await self.sweep(everyone=True)
            else:
                await self.sweep()
            await asyncio.sleep(self.interval_seconds)

    async def sweep(self, *, everyone: bool = False) -> None:
        """Do every duty for the organisations where work is due, or for all of them."""
        again, self._again = self._again, set()
        try:
            organisations = await self.database.run(_organisations, everyone)
        except Exception as error:  # noqa: BLE001  # the database may be away: the next sweep asks again
            log.warning("no sweep", extra={"error": type(error).__name__})
            self._again |= again
            return
        wanted = REGULARLY if everyone else WHEN_DUE
        late = dict.fromkeys(wanted, 0.0)
        for organisation_id in dict.fromkeys([*again, *organisations]):
            await self._attempt(organisation_id, "schedule", schedule)
            for name, seconds in (await self.attend(organisation_id, wanted)).items():
                late[name] = max(late[name], seconds)
        for name, seconds in late.items():
            waiting = [time.monotonic() - since for (_, duty), since in self._failing.items() if duty == name]
            DUTY_LAG.labels(name).set(max(seconds, *waiting, 0.0))

    async def attend(self, organisation_id: UUID, wanted: Mapping[str, Duty]) -> dict[str, float]:
        """Do these duties for one organisation and return how late each was, in seconds. Never raises."""
        late = {}
        for name, duty in wanted.items():
            late[name], more = 0.0, True
            while more:
                done = await self._attempt(organisation_id, name, duty)
                late[name], more = max(late[name], done.late), done.more
        return late

    async def _attempt(self, organisation_id: UUID, name: str, duty: Duty) -> duties.Done:
        """Run one duty in a transaction of its own: what fails here stops neither the others nor the loop."""
        try:
            done = await self.database.run(perform, organisation_id, name, duty)
        except Exception:  # whatever it is, the next organisation has its turn
            self._failing.setdefault((organisation_id, name), time.monotonic())
            DUTY_RUNS.labels(name, "failed").inc()
            log.exception("duty failed", extra={"duty": name, "organisation_id": organisation_id})
            return duties.Done()
        self._failing.pop((organisation_id, name), None)
        if done is None:
            self._again.add(organisation_id)
            return duties.Done()
        DUTY_RUNS.labels(name, "done").inc()
        return done


def perform(session: Session, organisation_id: UUID, name: str, duty: Duty) -> duties.Done | None:
    """Do one duty for one organisation in this transaction, or return None where another worker is just doing it."""
    set_tenant(session, organisation_id)
    if not session.execute(TRY_LOCK, {"number": lock_number(organisation_id, name)}).scalar_one():
        return None
    return duty(session, Caller(organisation_id, "system", None), clock.now())


def lock_number(organisation_id: UUID, name: str) -> int:
    """Return the number of the advisory lock that one duty for one organisation is done under."""
    return int.from_bytes(blake2b(name.encode() + organisation_id.bytes, digest_size=8).digest(), signed=True)


def schedule(session: Session, caller: Caller, now: datetime) -> duties.Done:
    """Write into the directory when work is due next; before it is done, so that no mark made meanwhile is lost."""
    due_at = duties.next_due(session, caller, now)
    directory = update(DirectoryEntry).where(DirectoryEntry.organisation_id == caller.organisation_id)
    session.execute(directory.values(due_at=due_at))
    return duties.Done()


def _organisations(session: Session, everyone: bool) -> list[UUID]:
    return list(session.scalars(ACTIVE if everyone else DUE, {} if everyone else {"now": clock.now()}))


def mark_due(session: Session, organisation_ids: Collection[UUID]) -> None:
    """Tell the workers of other processes that these organisations have something to number."""
    now = clock.now()
    session.execute(
        update(DirectoryEntry)
        .where(DirectoryEntry.organisation_id.in_(organisation_ids), DirectoryEntry.due_at > now)
        .values(due_at=now)
    )
    notify(session, WORK, organisation_ids)


async def announce(database: Database, wakeup: Wakeup, interval_seconds: float) -> None:
    """In a process without a worker: mark what it writes as due, for the worker elsewhere. Runs until cancelled."""
    before: set[UUID] = set()
    while True:
        organisations = await wakeup.wait(interval_seconds)
        if marked := organisations | before:
            try:
                await database.run(mark_due, marked)
            except Exception as error:  # noqa: BLE001  # the sweep over everyone finds them within a minute
                log.warning("not announced", extra={"error": type(error).__name__})
            await asyncio.sleep(interval_seconds)
        before = organisations  # once more: a transaction that wrote may commit only after it was announced
