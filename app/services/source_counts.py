"""How much comes in from each source: counted once a request, five minutes together, read back as an hour or a day."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.database import execute
from app.models.source_intake import COUNTED
from app.telemetry import INGESTED

STRETCH = timedelta(minutes=5)
# A row is locked from its upsert, the last statement of a request, until the commit: that long others would wait.
SLOTS = 4
KEPT = timedelta(days=8)
MEMBER = {"created": "accepted", "duplicate": "duplicates"}

_ADDED = ", ".join(f"{name} = c.{name} + excluded.{name}" for name in COUNTED)
_ARRAYS = ", ".join(f"CAST(:{name} AS integer[])" for name in COUNTED)
ADD = text(
    f"""
    INSERT INTO source_count AS c (organisation_id, began_at, slot, last_received_at, source_id, {", ".join(COUNTED)})
    SELECT CAST(:organisation_id AS uuid), CAST(:began_at AS timestamptz), CAST(:slot AS integer),
        CAST(:now AS timestamptz), u.* FROM unnest(CAST(:source_ids AS uuid[]), {_ARRAYS}) AS u
    ON CONFLICT (organisation_id, source_id, began_at, slot) DO UPDATE
    SET {_ADDED}, last_received_at = greatest(c.last_received_at, excluded.last_received_at)
    """  # noqa: S608  # put together from the names of columns
)
_SUMS = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in COUNTED)
SINCE = text(
    f"""
    SELECT {_SUMS} FROM source_count
    WHERE organisation_id = :organisation_id AND source_id = :source_id AND began_at > :since
    """  # noqa: S608  # likewise
)
PURGE = text("DELETE FROM source_count WHERE organisation_id = :organisation_id AND began_at < :before")


@dataclass(slots=True)
class Tally:
    """What one request brought from one source, in the order of ``COUNTED``."""

    accepted: int = 0
    updated: int = 0
    duplicates: int = 0
    dropped: int = 0
    refused: int = 0
    coded: int = 0
    unmapped: int = 0

    def note(self, status: str, *, coded: bool, unmapped: bool) -> None:
        """Count one item."""
        name = MEMBER.get(status, status)
        setattr(self, name, getattr(self, name) + 1)
        self.coded += coded
        self.unmapped += unmapped


# An item that is counted: of which source, what became of it, whether it brought a code, and one that is unmapped.
Counted = tuple[UUID, str, bool, bool]


def add(session: Session, caller: Caller, items: Iterable[Counted], dropped: int = 0) -> None:
    """Count what a request brought. The last thing that it does: see ``SLOTS``.

    ``dropped`` is how many items of the calling source were no calls.
    """
    tallies: dict[UUID, Tally] = {}
    for source_id, status, coded, unmapped in items:
        tallies.setdefault(source_id, Tally()).note(status, coded=coded, unmapped=unmapped)
    if dropped and caller.source_id is not None:
        INGESTED.labels("dropped").inc(dropped)
        tallies.setdefault(caller.source_id, Tally()).dropped += dropped
    if tallies:
        _write(session, caller, tallies)


def _write(session: Session, caller: Caller, tallies: Mapping[UUID, Tally]) -> None:
    now = clock.now()
    rows = sorted(tallies.items())
    columns = zip(*(astuple(tally) for _, tally in rows), strict=True)
    values = {
        "organisation_id": caller.organisation_id,
        "now": now,
        "began_at": stretch_of(now),
        "slot": random.randrange(SLOTS),  # noqa: S311  # to spread, not to hide
        "source_ids": [source_id for source_id, _ in rows],
        **{name: list(column) for name, column in zip(COUNTED, columns, strict=True)},
    }
    execute(session, ADD, values)


def stretch_of(moment: datetime) -> datetime:
    """Return when the five minutes began that a moment lies in."""
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(STRETCH.total_seconds()), UTC)


def within(session: Session, caller: Caller, source_id: UUID, span: timedelta) -> dict[str, Any]:
    """Return what came in from a source within a span up to now, to five minutes."""
    values = {"organisation_id": caller.organisation_id, "source_id": source_id, "since": clock.now() - span - STRETCH}
    return dict(execute(session, SINCE, values).mappings().one())


def purge(session: Session, caller: Caller, now: datetime) -> None:
    """Remove counts whose time is over."""
    execute(session, PURGE, {"organisation_id": caller.organisation_id, "before": now - KEPT})
