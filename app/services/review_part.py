"""The two parts of a review, sealed: an unshared one under its author's key, a shared one under the plan owner's.

So an unshared part goes with its author, and a shared one with the person whom the review is about. Parts written
before there were keys stand there plain until the worker has sealed them.
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app import texts
from app.auth import Caller
from app.database import execute
from app.models import Review

AT_ONCE = 200
SEALED = {"self_part": "self_sealed", "reviewer_part": "reviewer_sealed"}
PARTS = tuple(SEALED)
TABLE: Any = Review.__table__


def is_written(review: Mapping[str, Any], part: str) -> bool:
    """Return whether a part was written, readable or not."""
    return review[SEALED[part]] is not None or review[part] is not None


def said(session: Session, caller: Caller, review: Review, part: str) -> str | None:
    """Return what a part says, None where it was not written. Raise Unreadable."""
    sealed = getattr(review, SEALED[part])
    if sealed is None:
        plain: str | None = getattr(review, part)
        return plain
    return texts.reveal(session, caller, _key_of(vars(review), part), f"review.{part}", review.id, sealed)


def write(session: Session, caller: Caller, review: Review, part: str, text: str | None) -> None:
    """Put a text, or none, in the place of a part, sealed under the key that is its own now."""
    sealed = None
    if text is not None:
        sealed = texts.seal(session, caller, _key_of(vars(review), part), f"review.{part}", review.id, text)
    setattr(review, SEALED[part], sealed)
    setattr(review, part, None)


def reveal(session: Session, caller: Caller, rows: Collection[tuple[dict[str, Any], Collection[str]]]) -> None:
    """Put what was said into rows, for the parts named beside each; null for other parts, and for what is unreadable.

    A row's ``unreadable`` names the latter.
    """
    wanted = [(row, part) for row, parts in rows for part in parts if row[SEALED[part]] is not None]
    found = texts.reveal_many(
        session,
        caller,
        [(_key_of(row, part), f"review.{part}", row["id"], row[SEALED[part]]) for row, part in wanted],
    )
    for row, parts in rows:
        row.update({part: None for part in PARTS if part not in parts}, unreadable=[])
    for (row, part), text in zip(wanted, found, strict=True):
        row[part] = text
        if text is None:
            row["unreadable"].append(part)


def seal_plain(session: Session, caller: Caller) -> int:
    """Seal parts that stand there plain, as they were written before there were keys. Return how many reviews."""
    query = (
        select(TABLE)
        .where(TABLE.c.organisation_id == caller.organisation_id)
        .where(or_(TABLE.c.self_part.is_not(None), TABLE.c.reviewer_part.is_not(None)))
        .order_by(TABLE.c.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    rows = execute(session, query, {}).mappings().all()
    for row in rows:
        _seal_plain(session, caller, row)
    return len(rows)


def _seal_plain(session: Session, caller: Caller, row: Mapping[Any, Any]) -> None:
    """Replace the plain parts of one review. What it says does not change, nor does its version."""
    values: dict[str, Any] = {}
    for part in PARTS:
        if row[part] is not None and row[SEALED[part]] is None:
            try:
                sealed = texts.seal(session, caller, _key_of(row, part), f"review.{part}", row["id"], row[part])
            except texts.Unreadable:  # of a person who was erased
                sealed = None
            values[SEALED[part]] = sealed
        values[part] = None
    mine = (TABLE.c.organisation_id == caller.organisation_id, TABLE.c.id == row["id"])
    execute(session, update(TABLE).where(*mine).values(**values, updated_at=TABLE.c.updated_at), {})


def _key_of(review: Mapping[Any, Any], part: str) -> UUID:
    """Return the person under whose key a part is."""
    is_the_reviewers = part == "reviewer_part" and review["reviewer_shared_at"] is None
    key: UUID = review["reviewer_id"] if is_the_reviewers else review["employee_id"]
    return key
