"""Whether this process should be sent requests: it is not stopping, and the database answers, at this code's level."""

import asyncio
from functools import cached_property

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import migrate
from app.database import Database
from app.errors import Busy

PATIENCE_SECONDS = 1.0
LEVEL = text("SELECT version_num FROM alembic_version")


class Readiness:
    """Asks the database for many probes at once, and never over more than one connection."""

    def __init__(self, database: Database | None) -> None:
        self.database, self.draining = database, False
        self._asking: asyncio.Task[str | None] | None = None

    @cached_property
    def expected(self) -> str:
        return migrate.head()

    async def require(self) -> None:
        """Raise Busy, saying why, when this process should not be sent requests."""
        if self.draining:
            raise Busy("stopping", "The service is stopping.")
        try:
            level = await self._level()
        except Exception:  # noqa: BLE001  # whatever keeps the database from answering
            raise Busy("database_unreachable", "The database does not answer.") from None
        if level != self.expected:
            raise Busy("wrong_migration_level", "The database is not at the migration level of this version.")

    async def _level(self) -> str | None:
        if self.database is None:
            raise ConnectionError
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self.database.run(_read_level))
            self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.wait_for(asyncio.shield(self._asking), PATIENCE_SECONDS)


def _read_level(session: Session) -> str | None:
    return session.execute(LEVEL).scalar_one_or_none()
