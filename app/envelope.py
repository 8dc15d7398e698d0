"""How one text of one person is sealed: AES-256-GCM under the person's data key, bound to the place where it stands."""

import os
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.crypto import KEY_BYTES, Vault

VERSION = b"\x01"
PURPOSE = "person-key"
ID_BYTES, NONCE_BYTES, TAG_BYTES = 8, 12, 16
KEY_ID, NONCE = slice(1, 1 + ID_BYTES), slice(1 + ID_BYTES, 1 + ID_BYTES + NONCE_BYTES)


class Damaged(Exception):
    """The bytes were not sealed under this key for this place: changed, cut, moved, or another key's."""


class MasterKeyMissing(Exception):
    """The data key is wrapped under a master key that this process does not have."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed text belongs: whose it is, in which column (``thought_record.situation``), of which row."""

    organisation_id: UUID
    person_id: UUID
    column: str
    row_id: UUID | bytes

    def bound(self) -> bytes:
        """Return the place as authenticated data: each part with its length, so that no two places look the same."""
        row = self.row_id if isinstance(self.row_id, bytes) else self.row_id.bytes
        parts = (b"v1", self.organisation_id.bytes, self.person_id.bytes, self.column.encode(), row)
        return b"".join(len(part).to_bytes(2) + part for part in parts)


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one person: it never leaves the process unwrapped."""

    id: bytes
    raw: bytes = field(repr=False)

    @classmethod
    def make(cls) -> Self:
        return cls(os.urandom(ID_BYTES), AESGCM.generate_key(KEY_BYTES * 8))

    def wrapped(self, vault: Vault, organisation_id: UUID, person_id: UUID) -> bytes:
        """Return the key sealed under the first master key, for this person alone."""
        return vault.seal(PURPOSE, organisation_id, self.raw, person_id.bytes + self.id)

    @classmethod
    def unwrap(cls, vault: Vault, organisation_id: UUID, person_id: UUID, key_id: bytes, wrapped: bytes) -> Self:
        """Return the key. Raise MasterKeyMissing where its master key is not here, Damaged where it does not open."""
        if not vault.knows(wrapped):
            raise MasterKeyMissing
        try:
            return cls(key_id, vault.open(PURPOSE, organisation_id, wrapped, person_id.bytes + key_id))
        except ValueError as error:
            raise Damaged from error

    def seal(self, place: Place, text: bytes) -> bytes:
        """Return version (1), key id (8), nonce (12), text and tag (16)."""
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + self.id + nonce + AESGCM(self.raw).encrypt(nonce, text, place.bound())

    def open(self, place: Place, sealed: bytes) -> bytes:
        """Return what was sealed for this very place. Raise Damaged for anything else."""
        if sealed[:1] != VERSION or sealed[KEY_ID] != self.id or len(sealed) < NONCE.stop + TAG_BYTES:
            raise Damaged
        try:
            return AESGCM(self.raw).decrypt(sealed[NONCE], sealed[NONCE.stop :], place.bound())
        except InvalidTag as error:
            raise Damaged from error
