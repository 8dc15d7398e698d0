"""What is agreed in coaching sessions: who does what by when, and what became of it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, any_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.call import Answer
from app.database import execute
from app.errors import Conflict, Fault, NotFound, Unprocessable
from app.models import Goal, SessionAction
from app.models.session_action import ActionState
from app.policy import POLICY
from app.relations import ME, ORGANISATION
from app.schemas.base import Reason
from app.schemas.goal import GoalCreate
from app.schemas.session_action import SessionActionCreate, SessionActionGoal, SessionActionUpdate
from app.services import goal as goals
from app.services import history
from app.services import plan_owner as owners
from app.services import session_part as people

MOST = 100
VERBS = {"complete": "completed", "drop": "dropped", "reopen": "reopened"}
TABLE, GOAL = SessionAction.__table__, Goal.__table__
IS_OVERDUE = func.coalesce(and_(TABLE.c.state == ActionState.open, TABLE.c.due_on < owners.TODAY), False)
ACTIONS = queries.Listing(
    "session_action",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={
        "session_id": TABLE.c.session_id == bindparam("session_id"),
        "employee_id": TABLE.c.employee_id == bindparam("employee_id"),
        "state": TABLE.c.state == bindparam("state"),
        "due_before": TABLE.c.due_on < bindparam("due_before"),
        "overdue": bindparam("overdue") == IS_OVERDUE,
    },
)
# A goal that its owner has made private since is not shown to anybody else.
VISIBLE_GOALS = select(GOAL.c.id).where(
    GOAL.c.organisation_id == ORGANISATION,
    GOAL.c.id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
    or_(~GOAL.c.private, GOAL.c.employee_id == ME),
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of what was agreed in any session that the caller takes part in, and of what they are to do."""
    page = queries.paginate(session, caller, ACTIONS, paging, filters)
    return {**page, "data": _shown(session, caller, page["data"])}


def list_of(
    session: Session, caller: Caller, paging: queries.Paging, session_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of what was agreed in one session. Raise Forbidden for who takes no part in it."""
    people.require_part(session, caller, session_id)
    return list_(session, caller, paging, {**filters, "session_id": session_id})


def read(session: Session, caller: Caller, session_id: UUID, action_id: UUID) -> Mapping[str, Any]:
    """Return one action. Raise NotFound for one of another session."""
    row = queries.read(session, caller, "session_action", action_id)
    if row["session_id"] != session_id:
        raise NotFound
    return _shown(session, caller, [row])[0]


def create(session: Session, caller: Caller, session_id: UUID, data: SessionActionCreate) -> Mapping[str, Any]:
    """Write down what was agreed. Raise Unprocessable for a doer who takes no part, Conflict for one too many."""
    people.require_part(session, caller, session_id)
    doer = data.employee_id or caller.employee_id
    if doer not in people.of(session, caller, session_id):
        detail = "Must be somebody who takes part in the session."
        raise Unprocessable(faults=[Fault("/employee_id", "not_in_session", detail)])
    there = select(func.count()).where(
        SessionAction.organisation_id == caller.organisation_id, SessionAction.session_id == session_id
    )
    if session.execute(there).scalar_one() >= MOST:
        raise Conflict("too_many_actions", f"A session holds at most {MOST} actions.")
    action = SessionAction(
        organisation_id=caller.organisation_id,
        session_id=session_id,
        employee_id=doer,
        agreed_by_id=caller.employee_id,
        words=data.words,
        due_on=data.due_on,
        state=ActionState.open,
    )
    session.add(action)
    events.record(session, caller, "session_action.created", action, details={"state": action.state})
    return read(session, caller, session_id, action.id)


def change(
    session: Session, caller: Caller, session_id: UUID, action_id: UUID, data: SessionActionUpdate
) -> Mapping[str, Any]:
    """Change the words or the day of an open action."""
    action = _to_change(session, caller, session_id, action_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(action, name) != value}
    for name, value in changed.items():
        setattr(action, name, value)
    if changed:
        events.record(session, caller, "session_action.updated", action, details={"fields": sorted(changed)})
    return read(session, caller, session_id, action_id)


def move(
    session: Session, caller: Caller, session_id: UUID, action_id: UUID, verb: str, data: Reason | None = None
) -> Mapping[str, Any]:
    """Complete, drop or reopen an action."""
    action = _to_change(session, caller, session_id, action_id, verb)
    before = action.state
    action.state = ActionState(POLICY["session_action", verb].moves[before])  # type: ignore[index]  # a verb has moves
    done = action.state == ActionState.done
    action.done_at, action.done_by_id = (clock.now(), caller.employee_id) if done else (None, None)
    reason = {"reason": data.reason} if data is not None and data.reason is not None else {}
    details = {"from": before, "state": action.state, **reason}
    events.record(session, caller, f"session_action.{VERBS[verb]}", action, details=details)
    return read(session, caller, session_id, action_id)


def make_goal(session: Session, caller: Caller, session_id: UUID, action_id: UUID, data: SessionActionGoal) -> Answer:
    """Draft a goal of one's own from an action, once. Raise Conflict a second time."""
    owners.hold_owner(session, caller, "session_action", action_id)
    action = _to_change(session, caller, session_id, action_id, "make_goal")
    if action.goal_id is not None:
        raise Conflict("already_a_goal", "A goal was made of this action before.")
    wanted = GoalCreate(title=action.words, due_on=action.due_on, plan_id=data.plan_id, pillars=data.pillars)
    goal = goals.make(session, caller, action.employee_id, wanted.model_dump(exclude={"employee_id"}))
    action.goal_id = goal.id
    events.record(session, caller, "session_action.made_goal", action)
    return Answer(goals.read(session, caller, goal.id), 201, {"Location": f"/v1/goals/{goal.id}"})


def list_history(
    session: Session, caller: Caller, paging: queries.Paging, session_id: UUID, action_id: UUID
) -> Mapping[str, Any]:
    """Return a page of the changes of one action."""
    read(session, caller, session_id, action_id)
    return history.list_(session, caller, paging, "session_action", action_id)


def _to_change(session: Session, caller: Caller, session_id: UUID, action_id: UUID, verb: str) -> SessionAction:
    if queries.read(session, caller, "session_action", action_id)["session_id"] != session_id:
        raise NotFound
    return queries.get_allowed(session, caller, SessionAction, action_id, verb)


def _shown(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return actions without goals that the caller may not see, and without the offer to make one twice."""
    made = [row["goal_id"] for row in rows if row["goal_id"] is not None]
    values = {"organisation_id": caller.organisation_id, "me": caller.id, "ids": made}
    seen = set(execute(session, VISIBLE_GOALS, values).scalars()) if made else set()
    return [
        row
        if row["goal_id"] is None
        else {
            **row,
            "goal_id": row["goal_id"] if row["goal_id"] in seen else None,
            "allowed_actions": [action for action in row["allowed_actions"] if action != "make_goal"],
        }
        for row in rows
    ]
