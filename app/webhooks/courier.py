"""Delivers to one endpoint, as long as it holds it: some at a time, over connections that are kept."""

import asyncio
import logging
from collections import deque
from importlib import metadata
from time import monotonic
from typing import TYPE_CHECKING, Any

from app import clock
from app.models.webhook import DeliveryState, MessageFormat
from app.outgoing.connections import Answer, Connections
from app.outgoing.guard import Failure, Guard, NotAnswered
from app.outgoing.rules import Target, UrlNotAllowed
from app.services import webhook_hold as holds
from app.services import webhook_sending as sending
from app.services.webhook_hold import Held
from app.services.webhook_sending import Attempt, Endpoint
from app.telemetry import WEBHOOK_SECONDS, WEBHOOKS
from app.webhooks import message as event_message
from app.webhooks.outcome import MOST_OF_ANSWER, judge
from app.webhooks.signature import Signer

if TYPE_CHECKING:
    from app.webhooks.deliverer import Deliverer

log = logging.getLogger("ballast.deliverer")

SECONDS_TO_ANSWER = 15.0
BATCH, LOW_WATER = 200, 100
WRITTEN_EVERY_SECONDS = 0.05
# At the latest: by then the hold is renewed, and what was withdrawn meanwhile is not sent any more.
LOOKED_AT_EVERY_SECONDS = 3.0
# An endpoint that nothing is due for is held a little longer: often something follows, and the connections are open.
LINGER_SECONDS = 2.0
TURN_SECONDS = 10.0
HELD_SECONDS = holds.HELD.total_seconds() - 1  # some less than others believe
NOT_SENT = "not_sent"
CONTENT_TYPES = {
    MessageFormat.standard: "application/json",
    MessageFormat.cloudevents: "application/cloudevents+json; charset=utf-8",
}


def _version() -> str:
    try:
        return metadata.version("ballast")
    except metadata.PackageNotFoundError:
        return "0+unknown"  # run from a source tree that is not installed


USER_AGENT = f"ballast/{_version()}"


class Courier:
    """Sends to one endpoint and writes down what came of it, several attempts in one transaction."""

    def __init__(self, office: "Deliverer", held: Held) -> None:
        self.office, self.held = office, held
        self.due_since: float | None = None
        self._connections = Connections(Guard(office.rules, office.resolver_of(held.organisation_id)))
        self._endpoint: Endpoint | None = None
        self._target: Target | None = None
        self._signer: Signer | None = None
        self._waiting: deque[Any] = deque()
        self._under_way: dict[Any, asyncio.Task[None]] = {}
        self._came: list[Attempt] = []
        self._news = asyncio.Event()
        self._is_ending = self._has_own_place = False
        self._pause_until: Any = None
        self._began_at = self._held_until = self._loaded_at = monotonic()

    def poke(self) -> None:
        """Look soon whether more is due."""
        self._news.set()

    def stop(self) -> None:
        """Begin nothing more, and end when what is under way has ended."""
        self._is_ending = True
        self._waiting.clear()
        self._news.set()

    async def run(self) -> None:
        """Deliver until nothing is due any more, the hold is lost, or the courier is asked to stop."""
        try:
            while not await self._turn():
                pass
        finally:
            await self._end()

    async def _turn(self) -> bool:
        """Write, load and send once, wait for news, and return whether that is all."""
        self._news.clear()
        started = monotonic()
        try:
            await self._exchange()
        except Exception as error:  # noqa: BLE001  # the database may be away: what came is kept for the next turn
            log.warning("nothing written of deliveries", extra={"error": type(error).__name__})
            await asyncio.sleep(WRITTEN_EVERY_SECONDS * 10)
        self.fill()
        if self._is_ending and not self._under_way:
            return not self._came or monotonic() > self._held_until
        is_idle = not (self._waiting or self._under_way or self._came)
        try:
            seconds = LINGER_SECONDS if is_idle else LOOKED_AT_EVERY_SECONDS
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return is_idle
        await asyncio.sleep(max(0.0, WRITTEN_EVERY_SECONDS - (monotonic() - started)))
        if self.office.is_crowded and monotonic() - self._began_at > TURN_SECONDS:
            self.stop()
        return False

    async def _exchange(self) -> None:
        """Write what came, renew the hold, and load what is due next where little is waiting."""
        started, came = monotonic(), self._came
        is_stale = started - self._loaded_at >= LOOKED_AT_EVERY_SECONDS
        most = BATCH if (len(self._waiting) <= LOW_WATER or is_stale) and not self._is_ending else 0
        self._came = []
        try:
            turn = await self.office.write(sending.exchange, self.held, came, list(self._under_way), most)
        except BaseException:
            self._came = came + self._came
            raise
        if turn.endpoint is None:
            self._held_until = started
            self.stop()
            return
        self._held_until = started + HELD_SECONDS
        self._equip(turn.endpoint)
        if most and not self._is_ending:
            begun = {attempt.delivery_id for attempt in self._came} | self._under_way.keys()
            self._waiting = deque(row for row in turn.deliveries if row.id not in begun)
            self._loaded_at = started
        self.due_since = self._waiting[0].due_at.timestamp() if self._waiting else None

    def _equip(self, endpoint: Endpoint) -> None:
        known, self._endpoint = self._endpoint, endpoint
        if known is None or known.keys != endpoint.keys:
            self._signer = Signer(endpoint.keys)
        if known is None or known.url != endpoint.url:
            try:
                self._target = self.office.rules.check(endpoint.url)
            except UrlNotAllowed:
                self._target = None

    def fill(self) -> None:
        """Begin to send as much as may be sent at once. One at a time may always be, more out of what all share."""
        while self._waiting and self._endpoint is not None and monotonic() < self._held_until and not self._is_ending:
            if len(self._under_way) >= (1 if self._endpoint.failing_since else self._endpoint.concurrency):
                return
            is_own_place = not self._has_own_place
            if not (is_own_place or self.office.places.take(self)):
                return
            self._has_own_place = True
            delivery = self._waiting.popleft()
            self._under_way[delivery.id] = asyncio.create_task(self._deliver(delivery, is_own_place))

    async def _deliver(self, delivery: Any, is_own_place: bool) -> None:
        attempted_at, started = clock.now(), monotonic()
        try:
            came = await self._send(delivery, int(attempted_at.timestamp()))
            outcome = judge(delivery, came, attempted_at, monotonic() - started)
            self._came.append(outcome.attempt)
            if self._endpoint is not None and self._endpoint.is_counted:
                WEBHOOKS.labels(_outcome_of(outcome.attempt)).inc()
                WEBHOOK_SECONDS.observe(monotonic() - started)
            if outcome.pause_until is not None:
                self._pause_until = max(outcome.pause_until, self._pause_until or outcome.pause_until)
            if outcome.pause_until is not None or outcome.attempt.disables:
                self.stop()
        finally:
            del self._under_way[delivery.id]
            if is_own_place:
                self._has_own_place = False
            else:
                self.office.places.give_back(self)
            self._news.set()
        self.fill()

    async def _send(self, delivery: Any, timestamp: int) -> Answer | Failure | str:
        endpoint, signer = self._endpoint, self._signer
        if self._target is None or endpoint is None or signer is None:
            return Failure.address_not_allowed
        try:
            body = event_message.body(
                delivery._mapping, endpoint.format, self.office.settings.public_url, self.held.organisation_id
            )
            headers = {"User-Agent": USER_AGENT, "Content-Type": CONTENT_TYPES[endpoint.format]}
            headers |= signer.headers(str(delivery.event_id), timestamp, body)
            return await self._connections.send(
                "POST", self._target, headers, body, seconds=SECONDS_TO_ANSWER, most_bytes=MOST_OF_ANSWER
            )
        except NotAnswered as error:
            return error.failure
        except Exception:  # what cannot be sent must not hold up what can
            log.exception("a delivery was not sent", extra={"organisation_id": self.held.organisation_id})
            return NOT_SENT

    async def _end(self) -> None:
        """Cut off what is still under way, write what came, and let others take hold."""
        self.stop()
        under_way = list(self._under_way.values())
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)
        self.office.places.forget(self)
        try:
            if self._came:
                await self._exchange()
            await self.office.write(holds.let_go, self.held, self._pause_until)
        except Exception as error:  # noqa: BLE001  # the hold runs out by itself
            log.warning("an endpoint was not let go", extra={"error": type(error).__name__})
        self._connections.close()


def _outcome_of(attempt: Attempt) -> str:
    return "retried" if attempt.state == DeliveryState.pending else str(attempt.state)
