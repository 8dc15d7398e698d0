"""What an erasure does to the rows about people: table by table as the catalogue says, and what hangs together."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, and_, bindparam, delete, func, literal, or_, select, update
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.holding import Effect, Holding
from app.models import (
    CoachingSession,
    Employee,
    MentorMatch,
    RefusedCallEvent,
    SessionAttendee,
    SessionNote,
    SessionNoteCopy,
    Team,
)
from app.models.base import folded
from app.models.coaching_session import SessionKind
from app.models.session_note import NoteState, Visibility
from app.personal_data import GONE, HOLDINGS
from app.personal_data_classes import DataClass
from app.services import matching

THESE = select(func.unnest(bindparam("people", type_=ARRAY(Uuid()))))
BY_HAND = frozenset({"employee", "team", "keys.person_key", "person_key"})
MODELS: tuple[Any, ...] = (CoachingSession, SessionNote, SessionNoteCopy, SessionAttendee)
SESSION, NOTE, COPY, SEAT = (model.__table__ for model in MODELS)
REFUSED: Any = RefusedCallEvent.__table__


def counted(session: Session, caller: Caller, employee_id: UUID) -> list[dict[str, Any]]:
    """Return how many rows of each table are about a person, and what an erasure does with them."""
    found = []
    for holding in HOLDINGS:
        if holding.about:
            query = select(func.count()).select_from(holding.table).where(_theirs(caller, holding))
            count = session.execute(query, {"people": [employee_id]}).scalar_one()
            found.append(
                {
                    "data_class": holding.data_class,
                    "record": holding.name,
                    "count": count,
                    "effect": holding.effect,
                }
            )
    return [each for each in found if each["count"]]


def forget(
    session: Session, caller: Caller, employee_ids: Collection[UUID], classes: Iterable[DataClass] = tuple(DataClass)
) -> dict[str, int]:
    """Delete and blank what these classes hold about people, and return how many rows of each table. Safe to repeat."""
    wanted, changed = frozenset(classes), {}
    values = {"people": list(employee_ids)}
    if DataClass.coaching in wanted:
        changed["session_of_theirs"] = _forget_conversations(session, caller, values)
    if DataClass.calls in wanted:
        changed["refused_call_event"] = _forget_refused(session, caller, employee_ids)
    for holding in HOLDINGS:
        if holding.data_class in wanted and holding.name not in BY_HAND and holding.about:
            count = _forget_rows(session, caller, holding, values)
            if count:
                changed[holding.name] = count
    if DataClass.directory in wanted:
        _leave_the_directory(session, caller, values)
    session.expire_all()
    return {name: count for name, count in changed.items() if count}


def pseudonymise(session: Session, caller: Caller, employee_id: UUID, pseudonym: str, token: str) -> None:
    """Take from the directory all that says who a person is. The row stays, so that what counts them still counts."""
    table: Any = Employee.__table__
    kept = {"organisation_id", "id", "version", "created_at", "service_area_id", "deactivated_at", "active"}
    names = {"user_name": f"erased-{token}", "user_name_key": f"erased-{token}", "display_name": pseudonym}
    lists = {"scim_owned": [], "scim_absent": [], "forgotten": [str(each) for each in DataClass]}
    moment = clock.now()
    moments = {"erased_at": func.coalesce(table.c.erased_at, moment), "scim_hidden_at": moment, "updated_at": moment}
    nothing = dict.fromkeys({column.name for column in table.c} - kept - {*names, *lists, *moments})
    given: Mapping[str, Any] = {
        **nothing,
        **names,
        **lists,
        **moments,
        "active": False,
        "deactivated_at": func.coalesce(table.c.deactivated_at, moment),
        "version": table.c.version + 1,
    }
    mine = and_(table.c.organisation_id == caller.organisation_id, table.c.id == employee_id)
    _run(session, update(table).where(mine).values(**given), {})
    session.expire_all()


def _theirs(caller: Caller, holding: Holding) -> ColumnElement[bool]:
    table = holding.table
    mine = [table.c[name].in_(THESE) for name in holding.about]
    return and_(table.c.organisation_id == caller.organisation_id, or_(*mine))


def _forget_rows(session: Session, caller: Caller, holding: Holding, values: Mapping[str, Any]) -> int:
    table, theirs = holding.table, _theirs(caller, holding)
    if holding.name == "thought_share":
        theirs = or_(theirs, and_(table.c.organisation_id == caller.organisation_id, table.c.shared_with_id.in_(THESE)))
    if holding.effect is Effect.deleted:
        return _run(session, delete(table).where(theirs), values)
    if holding.effect is Effect.kept or not holding.blanks:
        return 0
    blanks = {name: value(table) if callable(value) else value for name, value in holding.blanks.items()}
    return _run(session, update(table).where(theirs).values(**blanks, **_moved(table)), values)


def _forget_conversations(session: Session, caller: Caller, values: Mapping[str, Any]) -> int:
    """Blank the sessions that were for one of these people alone, with every reader's notes of them."""
    mine = SESSION.c.organisation_id == caller.organisation_id
    invited = select(SEAT.c.session_id).where(
        SEAT.c.organisation_id == caller.organisation_id, SEAT.c.employee_id.in_(THESE)
    )
    alone = and_(mine, SESSION.c.kind != SessionKind.group, SESSION.c.id.in_(invited))
    notes = and_(
        NOTE.c.organisation_id == caller.organisation_id,
        or_(
            NOTE.c.session_id.in_(select(SESSION.c.id).where(alone)),
            and_(NOTE.c.author_id.in_(THESE), NOTE.c.visibility == Visibility.private_to_author),
        ),
    )
    copies = delete(COPY).where(
        COPY.c.organisation_id == caller.organisation_id, COPY.c.note_id.in_(select(NOTE.c.id).where(notes))
    )
    _run(session, copies, values)
    withdrawn = {"state": NoteState.withdrawn, "withdrawn_at": func.coalesce(NOTE.c.withdrawn_at, clock.now())}
    _run(session, update(NOTE).where(notes).values(**withdrawn, **_moved(NOTE)), values)
    blanks = {"subject": GONE, **dict.fromkeys(("agenda", "reason", "location", "meeting_url"))}
    return _run(session, update(SESSION).where(alone).values(**blanks, **_moved(SESSION)), values)


def _forget_refused(session: Session, caller: Caller, employee_ids: Collection[UUID]) -> int:
    """Delete the refused call events that name one of these people as their agent, while their names are known."""
    names = {folded(name) for name in matching.names_of(session, caller, employee_ids)}
    mine = REFUSED.c.organisation_id == caller.organisation_id
    agents = session.execute(select(REFUSED.c.id, REFUSED.c.payload["agent"]["ref"].astext).where(mine)).all()
    theirs = [refused_id for refused_id, ref in agents if ref is not None and folded(ref) in names]
    return _run(session, delete(REFUSED).where(mine, REFUSED.c.id.in_(theirs)), {}) if theirs else 0


def _leave_the_directory(session: Session, caller: Caller, values: Mapping[str, Any]) -> None:
    """Take people out of what others refer to them by: nobody reports to them, no team is led by them."""
    led_by: tuple[Any, ...] = (Employee, Team, MentorMatch)
    person, team, match = (model.__table__ for model in led_by)
    for table, column in ((person, person.c.manager_id), (team, team.c.lead_id)):
        led = and_(table.c.organisation_id == caller.organisation_id, column.in_(THESE))
        _run(session, update(table).where(led).values(**{column.name: None}, **_moved(table)), values)
    for person_id in values["people"]:
        asked = and_(
            match.c.organisation_id == caller.organisation_id, literal(person_id, Uuid()) == match.c.mentee_ids.any_()
        )
        _run(
            session, update(match).where(asked).values(mentee_ids=func.array_remove(match.c.mentee_ids, person_id)), {}
        )


def _moved(table: Any) -> dict[str, Any]:
    """Return what else changes in a row that changes."""
    return {"version": table.c.version + 1, "updated_at": clock.now()} if "version" in table.c else {}


def _run(session: Session, statement: Any, values: Mapping[str, Any]) -> int:
    return int(session.connection().execute(statement, dict(values)).rowcount)
