"""Mentor assignments: proposed by anyone near, agreed by both of the two, and closed without anybody's fault."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Text, Uuid, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault, Forbidden, Unprocessable
from app.models import Employee, MentorAssignment
from app.models.client import Role
from app.models.mentor import AssignmentState, PausedBecause
from app.policy import POLICY
from app.relations import ME, ORGANISATION
from app.schemas.base import Reason
from app.schemas.mentor_assignment import AssignmentCreate, AssignmentUpdate
from app.services import history, mentor_reasons
from app.services import mentor_defaults as defaults
from app.services import mentor_rhythm as rhythm
from app.services import mentor_rules as rules
from app.services import pillar as library
from app.services import plan_owner as owners
from app.services.practice import require_pillars

TABLE, PERSON = MentorAssignment.__table__, Employee.__table__
PERSON_ID, MINE = bindparam("employee_id", type_=Uuid()), bindparam("mine", type_=Boolean())
IS_OVERDUE = func.coalesce(TABLE.c.meeting_due_at <= owners.NOW, False)
AWAITS_ME = and_(
    TABLE.c.state == AssignmentState.proposed,
    or_(
        and_(TABLE.c.mentor_id == ME, TABLE.c.mentor_agreed_at.is_(None)),
        and_(TABLE.c.mentee_id == ME, TABLE.c.mentee_agreed_at.is_(None)),
    ),
)
PAIRS = queries.Listing(
    "mentor_assignment",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={
        **owners.filters_by_owner(TABLE.c.mentee_id),
        "employee_id": or_(TABLE.c.mentee_id == PERSON_ID, TABLE.c.mentor_id == PERSON_ID),
        "mentor_id": TABLE.c.mentor_id == bindparam("mentor_id"),
        "mentee_id": TABLE.c.mentee_id == bindparam("mentee_id"),
        "pillar": library.names(bindparam("pillar", type_=Text()), TABLE.c.focus_pillars),
        "kind": TABLE.c.kind == bindparam("kind"),
        "state": TABLE.c.state == bindparam("state"),
        "mine": or_(TABLE.c.mentee_id == ME, TABLE.c.mentor_id == ME) == MINE,
        "awaits_me": bindparam("awaits_me", type_=Boolean()) == AWAITS_ME,
        "health": TABLE.c.health == bindparam("health"),
        "overdue": bindparam("overdue", type_=Boolean()) == IS_OVERDUE,
        "due_before": TABLE.c.meeting_due_at < bindparam("due_before"),
    },
)
# How a pair goes: filtered by and shown only to the two and to the programme lead.
HOW_IT_GOES = frozenset({"health", "overdue", "due_before"})
HIDDEN = (
    *("rationale", "reasons", "ended_reason", "last_met_at", "meetings_held", "next_planned_at"),
    *("meeting_due_at", "health", "flagged_at"),
)
NAMES = select(PERSON.c.id, PERSON.c.display_name).where(
    PERSON.c.organisation_id == ORGANISATION,
    PERSON.c.id.in_(select(func.unnest(bindparam("ids", type_=ARRAY(Uuid()))))),
)
TERMS = ("agreed_cadence_days", "later_cadence_days", "planned_sessions")
EVENTS = {"decline": "declined", "pause": "paused", "resume": "resumed", "complete": "completed", "end": "ended"}


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the pairs that the caller may know of; by how it goes, only of those that they may follow."""
    if Role.programme_lead not in caller.roles and any(filters.get(name) is not None for name in HOW_IT_GOES):
        filters = {**filters, "mine": True}
    page = queries.paginate(session, caller, PAIRS, paging, filters)
    return {**page, "data": _shown(session, caller, page["data"])}


def read(session: Session, caller: Caller, assignment_id: UUID) -> Mapping[str, Any]:
    """Return one pair."""
    return _shown(session, caller, [queries.read(session, caller, "mentor_assignment", assignment_id)])[0]


def read_history(session: Session, caller: Caller, paging: queries.Paging, assignment_id: UUID) -> Mapping[str, Any]:
    """Return what became of a pair. Raise Forbidden for who sees that there is one, and not how it goes."""
    require_follower(session, caller, assignment_id)
    return history.list_(session, caller, paging, "mentor_assignment", assignment_id)


def require_follower(session: Session, caller: Caller, assignment_id: UUID) -> None:
    """Raise NotFound for who may not know of a pair, Forbidden for who may, and not see how it goes."""
    if not queries.read(session, caller, "mentor_assignment", assignment_id)["may_follow"]:
        raise Forbidden("not_allowed", "How a pair goes is for the two of them and the programme lead.")


def _shown(session: Session, caller: Caller, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    ids = {row[side] for row in rows for side in ("mentor_id", "mentee_id")}
    values = {"organisation_id": caller.organisation_id, "ids": list(ids)}
    names = {row.id: row.display_name for row in execute(session, NAMES, values)} if ids else {}
    return [
        {
            **row,
            "mentor_name": names[row["mentor_id"]],
            "mentee_name": names[row["mentee_id"]],
            "starting_values": defaults.described(defaults.PAIR, row["starting_values"]),
            "allowed_actions": [action for action in row["allowed_actions"] if action != "follow"],
            **({} if row.get("may_follow") else dict.fromkeys(HIDDEN)),
        }
        for row in rows
    ]


def propose(session: Session, caller: Caller, data: AssignmentCreate) -> Mapping[str, Any]:
    """Propose a pair. Who of the two proposes has agreed by that.

    Raise Conflict where the two cannot be a pair, Unprocessable for people and pillars that are not there.
    """
    mentee_id = data.mentee_id or caller.employee_id
    if mentee_id is None:
        raise Unprocessable(faults=[Fault("/mentee_id", "missing", "Say who is to be mentored.")])
    rules.hold_two(session, caller, data.mentor_id, mentee_id)
    offered = caller.employee_id == data.mentor_id != mentee_id
    if offered:
        rules.require_may(session, caller, "offer", mentee_id, "/mentee_id")
    else:
        queries.get_subject(session, caller, "mentor_assignment", "create", mentee_id, "/mentee_id")
        queries.get_owned(session, caller, Employee, data.mentor_id, "/mentor_id")
    require_pillars(session, caller, data.focus_pillars, "/focus_pillars")
    rules.require_two(session, caller, data.mentor_id, mentee_id)
    rules.require_new(session, caller, data.mentor_id, mentee_id)
    rules.require_place(session, caller, data.mentor_id, mentee_id)
    if not offered:  # a mentor is not told who else mentors somebody; the mentee is, when they accept
        rules.require_uncovered(session, caller, data.mentor_id, mentee_id, data.kind, data.focus_pillars)
    reasons = mentor_reasons.of_pair(session, caller, data.mentor_id, mentee_id, data.focus_pillars[0])
    pair = make(session, caller, mentee_id, data, reasons)
    return read(session, caller, pair.id)


def make(
    session: Session, caller: Caller, mentee_id: UUID, data: AssignmentCreate, reasons: Sequence[str]
) -> MentorAssignment:
    """Add a proposal of two people who are held. What has to hold has been asked."""
    now = clock.now()
    values = data.model_dump(exclude={"mentee_id"})
    started = _start_terms(values)
    pair = MentorAssignment(
        organisation_id=caller.organisation_id,
        mentee_id=mentee_id,
        requested_by_id=caller.employee_id,
        state=AssignmentState.proposed,
        reasons=list(reasons),
        starting_values=started,
        mentee_agreed_at=now if caller.employee_id == mentee_id else None,
        mentor_agreed_at=now if caller.employee_id == data.mentor_id else None,
        answer_due_at=now + rhythm.starting_days("answer_within_days"),
        meetings_held=0,
        **values,
    )
    _require_period(pair)
    rhythm.settle(pair)
    session.add(pair)
    details = {"state": pair.state, "kind": pair.kind}
    events.record(session, caller, "mentor_assignment.proposed", pair, subject_id=mentee_id, details=details)
    return pair


def _start_terms(values: dict[str, Any]) -> list[str]:
    """Fill in the terms that nobody chose and return their names. A rhythm that was chosen alone holds throughout."""
    chosen = values["agreed_cadence_days"] is not None
    started = [name for name in TERMS if values[name] is None and not (name == "later_cadence_days" and chosen)]
    values |= {name: defaults.value(defaults.PAIR, name) for name in started}
    if values["kind"] == "one_off" and "planned_sessions" in started:
        values["planned_sessions"] = 1
        started.remove("planned_sessions")
    return started


def _require_period(pair: MentorAssignment) -> None:
    if pair.ends_on is not None and pair.starts_on is not None and pair.ends_on < pair.starts_on:
        raise Unprocessable(faults=[Fault("/ends_on", "before_start", "Must not lie before the first day.")])


def update(session: Session, caller: Caller, assignment_id: UUID, data: AssignmentUpdate) -> Mapping[str, Any]:
    """Change what the two have agreed. The agreed days count anew from where they counted."""
    pair = queries.get_allowed(session, caller, MentorAssignment, assignment_id, "update")
    given = data.given()
    changed = {name: value for name, value in given.items() if getattr(pair, name) != value}
    for name, value in changed.items():
        setattr(pair, name, value)
    _require_period(pair)
    chosen = given.keys() & set(pair.starting_values)
    if chosen:
        pair.starting_values = [name for name in pair.starting_values if name not in chosen]
    if changed or chosen:
        rhythm.settle(pair)
        _record(session, caller, pair, "updated", {"fields": sorted(changed.keys() | chosen)})
    return read(session, caller, assignment_id)


def accept(session: Session, caller: Caller, assignment_id: UUID, data: Reason | None = None) -> Mapping[str, Any]:
    """Agree to a pair, for one's own side; when both have, it is active. What has to hold is asked once more."""
    rules.hold_pair(session, caller, assignment_id)
    pair = queries.get_allowed(session, caller, MentorAssignment, assignment_id, "accept")
    now = clock.now()
    if pair.answer_due_at is not None and pair.answer_due_at <= now:
        raise Conflict("proposal_expired", "The time to answer is over: it can be proposed again.")
    rules.require_two(session, caller, pair.mentor_id, pair.mentee_id)
    rules.require_place(session, caller, pair.mentor_id, pair.mentee_id)
    if caller.employee_id == pair.mentor_id:
        pair.mentor_agreed_at = now
    else:
        pair.mentee_agreed_at = now
    if pair.mentor_agreed_at is None or pair.mentee_agreed_at is None:
        _record(session, caller, pair, "agreed", {"state": pair.state, **_why(data)})
        return read(session, caller, assignment_id)
    rules.require_uncovered(session, caller, pair.mentor_id, pair.mentee_id, pair.kind, pair.focus_pillars)
    pair.state, pair.answer_due_at = AssignmentState.active, None
    rhythm.start(pair)
    _record(session, caller, pair, "accepted", {"from": AssignmentState.proposed, "state": pair.state, **_why(data)})
    return read(session, caller, assignment_id)


def move(
    session: Session, caller: Caller, assignment_id: UUID, action: str, data: Reason | None = None
) -> Mapping[str, Any]:
    """Decline, pause, resume, complete or end a pair. Raise Conflict for one that may not go on as things stand."""
    if action == "resume":
        rules.hold_pair(session, caller, assignment_id)
    pair = queries.get_allowed(session, caller, MentorAssignment, assignment_id, action)
    before = pair.state
    state = AssignmentState(POLICY["mentor_assignment", action].moves[before])  # type: ignore[index]  # has moves
    if action == "pause":
        pair.state, pair.paused_at, pair.paused_because = state, clock.now(), PausedBecause.asked
        rhythm.settle(pair)
    elif action == "resume":
        rules.require_two(session, caller, pair.mentor_id, pair.mentee_id)
        pair.state = state
        rhythm.resume(pair)
    else:
        rhythm.close(pair, state)
        pair.ended_reason = _why(data).get("reason")
    _record(session, caller, pair, EVENTS[action], {"from": before, "state": state, **_why(data)})
    return read(session, caller, assignment_id)


def _why(data: Reason | None) -> dict[str, str]:
    return {"reason": data.reason} if data is not None and data.reason is not None else {}


def _record(session: Session, caller: Caller, pair: MentorAssignment, verb: str, details: Mapping[str, Any]) -> None:
    events.record(session, caller, f"mentor_assignment.{verb}", pair, subject_id=pair.mentee_id, details=details)
