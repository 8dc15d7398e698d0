"""Practices: those that come with the service, which can be hidden but not changed, and an organisation's own."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Text, bindparam, select
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Fault, Unprocessable
from app.models import Pillar, Practice
from app.schemas.practice import PracticeCreate, PracticeUpdate
from app.services import pillar as library

TABLE = Practice.__table__
PRACTICES = queries.Listing(
    "practice",
    sorts={"id": TABLE.c.id, "name": TABLE.c.name, "key": TABLE.c.key, "minutes": TABLE.c.minutes},
    filters={
        "pillar": library.names(bindparam("pillar", type_=Text())),
        "moment": TABLE.c.moment == bindparam("moment"),
        "hidden": TABLE.c.hidden == bindparam("hidden"),
        "origin": TABLE.c.origin == bindparam("origin"),
        "minutes_max": TABLE.c.minutes <= bindparam("minutes_max"),
    },
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the practices, without the hidden ones where they are not asked for."""
    return library.list_of(session, caller, PRACTICES, paging, filters)


def read(session: Session, caller: Caller, practice_id: UUID) -> Mapping[str, Any]:
    """Return one practice."""
    return library.shown(queries.read(session, caller, "practice", practice_id))


def create(session: Session, caller: Caller, data: PracticeCreate) -> Mapping[str, Any]:
    """Add a practice of the organisation's own. Raise Conflict for a taken key, Unprocessable for unknown pillars."""
    require_pillars(session, caller, data.pillars)
    practice = Practice(organisation_id=caller.organisation_id, **data.model_dump())
    session.add(practice)
    events.record(session, caller, "practice.created", practice)
    return read(session, caller, practice.id)


def update(session: Session, caller: Caller, practice_id: UUID, data: PracticeUpdate) -> Mapping[str, Any]:
    """Change a practice. Raise Conflict where anything but ``hidden`` of one of ours is to change."""
    practice = queries.get_allowed(session, caller, Practice, practice_id, "update")
    given = data.given()
    if "pillars" in given:
        require_pillars(session, caller, given["pillars"])
    library.apply(session, caller, practice, given)
    return read(session, caller, practice_id)


def delete(session: Session, caller: Caller, practice_id: UUID) -> None:
    """Delete a practice of the organisation's own. Raise Conflict for one that comes with the service."""
    library.remove(session, caller, queries.get_allowed(session, caller, Practice, practice_id, "delete"))


def require_pillars(session: Session, caller: Caller, keys: Sequence[str], pointer: str = "/pillars") -> None:
    """Raise Unprocessable for keys that name no pillar. Those that do are held, so that none is deleted meanwhile."""
    query = select(Pillar.key).where(Pillar.organisation_id == caller.organisation_id, Pillar.key.in_(keys))
    known = set(session.execute(query.order_by(Pillar.key).with_for_update(read=True)).scalars())
    faults = [
        Fault(f"{pointer}/{index}", "unknown_reference", "There is no such pillar.")
        for index, key in enumerate(keys)
        if key not in known
    ]
    if faults:
        raise Unprocessable(faults=faults)
