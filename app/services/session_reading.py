"""Coaching sessions as the caller may know of them, each as it is at this moment."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from app import clock, queries
from app.auth import Caller
from app.errors import Forbidden
from app.models import CoachingSession, SessionAttendee, SupportPrompt
from app.models.client import Role
from app.models.coaching_session import SessionState
from app.policy.coaching import MODELS
from app.relations import LINE_MANAGER, ME, ORGANISATION, TEAM_LEAD
from app.services import history
from app.services import pillar as library
from app.services import plan_owner as owners
from app.services import session_roster as roster

TABLE, ATTENDED, PROMPT = CoachingSession.__table__, SessionAttendee.__table__, SupportPrompt.__table__
# A session can be started a little before its time, and needs nothing said before it has begun.
EARLY = timedelta(minutes=30)
WORDS = (
    *("subject", "agenda", "coach_id", "requested_by_id", "location", "meeting_url", "reason"),
    *("series_id", "occurrence_at", "started_at"),
)
ATTENDEE_FIELDS = ("employee_id", "answer", "answered_at", "note", "attended", "acknowledged_at")
BEGUN = frozenset({"complete", "mark_no_show"})

NOW = owners.NOW
MINE: ColumnElement[Any] = cast(ColumnElement[Any], MODELS["coaching_session"][1])
HAS_PART = or_(MINE == ME, and_(TABLE.c.coach_id.is_(None), TABLE.c.state == "requested"))


def _is(state: ColumnElement[bool]) -> ColumnElement[bool]:
    return state.is_(True)


FILTERS: dict[str, ColumnElement[bool]] = {
    "kind": TABLE.c.kind == bindparam("kind"),
    "state": TABLE.c.state == bindparam("state"),
    "starts_before": TABLE.c.starts_at < bindparam("starts_before", type_=TABLE.c.starts_at.type),
    "ends_after": TABLE.c.ends_at > bindparam("ends_after", type_=TABLE.c.ends_at.type),
    "due_to_start": bindparam("due_to_start")
    == _is(and_(TABLE.c.state == SessionState.scheduled, TABLE.c.starts_at <= NOW, TABLE.c.ends_at > NOW)),
    "overdue": bindparam("overdue")
    == _is(
        and_(TABLE.c.state.in_((SessionState.scheduled, SessionState.in_progress)), TABLE.c.ends_at <= NOW),
    ),
    "unacknowledged": bindparam("unacknowledged") == (TABLE.c.state == SessionState.completed),
}
SORTS = {"id": TABLE.c.id, "starts_at": TABLE.c.sorts_at, "created_at": TABLE.c.created_at}


def _about(person: Any, *, all_of_them: bool) -> ColumnElement[bool]:
    """Return the clause that somebody for whom ``person`` says yes takes part, of those whom the reader sees there."""
    theirs = ATTENDED.alias("attendee_asked_for")

    def seen(column: ColumnElement[Any]) -> ColumnElement[bool]:
        near = or_(HAS_PART, LINE_MANAGER.predicate(column), TEAM_LEAD.predicate(column))
        return person(column) if all_of_them else and_(person(column), near)

    attends = exists(
        select(1).where(
            theirs.c.organisation_id == ORGANISATION,
            theirs.c.session_id == TABLE.c.id,
            theirs.c.removed_at.is_(None),
            seen(theirs.c.employee_id),
        )
    )
    return or_(attends, seen(TABLE.c.coach_id))


def _listing(*, all_of_them: bool) -> queries.Listing:
    """Return the list as clients read it, or as people do: what they may not see in a row, they cannot ask for."""

    def of_those_shown(clause: ColumnElement[bool]) -> ColumnElement[bool]:
        return clause if all_of_them else and_(clause, HAS_PART)

    hidden = {
        "coach_id": TABLE.c.coach_id == bindparam("coach_id"),
        "series_id": TABLE.c.series_id == bindparam("series_id"),
        "pillar": library.names(bindparam("pillar", type_=Text()), TABLE.c.pillars),
    }
    people = {
        "employee_id": lambda column: column == bindparam("employee_id"),
        "team_id": lambda column: column.in_(owners.OF_TEAM),
        "service_area_id": lambda column: column.in_(owners.OF_AREA),
    }
    filters = {
        **FILTERS,
        **{name: of_those_shown(clause) for name, clause in hidden.items()},
        **{name: _about(person, all_of_them=all_of_them) for name, person in people.items()},
    }
    return queries.Listing("coaching_session", sorts=SORTS, filters=filters)


FOR_CLIENTS, FOR_PEOPLE = _listing(all_of_them=True), _listing(all_of_them=False)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the sessions that the caller may know of."""
    listing = FOR_CLIENTS if caller.kind == "client" else FOR_PEOPLE
    page = queries.paginate(session, caller, listing, paging, filters)
    return {**page, "data": shown(session, caller, page["data"])}


def read(session: Session, caller: Caller, session_id: UUID) -> Mapping[str, Any]:
    """Return one session."""
    session.flush()
    return shown(session, caller, [queries.read(session, caller, "coaching_session", session_id)])[0]


def read_as_left(session: Session, caller: Caller, session_id: UUID) -> Mapping[str, Any]:
    """Return a session as its caller just left it, who may take no part in it any more: once, with nothing to do."""
    session.flush()
    query = select(TABLE).where(TABLE.c.organisation_id == caller.organisation_id, TABLE.c.id == session_id)
    row = {**session.execute(query).one()._mapping, "is_mine": True, "allowed_actions": []}
    return shown(session, caller, [row])[0]


def require_part(session: Session, caller: Caller, session_id: UUID) -> dict[str, Any]:
    """Return the row of a session that is more than a line in a schedule to the caller.

    Raise NotFound for one that is not theirs to know of, Forbidden for one of which they see the schedule alone.
    """
    row = queries.read(session, caller, "coaching_session", session_id)
    if not has_part(caller, row):
        raise Forbidden("not_allowed", "Of this session you may see the schedule alone.")
    return row


def has_part(caller: Caller, row: Mapping[str, Any]) -> bool:
    """Return whether a caller sees all of a row: who takes part, a coach whom it waits for, and clients."""
    waits = row["coach_id"] is None and row["state"] == SessionState.requested and Role.coach in caller.roles
    return caller.kind != "person" or bool(row.get("is_mine")) or waits


def read_history(session: Session, caller: Caller, paging: queries.Paging, session_id: UUID) -> Mapping[str, Any]:
    """Return a page of what became of a session, for those who take part: it holds the words given for changes."""
    require_part(session, caller, session_id)
    return history.list_(session, caller, paging, "coaching_session", session_id)


def shown(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows as representations: with their attendees, and what only their people may know taken out."""
    attendees = _attendees(session, caller, [row["id"] for row in rows])
    led = _led(session, caller, rows, attendees)
    own_prompts = _own_prompts(session, caller, [row["prompt_id"] for row in rows if row["prompt_id"] is not None])
    return [
        _shown(caller, row, attendees.get(row["id"], []), led)
        | ({} if row["prompt_id"] in own_prompts else {"prompt_id": None, "signal_id": None})
        for row in rows
    ]


def _shown(
    caller: Caller, row: dict[str, Any], attendees: Sequence[Mapping[str, Any]], led: frozenset[UUID]
) -> dict[str, Any]:
    if has_part(caller, row):
        mine = next((each for each in attendees if each["employee_id"] == caller.employee_id), None)
        actions = _open_now(row, mine, clock.now())
        is_coach = caller.employee_id is not None and caller.employee_id == row["coach_id"]
        told = [each if is_coach or each is mine else {**each, "note": None} for each in attendees]
        return {**row, "attendees": told, "allowed_actions": actions}
    nothing = dict.fromkeys(ATTENDEE_FIELDS)
    seen = [{**nothing, "employee_id": each["employee_id"]} for each in attendees if each["employee_id"] in led]
    coach = {"coach_id": row["coach_id"]} if row["coach_id"] in led else {}
    return {**row, **dict.fromkeys(WORDS), **coach, "pillars": [], "attendees": seen, "allowed_actions": []}


def _open_now(row: Mapping[str, Any], mine: Mapping[str, Any] | None, now: datetime) -> list[str]:
    """Return the allowed actions whose time has come, and that are still the caller's to do."""
    start, actions = row["starts_at"], set(row["allowed_actions"])
    if start is not None and now < start - EARLY:
        actions.discard("start")
    if start is not None and now < start and row["started_at"] is None:
        actions -= BEGUN
    if mine is None or mine["acknowledged_at"] is not None or mine["attended"] is False:
        actions.discard("acknowledge")
    return [action for action in row["allowed_actions"] if action in actions]


def _attendees(session: Session, caller: Caller, ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    query = select(ATTENDED, ATTENDED.c.answer_note.label("note")).where(
        ATTENDED.c.organisation_id == caller.organisation_id,
        ATTENDED.c.session_id.in_(ids),
        ATTENDED.c.removed_at.is_(None),
    )
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in session.execute(query.order_by(ATTENDED.c.id)) if ids else ():
        found.setdefault(row.session_id, []).append({name: getattr(row, name) for name in ATTENDEE_FIELDS})
    return found


def _led(
    session: Session, caller: Caller, rows: Sequence[Mapping[str, Any]], attendees: Mapping[UUID, Sequence[Any]]
) -> frozenset[UUID]:
    """Return whom the caller leads among the people of those sessions of which they see the schedule alone."""
    people: set[UUID] = set()
    for row in rows:
        if not has_part(caller, row):
            people |= {each["employee_id"] for each in attendees.get(row["id"], [])} | {row["coach_id"]}
    return frozenset(roster.among(session, caller, "read", people)) if people else frozenset()


def _own_prompts(session: Session, caller: Caller, ids: Sequence[UUID]) -> set[UUID]:
    if not ids or caller.employee_id is None:
        return set()
    query = select(PROMPT.c.id).where(
        PROMPT.c.organisation_id == caller.organisation_id,
        PROMPT.c.id.in_(ids),
        PROMPT.c.employee_id == caller.employee_id,
    )
    return set(session.execute(query).scalars())
