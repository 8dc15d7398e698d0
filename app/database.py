"""The engine and the unit of work: the only place where a transaction begins or ends."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy import Connection, CursorResult, Executable, bindparam, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.util.concurrency import greenlet_spawn

from app.crypto import Vault
from app.errors import OutcomeUnknown, sqlstate
from app.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

SET_TENANT = text("SELECT set_tenant(:organisation_id)").bindparams(bindparam("organisation_id"))
RETRIED = ("40001", "40P01")  # serialization failure, deadlock
CONNECTION, VAULT = "connection", "vault"  # what a session of ours carries in its info


def make_engine(url: str, settings: Settings, *, role: str | None = None) -> AsyncEngine:
    """Return the pooled engine of the application: bounded waits, bounded statements, no values in error messages."""
    server_settings = {
        "application_name": "ballast",
        "statement_timeout": str(int(settings.statement_timeout_seconds * 1000)),
        "lock_timeout": str(int(settings.lock_timeout_seconds * 1000)),
        "idle_in_transaction_session_timeout": "10000",
        "client_connection_check_interval": "1000",
        "timezone": "UTC",
        "jit": "off",
        "citus.propagate_set_commands": "local",
    }
    if role:
        server_settings["role"] = role
    return create_async_engine(
        url,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout_seconds,
        pool_use_lifo=True,
        hide_parameters=True,
        query_cache_size=2000,
        connect_args={"server_settings": server_settings, "timeout": 5, "prepared_statement_cache_size": 500},
    )


class Database:
    """Runs work in transactions."""

    def __init__(self, engine: AsyncEngine, vault: Callable[[], Vault] | None = None) -> None:
        self.engine, self.vault = engine, vault
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work`` in one transaction, inside one greenlet: plain synchronous code on the async driver.

        The transaction is committed before this returns. A caller who goes away does not tear it: the task is
        shielded, and bounded by the statement time-out. A deadlock, a serialization failure or a connection that
        was found dead is retried once, as long as the commit was not yet asked for.
        """
        task = asyncio.ensure_future(greenlet_spawn(partial(self._in_transaction, work, *args, **kwargs)))
        self._running.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _in_transaction(self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self.engine.sync_engine.connect() as connection:
            try:
                result = self._work_on(connection, work, *args, **kwargs)
            except DBAPIError as error:
                if not (error.connection_invalidated or sqlstate(error) in RETRIED):
                    raise
            else:
                _commit(connection)
                return result
        with self.engine.sync_engine.connect() as connection:
            result = self._work_on(connection, work, *args, **kwargs)
            _commit(connection)
            return result

    def _work_on(
        self, connection: Connection, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``work`` on a session over this connection, whose transaction is ours to end."""
        connection.begin()  # else the session would begin it at its first statement, and take it back when it closes
        with Session(connection, expire_on_commit=False) as session:
            session.info[CONNECTION], session.info[VAULT] = connection, self.vault
            result = work(session, *args, **kwargs)
            session.flush()
            return result

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, since the request that would have raised it may be gone

    async def close(self, patience: float = 0) -> None:
        """Let running work end within ``patience`` seconds, cancel what has not, and close every connection."""
        if self._running:
            await asyncio.wait(self._running, timeout=patience)
        for task in tuple(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=2)
        await self.engine.dispose()


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise OutcomeUnknown from error
        raise


def execute(session: Session, statement: Executable, values: Mapping[str, Any]) -> CursorResult[Any]:
    """Execute a Core statement that returns plain rows, without the session's own bookkeeping: a third cheaper.

    Pending changes of the session are not flushed first.
    """
    connection: Connection = session.info[CONNECTION]
    return connection.execute(statement, values)


def set_tenant(session: Session, organisation_id: UUID) -> None:
    """Make this transaction see one organisation's rows and no others."""
    execute(session, SET_TENANT, {"organisation_id": organisation_id})
