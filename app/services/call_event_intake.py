"""Takes call events in: exactly once, in any order, set by set. No statement is made per event.

Batches about the same calls may run side by side. Each takes what it shares with others in one order: its sources,
receipts by source and event id, call events by source, contact and agent, counters of codes, then people by id.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.database import execute
from app.events import Change
from app.intake import canonical
from app.intake.canonical import Refused, Taken
from app.models.base import folded, new_id
from app.schemas.call_event import CallEventCreate
from app.services import call_event_rows as rows
from app.services import matching, source_counts, strain
from app.services.call_event_merge import Said, merge, said_by, said_in
from app.services.outcome import Codebook, count_unmapped, has_codes, keys_of
from app.telemetry import INGESTED

UNKNOWN_SOURCE = ("source_id", "unknown_source", "There is no such source, or it is another client's.")
INACTIVE_SOURCE = ("source_id", "source_inactive", "This source takes no call events at present.")

# A call of an agent: source, contact, and how the agent's name is compared. A receipt: source and event id. The source
# is its number: UUIDs are hashed and compared by interpreted code, and there are thousands of comparisons in a batch.
Key = tuple[int, str, str]
Receipt = tuple[int, str]


@dataclass(slots=True)
class Item:
    """One item of a request, and what becomes of it."""

    given: Taken | Refused
    refused: Refused | None = None
    said: Said | None = None
    status: str = "duplicate"
    id: UUID | None = None
    matched: bool | None = None
    unmapped: list[tuple[str, str, str]] = field(default_factory=list)
    refused_id: UUID | None = None

    @property
    def has_codes(self) -> bool:
        return self.said is not None and has_codes(self.said.values)


@dataclass(slots=True)
class Subject:
    """One call of an agent that a request is about: what its events say together, and what is stored of it."""

    key: Key
    source_id: UUID
    id: UUID
    said: Said
    items: list[Item] = field(default_factory=list)
    employee_id: UUID | None = None
    outcomes: list[str] = field(default_factory=list)
    stored: Mapping[str, Any] | None = None
    changed: bool = True
    says_something_new: bool = True

    @property
    def call_event_id(self) -> UUID:
        return self.id if self.stored is None else UUID(str(self.stored["id"]))

    @property
    def moments(self) -> list[datetime]:
        """When the call ended, as it is said now and as it was said before: there, something is different."""
        ended_at: datetime = self.said.values["ended_at"]
        return [ended_at] if self.stored is None else [ended_at, self.stored["ended_at"]]

    @property
    def moves_signals(self) -> bool:
        stands = self.stored is None or (self.stored["voided_at"] is None and self.stored["disputed_at"] is None)
        return self.says_something_new and stands and self.employee_id is not None


def receive(
    session: Session, caller: Caller, given: Iterable[Taken | Refused], *, dropped: int = 0, counted: bool = True
) -> list[Item]:
    """Take events in and return what became of each, in order. Refused ones are kept beside, for a week.

    Everything that is taken is one transaction; the signals of the people touched are up to date when it commits.
    ``dropped`` is how many more a source sent that are no calls; what is not ``counted`` is nothing that it just sent.
    """
    items = [Item(each, each if isinstance(each, Refused) else None) for each in given]
    sources = _check_sources(session, caller, items)
    firsts = _firsts(items)
    subjects = _subjects(session, caller, firsts)
    if subjects:
        _store(session, caller, subjects)
    _answer_repeats(items, firsts)
    _keep_refused(session, caller, [item for item in items if item.refused is not None])
    _record(session, caller, items, subjects)
    _follow(session, caller, subjects)
    if counted:
        of_sources = ((_source_of(caller, item), item) for item in items)
        mine = ((source_id, item) for source_id, item in of_sources if source_id in sources)
        seen = [(source_id, item.status, item.has_codes, bool(item.unmapped)) for source_id, item in mine if source_id]
        source_counts.add(session, caller, seen, dropped)
    return items


def _events(items: Iterable[Item]) -> list[tuple[Item, CallEventCreate]]:
    return [(item, item.given.event) for item in items if isinstance(item.given, Taken) and item.refused is None]


def _check_sources(session: Session, caller: Caller, items: Sequence[Item]) -> Collection[UUID]:
    """Refuse what comes from a source that is not the caller's, and hold what the others' codes mean until the end.

    Return the sources that are the caller's.
    """
    wanted = {source_id for item in items if (source_id := _source_of(caller, item)) is not None}
    if caller.source_id is not None:
        wanted.add(caller.source_id)
    if not wanted:
        return ()
    values = {"source_ids": sorted(wanted), "client_id": caller.client_id, "own_source_id": caller.source_id}
    active = {row.id: row.active for row in execute(session, rows.SOURCES, rows.within(caller, values))}
    for item in items:
        if isinstance(item.given, Taken) and not active.get(item.given.event.source_id):
            known = item.given.event.source_id in active
            item.refused = item.given.refuse(*(INACTIVE_SOURCE if known else UNKNOWN_SOURCE))
    return active.keys()


def _source_of(caller: Caller, item: Item) -> UUID | None:
    """Return which source an item is of: the one that calls, else the one that the item names."""
    if caller.source_id is not None:
        return caller.source_id
    return item.given.event.source_id if isinstance(item.given, Taken) else canonical.source_of(item.given.payload)


def _firsts(items: Iterable[Item]) -> dict[Receipt, tuple[Item, CallEventCreate]]:
    """Return the first item of each event id."""
    found: dict[Receipt, tuple[Item, CallEventCreate]] = {}
    for item, event in _events(items):
        found.setdefault((event.source_id.int, event.event_id), (item, event))
    return found


def _subjects(
    session: Session, caller: Caller, firsts: Mapping[Receipt, tuple[Item, CallEventCreate]]
) -> list[Subject]:
    """Return the calls that not yet receipted events are about, in the order in which they are locked."""
    keys: dict[Receipt, Key] = {}
    ids: dict[Key, UUID] = {}
    for receipt, (_, event) in firsts.items():
        keys[receipt] = key = (event.source_id.int, event.contact_id, folded(event.agent.ref))
        ids.setdefault(key, new_id())
    repeats = _receipts(session, caller, {receipt: ids[keys[receipt]] for receipt in sorted(keys)})
    subjects: dict[Key, Subject] = {}
    for receipt, (item, event) in firsts.items():
        if receipt in repeats:
            item.id, item.matched = repeats[receipt]
            continue
        item.said, key = said_by(event, item.given.assumed), keys[receipt]
        subject = subjects.get(key)
        if subject is None:
            subject = subjects[key] = Subject(key, event.source_id, ids[key], item.said)
        else:
            subject.said = merge(subject.said, item.said)
        subject.items.append(item)
    return [subjects[key] for key in sorted(subjects)]


def _receipts(session: Session, caller: Caller, calls: Mapping[Receipt, UUID]) -> dict[Receipt, tuple[UUID, bool]]:
    """Write receipts of events and return those that were there before: of which call, and whether it is matched."""
    if not calls:
        return {}
    values = rows.receipting(caller, calls)
    if execute(session, rows.RECEIPTS, values).scalar_one() == len(calls):
        return {}
    found = execute(session, rows.REPEATS, values)
    return {(row.source_id.int, row.event_id): (row.call_event_id, row.matched) for row in found}


def _store(session: Session, caller: Caller, subjects: Sequence[Subject]) -> None:
    """Write calls: new ones in one statement, what is said anew of others in two more."""
    agents = matching.find(session, caller, [(each.source_id, each.said.values["agent_ref"]) for each in subjects])
    book = Codebook()
    said = [(each.source_id, item.said.values) for each in subjects for item in each.items if item.said is not None]
    book.look_up(session, caller, ((source_id, key) for source_id, values in said for key in keys_of(values)))
    for each in subjects:
        each.employee_id = agents.get((each.source_id, each.said.values["agent_ref"]))
        each.outcomes = book.outcomes(each.source_id, each.said.values)
    inserted = execute(session, rows.INSERT, rows.inserting(caller, subjects)).scalar_one()
    if inserted < len(subjects):
        _update(session, caller, subjects, book)
    for each in subjects:
        _settle(each)
    _count_unmapped(session, caller, subjects, book)


def _update(session: Session, caller: Caller, subjects: Sequence[Subject], book: Codebook) -> None:
    """Merge what is said of calls that were there before, under their locks."""
    found = execute(session, rows.LOCK, rows.within(caller, rows.keys(subjects))).mappings()
    stored = {(row["source_id"].int, row["contact_id"], row["agent_key"]): dict(row) for row in found}
    known = [each for each in subjects if each.key in stored and stored[each.key]["id"] != each.id]
    for each in known:
        row = each.stored = stored[each.key]
        before = said_in(row)
        each.said = merge(before, each.said)
        each.employee_id = row["employee_id"] or each.employee_id
        each.says_something_new = each.said.values != before.values or each.employee_id != row["employee_id"]
        each.changed = each.says_something_new or each.said != before
    book.look_up(session, caller, ((each.source_id, key) for each in known for key in keys_of(each.said.values)))
    changed = [each for each in known if each.changed]
    for each in changed:
        each.outcomes = book.outcomes(each.source_id, each.said.values)
    if changed:
        execute(session, rows.UPDATE, rows.updating(caller, changed))
    moved = {
        (each.key[0], item.said.stamp[1]): each.call_event_id
        for each in known
        for item in each.items
        if item.said is not None
    }
    if moved:
        execute(session, rows.REDIRECT, rows.receipting(caller, moved))


def _settle(subject: Subject) -> None:
    """Tell the items about one call what became of them: the first makes it, the others change it."""
    for place, item in enumerate(subject.items):
        item.id, item.matched = subject.call_event_id, subject.employee_id is not None
        if subject.stored is None and place == 0:
            item.status = "created"
        elif subject.changed:
            item.status = "updated"


def _answer_repeats(items: Iterable[Item], firsts: Mapping[Receipt, tuple[Item, CallEventCreate]]) -> None:
    """Answer repeats within the request as the first of them, now that it is settled."""
    for item, event in _events(items):
        first, _ = firsts[event.source_id.int, event.event_id]
        item.id, item.matched = first.id, first.matched


def _count_unmapped(session: Session, caller: Caller, subjects: Sequence[Subject], book: Codebook) -> None:
    now = clock.now()
    counts: dict[tuple[UUID, str, str], tuple[str, int, datetime]] = {}
    for subject in subjects:
        for item in subject.items:
            item.unmapped = book.unmapped(subject.source_id, item.said.values) if item.said is not None else []
            for kind, key, code in item.unmapped:
                written, times, _ = counts.get((subject.source_id, kind, key), (code, 0, now))
                counts[subject.source_id, kind, key] = (written, times + 1, now)
    count_unmapped(session, caller, counts)


def _follow(session: Session, caller: Caller, subjects: Sequence[Subject]) -> None:
    """Bring the signals of everyone whose calls are different now up to date."""
    moments: dict[UUID, list[datetime]] = {}
    for subject in subjects:
        if subject.moves_signals and subject.employee_id is not None:
            moments.setdefault(subject.employee_id, []).extend(subject.moments)
    if moments:
        earliest = {person: min(found) for person, found in moments.items()}
        latest = {person: max(found) for person, found in moments.items()}
        strain.follow(session, caller, earliest, latest)


def _keep_refused(session: Session, caller: Caller, items: Sequence[Item]) -> None:
    if not items:
        return
    kept = {}
    for item in items:
        item.status, item.refused_id, item.id, item.matched = "refused", new_id(), None, None
        kept[item.refused_id] = item.refused or Refused(())
    execute(session, rows.KEEP_REFUSED, rows.keeping(caller, kept))


def _record(session: Session, caller: Caller, items: Sequence[Item], subjects: Sequence[Subject]) -> None:
    """Write one audit entry for the request, unless it brought nothing new."""
    counts = Counter(item.status for item in items)
    for status, count in counts.items():
        INGESTED.labels(status).inc(count)
    if counts.keys() <= {"duplicate"}:
        return
    details = {**counts, "sources": sorted({str(subject.source_id) for subject in subjects})}
    if len(items) == 1 and subjects:
        change = Change("call_event.received", subjects[0].call_event_id, 1, subjects[0].employee_id, details)
        events.record_changes(session, caller, "call_event", [change])
    else:
        change = Change("call_event.received", new_id(), 1, None, details)
        events.record_changes(session, caller, "call_event_intake", [change])
