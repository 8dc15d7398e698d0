"""Development plans: proposed by a lead or drafted by their owner, activated by the owner, reviewed by the lead."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Conflict, Fault, Unprocessable
from app.models import DevelopmentPlan, Goal
from app.models.development_plan import PlanState
from app.models.goal import GoalState
from app.policy import POLICY
from app.relations import ME, ORGANISATION
from app.schemas.base import Reason
from app.schemas.development_plan import PlanCreate, PlanUpdate
from app.services import goal as goals
from app.services import goal_health
from app.services import pillar as library
from app.services import plan_owner as owners

TABLE, GOAL = DevelopmentPlan.__table__, Goal.__table__
MOST_DAYS = 1827
RUNNING = (PlanState.active, PlanState.in_review)
EVENTS = {
    "accept": "accepted",
    "decline": "declined",
    "activate": "activated",
    "start_review": "review_started",
    "complete": "completed",
    "abandon": "abandoned",
    "archive": "archived",
}


def _has_goal(condition: Any) -> Any:
    """Return the clause that a plan has a goal like this which is not private, or which is the caller's own."""
    return exists(
        select(1).where(
            GOAL.c.organisation_id == ORGANISATION,
            GOAL.c.plan_id == TABLE.c.id,
            or_(~GOAL.c.private, GOAL.c.employee_id == ME),
            condition,
        )
    )


IS_OVERDUE = and_(TABLE.c.state.in_(RUNNING), TABLE.c.ends_on < owners.TODAY)
PLANS = queries.Listing(
    "development_plan",
    sorts={
        "id": TABLE.c.id,
        "starts_on": TABLE.c.starts_on,
        "ends_on": TABLE.c.ends_on,
        "created_at": TABLE.c.created_at,
    },
    filters={
        **owners.filters_by_owner(TABLE.c.employee_id),
        "state": TABLE.c.state == bindparam("state"),
        "pillar": _has_goal(library.names(goals.PILLAR, GOAL.c.pillars)),
        "health": _has_goal(bindparam("health") == goal_health.HEALTH),
        "due_before": TABLE.c.ends_on < bindparam("due_before"),
        "overdue": bindparam("overdue") == IS_OVERDUE,
    },
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the plans that the caller may know of."""
    return queries.paginate(session, caller, PLANS, paging, filters)


def read(session: Session, caller: Caller, plan_id: UUID) -> Mapping[str, Any]:
    """Return one plan."""
    return queries.read(session, caller, "development_plan", plan_id)


def create(session: Session, caller: Caller, data: PlanCreate) -> Mapping[str, Any]:
    """Draft one's own plan, or propose one to somebody whom one leads. Raise Conflict for a leaver."""
    _require_period(data.starts_on, data.ends_on)
    employee = owners.owner_of_new(session, caller, "development_plan", data.employee_id)
    mine = employee.id == caller.employee_id
    plan = DevelopmentPlan(
        organisation_id=caller.organisation_id,
        employee_id=employee.id,
        proposed_by_id=None if mine else caller.employee_id,
        state=PlanState.draft if mine else PlanState.proposed,
        **data.model_dump(exclude={"employee_id"}),
    )
    session.add(plan)
    events.record(
        session, caller, f"development_plan.{'created' if mine else 'proposed'}", plan, details={"state": plan.state}
    )
    return read(session, caller, plan.id)


def update(session: Session, caller: Caller, plan_id: UUID, data: PlanUpdate) -> Mapping[str, Any]:
    """Change a plan. Raise Conflict for a period that overlaps another, or leaves out what an active goal is due on."""
    owners.hold_owner(session, caller, "development_plan", plan_id)
    plan = queries.get_allowed(session, caller, DevelopmentPlan, plan_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(plan, name) != value}
    if not changed:
        return read(session, caller, plan_id)
    _require_period(changed.get("starts_on", plan.starts_on), changed.get("ends_on", plan.ends_on))
    for name, value in changed.items():
        setattr(plan, name, value)
    if changed.keys() & {"starts_on", "ends_on"} and plan.state in RUNNING:
        _require_no_overlap(session, caller, plan)
        _require_goals_within(session, caller, plan)
    events.record(session, caller, "development_plan.updated", plan, details={"fields": sorted(changed)})
    return read(session, caller, plan_id)


def move(session: Session, caller: Caller, plan_id: UUID, action: str, data: Reason | None = None) -> Mapping[str, Any]:
    """Move a plan to its next state.

    Activating raises Unprocessable with an entry for each letter that one of its drafts lacks, and Conflict where it
    overlaps another plan of the person that is under way.
    """
    owners.hold_owner(session, caller, "development_plan", plan_id)
    plan = queries.get_allowed(session, caller, DevelopmentPlan, plan_id, action)
    before = plan.state
    if action == "activate":
        _require_no_overlap(session, caller, plan)
        goals.activate(session, caller, _drafts(session, caller, plan))
    plan.state = PlanState(POLICY["development_plan", action].moves[before])  # type: ignore[index]  # has moves
    reason = {"reason": data.reason} if data is not None and data.reason is not None else {}
    details = {"from": before, "state": plan.state, **reason}
    events.record(session, caller, f"development_plan.{EVENTS[action]}", plan, details=details)
    return read(session, caller, plan_id)


def _drafts(session: Session, caller: Caller, plan: DevelopmentPlan) -> list[Goal]:
    query = (
        select(Goal)
        .where(Goal.organisation_id == caller.organisation_id, Goal.plan_id == plan.id)
        .where(Goal.employee_id == plan.employee_id, Goal.state == GoalState.draft)
        .order_by(Goal.id)
        .with_for_update()
    )
    return list(session.scalars(query))


def _require_period(starts_on: date, ends_on: date) -> None:
    if ends_on <= starts_on:
        raise Unprocessable(faults=[Fault("/ends_on", "before_start", "Must lie after the first day.")])
    if (ends_on - starts_on).days > MOST_DAYS:
        raise Unprocessable(faults=[Fault("/ends_on", "too_long", "Must lie at most five years after the first day.")])


def _require_no_overlap(session: Session, caller: Caller, plan: DevelopmentPlan) -> None:
    """Raise Conflict, naming the other plan. The person is held, so that no other is activated meanwhile."""
    query = (
        select(DevelopmentPlan)
        .where(
            DevelopmentPlan.organisation_id == caller.organisation_id,
            DevelopmentPlan.employee_id == plan.employee_id,
            DevelopmentPlan.id != plan.id,
            DevelopmentPlan.state.in_(RUNNING),
            DevelopmentPlan.starts_on <= plan.ends_on,
            DevelopmentPlan.ends_on >= plan.starts_on,
        )
        .order_by(DevelopmentPlan.starts_on)
        .limit(1)
    )
    with session.no_autoflush:
        other = session.scalars(query).first()
    if other is not None:
        days = f"{other.starts_on} to {other.ends_on}"
        raise Conflict("overlapping_plan", f"The person's plan {other.id} is under way from {days}.")


def _require_goals_within(session: Session, caller: Caller, plan: DevelopmentPlan) -> None:
    outside = select(func.count()).where(
        Goal.organisation_id == caller.organisation_id,
        Goal.plan_id == plan.id,
        Goal.state == GoalState.active,
        or_(Goal.due_on < plan.starts_on, Goal.due_on > plan.ends_on),
    )
    with session.no_autoflush:
        count = session.execute(outside).scalar_one()
    if count:
        raise Conflict("goals_outside_period", f"{count} active goals are due outside the new period: move them first.")
