"""The words of a person, sealed under a data key of their own, so that destroying the key destroys the words.

The wrapped keys are read from the database in the very transaction that needs them: a key that was destroyed opens
nothing from then on, in any process.
"""

import logging
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from app import clock, master_keys
from app.auth import Caller
from app.crypto import MasterKeyError
from app.database import execute
from app.envelope import Damaged, DataKey, MasterKeyMissing, Place
from app.errors import Busy, Conflict
from app.models.person_key import PersonKey

log = logging.getLogger("ballast.texts")

UNWRAPPED = "person_keys"  # of this transaction
Sealed = tuple[UUID, str, UUID | bytes, bytes]  # whose, table.column, row, what was sealed
Plain = tuple[UUID, str, UUID | bytes, str]  # whose, table.column, row, what is to be sealed

TABLE: Any = PersonKey.__table__
KEYS_OF = select(TABLE.c.id, TABLE.c.key_id, TABLE.c.wrapped).where(
    TABLE.c.organisation_id == bindparam("tenant"),
    TABLE.c.id.in_(select(func.unnest(bindparam("people", type_=ARRAY(Uuid))))),
    TABLE.c.wrapped.is_not(None),
)
MADE = insert(TABLE).on_conflict_do_nothing()
_TOMBSTONE = insert(TABLE)
DESTROYED = _TOMBSTONE.on_conflict_do_update(
    index_elements=[TABLE.c.organisation_id, TABLE.c.id],
    set_={"wrapped": None, "destroyed_at": _TOMBSTONE.excluded.destroyed_at},
    where=TABLE.c.wrapped.is_not(None),
)


class Unavailable(Busy):
    """A master key is not at hand, which is for an operator to mend: nothing is lost."""

    code, detail = "key_unavailable", "A master key of the service is not at hand. Nothing was changed."


class Unreadable(Conflict):
    """A text that cannot be read: its person's key was destroyed, or the text was changed, cut or moved."""

    code, detail = "text_unreadable", "The text cannot be read any more: the key that it was sealed under is gone."


def seal(session: Session, caller: Caller, person_id: UUID, column: str, row_id: UUID | bytes, text: str) -> bytes:
    """Return a text sealed under its person's key for one place: ``table.column`` of one row. First use makes the key.

    Raise Unreadable for a person whose key was destroyed: nothing new is kept of them.
    """
    return seal_bytes(session, caller, person_id, column, row_id, text.encode())


def reveal(session: Session, caller: Caller, person_id: UUID, column: str, row_id: UUID | bytes, sealed: bytes) -> str:
    """Return the text that was sealed for this place. Raise Unreadable."""
    return reveal_bytes(session, caller, person_id, column, row_id, sealed).decode()


def reveal_many(session: Session, caller: Caller, wanted: Iterable[Sealed]) -> list[str | None]:
    """Return many texts in their order, None for each that cannot be read. One statement reads all their keys."""
    wanted = list(wanted)
    keys = _keys(session, caller, {person_id for person_id, *_ in wanted})
    opened = [_opened(caller, keys, each) for each in wanted]
    return [None if plain is None else plain.decode() for plain in opened]


def seal_many(session: Session, caller: Caller, wanted: Iterable[Plain]) -> list[bytes | None]:
    """Return many texts sealed, in their order, None for each of a person whose key was destroyed: nothing new is kept.

    One statement reads all their keys; those that are missing are made in the order of their people's ids.
    """
    wanted = list(wanted)
    people = {person_id for person_id, *_ in wanted}
    keys = dict(_keys(session, caller, people))
    for person_id in sorted(people - keys.keys()):
        with suppress(Unreadable):
            keys[person_id] = _make(session, caller, person_id)
    return [
        keys[person_id].seal(Place(caller.organisation_id, person_id, column, row_id), text.encode())
        if person_id in keys
        else None
        for person_id, column, row_id, text in wanted
    ]


def ensure_key(session: Session, caller: Caller, person_id: UUID) -> None:
    """Make a person's key where they have none, by the same statements where they have one: it does not show which."""
    _make(session, caller, person_id)


def seal_bytes(
    session: Session, caller: Caller, person_id: UUID, column: str, row_id: UUID | bytes, plain: bytes
) -> bytes:
    """Like ``seal``, of bytes."""
    key = _keys(session, caller, {person_id}).get(person_id) or _make(session, caller, person_id)
    return key.seal(Place(caller.organisation_id, person_id, column, row_id), plain)


def reveal_bytes(
    session: Session, caller: Caller, person_id: UUID, column: str, row_id: UUID | bytes, sealed: bytes
) -> bytes:
    """Like ``reveal``, of bytes."""
    opened = _opened(caller, _keys(session, caller, {person_id}), (person_id, column, row_id, sealed))
    if opened is None:
        raise Unreadable
    return opened


def destroy_key(session: Session, caller: Caller, person_id: UUID) -> None:
    """Make all that was sealed for a person unreadable, for good, with the commit. A tombstone keeps out a new key."""
    session.info.pop(UNWRAPPED, None)
    tombstone = {"key_id": DataKey.make().id, "wrapped": None, "destroyed_at": clock.now(), "created_at": clock.now()}
    execute(session, DESTROYED, {"organisation_id": caller.organisation_id, "id": person_id, **tombstone})


def _opened(caller: Caller, keys: dict[UUID, DataKey], wanted: Sealed) -> bytes | None:
    person_id, column, row_id, sealed = wanted
    if person_id not in keys:
        return None
    try:
        return keys[person_id].open(Place(caller.organisation_id, person_id, column, row_id), sealed)
    except Damaged:
        where = {"organisation_id": caller.organisation_id, "column": column, "row_id": str(row_id)}
        log.error("a sealed text is damaged", extra=where)  # noqa: TRY400  # the trace would say nothing more
        return None


def _keys(session: Session, caller: Caller, people: Collection[UUID]) -> dict[UUID, DataKey]:
    """Return the keys of those people who have one, each read once in a transaction. Raise Busy."""
    known: dict[UUID, DataKey] = session.info.setdefault(UNWRAPPED, {})
    missing = [person_id for person_id in people if person_id not in known]
    if missing:
        rows = execute(session, KEYS_OF, {"tenant": caller.organisation_id, "people": missing})
        known |= {row.id: key for row in rows if (key := _unwrapped(session, caller, row)) is not None}
    return known


def _unwrapped(session: Session, caller: Caller, row: Row[Any]) -> DataKey | None:
    vault = master_keys.vault_of(session)
    about = {"organisation_id": caller.organisation_id, "person_id": row.id}
    try:
        return DataKey.unwrap(vault, caller.organisation_id, row.id, row.key_id, row.wrapped)
    except MasterKeyMissing:
        log.error("a data key is wrapped under a master key that is not in BALLAST_MASTER_KEYS", extra=about)  # noqa: TRY400
        raise Unavailable from None
    except Damaged:
        log.error("a data key is damaged", extra=about)  # noqa: TRY400
        return None


def _make(session: Session, caller: Caller, person_id: UUID) -> DataKey:
    """Make a person's key, or find the one that somebody else made meanwhile. Raise Unreadable where there is none."""
    vault, key = master_keys.vault_of(session), DataKey.make()
    try:
        master_keys.note(session, vault)
    except MasterKeyError:
        log.error("the first of BALLAST_MASTER_KEYS is not beside those in use")  # noqa: TRY400
        raise Unavailable from None
    wrapped = {"key_id": key.id, "wrapped": key.wrapped(vault, caller.organisation_id, person_id)}
    execute(
        session,
        MADE,
        {"organisation_id": caller.organisation_id, "id": person_id, **wrapped, "created_at": clock.now()},
    )
    found = _keys(session, caller, {person_id}).get(person_id)
    if found is None:
        raise Unreadable
    return found
