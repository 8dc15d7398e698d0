"""The pillars and practices that come with the service, given to every organisation and kept current by ``migrate``."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.dialects.postgresql import Insert, insert

from app.models import DirectoryEntry, Pillar, Practice
from app.models.base import new_id
from app.services import consent_text

ORIGIN = "ballast"


@cache
def _entries(kind: str) -> list[dict[str, Any]]:
    with (files("app") / "library" / f"{kind}s.toml").open("rb") as file:
        entries: list[dict[str, Any]] = tomllib.load(file)[kind]
    return [{name: value or None for name, value in entry.items()} for entry in entries]


def give(connection: Connection, organisation_id: UUID) -> None:
    """Give an organisation what it lacks of the library and renew what it has. What it hid stays hidden."""
    consent_text.give(connection, organisation_id)
    for model, kind in ((Pillar, "pillar"), (Practice, "practice")):
        same = {"organisation_id": organisation_id, "origin": ORIGIN}
        connection.execute(_offer(model, kind), [{**same, "id": new_id(), **entry} for entry in _entries(kind)])


@cache
def _offer(model: type[Pillar | Practice], kind: str) -> Insert:
    """Return the statement that gives or renews one entry: built once, however many organisations there are."""
    offered, table = insert(model), model.__table__
    texts = {name: offered.excluded[name] for name in _entries(kind)[0] if name != "key"}
    return offered.on_conflict_do_update(
        index_elements=["organisation_id", "key"],
        set_={**texts, "version": table.c.version + 1, "updated_at": func.now()},
        where=(table.c.origin == ORIGIN)
        & or_(*(table.c[name].is_distinct_from(value) for name, value in texts.items())),
    )


def refresh_everywhere(connection: Connection) -> None:
    """Bring the library of every organisation up to date. For the owner, whose policy lets it touch all of them."""
    for organisation_id in connection.execute(select(DirectoryEntry.organisation_id)).scalars().all():
        give(connection, organisation_id)
