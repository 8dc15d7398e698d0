"""What an operator does after a restore: erase again whom the ledger names, before anybody is let in."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import erasure_ledger, launch, worker
from app.auth import Caller
from app.database import Database, set_tenant
from app.erasure_ledger import Line
from app.launch import StartError
from app.models import DirectoryEntry
from app.services import erasure as erasures

RESULTS = ("erased_again", "still_erased", "not_there", "unknown_organisation")


def restore_check(ledger: Path | None) -> dict[str, Any]:
    """Replay the ledger, of the file and of the database, and return what became of it. Raise StartError."""
    settings = launch.read_settings()
    path = ledger or settings.erasure_ledger_file
    if path is None:
        raise StartError("Name the ledger of erasures: --ledger, or BALLAST_ERASURE_LEDGER_FILE.")
    lines = _filed(path)

    async def check(database: Database) -> Counter[str]:
        known = await database.run(_organisations)
        found: Counter[str] = Counter()
        wanted = {(line.organisation_id, line.employee_id): line for line in lines}
        for organisation_id in known:
            for line in await database.run(_kept, organisation_id):
                wanted.setdefault((line.organisation_id, line.employee_id), line)
        for line in wanted.values():
            there = line.organisation_id in known
            found[await database.run(_replay, line) if there else "unknown_organisation"] += 1
        return found

    with launch.ground(settings) as ground:
        found = asyncio.run(launch.run_on(ground, settings, check))
    return {name: found[name] for name in RESULTS}


def _filed(path: Path) -> list[Line]:
    try:
        return list(erasure_ledger.read(path))
    except erasure_ledger.UnusableLedger as error:
        raise StartError(str(error)) from error


def _organisations(session: Session) -> list[UUID]:
    return list(session.scalars(select(DirectoryEntry.organisation_id).order_by(DirectoryEntry.organisation_id)))


def _kept(session: Session, organisation_id: UUID) -> list[Line]:
    set_tenant(session, organisation_id)
    return erasure_ledger.lines_of(session, organisation_id)


def _replay(session: Session, line: Line) -> str:
    set_tenant(session, line.organisation_id)
    caller = Caller(line.organisation_id, "system", None)
    done = erasures.replay(session, caller, line.employee_id, line.pseudonym, line.erased_at, line.erased_by_id)
    worker.mark_due(session, [line.organisation_id])
    return done
