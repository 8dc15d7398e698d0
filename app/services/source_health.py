"""How a source is: whether it delivers, and whether that is understood. The worker says when it changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.database import execute
from app.duties import Done
from app.models import Source
from app.models.source_intake import HealthState
from app.services import source_counts

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Starting points: fewer codes or items than these are as likely a bad hour as a change of the platform.
CODES_IN_A_ROW = 20
ITEMS_IN_AN_HOUR, REFUSED_SHARE = 10, 0.5
WELL = (HealthState.waiting, HealthState.healthy, HealthState.inactive)

# Of each source: what the last hour brought, when a mapped code last came, and how many unmapped ones came since. The
# five minutes in which both came count for neither.
LOOK = text(
    """
    WITH mapped AS (
        SELECT c.source_id, max(c.began_at) AS began_at FROM source_count AS c
        WHERE c.organisation_id = :organisation_id AND c.coded > c.unmapped GROUP BY c.source_id
    ), seen AS (
        SELECT c.source_id, max(c.last_received_at) AS received_at, max(m.began_at) AS mapped_at,
            coalesce(sum(c.coded) FILTER (WHERE m.began_at IS NULL OR c.began_at > m.began_at), 0) AS unmapped_run,
            coalesce(sum(c.refused) FILTER (WHERE c.began_at > CAST(:since AS timestamptz)), 0) AS refused,
            coalesce(sum(c.accepted + c.updated + c.duplicates + c.dropped + c.refused)
                FILTER (WHERE c.began_at > CAST(:since AS timestamptz)), 0) AS items
        FROM source_count AS c LEFT JOIN mapped AS m ON m.source_id = c.source_id
        WHERE c.organisation_id = :organisation_id GROUP BY c.source_id
    )
    SELECT s.id, s.active, s.silent_after_seconds, s.created_at, h.state, h.since, h.watched_since,
        h.last_received_at AS noted_received_at, h.last_mapped_at AS noted_mapped_at,
        greatest(h.last_received_at, n.received_at) AS last_received_at,
        greatest(h.last_mapped_at, n.mapped_at) AS last_mapped_at,
        coalesce(n.unmapped_run, 0) AS unmapped_run, coalesce(n.refused, 0) AS refused, coalesce(n.items, 0) AS items
    FROM source AS s
    LEFT JOIN source_health AS h ON h.organisation_id = s.organisation_id AND h.source_id = s.id
    LEFT JOIN seen AS n ON n.source_id = s.id
    WHERE s.organisation_id = :organisation_id AND s.id = coalesce(CAST(:source_id AS uuid), s.id)
    ORDER BY s.id
    """
)
NOTE = text(
    """
    INSERT INTO source_health AS h
        (organisation_id, source_id, state, since, watched_since, last_received_at, last_mapped_at)
    VALUES (:organisation_id, :source_id, :state, :since, :watched_since, :received_at, :mapped_at)
    ON CONFLICT (organisation_id, source_id) DO UPDATE
    SET state = excluded.state, since = excluded.since, watched_since = excluded.watched_since,
        last_received_at = excluded.last_received_at, last_mapped_at = excluded.last_mapped_at
    WHERE h.state = CAST(:before AS text)
    RETURNING 1
    """
)


NOTED = ("state", "watched_since", "received_at", "mapped_at")
COLUMN = {"received_at": "noted_received_at", "mapped_at": "noted_mapped_at"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one source at a moment."""

    row: Any
    now: datetime

    @property
    def watched_since(self) -> datetime:
        """From when silence is counted: since the worker knows the source, or since it is active again."""
        if self.row.state is None:
            return self.now
        back = self.row.state == HealthState.inactive and self.row.active
        found: datetime = self.now if back else self.row.watched_since
        return found

    @property
    def silent_from(self) -> datetime | None:
        """When it counts as silent, if nothing comes; None where it never does."""
        if self.row.silent_after_seconds is None:
            return None
        last = max(moment for moment in (self.row.last_received_at, self.watched_since) if moment is not None)
        return last + timedelta(seconds=self.row.silent_after_seconds)

    @property
    def state(self) -> HealthState:
        """Return how the source is."""
        row, silent_from = self.row, self.silent_from
        if not row.active:
            return HealthState.inactive
        if silent_from is not None and silent_from <= self.now:
            return HealthState.silent
        if row.last_received_at is None:
            return HealthState.waiting
        if row.items >= ITEMS_IN_AN_HOUR and row.refused >= REFUSED_SHARE * row.items:
            return HealthState.refusing
        if row.last_mapped_at is not None and row.unmapped_run >= CODES_IN_A_ROW:
            return HealthState.unmapped
        return HealthState.healthy


def _look(session: Session, caller: Caller, now: datetime, source_id: UUID | None = None) -> list[Seen]:
    values = {"organisation_id": caller.organisation_id, "source_id": source_id, "since": now - HOUR}
    return [Seen(row, now) for row in execute(session, LOOK, values)]


def read(session: Session, caller: Caller, source_id: UUID) -> Mapping[str, Any]:
    """Return how a source is now, with what came in within an hour and a day."""
    source = queries.read(session, caller, "source", source_id)
    (seen,) = _look(session, caller, clock.now(), source_id)
    return {
        "source_id": source_id,
        "state": seen.state,
        "since": seen.row.since if seen.row.state == seen.state else None,
        "last_received_at": seen.row.last_received_at,
        "silent_after_seconds": source["silent_after_seconds"],
        "last_hour": _counts(source_counts.within(session, caller, source_id, HOUR)),
        "last_day": _counts(source_counts.within(session, caller, source_id, DAY)),
    }


def _counts(counts: Mapping[str, Any]) -> dict[str, Any]:
    coded = counts["coded"]
    return {**counts, "unmapped_share": round(counts["unmapped"] / coded, 4) if coded else None}


def watch(session: Session, caller: Caller, now: datetime) -> Done:
    """Note how each source is; say where one fell silent, sends only unmapped codes, is refused, or is well again."""
    late = 0.0
    for seen in _look(session, caller, now):
        state = seen.state
        if state == HealthState.silent and seen.row.state != state and seen.silent_from is not None:
            late = max(late, (now - seen.silent_from).total_seconds())
        action = _news(seen.row.state, state)
        if _note(session, caller, seen, state) and action is not None:
            source = session.get_one(Source, (caller.organisation_id, seen.row.id))
            events.record(session, caller, action, source, details={"state": str(state)})
    source_counts.purge(session, caller, now)
    return Done(late)


def _news(before: str | None, state: HealthState) -> str | None:
    """Return what to say of a change: nothing where a source is well, was well, or is only new or switched off."""
    if before == state:
        return None
    if state not in WELL:
        return f"source.{state}"
    was_ill = before is not None and HealthState(before) not in WELL
    return "source.recovered" if was_ill and state == HealthState.healthy else None


def _note(session: Session, caller: Caller, seen: Seen, state: HealthState) -> bool:
    """Write down how a source is, and return whether that is new: not where somebody else noted a change meanwhile."""
    row = seen.row
    values = {
        "organisation_id": caller.organisation_id,
        "source_id": row.id,
        "state": str(state),
        "since": row.since if row.state == state else seen.now,
        "watched_since": seen.watched_since,
        "received_at": row.last_received_at,
        "mapped_at": row.last_mapped_at,
    }
    if all(row._mapping.get(COLUMN.get(name, name)) == value for name, value in values.items() if name in NOTED):
        return False
    return execute(session, NOTE, {**values, "before": row.state}).first() is not None
