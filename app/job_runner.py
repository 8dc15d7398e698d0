"""The loop that does jobs, beside the worker: one at a time in each process, and any number of processes."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, jobs
from app.database import Database
from app.jobs import JobFailed, Kind, NotHeld, Run
from app.models import DataExport, DirectoryEntry, MentorMatch
from app.models.organisation import OrganisationState
from app.services import data_export, mentor_match_run
from app.telemetry import DUTY_RUNS

log = logging.getLogger("ballast.worker")

KINDS: Mapping[str, Kind] = {
    "mentor_match": Kind(MentorMatch, mentor_match_run.work, seconds=300),
    "data_export": Kind(DataExport, data_export.work, seconds=600),
}
RENEWED_EVERY_SECONDS = 2.0


@dataclass
class JobRunner:
    """Looks every ``interval_seconds`` for jobs of organisations where something is due, and does them."""

    database: Database
    interval_seconds: float
    kinds: Mapping[str, Kind] = field(default_factory=lambda: KINDS)
    renewed_every_seconds: float = RENEWED_EVERY_SECONDS

    async def run(self) -> None:
        """Work until cancelled. A job that is under way then is given back, and whatever it started is ended."""
        while True:
            try:
                organisations = await self.database.run(_due)
                for organisation_id in organisations:
                    await self.attend(organisation_id)
            except Exception as error:  # noqa: BLE001  # the database may be away: the next look asks again
                log.warning("no look at jobs", extra={"error": type(error).__name__})
            await asyncio.sleep(self.interval_seconds)

    async def attend(self, organisation_id: UUID) -> int:
        """Do the jobs of one organisation that nobody else does, and return how many."""
        done = 0
        for name, kind in self.kinds.items():
            while (claimed := await self.database.run(jobs.claim, organisation_id, kind.model)) is not None:
                job_id, token = claimed
                await self._attempt(name, Run(self.database, kind, organisation_id, job_id, token))
                done += 1
        return done

    async def _attempt(self, name: str, run: Run) -> None:
        """Do one job: until it is done, its time is over, it is no longer held, or this process is to stop."""
        work, hold = asyncio.ensure_future(run.kind.work(run)), asyncio.create_task(self._hold(run))
        try:
            await asyncio.wait({work, hold}, timeout=run.kind.seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _stop(work, hold)
            await run.give_back(untried=True)
            raise
        late = not (work.done() or hold.done())
        await _stop(work, hold)
        error = None if work.cancelled() else work.exception()
        DUTY_RUNS.labels(name, "failed" if error or late else "done").inc()
        await self._settle(run, JobFailed("took_too_long") if late else error)

    async def _settle(self, run: Run, error: BaseException | None) -> None:
        """Write down why it failed, or let it be tried again where the fault may be ours and pass."""
        try:
            if isinstance(error, JobFailed):
                await run.fail(error.code)
            elif error is not None and not isinstance(error, NotHeld):
                log.error("job failed", extra={"organisation_id": run.organisation_id, "job": run.id}, exc_info=error)
                await run.give_back()
        except NotHeld:
            log.info("job no longer held", extra={"organisation_id": run.organisation_id, "job": run.id})

    async def _hold(self, run: Run) -> None:
        """Renew the hold until the job is no longer ours."""
        held = True
        while held:
            await asyncio.sleep(self.renewed_every_seconds)
            try:
                held = await run.renew()
            except Exception as error:  # noqa: BLE001  # the hold lasts for several renewals
                log.warning("hold not renewed", extra={"error": type(error).__name__})


async def _stop(*tasks: asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _due(session: Session) -> list[UUID]:
    query = select(DirectoryEntry.organisation_id).where(
        DirectoryEntry.state == OrganisationState.active, DirectoryEntry.due_at <= clock.now()
    )
    return list(session.scalars(query.order_by(DirectoryEntry.due_at)))
