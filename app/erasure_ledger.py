"""The ledger of erasures, written down outside of the database, so that a restore cannot lose it.

Run by the worker, never in a request. A line may stand there twice, which says nothing else.
"""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import anchoring, clock
from app.database import Database, set_tenant
from app.models import Erasure
from app.settings import Settings
from app.telemetry import DUTY_LAG, DUTY_RUNS
from app.worker import ACTIVE

log = logging.getLogger("ballast.worker")

INTERVAL_SECONDS = 5.0
AT_ONCE = 200
TABLE: Any = Erasure.__table__


class UnusableLedger(Exception):
    """A file that holds something else; the message is for an operator."""


@dataclass(frozen=True)
class Line:
    """That a person was erased."""

    organisation_id: UUID
    employee_id: UUID
    pseudonym: str
    erased_at: datetime
    erased_by_id: UUID | None

    def text(self) -> str:
        """Return it as a line of JSON."""
        values = {
            "organisation_id": str(self.organisation_id),
            "employee_id": str(self.employee_id),
            "pseudonym": self.pseudonym,
            "erased_at": self.erased_at.isoformat(),
            "erased_by_id": str(self.erased_by_id) if self.erased_by_id else None,
        }
        return json.dumps(values)


@dataclass
class Filing:
    """Adds what the ledger holds to a file, soon after it was committed."""

    database: Database
    file: Path | None
    interval_seconds: float = INTERVAL_SECONDS

    @classmethod
    def of(cls, database: Database, settings: Settings) -> "Filing":
        return cls(database, settings.erasure_ledger_file)

    async def run(self) -> None:
        """Work until cancelled; at once done where no file is set."""
        since = time.monotonic()
        while self.file is not None:
            try:
                await self.file_all(self.file)
                since = time.monotonic()
                DUTY_RUNS.labels("file_erasures", "done").inc()
            except Exception as error:  # noqa: BLE001  # the disk may be full, the database away: it is tried again
                log.warning("erasures not filed", extra={"error": type(error).__name__})
                DUTY_RUNS.labels("file_erasures", "failed").inc()
            DUTY_LAG.labels("file_erasures").set(time.monotonic() - since)
            await asyncio.sleep(self.interval_seconds)

    async def file_all(self, file: Path) -> None:
        """Add every line that is not in the file yet, and return when it is on the disk."""
        for organisation_id in await self.database.run(_organisations):
            lines = await self.database.run(_unfiled, organisation_id)
            if lines:
                text = "\n".join(line.text() for line in lines)
                await asyncio.to_thread(anchoring.append, file, text)
                await self.database.run(_note, organisation_id, [line.employee_id for line in lines])


def lines_of(session: Session, organisation_id: UUID) -> list[Line]:
    """Return what the ledger of an organisation holds in the database. The tenant has to be set."""
    return _lines(session, select(TABLE).where(TABLE.c.organisation_id == organisation_id))


def read(path: Path) -> Iterator[Line]:
    """Return the lines of a file. Raise UnusableLedger for one that is none."""
    for place, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if text.strip():
            try:
                yield _parsed(json.loads(text))
            except (ValueError, KeyError, TypeError):
                raise UnusableLedger(f"Line {place} of {path} is not an erasure.") from None


def _parsed(line: dict[str, Any]) -> Line:
    by = line["erased_by_id"]
    return Line(
        UUID(line["organisation_id"]),
        UUID(line["employee_id"]),
        str(line["pseudonym"]),
        datetime.fromisoformat(line["erased_at"]),
        UUID(by) if by else None,
    )


def _organisations(session: Session) -> list[UUID]:
    return list(session.scalars(ACTIVE))


def _unfiled(session: Session, organisation_id: UUID) -> list[Line]:
    set_tenant(session, organisation_id)
    mine = select(TABLE).where(TABLE.c.organisation_id == organisation_id, TABLE.c.filed_at.is_(None))
    return _lines(session, mine.order_by(TABLE.c.id).limit(AT_ONCE))


def _lines(session: Session, query: Any) -> list[Line]:
    return [
        Line(row.organisation_id, row.employee_id, row.pseudonym, row.erased_at, row.erased_by_id)
        for row in session.execute(query)
    ]


def _note(session: Session, organisation_id: UUID, employee_ids: list[UUID]) -> None:
    set_tenant(session, organisation_id)
    filed = update(TABLE).where(TABLE.c.organisation_id == organisation_id, TABLE.c.employee_id.in_(employee_ids))
    session.execute(filed.values(filed_at=clock.now()))
