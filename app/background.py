"""What runs beside the requests of a serving process: the worker, or its herald, and the measuring of the pool."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import State

from app import listener, telemetry
from app.anchoring import Anchoring
from app.database import Database
from app.erasure_ledger import Filing
from app.job_runner import JobRunner
from app.listener import Listener
from app.webhooks.deliverer import Deliverer
from app.worker import Worker, announce

log = logging.getLogger("ballast.worker")

MEASURED_EVERY_SECONDS = 1.0


@asynccontextmanager
async def background(state: State) -> AsyncIterator[None]:
    """Run the tasks of a serving process, as the state of its application says, for as long as the block lasts."""
    gc.collect()
    gc.freeze()  # what is made at start stays: looking through it again and again held requests up for 200 ms
    settings, database, wakeup = state.settings, state.database, state.wakeup
    interval, hears = settings.worker_interval_seconds, Listener(database.engine)
    state.live.hear_from(hears)
    if settings.worker == "inline":
        deliverer = _deliverer(state)
        hears.subscribe(listener.WORK, wakeup)
        hears.subscribe(listener.DELIVER, deliverer.wake)
        work = [
            Worker(database, wakeup, interval).run(),
            deliverer.run(),
            JobRunner(database, interval).run(),
            Anchoring.of(database, settings).run(),
            Filing.of(database, settings).run(),
        ]
    else:
        work = [announce(database, wakeup, interval)]
    tasks = [asyncio.create_task(each) for each in (*work, hears.run(), _measure(database))]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _deliverer(state: State) -> Deliverer:
    """Return what sends webhooks. It stops to begin anything when the service does, and has the same time to end."""

    def patience() -> float:
        return float(state.settings.shutdown_seconds) if state.patience_seconds else 0.0  # none: told to stop at once

    return Deliverer(
        state.database, state.settings, is_stopping=lambda: bool(state.readiness.draining), patience=patience
    )


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task beside the requests has ended", exc_info=error)


async def _measure(database: Database) -> None:
    while True:
        telemetry.observe_pool(database.engine)
        await asyncio.sleep(MEASURED_EVERY_SECONDS)
