"""What runs beside the requests of a serving process: the worker, or its herald, and the measuring of the pool."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import telemetry
from app.anchoring import Anchoring
from app.database import Database
from app.erasure_ledger import Filing
from app.job_runner import JobRunner
from app.settings import Settings
from app.wakeup import Wakeup
from app.worker import Worker, announce

log = logging.getLogger("ballast.worker")

MEASURED_EVERY_SECONDS = 1.0


@asynccontextmanager
async def background(settings: Settings, database: Database, wakeup: Wakeup) -> AsyncIterator[None]:
    """Run the tasks of a serving process for as long as the block lasts."""
    gc.collect()
    gc.freeze()  # what is made at start stays: looking through it again and again held requests up for 200 ms
    interval = settings.worker_interval_seconds
    if settings.worker == "inline":
        work = [
            Worker(database, wakeup, interval).run(),
            JobRunner(database, interval).run(),
            Anchoring.of(database, settings).run(),
            Filing.of(database, settings).run(),
        ]
    else:
        work = [announce(database, wakeup, interval)]
    tasks = [asyncio.create_task(each) for each in (*work, _measure(database))]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task beside the requests has ended", exc_info=error)


async def _measure(database: Database) -> None:
    while True:
        telemetry.observe_pool(database.engine)
        await asyncio.sleep(MEASURED_EVERY_SECONDS)
