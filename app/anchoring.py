"""The signed heads of the audit's seals, written down outside of the database: in a file, or at an address.

What is cut off at the end of the audit, seals and all, is missed only there. Run by the worker, never in a request.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.audit_chain import Anchor, Seal
from app.auth import Caller
from app.database import Database, set_tenant
from app.outgoing.connections import Connections
from app.outgoing.guard import Guard
from app.outgoing.rules import Rules
from app.services import audit_seal as seals
from app.settings import Settings
from app.telemetry import DUTY_LAG, DUTY_RUNS
from app.worker import ACTIVE

log = logging.getLogger("ballast.worker")

FILE, URL = "file", "url"
SECONDS_TO_ANSWER = 5.0


class NotKept(Exception):
    """The place where heads are posted to did not take one."""


class UnusableAnchor(Exception):
    """A file of anchors that holds something else; the message is for an operator."""


@dataclass
class Anchoring:
    """Writes down the newest head of every organisation, each at most once in ``interval_seconds``."""

    database: Database
    file: Path | None
    url: str | None
    interval_seconds: float
    rules: Rules = field(default_factory=lambda: Rules(http=False, ports=(), networks=()))

    @classmethod
    def of(cls, database: Database, settings: Settings) -> "Anchoring":
        url = str(settings.audit_anchor_url) if settings.audit_anchor_url else None
        rules = Rules.for_operator(settings)
        return cls(database, settings.audit_anchor_file, url, settings.audit_anchor_seconds, rules)

    async def run(self) -> None:
        """Work until cancelled; at once done where no place is set."""
        places = [place for place, where in ((FILE, self.file), (URL, self.url)) if where]
        since = dict.fromkeys(places, time.monotonic())
        while places:
            for place in places:
                try:
                    await self.anchor(place)
                except Exception as error:  # noqa: BLE001  # the place may be away: the next round tries again
                    log.warning("not anchored", extra={"place": place, "error": type(error).__name__})
                    DUTY_RUNS.labels("anchor", "failed").inc()
                else:
                    DUTY_RUNS.labels("anchor", "done").inc()
                    since[place] = time.monotonic()
            DUTY_LAG.labels("anchor").set(time.monotonic() - min(since.values()))
            await asyncio.sleep(self.interval_seconds)

    async def anchor(self, place: str) -> None:
        """Write down in one place the heads that are not there yet. Raise what went wrong with the first."""
        for organisation_id in await self.database.run(_organisations):
            seal = await self.database.run(_unanchored, organisation_id, place)
            if seal is not None:
                await (self._append(seal) if place == FILE else self._post(seal))
                await self.database.run(_note, organisation_id, seal.number, place)

    async def _append(self, seal: Seal) -> None:
        if self.file is not None:
            await asyncio.to_thread(append, self.file, line_of(seal))

    async def _post(self, seal: Seal) -> None:
        if self.url is not None:
            target, headers = self.rules.check(self.url), {"Content-Type": "application/json", "User-Agent": "ballast"}
            connections, line = Connections(Guard(self.rules)), line_of(seal).encode()
            try:
                answer = await connections.send("POST", target, headers, line, seconds=SECONDS_TO_ANSWER, most_bytes=0)
            finally:
                connections.close()
            if not 200 <= answer.status < 300:
                raise NotKept(answer.status)


def _organisations(session: Session) -> list[UUID]:
    return list(session.scalars(ACTIVE))


def _unanchored(session: Session, organisation_id: UUID, place: str) -> Seal | None:
    set_tenant(session, organisation_id)
    return seals.unanchored(session, Caller(organisation_id, "system", None), place)


def _note(session: Session, organisation_id: UUID, number: int, place: str) -> None:
    set_tenant(session, organisation_id)
    seals.note_anchor(session, Caller(organisation_id, "system", None), number, place, clock.now())


def line_of(seal: Seal) -> str:
    """Return the line of JSON that stands for a head: with its public key, all that its signature is over."""
    return json.dumps(
        {
            "organisation_id": str(seal.organisation_id),
            "seal": seal.number,
            "last_number": seal.last_number,
            "sealed_at": seal.sealed_at.isoformat(),
            "head": seal.head.hex(),
            "signature": seal.signature.hex(),
            "public_key": seal.public_key.hex(),
        }
    )


def append(path: Path, line: str) -> None:
    """Add a line to a file, and return when it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640), "w") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Iterator[tuple[UUID, Anchor, bytes]]:
    """Return the heads in a file, with whose they are and the public key that signed them. Raise UnusableAnchor."""
    for place, line in enumerate(path.read_text().splitlines(), start=1):
        if line.strip():
            try:
                yield _parsed(json.loads(line))
            except (ValueError, KeyError, TypeError):
                raise UnusableAnchor(f"Line {place} of {path} is not the head of a seal.") from None


def _parsed(line: dict[str, Any]) -> tuple[UUID, Anchor, bytes]:
    seal_number, last_number = int(line["seal"]), int(line["last_number"])
    return (
        UUID(line["organisation_id"]),
        Anchor(seal_number, last_number, bytes.fromhex(line["head"])),
        bytes.fromhex(line["public_key"]),
    )
