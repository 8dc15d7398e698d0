"""The health of goals: said by the owner with each update, and `not_updated` by itself when the rhythm has passed."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, case, func, select, update
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.database import execute
from app.models import Goal, ProgressUpdate
from app.models.goal import GoalState, Health, UpdateState
from app.relations import ORGANISATION

TABLE, UPDATE = Goal.__table__, ProgressUpdate.__table__
AT_ONCE = 500
NOW = bindparam("now", type_=TABLE.c.update_due_at.type)

HAS_LAPSED = and_(TABLE.c.state == GoalState.active, TABLE.c.health != Health.not_updated, TABLE.c.update_due_at <= NOW)
HEALTH: ColumnElement[Any] = case((HAS_LAPSED, Health.not_updated), else_=TABLE.c.health)
LAPSE = (
    update(Goal)
    .where(TABLE.c.organisation_id == bindparam("tenant"), HAS_LAPSED)
    .values(
        health=Health.not_updated,
        version=TABLE.c.version + 1,
        updated_at=func.greatest(TABLE.c.updated_at, TABLE.c.update_due_at),
    )
    .returning(TABLE.c.id, TABLE.c.version, TABLE.c.employee_id, TABLE.c.private, TABLE.c.state)
)
SWEEP = LAPSE.where(
    TABLE.c.id.in_(
        select(TABLE.c.id)
        .where(TABLE.c.organisation_id == bindparam("tenant"), HAS_LAPSED)
        .order_by(TABLE.c.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
)
LATEST = (
    select(UPDATE.c.as_of, UPDATE.c.health)
    .where(UPDATE.c.organisation_id == ORGANISATION, UPDATE.c.goal_id == bindparam("goal"))
    .where(UPDATE.c.state == UpdateState.recorded)
    .order_by(UPDATE.c.as_of.desc(), UPDATE.c.id.desc())
    .limit(1)
)


def as_of_now(row: dict[str, Any]) -> dict[str, Any]:
    """Return a goal as it is at this moment: one whose rhythm has passed is not updated, swept or not.

    It then reads exactly as the sweep will write it, version included.
    """
    due = row["update_due_at"]
    if row["health"] in (None, Health.not_updated) or due is None or due > clock.now():
        return row
    updated_at = max(row["updated_at"], due)
    return {**row, "health": Health.not_updated, "version": row["version"] + 1, "updated_at": updated_at}


def lapse(session: Session, caller: Caller, now: datetime) -> int:
    """Mark the goals whose rhythm has passed, up to 500 at once; return how many there were."""
    return _lapse(session, caller, SWEEP, {"now": now})


def lapse_one(session: Session, caller: Caller, goal_id: UUID) -> None:
    """Mark one goal, if its rhythm has passed: before it is changed, so that its version is the one that was read."""
    _lapse(session, caller, LAPSE.where(TABLE.c.id == bindparam("goal")), {"now": clock.now(), "goal": goal_id})


def _lapse(session: Session, caller: Caller, statement: Any, values: dict[str, Any]) -> int:
    gone = execute(session, statement, {"tenant": caller.organisation_id, **values}).all()
    changes = [
        events.Change("goal.lapsed", row.id, row.version, row.employee_id, state=row.state, private=row.private)
        for row in gone
    ]
    events.record_changes(session, Caller(caller.organisation_id, "system", None), "goal", changes)
    return len(gone)


def follow(session: Session, caller: Caller, goal: Goal) -> None:
    """Let an active goal's health and rhythm follow from its latest update that counts, else from its activation."""
    values = {"organisation_id": caller.organisation_id, "goal": goal.id}
    latest = execute(session, LATEST, values).one_or_none()
    since = latest.as_of if latest is not None else goal.activated_at
    goal.update_due_at = due_after(since, goal.update_every_days)
    goal.health = Health(latest.health) if latest is not None else Health.not_updated
    if goal.update_due_at is not None and goal.update_due_at <= clock.now():
        goal.health = Health.not_updated


def due_after(since: datetime | None, days: int | None) -> datetime | None:
    """Return when the agreed rhythm has passed."""
    return None if since is None or days is None else since + timedelta(days=days)
