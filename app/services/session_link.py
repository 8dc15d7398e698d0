"""What a session is to speak of: goals and calls. A link shares nothing that its reader could not see before."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, bindparam, func, select
from sqlalchemy.orm import Session

from app import access, events, queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault, NotFound, Unprocessable
from app.models import CallEvent, CoachingSession, Goal, SessionLink
from app.models.base import new_id
from app.relations import ORGANISATION
from app.schemas.coaching_session import LinkCreate
from app.services import session_reading as reading

TABLE = SessionLink.__table__
MOST = 50
TARGETS: dict[str, Any] = {"goal": Goal.__table__, "call_event": CallEvent.__table__}
SCOPES = {"goal": "plans:read", "call_event": "call-events:read"}
LINKS = queries.Listing(
    "session_link",
    sorts={"id": TABLE.c.id},
    filters={"session_id": TABLE.c.session_id == bindparam("session_id")},
    syncs=False,
)


def list_(session: Session, caller: Caller, paging: queries.Paging, session_id: UUID) -> Mapping[str, Any]:
    """Return a page of the links of a session, of those whose goal or call the caller may see."""
    reading.require_part(session, caller, session_id)
    return queries.paginate(session, caller, LINKS, paging, {"session_id": session_id})


def create(session: Session, caller: Caller, session_id: UUID, data: LinkCreate) -> Mapping[str, Any]:
    """Link one goal or one call event. Raise Unprocessable for neither or both, and for what one may not see."""
    reading.require_part(session, caller, session_id)
    if (data.goal_id is None) == (data.call_event_id is None):
        raise Unprocessable(faults=[Fault("/", "one_of_both", "Name a goal or a call event, and not both.")])
    row = session.get_one(CoachingSession, (caller.organisation_id, session_id), with_for_update={"key_share": True})
    goals, calls = [each for each in (data.goal_id,) if each], [each for each in (data.call_event_id,) if each]
    (link,) = add_many(session, caller, row, goals, calls, alone=True)
    return queries.read(session, caller, "session_link", link.id)


def delete(session: Session, caller: Caller, session_id: UUID, link_id: UUID) -> None:
    """Take a link off, of those that the caller sees."""
    reading.require_part(session, caller, session_id)
    link = queries.get_allowed(session, caller, SessionLink, link_id, "delete")
    if link.session_id != session_id:
        raise NotFound
    _record(session, caller, "session_link.deleted", [link])
    session.delete(link)
    session.flush()


def add_many(
    session: Session,
    caller: Caller,
    row: CoachingSession,
    goal_ids: Sequence[UUID],
    call_event_ids: Sequence[UUID],
    *,
    alone: bool = False,
) -> list[SessionLink]:
    """Link goals and call events that the caller may see. Raise Unprocessable, naming where, for others.

    Raise Conflict for one that is linked already. The session's own version and history stay as they are: they would
    tell of a private goal.
    """
    wanted = {"goal": goal_ids, "call_event": call_event_ids}
    owners = {kind: _owners(session, caller, kind, ids) for kind, ids in wanted.items()}
    faults = [
        Fault(f"/{kind}_id" if alone else f"/{kind}_ids/{index}", "unknown_reference", "There is no such row.")
        for kind, ids in wanted.items()
        for index, each in enumerate(ids)
        if each not in owners[kind]
    ]
    if faults:
        raise Unprocessable(faults=faults)
    targets = [(kind, each, owners[kind][each]) for kind, ids in wanted.items() for each in ids]
    found = [_link(caller, row.id, *target) for target in targets]
    _require_room(session, caller, row.id, found)
    session.add_all(found)
    _record(session, caller, "session_link.created", found)
    return found


def _link(caller: Caller, session_id: UUID, kind: str, target_id: UUID, owner_id: UUID) -> SessionLink:
    about = {"organisation_id": caller.organisation_id, "session_id": session_id, "employee_id": owner_id}
    return SessionLink(id=new_id(), **about, **{f"{kind}_id": target_id})


def _require_room(session: Session, caller: Caller, session_id: UUID, found: Sequence[SessionLink]) -> None:
    query = select(TABLE.c.employee_id, func.coalesce(TABLE.c.goal_id, TABLE.c.call_event_id).label("target")).where(
        TABLE.c.organisation_id == caller.organisation_id, TABLE.c.session_id == session_id
    )
    there = session.execute(query).all()
    if {each.target for each in there} & {each.goal_id or each.call_event_id for each in found}:
        raise Conflict("already_linked", "It is linked already.")
    # Counted for each owner, so that nobody learns how many of somebody else's there are.
    owners = Counter([each.employee_id for each in there]) + Counter([each.employee_id for each in found])
    if owners and max(owners.values()) > MOST:
        raise Conflict("too_many_links", f"A session speaks of at most {MOST} goals and calls of one person.")


def _owners(session: Session, caller: Caller, kind: str, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return whose those goals or calls are that the caller may see. Calls of nobody known are not among them."""
    if not ids or (caller.kind == "client" and SCOPES[kind] not in caller.scopes):
        return {}
    values = {**queries.parameters(caller), "targets": list(ids)}
    return {row.id: row.employee_id for row in execute(session, _visible(kind, caller.kind, caller.roles), values)}


@cache
def _visible(resource: str, kind: str, roles: frozenset[str]) -> Select[Any]:
    table = TARGETS[resource]
    return select(table.c.id, table.c.employee_id).where(
        table.c.organisation_id == ORGANISATION,
        table.c.id.in_(select(func.unnest(bindparam("targets", type_=ARRAY(Uuid()))))),
        table.c.employee_id.is_not(None),
        access._predicate(resource, "read", kind, roles),
    )


def _record(session: Session, caller: Caller, action: str, found: Sequence[SessionLink]) -> None:
    session.flush()
    private = _private(session, caller, [each.goal_id for each in found if each.goal_id])
    changes = [events.Change(action, each.id, 1, each.employee_id, private=each.goal_id in private) for each in found]
    events.record_changes(session, caller, "session_link", changes)


def _private(session: Session, caller: Caller, goal_ids: Sequence[UUID]) -> set[UUID]:
    query = select(Goal.id).where(
        Goal.organisation_id == caller.organisation_id, Goal.id.in_(goal_ids), Goal.private.is_(True)
    )
    return set(session.execute(query).scalars()) if goal_ids else set()
