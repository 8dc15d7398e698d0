"""The chain that makes the audit tamper-evident, as plain functions over rows: digests, heads, signatures, and proof.

Each entry has a digest; a seal holds the digests of a batch, and a head over them and the head before; the head is
signed. What changes, goes, comes between or changes places no longer fits its digest. What is cut off at the end, seals
and all, is missed by the anchor: a copy of a signed head that was kept elsewhere.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNING = "audit-seal"  # what of the vault's keys the signing keys are derived for
ENTRY, HEAD, SIGNED = b"ballast audit entry 1\n", b"ballast audit head 1\n", b"ballast audit seal 1\n"
GENESIS = bytes(32)
MISSING = bytes(32)  # stands in a seal for a number that had no entry any more when it was sealed
DIGEST_BYTES = 32
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIELDS = (
    "organisation_id",
    "id",
    "number",
    "recorded_at",
    "action",
    "resource",
    "resource_id",
    "subject_id",
    "actor_kind",
    "actor_id",
    "request_id",
    "access_right",
    "details",
    "reason",
)


class SealLike(Protocol):
    """What the chain needs to know of a seal."""

    @property
    def number(self) -> int: ...
    @property
    def first_number(self) -> int: ...
    @property
    def last_number(self) -> int: ...
    @property
    def digests(self) -> bytes: ...
    @property
    def head(self) -> bytes: ...
    @property
    def signature(self) -> bytes: ...
    @property
    def public_key(self) -> bytes: ...
    @property
    def sealed_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Seal:
    """A sealed batch of one organisation: see ``AuditSeal``."""

    organisation_id: UUID
    number: int
    first_number: int
    last_number: int
    digests: bytes
    head: bytes
    signature: bytes
    public_key: bytes
    sealed_at: datetime


def canonical(entry: Mapping[str, Any]) -> bytes:
    """Return an entry as the bytes that are digested: one JSON array, the same in every version of everything.

    Ids as lower-case text, the moment as microseconds since 1970 in UTC, details with their keys in order, a sealed
    reason as it is sealed, in hexadecimal: that it cannot be read any more changes nothing.
    """
    values = [_plain(entry[name]) for name in FIELDS]
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    return _microseconds(value) if isinstance(value, datetime) else value


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def digest(entry: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of an entry."""
    return sha256(ENTRY + canonical(entry)).digest()


def head_of(organisation_id: UUID, number: int, first_number: int, last_number: int, before: bytes, of: bytes) -> bytes:
    """Return the head of a seal: SHA-256 over its place, the head before it and the digests it holds."""
    place = b"".join(value.to_bytes(8) for value in (number, first_number, last_number))
    return sha256(HEAD + organisation_id.bytes + place + before + of).digest()


def signed_part(organisation_id: UUID, number: int, last_number: int, sealed_at: datetime, head: bytes) -> bytes:
    """Return what the signature of a seal is over: enough that an anchor's line can be checked alone."""
    place = b"".join(value.to_bytes(8, signed=True) for value in (number, last_number, _microseconds(sealed_at)))
    return SIGNED + organisation_id.bytes + place + head


def signer(seed: bytes) -> Ed25519PrivateKey:
    """Return the signing key that one master key yields: no further secret to keep."""
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key_of(seed: bytes) -> bytes:
    """Return the public key of ``signer``: 32 bytes."""
    return signer(seed).public_key().public_bytes_raw()


def seal(
    organisation_id: UUID,
    before: SealLike | None,
    last: int,
    entries: Iterable[Mapping[str, Any]],
    seed: bytes,
    now: datetime,
) -> Seal:
    """Return the seal that follows ``before``, over the entries up to ``last``. A number that has none is noted so."""
    number, first = (before.number + 1, before.last_number + 1) if before else (1, 1)
    found = {entry["number"]: entry for entry in entries}
    digests = b"".join(digest(found[n]) if n in found else MISSING for n in range(first, last + 1))
    head = head_of(organisation_id, number, first, last, before.head if before else GENESIS, digests)
    signature = signer(seed).sign(signed_part(organisation_id, number, last, now, head))
    return Seal(organisation_id, number, first, last, digests, head, signature, public_key_of(seed), now)


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong with an organisation's audit: from which entry on it cannot be relied upon."""

    number: int
    what: str


@dataclass
class Proof:
    """How far the audit of one organisation was found whole, and what was found wrong first."""

    entries: int = 0
    seals: int = 0
    unsealed: int = 0
    head: bytes = GENESIS
    fault: Fault | None = None


@dataclass(frozen=True)
class Anchor:
    """A head that was kept outside of the database."""

    seal_number: int
    last_number: int
    head: bytes


@dataclass
class Chain:
    """What an organisation's audit is checked against: the keys that may have signed it, the heads kept elsewhere."""

    organisation_id: UUID
    trusted: Collection[bytes]
    anchors: Sequence[Anchor] = ()
    proof: Proof = field(default_factory=Proof)

    def verify(
        self, seals: Iterable[SealLike], entries: Iterable[Mapping[str, Any]], counted: int | None = None
    ) -> Proof:
        """Walk through seals and entries, each in the order of its numbers, and return what was found.

        ``counted`` is the last number that the service says it gave.
        """
        numbered = _Numbered(iter(entries))
        self.proof.fault = self._first_fault(seals, numbered, counted)
        return self.proof

    def _first_fault(self, seals: Iterable[SealLike], entries: "_Numbered", counted: int | None) -> Fault | None:
        last = 0
        for expected, each in zip(count(1), seals, strict=False):
            if fault := self._fault_in(each, expected, last + 1, entries):
                return fault
            self.proof.seals, self.proof.entries, self.proof.head = each.number, each.last_number, each.head
            last = each.last_number
        for anchor in self.anchors:
            if anchor.seal_number > self.proof.seals:
                return Fault(
                    last + 1, f"the end is cut off: entries up to {anchor.last_number} were sealed and anchored"
                )
        return self._fault_in_the_rest(entries, last, counted)

    def _fault_in(self, each: SealLike, expected: int, first: int, entries: "_Numbered") -> Fault | None:
        if each.number != expected or each.first_number != first:
            return Fault(first, f"seal {expected} is missing or was changed")
        if each.last_number < first or len(each.digests) != DIGEST_BYTES * (each.last_number - first + 1):
            return Fault(first, f"seal {expected} was changed")
        for place, number in enumerate(range(first, each.last_number + 1)):
            stored = each.digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]
            if what := entries.fault_at(number, stored):
                return Fault(number, what)
        return self._fault_in_head(each)

    def _fault_in_head(self, each: SealLike) -> Fault | None:
        span = (each.number, each.first_number, each.last_number)
        whose = f"seal {each.number} over entries {each.first_number} to {each.last_number}"
        if each.head != head_of(self.organisation_id, *span, self.proof.head, each.digests):
            return Fault(each.first_number, f"the digests of {whose} were changed")
        if each.public_key not in self.trusted:
            return Fault(each.first_number, f"{whose} is signed by a key that is not known here")
        if not is_signed(each.public_key, each.signature, self._signed_part(each)):
            return Fault(each.first_number, f"the signature of {whose} is not right")
        for anchor in self.anchors:
            if anchor.seal_number == each.number and anchor.head != each.head:
                return Fault(each.first_number, f"the head of {whose} is not the one that was anchored")
        return None

    def _signed_part(self, each: SealLike) -> bytes:
        return signed_part(self.organisation_id, each.number, each.last_number, each.sealed_at, each.head)

    def _fault_in_the_rest(self, entries: "_Numbered", last: int, counted: int | None) -> Fault | None:
        for entry in entries:
            last += 1
            if entry["number"] != last:
                return Fault(last, "it is missing, and was not sealed yet")
            self.proof.unsealed += 1
        if counted is not None and counted > last:
            return Fault(last + 1, f"the end is cut off: numbers were given up to {counted}")
        return None


class _Numbered:
    """Entries in the order of their numbers, with the next one in sight."""

    def __init__(self, entries: Iterator[Mapping[str, Any]]) -> None:
        self._entries = entries
        self._next = next(entries, None)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        while self._next is not None:
            found, self._next = self._next, next(self._entries, None)
            yield found

    def fault_at(self, number: int, stored: bytes) -> str | None:
        """Take the entry of a number, and say what is wrong with it."""
        if stored == MISSING:
            return "it was removed before it was sealed"
        if self._next is None or self._next["number"] > number:
            return "it is missing"
        found, self._next = self._next, next(self._entries, None)
        if found["number"] != number:
            return f"an entry of number {found['number']} stands before it"
        return None if digest(found) == stored else f"it was changed (entry {found['id']})"


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether a signature is that key's over that message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
