"""Work that takes too long for a request: rows that are jobs, and how a worker holds one while it does the work.

A request adds a row (``enqueue``) and answers 202. A worker claims it in one transaction, does the work outside of any,
and writes what came of it in another. It holds the row by a token that runs out unless it is renewed, so that the job
of a worker that was killed is taken up again. Only who holds the token can finish it, so that nothing is done twice.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.database import Database, set_tenant
from app.models import DirectoryEntry
from app.models.job import JobState

T = TypeVar("T")

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 3
GIVEN_UP = "given_up"


class JobFailed(Exception):
    """A job that will not succeed however often it is tried. ``code`` says why, to whoever asked for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotHeld(Exception):
    """The job is no longer this worker's: it was cancelled, or another one has taken it up."""


@dataclass(frozen=True)
class Kind:
    """One kind of job: the table of its rows, the work, and how long one attempt may take."""

    model: type[Any]
    work: "Callable[[Run], Awaitable[None]]"
    seconds: float


@dataclass
class Run:
    """One attempt at a job, as the work of its kind is given it."""

    database: Database
    kind: Kind
    organisation_id: UUID
    id: UUID
    token: UUID
    progress: int = field(default=0)

    async def read(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(session, caller, *args)`` in a transaction of its own."""
        return await self.database.run(self._within, work, *args)

    def tell(self, progress: int) -> None:
        """Note how far it is, in per cent; it is written down within seconds."""
        self.progress = max(self.progress, min(progress, 99))

    async def succeed(self, work: Callable[..., None], *args: Any) -> None:
        """Write what came of it, by ``work(session, caller, row, *args)``, and that it is done. Raise NotHeld."""
        await self.database.run(self._within, self._finish, JobState.succeeded, None, work, *args)

    async def fail(self, code: str) -> None:
        """Write down that it failed. Raise NotHeld."""
        await self.database.run(self._within, self._finish, JobState.failed, code, _nothing)

    async def give_back(self, *, untried: bool = False) -> None:
        """Let another worker take it up, where it is still held. An ``untried`` one does not count as an attempt."""
        attempts = self.kind.model.__table__.c.attempts - int(untried)
        values = {"state": JobState.queued, "attempts": attempts, "lease_token": None, "lease_until": None}
        await self.database.run(self._within, self._change, values)

    async def renew(self) -> bool:
        """Hold it for longer and write down how far it is. Return whether it was still held."""
        return await self.database.run(self._within, self._renew)

    def _within(self, session: Session, work: Callable[..., Any], *args: Any) -> Any:
        set_tenant(session, self.organisation_id)
        return work(session, Caller(self.organisation_id, "system", None), *args)

    def _renew(self, session: Session, caller: Caller) -> bool:
        table = self.kind.model.__table__
        further = {"progress": self.progress, "version": table.c.version + 1, "updated_at": clock.now()}
        self._change(session, caller, further, table.c.progress < self.progress)
        return self._change(session, caller, {"lease_until": clock.now() + LEASE})

    def _change(self, session: Session, _caller: Caller, values: dict[str, Any], *more: ColumnElement[bool]) -> bool:
        table: Any = self.kind.model.__table__
        held = (table.c.state == JobState.running, table.c.lease_token == self.token)
        mine = (table.c.organisation_id == self.organisation_id, table.c.id == self.id)
        changed = session.connection().execute(update(table).where(*mine, *held, *more).values(values))
        return bool(changed.rowcount)

    def _finish(
        self, session: Session, caller: Caller, state: JobState, code: str | None, work: Callable[..., None], *args: Any
    ) -> None:
        model = self.kind.model
        query = select(model).where(model.organisation_id == self.organisation_id, model.id == self.id)
        held = query.where(model.state == JobState.running, model.lease_token == self.token)
        row = session.execute(held.with_for_update()).scalar_one_or_none()
        if row is None:
            raise NotHeld
        work(session, caller, row, *args)
        end(session, caller, row, state, code)


def enqueue(session: Session, caller: Caller, row: Any) -> None:
    """Add a job. A worker takes it up within seconds of the commit."""
    session.add(row)
    resource = row.__tablename__
    events.record(session, caller, f"{resource}.requested", row, details={"state": row.state})
    mark_due(session, caller)


def mark_due(session: Session, caller: Caller) -> None:
    """Write into the directory that a worker should look at this organisation now."""
    session.execute(
        update(DirectoryEntry)
        .where(DirectoryEntry.organisation_id == caller.organisation_id)
        .values(due_at=func.least(DirectoryEntry.due_at, clock.now()))
    )


def end(session: Session, caller: Caller, row: Any, state: JobState, failure: str | None = None) -> None:
    """Move a job, which is locked, to a final state."""
    before = row.state
    row.state, row.failure, row.finished_at = state, failure, clock.now()
    row.lease_token = row.lease_until = None
    row.progress = 100 if state == JobState.succeeded else row.progress
    details = {"from": before, "state": state, **({"reason": failure} if failure else {})}
    events.record(session, caller, f"{row.__tablename__}.{state}", row, details=details)


def claim(session: Session, organisation_id: UUID, model: type[Any]) -> tuple[UUID, UUID] | None:
    """Take up the oldest job of one organisation that nobody holds; return its id and the token that holds it.

    One that was taken up as often as may be, and never came to an end, is given up.
    """
    set_tenant(session, organisation_id)
    caller, now = Caller(organisation_id, "system", None), clock.now()
    query = select(model).where(model.organisation_id == organisation_id, _to_do(model, now))
    query = query.order_by(model.id).limit(1).with_for_update(skip_locked=True)
    while (row := session.execute(query).scalar_one_or_none()) is not None:
        if row.attempts < MOST_ATTEMPTS:
            row.state, row.attempts, row.started_at = JobState.running, row.attempts + 1, row.started_at or now
            row.lease_token, row.lease_until = uuid4(), now + LEASE
            events.record(session, caller, f"{model.__tablename__}.started", row, details={"attempt": row.attempts})
            return row.id, row.lease_token
        end(session, caller, row, JobState.failed, GIVEN_UP)
        session.flush()
    return None


def _to_do(model: type[Any], now: datetime) -> ColumnElement[bool]:
    left = and_(model.state == JobState.running, model.lease_until < now)
    return or_(model.state == JobState.queued, left)


def next_due(session: Session, caller: Caller, model: type[Any], now: datetime) -> datetime | None:
    """Return when a worker should look at the jobs of an organisation: now, or when the first hold runs out."""
    unfinished = (JobState.queued, JobState.running)
    query = select(func.min(func.coalesce(model.lease_until, now))).where(
        model.organisation_id == caller.organisation_id, model.state.in_(unfinished)
    )
    due: datetime | None = session.scalar(query)
    return due


def _nothing(*_: Any) -> None:
    """Write nothing."""
