"""How several events about one contact of one agent become one: what was said last wins, member by member.

Pure, and the same whatever the order: merging is commutative, associative and idempotent.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.models.base import folded
from app.schemas.call_event import CallEventCreate

# When a source said something, and in which event: the event's id decides between equal times.
Stamp = tuple[datetime, str]

# What is said as one: a label without its code, or a queue's name without its queue, would be wrong.
TOGETHER: Mapping[str, tuple[str, ...]] = {
    "queue": ("queue_ref", "queue_name"),
    "disposition": ("disposition_code", "disposition_key", "disposition_label", "disposition_scheme"),
}
ALONE = (
    "agent_ref root_contact_id leg_id platform team_ref channel direction started_at answered_at ended_at"
    " wrapup_ended_at queue_seconds talk_seconds hold_seconds wrapup_seconds result ended_by markers sentiment"
)
MEMBERS: Mapping[str, tuple[str, ...]] = {**{name: (name,) for name in ALONE.split()}, **TOGETHER}
COLUMNS = tuple(column for columns in MEMBERS.values() for column in columns)
# What a source only assumes is stamped eighteen centuries before it said so: before whatever is really said (the first
# possible moment is in 1901), and among assumptions the later one still wins.
BEFORE_EVERYTHING = timedelta(days=657_437)
FIRST_MOMENT = datetime(1901, 1, 1, tzinfo=UTC)
MOST_MARKERS = 32
PARTS: Mapping[str, tuple[str, ...]] = {
    "durations": ("queue_seconds", "talk_seconds", "hold_seconds", "wrapup_seconds"),
    "agent": ("agent_ref",),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of one contact of one agent, and since when: ``stamp`` holds for all members but the ``older``."""

    stamp: Stamp
    values: Mapping[str, Any]
    older: Mapping[str, Stamp] = field(default_factory=dict)


def merge(one: Said, other: Said) -> Said:
    """Return what both say together: of each member, what was said last. Markers that were assumed are united.

    A rule that matched says nothing of the other rules: two matches are two markers. A list that was said ends that.
    """
    later, earlier = (one, other) if one.stamp >= other.stamp else (other, one)
    values, older = dict(later.values), dict(later.older)
    for member, columns in MEMBERS.items():
        if not _says(earlier, columns):
            continue
        theirs = earlier.older.get(member, earlier.stamp)
        ours = later.older.get(member, later.stamp) if _says(later, columns) else None
        if member == "markers" and ours is not None and max(ours, theirs)[0] < FIRST_MOMENT:
            values[member], older[member] = _united(later.values[member], earlier.values[member]), max(ours, theirs)
            continue
        if ours is not None and ours >= theirs:
            continue
        values.update({column: earlier.values[column] for column in columns})
        older[member] = theirs
    return Said(later.stamp, values, {member: stamp for member, stamp in older.items() if stamp != later.stamp})


def _united(*lists: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return markers that were only seen, not said to be all: each rule once, as it was seen first."""
    found: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for marker in sorted(itertools.chain(*lists), key=_in_time):
        found.setdefault(tuple(str(marker.get(name)) for name in ("kind", "origin", "rule")), marker)
    return list(found.values())[:MOST_MARKERS]


def _in_time(marker: Mapping[str, Any]) -> tuple[bool, str, str]:
    return "at" not in marker, str(marker.get("at")), json.dumps(marker, sort_keys=True)


def _says(said: Said, columns: tuple[str, ...]) -> bool:
    return _said(said.values, columns)


def _said(values: Mapping[str, Any], columns: tuple[str, ...]) -> bool:
    first = columns[0]
    return values[first] is not None or (len(columns) > 1 and any(values[column] is not None for column in columns))


def said_by(event: CallEventCreate, assumed: Iterable[str] = ()) -> Said:
    """Return what one event says. Its ``assumed`` members lose against whatever another event says of them."""
    queue, durations, disposition, sentiment = event.queue, event.durations, event.disposition, event.sentiment
    markers = event.markers
    values = {
        "agent_ref": event.agent.ref,
        "root_contact_id": event.root_contact_id,
        "leg_id": event.leg_id,
        "platform": event.platform,
        "team_ref": event.team_ref,
        "channel": event.channel,
        "direction": event.direction,
        "started_at": event.started_at,
        "answered_at": event.answered_at,
        "ended_at": event.ended_at,
        "wrapup_ended_at": event.wrapup_ended_at,
        "queue_seconds": durations.queue_s if durations else None,
        "talk_seconds": durations.talk_s if durations else None,
        "hold_seconds": durations.hold_s if durations else None,
        "wrapup_seconds": durations.wrapup_s if durations else None,
        "result": event.result,
        "ended_by": event.ended_by,
        "markers": None if markers is None else [m.model_dump(mode="json", exclude_none=True) for m in markers],
        "sentiment": sentiment.model_dump(mode="json", exclude_none=True) if sentiment else None,
        "queue_ref": queue.ref if queue else None,
        "queue_name": queue.name if queue else None,
        "disposition_code": disposition.code if disposition else None,
        "disposition_key": folded(disposition.code) if disposition else None,
        "disposition_label": disposition.label if disposition else None,
        "disposition_scheme": disposition.scheme if disposition else None,
    }
    said_at = event.as_of or event.ended_at
    members = [part for name in assumed for part in PARTS.get(name, (name,)) if part in MEMBERS]
    guessed = (said_at - BEFORE_EVERYTHING, event.event_id)
    return Said((said_at, event.event_id), values, {name: guessed for name in members if _said(values, MEMBERS[name])})


def said_in(row: Mapping[str, Any]) -> Said:
    """Return what a stored call event says."""
    older = {member: (datetime.fromisoformat(at), by) for member, (at, by) in (row["field_as_of"] or {}).items()}
    return Said((row["as_of"], row["as_of_event_id"]), {column: row[column] for column in COLUMNS}, older)


def stored_stamps(said: Said) -> dict[str, list[str]] | None:
    """Return the older stamps as they are stored; None where there are none."""
    return {member: [at.isoformat(), by] for member, (at, by) in sorted(said.older.items())} or None
