"""Places in a stream: what its events carry as their ids, and a stream is resumed by."""

import json
from collections.abc import Iterable
from hashlib import blake2b
from uuid import UUID

from app.crypto import Vault
from app.live.stream import Viewer

PURPOSE = "stream cursor"


def of(vault: Vault, viewer: Viewer, number: int, members: str) -> str:
    """Return the place after a number, sealed: it counts nothing for who reads it, and is nobody else's."""
    said = json.dumps([*_whose(viewer, members), f"{number:019}"])
    return vault.seal_text(PURPOSE, viewer.organisation_id, said.encode())


def number_of(vault: Vault, viewer: Viewer, members: str, cursor: str | None) -> int | None:
    """Return the number that a place stands for; None for none, another's, or one of a team that was another then."""
    if not cursor:
        return None
    try:
        *whose, number = json.loads(vault.open_text(PURPOSE, viewer.organisation_id, cursor))
    except ValueError:
        return None
    return int(number) if whose == _whose(viewer, members) else None


def digest_of(people: Iterable[UUID] | None) -> str:
    """Return a short text that differs where the members of a team do."""
    return blake2b(b"".join(sorted(person.bytes for person in people or ())), digest_size=8).hexdigest()


def _whose(viewer: Viewer, members: str) -> list[str | None]:
    return [str(viewer.person_id), str(viewer.team_id) if viewer.team_id else None, members]
