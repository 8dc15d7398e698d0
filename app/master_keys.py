"""The master keys of the installation: which ones data keys are wrapped under, whether they are the right ones, and how
all data keys are moved under a new one while the service runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, Select, Uuid, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import clock, sealed_secrets
from app.crypto import MasterKeyError, Vault
from app.database import VAULT, Database, execute, set_tenant
from app.envelope import Damaged, DataKey, MasterKeyMissing
from app.errors import sqlstate
from app.models import DirectoryEntry, IdempotentAnswer
from app.models.person_key import MasterKey, PersonKey

PURPOSE = "master-key"
INSTALLATION = UUID(int=0)
PROOF = b"ballast"
BATCH = 500
ID_BYTES = 4

MASTER: Any = MasterKey.__table__
PERSON: Any = PersonKey.__table__
ANSWER: Any = IdempotentAnswer.__table__
KNOWN = select(MASTER.c.id, MASTER.c.proof).order_by(MASTER.c.created_at)
HELD = select(MASTER.c.id).where(MASTER.c.id == bindparam("key")).with_for_update(key_share=True, read=True)
NOTED = insert(MASTER).on_conflict_do_nothing()
FORGOTTEN = delete(MASTER).where(MASTER.c.id == bindparam("key"))
EVERYONE = select(DirectoryEntry.organisation_id).order_by(DirectoryEntry.organisation_id)

UNDER = func.substring(PERSON.c.wrapped, 1, ID_BYTES)
COUNTS = (
    select(UNDER, func.count())
    .where(PERSON.c.organisation_id == bindparam("tenant"), PERSON.c.wrapped.is_not(None))
    .group_by(UNDER)
)
# A master key is needed as long as any of these finds something under it.
IN_USE = (COUNTS, *sealed_secrets.COUNTS)
ANSWERS_UNDER = func.substring(ANSWER.c.body, 1, ID_BYTES)
ANSWERS = (
    select(ANSWERS_UNDER, func.count()).where(ANSWER.c.organisation_id == bindparam("tenant")).group_by(ANSWERS_UNDER)
)
NEXT = (
    select(PERSON.c.id, PERSON.c.key_id, PERSON.c.wrapped)
    .where(PERSON.c.organisation_id == bindparam("tenant"), PERSON.c.id > bindparam("after"))
    .where(bindparam("first") != UNDER)
    .order_by(PERSON.c.id)
    .limit(BATCH)
    .with_for_update()
)
NEW = (
    func.unnest(bindparam("people", type_=ARRAY(Uuid)), bindparam("keys", type_=ARRAY(LargeBinary)))
    .table_valued("person", "key", name="rewrapped")
    .render_derived()
)
REWRAPPED = (
    update(PERSON)
    .where(PERSON.c.organisation_id == bindparam("tenant"), PERSON.c.id == NEW.c.person)
    .values(wrapped=NEW.c.key)
)


def vault_of(session: Session) -> Vault:
    """Return the vault of this unit of work. Raise MasterKeyError where the process has no master key."""
    find: Callable[[], Vault] | None = session.info[VAULT]
    if find is None:
        raise MasterKeyError("BALLAST_MASTER_KEYS is not set, and this needs it.")
    return find()


def require(session: Session) -> None:
    """See that every master key in use is at hand, and is the right one; note the first one. Raise MasterKeyError."""
    vault = vault_of(session)
    try:
        known = execute(session, KNOWN, {}).all()
    except DBAPIError as error:
        if sqlstate(error) not in ("42P01", "3F000"):
            raise
        raise MasterKeyError("The schema keys is not in the database: restore its dump, too.") from error
    for row in known:
        _require_proof(vault, row.id, row.proof)
    note(session, vault)


def _require_proof(vault: Vault, key: bytes, proof: bytes) -> None:
    try:
        vault.open(PURPOSE, INSTALLATION, proof)
    except ValueError:
        raise MasterKeyError(
            f"BALLAST_MASTER_KEYS does not hold the master key {key.hex()}, under which keys of this database are"
            " wrapped: without it nothing that people wrote could be read. Put it back, or see `ballast keys status`."
        ) from None


def note(session: Session, vault: Vault) -> None:
    """See that the first master key is known in the database, and stays so while this transaction wraps under it.

    Raise MasterKeyError where it is new, but not beside all those that are in use.
    """
    if execute(session, HELD, {"key": vault.current}).one_or_none() is not None:
        return
    for row in execute(session, KNOWN, {}):
        _require_proof(vault, row.id, row.proof)
    proof = vault.seal(PURPOSE, INSTALLATION, PROOF)
    execute(session, NOTED, {"id": vault.current, "proof": proof, "created_at": clock.now()})


@dataclass(frozen=True, slots=True)
class Use:
    """What stands under one master key, over all organisations, and whether the settings hold it."""

    key: str
    place: str
    data_keys: int
    stored_answers: int


@dataclass(slots=True)
class Rotation:
    """What a rotation did: data keys rewrapped, damaged ones left as they are, old master keys nothing is under now."""

    rewrapped: int = 0
    left: int = 0
    free: list[str] = field(default_factory=list)


async def status(database: Database) -> list[Use]:
    """Return what stands under each master key: those of the settings in their order, then others that are in use."""
    keys: dict[bytes, int] = {}
    answers: dict[bytes, int] = {}
    for organisation_id in await database.run(_organisations):
        for total, query in (*((keys, each) for each in IN_USE), (answers, ANSWERS)):
            for key, count in await database.run(_count, organisation_id, query):
                total[key] = total.get(key, 0) + count
    vault = await database.run(vault_of)
    places = {key: "first" if key == vault.current else "also set" for key in vault.ids}
    for key in (*await database.run(_known), *keys):
        places.setdefault(key, "NOT SET")
    return [Use(key.hex(), place, keys.get(key, 0), answers.get(key, 0)) for key, place in places.items()]


async def rotate(database: Database) -> Rotation:
    """Wrap every data key and secret under the first master key, in small transactions beside the running service.

    Readers are never in the way: they read the row as it was before or as it is after, and both master keys open it.
    """
    await database.run(require)
    done, organisations = Rotation(), await database.run(_organisations)
    for organisation_id in organisations:
        after: UUID | None = UUID(int=0)
        while after is not None:
            after, rewrapped, left = await database.run(_rewrap, organisation_id, after)
            done.rewrapped, done.left = done.rewrapped + rewrapped, done.left + left
        rewrapped, left = await database.run(_reseal, organisation_id)
        done.rewrapped, done.left = done.rewrapped + rewrapped, done.left + left
    for key in await database.run(_known):
        if await _forget(database, key, organisations):
            done.free.append(key.hex())
    return done


def _organisations(session: Session) -> Sequence[UUID]:
    return session.scalars(EVERYONE).all()


def _known(session: Session) -> list[bytes]:
    return [bytes(row.id) for row in execute(session, KNOWN, {})]


def _count(session: Session, organisation_id: UUID, query: Select[Any]) -> list[tuple[bytes, int]]:
    set_tenant(session, organisation_id)
    rows: Any = execute(session, query, {"tenant": organisation_id})
    return [(bytes(key), count) for key, count in rows]


def _rewrap(session: Session, organisation_id: UUID, after: UUID) -> tuple[UUID | None, int, int]:
    """Rewrap one batch. Return where the next one begins (None: nowhere), how many were rewrapped, how many cannot."""
    set_tenant(session, organisation_id)
    vault, new = vault_of(session), {}
    values = {"tenant": organisation_id, "after": after, "first": vault.current}
    rows = execute(session, NEXT, values).all()
    for row in rows:
        try:
            key = DataKey.unwrap(vault, organisation_id, row.id, row.key_id, row.wrapped)
        except (Damaged, MasterKeyMissing):
            continue
        new[row.id] = key.wrapped(vault, organisation_id, row.id)
    if new:
        note(session, vault)
        execute(session, REWRAPPED, {"tenant": organisation_id, "people": list(new), "keys": list(new.values())})
    return (rows[-1].id if len(rows) == BATCH else None), len(new), len(rows) - len(new)


def _reseal(session: Session, organisation_id: UUID) -> tuple[int, int]:
    set_tenant(session, organisation_id)
    vault = vault_of(session)
    done, left = sealed_secrets.reseal(session, vault, organisation_id)
    if done:
        note(session, vault)
    return done, left


class _StillUsed(Exception):
    """A data key is under the master key that was to be forgotten."""


async def _forget(database: Database, key: bytes, organisations: Sequence[UUID]) -> bool:
    """Forget a master key that nothing is wrapped under, and return whether that was so. Never the first one."""

    def forget(session: Session) -> bool:
        if key == vault_of(session).current:
            return False
        execute(session, FORGOTTEN, {"key": key})  # waits for who just wraps under it, and makes others note it anew
        for organisation_id in organisations:
            if any(key in dict(_count(session, organisation_id, each)) for each in IN_USE):
                raise _StillUsed
        return True

    try:
        return await database.run(forget)
    except _StillUsed:
        return False
