"""Progress updates: appended by a goal's owner, never changed; a mistaken one is withdrawn and counts no longer."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.errors import Fault, NotFound, Unprocessable
from app.models import Goal, ProgressUpdate
from app.models.goal import GoalKind, GoalState, UpdateState
from app.schemas.base import Reason
from app.schemas.goal import ProgressUpdateCreate
from app.services import goal_health, goal_tree
from app.services import plan_owner as owners

TABLE = ProgressUpdate.__table__
UPDATES = queries.Listing(
    "progress_update",
    sorts={"id": TABLE.c.id, "as_of": TABLE.c.as_of},
    filters={"goal_id": TABLE.c.goal_id == bindparam("goal_id"), "state": TABLE.c.state == bindparam("state")},
)


def list_(
    session: Session, caller: Caller, paging: queries.Paging, goal_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of what was said of a goal's progress. Raise NotFound for a goal not the caller's to know of."""
    queries.read(session, caller, "goal", goal_id)
    return queries.paginate(session, caller, UPDATES, paging, {**filters, "goal_id": goal_id})


def read(session: Session, caller: Caller, goal_id: UUID, update_id: UUID) -> Mapping[str, Any]:
    """Return one update. Raise NotFound for one of another goal."""
    update = queries.read(session, caller, "progress_update", update_id)
    if update["goal_id"] != goal_id:
        raise NotFound
    return update


def record(session: Session, caller: Caller, goal_id: UUID, data: ProgressUpdateCreate) -> Mapping[str, Any]:
    """Say how an active goal is going. Raise Unprocessable for a moment ahead, and for half of what is done or not."""
    owners.hold_owner(session, caller, "goal", goal_id)
    goal_health.lapse_one(session, caller, goal_id)
    goal = queries.get_allowed(session, caller, Goal, goal_id, "report_progress")
    _check(goal, data)
    update = ProgressUpdate(
        organisation_id=caller.organisation_id,
        employee_id=goal.employee_id,
        goal_id=goal.id,
        recorded_by_id=caller.employee_id,
        as_of=data.as_of or clock.now(),
        **data.model_dump(exclude={"as_of"}),
    )
    session.add(update)
    _follow(session, caller, goal, update, "recorded")
    return read(session, caller, goal_id, update.id)


def withdraw(
    session: Session, caller: Caller, goal_id: UUID, update_id: UUID, data: Reason | None
) -> Mapping[str, Any]:
    """Let a mistaken update count no longer; it stays in the list, marked. Also after the goal has ended."""
    owners.hold_owner(session, caller, "goal", goal_id)
    goal_health.lapse_one(session, caller, goal_id)
    update = queries.get_allowed(session, caller, ProgressUpdate, update_id, "withdraw")
    if update.goal_id != goal_id:
        raise NotFound
    goal = session.get_one(Goal, (caller.organisation_id, goal_id), with_for_update=True)
    update.state, update.withdrawn_at = UpdateState.withdrawn, clock.now()
    _follow(session, caller, goal, update, "withdrawn", data.reason if data is not None else None)
    return read(session, caller, goal_id, update_id)


def _check(goal: Goal, data: ProgressUpdateCreate) -> None:
    faults = []
    if data.as_of is not None and data.as_of > clock.now():
        faults.append(Fault("/as_of", "in_the_future", "Must not lie ahead."))
    if goal.kind == GoalKind.binary and data.value not in (None, 0, 1):
        faults.append(Fault("/value", "not_binary", "Must be 0 or 1: it is done or not done."))
    if faults:
        raise Unprocessable(faults=faults)


def _follow(
    session: Session, caller: Caller, goal: Goal, update: ProgressUpdate, verb: str, reason: str | None = None
) -> None:
    """Write what an update brings: its own entry, a new version of its goal and of every goal above."""
    session.flush()
    details = {"reason": reason} if reason is not None else {}
    change = events.Change(
        f"progress_update.{verb}", update.id, update.version, goal.employee_id, details, update.state, goal.private
    )
    events.record_changes(session, caller, "progress_update", [change])
    if goal.state == GoalState.active:
        goal_health.follow(session, caller, goal)
    goal.updated_at = clock.now()
    events.record(session, caller, "goal.progressed", goal, details={"update": str(update.id)})
    goal_tree.touch_above(session, caller, goal)
