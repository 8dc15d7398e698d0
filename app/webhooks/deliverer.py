"""Sends webhooks: looks where something is due, takes hold of endpoints, and has a courier deliver to each.

Any number of processes may do so side by side. Each endpoint has a courier of its own, which may always send one
message at a time; further ones at once come out of places that all share, each organisation at most some of them. So
one that is slow or dead, and an organisation with very much to be told, hold up nobody else.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.database import Database
from app.outgoing.guard import Resolver
from app.outgoing.rules import Rules
from app.services import webhook_hold as holds
from app.settings import Settings
from app.telemetry import DUTY_LAG, DUTY_RUNS
from app.webhooks.courier import Courier

log = logging.getLogger("ballast.deliverer")
P = ParamSpec("P")
T = TypeVar("T")

MOST_COURIERS, MOST_OF_ONE = 400, 100
MOST_PLACES, MOST_PLACES_OF_ONE = 200, 50
TAKEN_AT_ONCE = 10
REMEMBERED_SECONDS = 60.0
LEAST_GAP_SECONDS = 0.02


class Places:
    """How many messages may be under way at once, beside one for each courier. Who waits is asked in turn."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._free, self._most_of_one = most, most_of_one
        self._taken: Counter[UUID] = Counter()
        self._waiting: dict[Courier, None] = {}

    def take(self, courier: Courier) -> bool:
        """Take a place, or be asked again when one is free."""
        organisation_id = courier.held.organisation_id
        if not self._free or self._taken[organisation_id] >= self._most_of_one:
            self._waiting[courier] = None
            return False
        self._free -= 1
        self._taken[organisation_id] += 1
        return True

    def give_back(self, courier: Courier) -> None:
        """Give a place back, and ask those who wait, who has waited longest first."""
        organisation_id = courier.held.organisation_id
        self._free += 1
        self._taken[organisation_id] -= 1
        if not self._taken[organisation_id]:
            del self._taken[organisation_id]
        for waiting in tuple(self._waiting):
            if not self._free:
                return
            if self._taken[waiting.held.organisation_id] < self._most_of_one:
                self.forget(waiting)
                waiting.fill()

    def forget(self, courier: Courier) -> None:
        """Ask a courier no more."""
        self._waiting.pop(courier, None)


class Deliverer:
    """Looks every ``interval_seconds``, and at once where it is told that something is due."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        is_stopping: Callable[[], bool] = lambda: False,
        patience: Callable[[], float] | None = None,
    ) -> None:
        self.database, self.settings = database, settings
        self.rules = Rules.for_organisations(settings)
        self.places = Places(MOST_PLACES, MOST_PLACES_OF_ONE)
        self.is_crowded = False
        self._ending_since: float | None = None
        self._is_stopping, self._patience = is_stopping, patience or (lambda: settings.shutdown_seconds)
        self._couriers: dict[Courier, asyncio.Task[None]] = {}
        self._resolvers: dict[UUID, Resolver] = {}
        self._served: dict[UUID, float] = {}  # organisations and endpoints, and when they last had their turn
        self._woken = asyncio.Event()
        self._doors = asyncio.Semaphore(max(1, settings.pool_size // 4))  # the others are for requests

    def wake(self, organisation_id: UUID) -> None:
        """Look at once: something of an organisation is due."""
        for courier in self._couriers:
            if courier.held.organisation_id == organisation_id:
                courier.poke()
        self._woken.set()

    def resolver_of(self, organisation_id: UUID) -> Resolver:
        """Return what looks up names for an organisation: of its own, so that it fills up nobody else's."""
        return self._resolvers.setdefault(organisation_id, Resolver())

    async def write(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work in a transaction; only a part of the pool is taken for that."""
        async with self._doors:
            return await self.database.run(work, *args, **kwargs)

    async def run(self) -> None:
        """Work until cancelled; then let what is under way end, as long as there is patience for it."""
        try:
            while not self._is_stopping():
                self._woken.clear()
                await self._look()
                await asyncio.sleep(LEAST_GAP_SECONDS)
                try:
                    await asyncio.wait_for(self._woken.wait(), self.settings.worker_interval_seconds)
                except TimeoutError:
                    continue
            self._stop_couriers()
            await asyncio.Event().wait()
        finally:
            await self._end()

    async def _look(self) -> None:
        """Take hold of endpoints until nothing is due that nobody holds. Never raises."""
        try:
            due_since = await self._take_hold()
        except Exception as error:  # noqa: BLE001  # the database may be away: the next look asks again
            log.warning("no look at deliveries", extra={"error": type(error).__name__})
            DUTY_RUNS.labels("deliver", "failed").inc()
            return
        DUTY_RUNS.labels("deliver", "done").inc()
        waiting = [courier.due_since for courier in self._couriers if courier.due_since is not None]
        now = clock.now().timestamp()
        DUTY_LAG.labels("deliver").set(max(0.0, now - min([*due_since, *waiting], default=now)))

    async def _take_hold(self) -> list[float]:
        """Go round the organisations, some endpoints of each at a time, and return since when something is due."""
        due_since, go_on = [], True
        self._served = {each: at for each, at in self._served.items() if monotonic() - at < REMEMBERED_SECONDS}
        while go_on and not self._is_stopping():
            go_on = self.is_crowded = False
            for organisation_id in sorted(await self.write(holds.due), key=lambda each: self._served.get(each, 0.0)):
                of_one = sum(each.held.organisation_id == organisation_id for each in self._couriers)
                room = min(MOST_COURIERS - len(self._couriers), MOST_OF_ONE - of_one, TAKEN_AT_ONCE)
                if room <= 0:
                    self.is_crowded = True
                    continue
                self._served[organisation_id] = monotonic()
                survey = await self.write(holds.take_hold, organisation_id, room, self._served)
                for held in survey.taken:
                    self._send_out(held)
                go_on = go_on or (survey.more and bool(survey.taken))
                if survey.due_since:
                    due_since.append(survey.due_since.timestamp())
        return due_since

    def _send_out(self, held: holds.Held) -> None:
        courier = Courier(self, held)
        task = self._couriers[courier] = asyncio.create_task(courier.run())
        task.add_done_callback(lambda done: self._returned(courier, done))

    def _returned(self, courier: Courier, task: asyncio.Task[None]) -> None:
        del self._couriers[courier]
        self._served[courier.held.id] = monotonic()
        organisation_id = courier.held.organisation_id
        if not any(each.held.organisation_id == organisation_id for each in self._couriers):
            self._resolvers.pop(organisation_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a courier has failed", extra={"organisation_id": organisation_id}, exc_info=error)

    def _stop_couriers(self) -> None:
        self._ending_since = self._ending_since or monotonic()
        for courier in self._couriers:
            courier.stop()

    async def _end(self) -> None:
        self._stop_couriers()
        began = self._ending_since or 0
        while self._couriers and monotonic() - began < self._patience():
            await asyncio.wait(self._couriers.values(), timeout=0.2)
        for task in self._couriers.values():
            task.cancel()
        if self._couriers:
            await asyncio.wait(self._couriers.values())
