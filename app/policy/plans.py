"""Who may do what: development plans, goals and reviews."""

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.sql.expression import exists

from app.models import DevelopmentPlan, Goal, GoalTemplate, ProgressUpdate, Review, ReviewAction
from app.policy.rule import Models, Policy, not_private, rule
from app.relations import ANYONE, LINE_MANAGER, NEAR, ORGANISATION, PROGRAMME_LEAD, SELF, SELF_WITHOUT_A_LEAD, TEAM_LEAD


def _still_proposed() -> ColumnElement[bool]:
    return DevelopmentPlan.__table__.c.state == "proposed"


def _in_a_proposed_plan() -> ColumnElement[bool]:
    plan, goal = DevelopmentPlan.__table__.alias("plan_of_goal"), Goal.__table__
    return and_(
        ~goal.c.private,
        exists(
            select(1).where(
                plan.c.organisation_id == ORGANISATION, plan.c.id == goal.c.plan_id, plan.c.state == "proposed"
            )
        ),
    )


def _of_a_goal_not_private() -> ColumnElement[bool]:
    goal = Goal.__table__.alias("goal_of_update")
    return exists(
        select(1).where(
            goal.c.organisation_id == ORGANISATION, goal.c.id == ProgressUpdate.__table__.c.goal_id, ~goal.c.private
        )
    )


OPEN_PLAN = {state: state for state in ("draft", "active", "in_review")}
OPEN_GOAL = {state: state for state in ("draft", "active")}

POLICY: Policy = {
    # Of plans the programme lead has counts alone. Sharing with others is one more relation in a row.
    ("development_plan", "read"): rule("plans:read", *NEAR),
    ("development_plan", "count"): rule(None, PROGRAMME_LEAD),
    ("development_plan", "create"): rule("plans:write", *NEAR),
    ("development_plan", "update"): rule(
        None, *NEAR, moves={"proposed": "proposed", **OPEN_PLAN}, others_see=_still_proposed
    ),
    ("development_plan", "accept"): rule(None, SELF, moves={"proposed": "draft"}),
    ("development_plan", "decline"): rule(None, SELF, moves={"proposed": "declined"}),
    ("development_plan", "activate"): rule(None, SELF, moves={"draft": "active"}),
    ("development_plan", "start_review"): rule(None, *NEAR, moves={"active": "in_review"}),
    ("development_plan", "review"): rule(None, *NEAR, moves=OPEN_PLAN),
    ("development_plan", "complete"): rule(
        None, LINE_MANAGER, TEAM_LEAD, SELF_WITHOUT_A_LEAD, moves={"in_review": "completed"}
    ),
    ("development_plan", "abandon"): rule(None, SELF, moves={"draft": "abandoned", "active": "abandoned"}),
    ("development_plan", "archive"): rule(
        None, SELF, moves=dict.fromkeys(("completed", "abandoned", "declined"), "archived")
    ),
    ("goal", "read"): rule(
        "plans:read", *NEAR, client_sees=not_private(Goal.private), others_see=not_private(Goal.private)
    ),
    ("goal", "validate"): rule("plans:read", ANYONE),
    ("goal", "create"): rule("plans:write", *NEAR),
    ("goal", "take_up"): rule(None, SELF),
    ("goal", "hand_out"): rule("plans:write", *NEAR, PROGRAMME_LEAD),
    ("goal", "update"): rule(None, *NEAR, moves=OPEN_GOAL, others_see=_in_a_proposed_plan),
    ("goal", "activate"): rule(None, SELF, moves={"draft": "active"}),
    ("goal", "report_progress"): rule(None, SELF, moves={"active": "active"}),
    ("goal", "achieve"): rule(None, SELF, moves={"active": "achieved"}),
    ("goal", "miss"): rule(None, SELF, moves={"active": "missed"}),
    ("goal", "abandon"): rule(None, SELF, moves=dict.fromkeys(OPEN_GOAL, "abandoned")),
    ("progress_update", "read"): rule(
        "plans:read", *NEAR, client_sees=_of_a_goal_not_private, others_see=_of_a_goal_not_private
    ),
    ("progress_update", "create"): rule(None, SELF),
    ("progress_update", "withdraw"): rule(None, SELF, moves={"recorded": "withdrawn"}),
    ("goal_template", "read"): rule("plans:read", ANYONE),
    ("goal_template", "create"): rule("plans:write", PROGRAMME_LEAD),
    ("goal_template", "update"): rule("plans:write", PROGRAMME_LEAD, moves={"active": "active"}),
    ("goal_template", "archive"): rule("plans:write", PROGRAMME_LEAD, moves={"active": "archived"}),
    # To whom is asked of every person for themself: goal hand_out.
    ("goal_template", "assign"): rule("plans:write", ANYONE, moves={"active": "active"}),
    ("review", "read"): rule("plans:read", *NEAR, recorded=True),
    ("review", "create"): rule(None, *NEAR),
    ("review", "update"): rule(None, *NEAR, moves={"open": "open"}),
    ("review", "share"): rule(None, *NEAR, moves={"open": "open"}),
    ("review", "add_action"): rule(None, *NEAR, moves={"open": "open"}),
    ("review", "complete"): rule(None, LINE_MANAGER, TEAM_LEAD, SELF_WITHOUT_A_LEAD, moves={"open": "completed"}),
    ("review_action", "read"): rule("plans:read", *NEAR, recorded=True),
    ("review_action", "create"): rule(None, *NEAR),
    ("review_action", "make_goal"): rule(None, SELF),
}

MODELS: Models = {
    "development_plan": (DevelopmentPlan, DevelopmentPlan.__table__.c.employee_id),
    "goal": (Goal, Goal.__table__.c.employee_id),
    "progress_update": (ProgressUpdate, ProgressUpdate.__table__.c.employee_id),
    "goal_template": (GoalTemplate, None),
    "review": (Review, Review.__table__.c.employee_id),
    "review_action": (ReviewAction, ReviewAction.__table__.c.employee_id),
}
