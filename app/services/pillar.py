"""Pillars: the five that come with the service, which can be hidden but not changed, and an organisation's own."""

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, cast, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Conflict
from app.models import (
    CoachingSession,
    Goal,
    GoalTemplate,
    MentorAssignment,
    MentorProfile,
    Pillar,
    Practice,
    StrainRule,
)
from app.models.coaching_session import SessionState
from app.models.mentor import OPEN
from app.schemas.pillar import PillarCreate, PillarUpdate
from app.services.library import ORIGIN

T = TypeVar("T", Pillar, Practice)

TABLE = Pillar.__table__
PILLARS = queries.Listing(
    "pillar",
    sorts={"position": TABLE.c.position, "id": TABLE.c.id, "key": TABLE.c.key},
    filters={"hidden": TABLE.c.hidden == bindparam("hidden"), "origin": TABLE.c.origin == bindparam("origin")},
    default_sort="position",
)
HIDDEN = {"true": True, "false": False, "any": None}


def names(key: Any, pillars: Any = Practice.__table__.c.pillars) -> ColumnElement[bool]:
    """Return the clause that a practice, or whatever has such pillars, names a pillar, by the index of its pillars."""
    clause: ColumnElement[bool] = pillars.bool_op("@>")(cast(array([key]), ARRAY(Text)))
    return clause


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the pillars, without the hidden ones where they are not asked for."""
    return list_of(session, caller, PILLARS, paging, filters)


def list_of(
    session: Session, caller: Caller, listing: queries.Listing, paging: queries.Paging, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of a list of the library; its filter ``hidden`` is ``true``, ``false`` or ``any``."""
    page = queries.paginate(session, caller, listing, paging, {**filters, "hidden": HIDDEN[filters["hidden"]]})
    return {**page, "data": [shown(row) for row in page["data"]]}


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the library: what comes with the service cannot be deleted, so that is not offered."""
    if row["origin"] != ORIGIN:
        return row
    return {**row, "allowed_actions": [action for action in row["allowed_actions"] if action != "delete"]}


def read(session: Session, caller: Caller, pillar_id: UUID) -> Mapping[str, Any]:
    """Return one pillar."""
    return shown(queries.read(session, caller, "pillar", pillar_id))


def create(session: Session, caller: Caller, data: PillarCreate) -> Mapping[str, Any]:
    """Add a pillar of the organisation's own. Raise Conflict for a key that is taken."""
    pillar = Pillar(organisation_id=caller.organisation_id, **data.model_dump())
    session.add(pillar)
    events.record(session, caller, "pillar.created", pillar)
    return read(session, caller, pillar.id)


def update(session: Session, caller: Caller, pillar_id: UUID, data: PillarUpdate) -> Mapping[str, Any]:
    """Change a pillar. Raise Conflict where anything but ``hidden`` of one of ours is to change."""
    pillar = queries.get_allowed(session, caller, Pillar, pillar_id, "update")
    apply(session, caller, pillar, data.given())
    return read(session, caller, pillar_id)


def apply(session: Session, caller: Caller, row: T, given: Mapping[str, Any]) -> None:
    """Write what was given to a row of the library, and record it where something changed."""
    if row.origin == ORIGIN and given.keys() - {"hidden"}:
        raise Conflict("library_is_fixed", "This comes with the service: hide it, and add one of your own.")
    for name, value in given.items():
        setattr(row, name, value)
    if session.is_modified(row):
        events.record(session, caller, f"{row.__tablename__}.updated", row, details={"fields": sorted(given)})


def delete(session: Session, caller: Caller, pillar_id: UUID) -> None:
    """Delete a pillar of the organisation's own. Raise Conflict for one of ours, and for one that is in use."""
    pillar = queries.get_allowed(session, caller, Pillar, pillar_id, "delete")
    uses = (
        select(Practice.id).where(Practice.organisation_id == caller.organisation_id, names(pillar.key)),
        select(StrainRule.id).where(
            StrainRule.organisation_id == caller.organisation_id, StrainRule.prompt_pillar == pillar.key
        ),
        select(GoalTemplate.id).where(
            GoalTemplate.organisation_id == caller.organisation_id, names(pillar.key, GoalTemplate.pillars)
        ),
        select(CoachingSession.id).where(
            CoachingSession.organisation_id == caller.organisation_id,
            CoachingSession.state.in_((SessionState.requested, SessionState.scheduled)),
            names(pillar.key, CoachingSession.pillars),
        ),
        # Of a private goal nobody may learn that it is there: it keeps the key of a pillar that is gone.
        select(Goal.id).where(
            Goal.organisation_id == caller.organisation_id, names(pillar.key, Goal.pillars), ~Goal.private
        ),
        select(MentorProfile.id).where(
            MentorProfile.organisation_id == caller.organisation_id, names(pillar.key, MentorProfile.pillars)
        ),
        select(MentorAssignment.id).where(
            MentorAssignment.organisation_id == caller.organisation_id,
            MentorAssignment.state.in_(OPEN),
            names(pillar.key, MentorAssignment.focus_pillars),
        ),
    )
    if pillar.origin != ORIGIN and any(session.execute(use.limit(1)).first() for use in uses):
        raise Conflict("in_use", "Practices, goals, mentors, sessions or rules name this pillar: change those first.")
    remove(session, caller, pillar)


def remove(session: Session, caller: Caller, row: T) -> None:
    """Delete a row of the library. Raise Conflict for one that comes with the service."""
    if row.origin == ORIGIN:
        raise Conflict("library_is_fixed", "This comes with the service: it can be hidden, not deleted.")
    events.record(session, caller, f"{row.__tablename__}.deleted", row)
    session.delete(row)
    session.flush()
