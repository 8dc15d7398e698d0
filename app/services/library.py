"""The pillars and practices that come with the service, given to every organisation and kept current by ``migrate``."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import DirectoryEntry, Pillar, Practice
from app.models.base import new_id

ORIGIN = "ballast"


@cache
def _entries(kind: str) -> list[dict[str, Any]]:
    with (files("app") / "library" / f"{kind}s.toml").open("rb") as file:
        entries: list[dict[str, Any]] = tomllib.load(file)[kind]
    return [{name: value or None for name, value in entry.items()} for entry in entries]


def give(session: Session | Connection, organisation_id: UUID) -> None:
    """Give an organisation what it lacks of the library and renew what it has. What it hid stays hidden."""
    for model, kind in ((Pillar, "pillar"), (Practice, "practice")):
        rows = [
            {"organisation_id": organisation_id, "id": new_id(), "origin": ORIGIN, **entry} for entry in _entries(kind)
        ]
        offered = insert(model).values(rows)
        texts = {name: offered.excluded[name] for name in _entries(kind)[0] if name != "key"}
        table = model.__table__
        session.execute(
            offered.on_conflict_do_update(
                index_elements=["organisation_id", "key"],
                set_={**texts, "version": table.c.version + 1, "updated_at": func.now()},
                where=(table.c.origin == ORIGIN)
                & or_(*(table.c[name].is_distinct_from(value) for name, value in texts.items())),
            )
        )


def refresh_everywhere(connection: Connection) -> None:
    """Bring the library of every organisation up to date. For the owner, whose policy lets it touch all of them."""
    for organisation_id in connection.execute(select(DirectoryEntry.organisation_id)).scalars().all():
        give(connection, organisation_id)
