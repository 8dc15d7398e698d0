"""Sealing what is numbered of the audit, and reading it back to be verified."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app import audit_chain, master_keys, queries
from app.audit_chain import Anchor, Chain, Proof, Seal
from app.auth import Caller
from app.database import execute
from app.models import AuditAnchor, AuditEntry, AuditSeal, FeedCounter
from app.relations import ORGANISATION

AT_ONCE = 1_000  # entries in one seal: some 20 ms, in which the process does nothing else
PAGE = 1_000

ENTRY, SEAL, ANCHOR = AuditEntry.__table__, AuditSeal.__table__, AuditAnchor.__table__
COLUMNS = [ENTRY.c[name] for name in audit_chain.FIELDS]
NEWEST = select(SEAL).where(SEAL.c.organisation_id == ORGANISATION).order_by(SEAL.c.number.desc()).limit(1)
ENTRIES = (
    select(*COLUMNS)
    .where(ENTRY.c.organisation_id == ORGANISATION, ENTRY.c.number > bindparam("after"))
    .order_by(ENTRY.c.number)
    .limit(bindparam("most"))
)
SEALS = (
    select(SEAL)
    .where(SEAL.c.organisation_id == ORGANISATION, SEAL.c.number > bindparam("after"))
    .order_by(SEAL.c.number)
    .limit(bindparam("most"))
)
COUNTED = select(func.max(FeedCounter.value)).where(
    FeedCounter.organisation_id == ORGANISATION, FeedCounter.feed == queries.AUDIT_FEED
)
UNANCHORED = NEWEST.where(
    SEAL.c.number
    > select(func.coalesce(func.max(ANCHOR.c.seal_number), 0))
    .where(ANCHOR.c.organisation_id == ORGANISATION, ANCHOR.c.place == bindparam("place"))
    .scalar_subquery()
)
ANCHORED = upsert(AuditAnchor).on_conflict_do_nothing()


def seal(session: Session, caller: Caller, now: datetime) -> tuple[bool, datetime | None]:
    """Seal the next entries that have their numbers. Return whether more are left, and when the first was recorded.

    To be done by one at a time: the key of the table refuses the second seal of the same place.
    """
    at = {"organisation_id": caller.organisation_id}
    before = execute(session, NEWEST, at).one_or_none()
    sealed, counted = before.last_number if before else 0, execute(session, COUNTED, at).scalar_one() or 0
    last = min(counted, sealed + AT_ONCE)
    if last == sealed:
        return False, None
    rows = execute(session, ENTRIES, {**at, "after": sealed, "most": AT_ONCE})
    entries: list[Mapping[str, Any]] = [row._asdict() for row in rows if row.number <= last]
    seed = master_keys.vault_of(session).derived(audit_chain.SIGNING)[0]
    made = audit_chain.seal(caller.organisation_id, before, last, entries, seed, now)
    execute(session, insert(AuditSeal), asdict(made))
    return counted > last, min((entry["recorded_at"] for entry in entries), default=now)


def unanchored(session: Session, caller: Caller, place: str) -> Seal | None:
    """Return the newest seal, unless its head or a later one was written down in this place already."""
    row = execute(session, UNANCHORED, {"organisation_id": caller.organisation_id, "place": place}).one_or_none()
    return None if row is None else Seal(**row._asdict())


def note_anchor(session: Session, caller: Caller, number: int, place: str, now: datetime) -> None:
    """Remember that the head of a seal was written down outside of the database."""
    about = {"organisation_id": caller.organisation_id, "seal_number": number, "place": place, "anchored_at": now}
    execute(session, ANCHORED, about)


def verify(
    session: Session, organisation_id: UUID, trusted: Sequence[bytes] = (), anchors: Sequence[Anchor] = ()
) -> Proof:
    """Return how far an organisation's audit is whole. Trusted are this process's keys, and those that are given."""
    at = {"organisation_id": organisation_id}
    ours = [audit_chain.public_key_of(seed) for seed in master_keys.vault_of(session).derived(audit_chain.SIGNING)]
    chain = Chain(organisation_id, frozenset([*ours, *trusted]), anchors)
    counted = execute(session, COUNTED, at).scalar_one()  # before the rows: what is numbered meanwhile is no fault
    return chain.verify(
        (Seal(**row) for row in _walk(session, SEALS, {**at, "most": PAGE // 10})),
        _walk(session, ENTRIES, {**at, "most": PAGE}),
        counted=counted,
    )


def _walk(session: Session, statement: Any, at: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Return rows in the order of their numbers, a page at a time."""
    after, has_more = 0, True
    while has_more:
        has_more = False
        for row in execute(session, statement, {**at, "after": after}).all():
            yield row._asdict()
            after, has_more = row.number, True
