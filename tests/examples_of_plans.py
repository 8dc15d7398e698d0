"""Examples of plans, goals, templates and reviews for the conventions: see `examples_of_resources`."""

from collections.abc import Callable, Mapping, MutableMapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from app import clock
from app.models import DevelopmentPlan, Goal, GoalTemplate, ProgressUpdate, Review, ReviewAction
from tests.world import World

PLAN, REVIEW = "/v1/development-plans/{plan_id}", "/v1/development-plans/{plan_id}/reviews/{review_id}"
OF_REVIEW = {"plan_id": "development_plan", "review_id": "review"}
EXAMPLES: dict[str, dict[str, str]] = {
    PLAN: {"plan_id": "development_plan"},
    f"{PLAN}/accept": {"plan_id": "proposed_plan"},
    f"{PLAN}/decline": {"plan_id": "proposed_plan"},
    f"{PLAN}/start-review": {"plan_id": "active_plan"},
    f"{PLAN}/complete": {"plan_id": "reviewed_plan"},
    f"{PLAN}/archive": {"plan_id": "completed_plan"},
    REVIEW: OF_REVIEW,
    REVIEW + "/actions/{action_id}": {**OF_REVIEW, "action_id": "review_action"},
    "/v1/goals/{goal_id}": {"goal_id": "goal"},
    "/v1/goals/{goal_id}/achieve": {"goal_id": "active_goal"},
    "/v1/goals/{goal_id}/miss": {"goal_id": "active_goal"},
    "/v1/goals/{goal_id}/progress-updates": {"goal_id": "active_goal"},
    "/v1/goals/{goal_id}/progress-updates/{update_id}": {"goal_id": "active_goal", "update_id": "progress_update"},
    "/v1/goal-templates/{template_id}": {"template_id": "goal_template"},
}
OWN_PILLAR = {"pillars": ["own_pillar_1"]}
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "create_development_plan": lambda ids: {
        "employee_id": str(ids["amira"]),
        "starts_on": "2026-01-01",
        "ends_on": "2026-06-30",
    },
    "update_development_plan": lambda _: {"starts_on": "2090-01-01", "ends_on": "2090-06-30"},
    "create_goal": lambda ids: {
        "employee_id": str(ids["amira"]),
        "plan_id": str(ids["proposed_plan"]),
        "parent_id": None,
        **OWN_PILLAR,
    },
    "update_goal": lambda _: {"plan_id": None, "parent_id": None, **OWN_PILLAR},
    "create_goal_template": lambda _: OWN_PILLAR,
    "update_goal_template": lambda _: OWN_PILLAR,
    "create_review": lambda ids: {"reviewer_id": str(ids["theo"])},
    "update_review": lambda _: {"reviewer_part": None},
    "create_goal_from_review_action": lambda _: OWN_PILLAR,
}
SMART: dict[str, Any] = {
    "title": "Leave on time",
    "description": "Less overtime on the evening line.",
    "pillars": ["physical_health"],
    "kind": "duration",
    "baseline": 10.0,
    "target": 4.0,
    "unit": "hours a month",
    "why_it_matters": "To sleep well.",
    "how_to_reach_it": "Hand over open cases at half past eight.",
    "confidence": 4,
}


def make_plans(world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make a plan in each of some states, goals and reviews of them, all Amira's."""
    amira, now = world.people["amira"], clock.now()
    year = 2100 + 10 * number
    for ahead, state in enumerate(("proposed", "active", "in_review", "completed", "draft")):
        plan_id = make(
            DevelopmentPlan,
            employee_id=amira,
            proposed_by_id=world.people["theo"] if state == "proposed" else None,
            title=f"Plan {number}",
            starts_on=date(year + ahead, 1, 1),
            ends_on=date(year + ahead, 6, 30),
            state=state,
        )
        made[{"in_review": "reviewed_plan"}.get(state, f"{state}_plan")] = plan_id
    make(GoalTemplate, **{name: value for name, value in SMART.items() if name != "confidence"})
    mine = {**SMART, "employee_id": amira}
    make(Goal, **mine, plan_id=made["draft_plan"], due_on=date(year + 4, 6, 30))
    active = {"state": "active", "health": "not_updated", "activated_at": now, "update_due_at": now + timedelta(days=7)}
    made["active_goal"] = make(Goal, **mine, due_on=date(year, 1, 1), **active)
    goal_id = make(Goal, **mine, due_on=date(year, 1, 1))
    said = {"employee_id": amira, "recorded_by_id": amira, "health": "on_track", "as_of": now}
    for value in (9.0, 8.0):
        make(ProgressUpdate, goal_id=made["active_goal"], value=value, **said)
    for _ in range(2):
        review_id = make(
            Review,
            employee_id=amira,
            plan_id=made["draft_plan"],
            reviewer_id=world.people["theo"],
            kind="one_to_one",
            held_on=date(year, 3, 1),
            shown_when="each_shared",
            self_part="The handover works.",
        )
        make(ReviewAction, employee_id=amira, review_id=review_id, words="Agree the handover with the night line")
    made["goal"] = goal_id
