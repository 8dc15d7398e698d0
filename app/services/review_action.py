"""The actions that come out of a review: agreed together, and made into goals by the plan's owner."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.call import Answer
from app.errors import Conflict, NotFound
from app.models import DevelopmentPlan, Review, ReviewAction
from app.models.development_plan import PlanState
from app.schemas.goal import GoalCreate
from app.schemas.review import ActionCreate, ActionGoal
from app.services import goal as goals
from app.services import plan_owner as owners
from app.services import review as reviews


def create(session: Session, caller: Caller, plan_id: UUID, review_id: UUID, data: ActionCreate) -> Mapping[str, Any]:
    """Add what was agreed to a review that is still open."""
    review = reviews.to_change(session, caller, plan_id, review_id, "add_action")
    queries.get_subject(session, caller, "review_action", "create", review.employee_id)
    action = ReviewAction(
        organisation_id=caller.organisation_id,
        employee_id=review.employee_id,
        review_id=review.id,
        **data.model_dump(),
    )
    session.add(action)
    events.record(session, caller, "review_action.created", action)
    _touch(session, caller, review)
    return read(session, caller, plan_id, review_id, action.id)


def read(session: Session, caller: Caller, plan_id: UUID, review_id: UUID, action_id: UUID) -> Mapping[str, Any]:
    """Return one action. Raise NotFound for one of another review."""
    row = queries.read(session, caller, "review_action", action_id)
    review = reviews.read(session, caller, plan_id, review_id)
    seen = next((each for each in review["actions"] if each.id == action_id), None)
    if seen is None:
        raise NotFound
    actions = [] if row["goal_id"] is not None else row["allowed_actions"]
    return {**row, "goal_id": seen.goal_id, "allowed_actions": actions}


def make_goal(
    session: Session, caller: Caller, plan_id: UUID, review_id: UUID, action_id: UUID, data: ActionGoal
) -> Answer:
    """Draft a goal from an action, once, in the plan while that is open. Raise Conflict a second time."""
    owners.hold_owner(session, caller, "review_action", action_id)
    action = queries.get_allowed(session, caller, ReviewAction, action_id, "make_goal")
    review = session.get_one(Review, (caller.organisation_id, action.review_id), with_for_update=True)
    if (review.id, review.plan_id) != (review_id, plan_id):
        raise NotFound
    if action.goal_id is not None:
        raise Conflict("already_a_goal", "A goal was made of this action before.")
    plan = session.get_one(DevelopmentPlan, (caller.organisation_id, plan_id))
    is_open = plan.state in (PlanState.draft, PlanState.active, PlanState.in_review)
    wanted = GoalCreate(
        title=action.words, due_on=action.due_on, plan_id=plan_id if is_open else None, pillars=data.pillars
    )
    goal = goals.make(session, caller, action.employee_id, wanted.model_dump(exclude={"employee_id"}))
    action.goal_id = goal.id
    events.record(session, caller, "review_action.made_goal", action)
    _touch(session, caller, review)
    return Answer(goals.read(session, caller, goal.id), 201, {"Location": f"/v1/goals/{goal.id}"})


def _touch(session: Session, caller: Caller, review: Review) -> None:
    """Give the review a new version: its actions are a part of it."""
    review.updated_at = clock.now()
    events.record(session, caller, "review.updated", review, details={"fields": ["actions"]})
