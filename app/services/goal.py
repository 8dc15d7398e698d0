"""Goals: drafted and owned by the employee, let through by the SMART gate, and moved by their owner alone."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Text, and_, bindparam, func, select
from sqlalchemy.orm import Session

from app import access, clock, events, queries
from app.auth import Caller
from app.errors import Conflict, Fault, Forbidden, Unprocessable
from app.models import DevelopmentPlan, Goal, Pillar, ProgressUpdate
from app.models.base import new_id
from app.models.development_plan import PlanState
from app.models.goal import GoalKind, GoalState, Health, UpdateState
from app.policy import POLICY
from app.relations import ORGANISATION
from app.schemas.base import Reason
from app.schemas.goal import GoalCheck, GoalCreate, GoalUpdate
from app.services import goal_health, goal_progress, goal_tree, smart_gate
from app.services import pillar as library
from app.services import plan_owner as owners
from app.services.practice import require_pillars
from app.services.smart_gate import Missing, Period

TABLE, PLAN = Goal.__table__, DevelopmentPlan.__table__
MOST_IN_A_PLAN = 100
OPEN_PLAN = (PlanState.draft, PlanState.active, PlanState.in_review)
STARTED_PLAN = (PlanState.active, PlanState.in_review)
CONTENT = (
    *("title", "description", "pillars", "kind", "baseline", "target", "unit"),
    *("why_it_matters", "how_to_reach_it", "confidence", "due_on"),
)


TIMES = frozenset({"due_on", "plan_id"})
# A change of these moves the progress of the goals above.
MEASURES = frozenset({"parent_id", "weight", "kind", "baseline", "target"})
PILLAR = bindparam("pillar", type_=Text())
IS_OVERDUE = func.coalesce(and_(TABLE.c.state == GoalState.active, TABLE.c.due_on < owners.TODAY), False)
GOALS = queries.Listing(
    "goal",
    sorts={"id": TABLE.c.id, "title": TABLE.c.title, "created_at": TABLE.c.created_at},
    filters={
        **owners.filters_by_owner(TABLE.c.employee_id),
        "plan_id": TABLE.c.plan_id == bindparam("plan_id"),
        "parent_id": TABLE.c.parent_id == bindparam("parent_id"),
        "template_id": TABLE.c.template_id == bindparam("template_id"),
        "pillar": library.names(PILLAR, TABLE.c.pillars),
        "state": TABLE.c.state == bindparam("state"),
        "health": bindparam("health") == goal_health.HEALTH,
        "priority": TABLE.c.priority == bindparam("priority"),
        "due_before": TABLE.c.due_on < bindparam("due_before"),
        "overdue": bindparam("overdue") == IS_OVERDUE,
    },
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the goals that the caller may know of, each as it is at this moment."""
    page = queries.paginate(session, caller, GOALS, paging, filters)
    return {**page, "data": _shown(session, caller, page["data"])}


def read(session: Session, caller: Caller, goal_id: UUID) -> Mapping[str, Any]:
    """Return one goal as it is at this moment."""
    return _shown(session, caller, [queries.read(session, caller, "goal", goal_id)])[0]


def _shown(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return goal_progress.add(session, caller, [goal_health.as_of_now(row) for row in rows])


def create(session: Session, caller: Caller, data: GoalCreate) -> Mapping[str, Any]:
    """Draft a goal. For somebody else it can only go into a plan that is still proposed to them.

    Raise Unprocessable for a plan, a parent or a pillar that is not there, Conflict for a plan that is closed, and for
    a parent that the goal cannot be a part of.
    """
    employee = owners.owner_of_new(session, caller, "goal", data.employee_id)
    owners.hold(session, caller, employee.id)
    given = data.model_dump(exclude={"employee_id"})
    goal = make(session, caller, employee.id, given)
    return read(session, caller, goal.id)


def make(session: Session, caller: Caller, employee_id: UUID, values: Mapping[str, Any]) -> Goal:
    """Add a draft of a person who is held. The caller has been found to be allowed to."""
    require_pillars(session, caller, values["pillars"])
    goal = Goal(organisation_id=caller.organisation_id, id=new_id(), employee_id=employee_id, state=GoalState.draft)
    for name, value in values.items():
        setattr(goal, name, value)
    _normalise(goal)
    _place_in_plan(session, caller, goal)
    goal.private = bool(values.get("private"))
    if goal.parent_id is not None:
        parent = goal_tree.require_place(session, caller, goal, goal.parent_id)
        goal.private = parent.private if values.get("private") is None else goal.private
        goal_tree.require_same_privacy(goal, parent)
    _require_mine_to_hide(caller, goal)
    session.add(goal)
    events.record(session, caller, "goal.created", goal, details={"state": goal.state})
    goal_tree.touch_above(session, caller, goal)
    return goal


def update(session: Session, caller: Caller, goal_id: UUID, data: GoalUpdate) -> Mapping[str, Any]:
    """Change a draft or an active goal. Raise Unprocessable where an active one would no longer be SMART."""
    goal = _to_change(session, caller, goal_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(goal, name) != value}
    if not changed:
        return read(session, caller, goal_id)
    parent_before = goal.parent_id
    _apply(session, caller, goal, changed)
    if goal.state == GoalState.active:
        # The day that a goal is due on passes by itself: what is overdue can still be changed.
        require_smart(session, caller, [goal], but=frozenset() if changed.keys() & TIMES else frozenset({"time_bound"}))
        goal_health.follow(session, caller, goal)
    events.record(session, caller, "goal.updated", goal, details={"fields": sorted(changed)})
    if changed.keys() & MEASURES:
        goal_tree.touch_above(session, caller, goal, parent_before if "parent_id" in changed else None)
    return read(session, caller, goal_id)


def _apply(session: Session, caller: Caller, goal: Goal, changed: Mapping[str, Any]) -> None:
    if "pillars" in changed:
        require_pillars(session, caller, changed["pillars"])
    for name, value in changed.items():
        if name != "private":
            setattr(goal, name, value)
    _normalise(goal)
    if "plan_id" in changed:
        _place_in_plan(session, caller, goal)
    if goal.parent_id is not None and "parent_id" in changed:
        with session.no_autoflush:
            parent = goal_tree.require_place(session, caller, goal, goal.parent_id)
        goal_tree.require_same_privacy(goal, parent)
    if "private" in changed:
        _require_owner(caller, goal)
        goal_tree.set_private(session, caller, goal, changed["private"])


def move(session: Session, caller: Caller, goal_id: UUID, action: str, data: Reason | None = None) -> Mapping[str, Any]:
    """Activate, achieve, miss or abandon a goal. Raise Unprocessable for a draft that is not SMART."""
    goal = _to_change(session, caller, goal_id, action)
    before = goal.state
    if action == "activate":
        _require_started_plan(session, caller, goal)
        activate(session, caller, [goal])
        return read(session, caller, goal_id)
    if action == "achieve" and goal.kind == GoalKind.binary:
        _say_done(session, caller, goal)
    goal.state = GoalState(POLICY["goal", action].moves[before])  # type: ignore[index]  # a verb has moves
    goal.health, goal.update_due_at, goal.closed_at = None, None, clock.now()
    reason = {"reason": data.reason} if data is not None and data.reason is not None else {}
    details = {"from": before, "state": goal.state, **reason}
    events.record(session, caller, f"goal.{goal.state}", goal, details=details)
    if action == "abandon" or goal.kind == GoalKind.binary:
        goal_tree.touch_above(session, caller, goal)
    return read(session, caller, goal_id)


def activate(session: Session, caller: Caller, goals: Sequence[Goal]) -> None:
    """Let drafts through the gate, all of them or none. Raise Unprocessable with an entry for each missing letter."""
    require_smart(session, caller, goals)
    for goal in goals:
        goal.state, goal.health, goal.activated_at = GoalState.active, Health.not_updated, clock.now()
        goal.update_due_at = goal_health.due_after(goal.activated_at, goal.update_every_days)
        events.record(session, caller, "goal.activated", goal, details={"from": "draft", "state": goal.state})


def require_smart(session: Session, caller: Caller, goals: Sequence[Goal], but: frozenset[str] = frozenset()) -> None:
    """Raise Unprocessable with an entry for each letter that a goal lacks, pointing at the goal. ``but`` may lack."""
    periods = _periods(session, caller, {goal.plan_id for goal in goals if goal.plan_id is not None})
    faults = [
        Fault(f"/goals/{goal.id}", letter.code, letter.detail)
        for goal in goals
        for letter in _missing({name: getattr(goal, name) for name in CONTENT}, periods.get(goal.plan_id))
        if letter.code not in but
    ]
    if faults:
        raise Unprocessable("not_smart", "A goal is activated when it is SMART. What is missing:", faults=faults)


def check(session: Session, caller: Caller, data: GoalCheck) -> Mapping[str, Any]:
    """Return what the gate would say of a goal, saving nothing."""
    plan = queries.read(session, caller, "development_plan", data.plan_id) if data.plan_id is not None else None
    period = Period(plan["starts_on"], plan["ends_on"]) if plan is not None else None
    known = select(Pillar.key).where(Pillar.organisation_id == caller.organisation_id, Pillar.key.in_(data.pillars))
    letters = _missing({**data.model_dump(), "pillars": session.execute(known).scalars().all()}, period)
    return {"smart": not letters, "missing": letters}


def _missing(content: Mapping[str, Any], period: Period | None) -> list[Missing]:
    return smart_gate.missing(content, period, owners.today())


def _to_change(session: Session, caller: Caller, goal_id: UUID, action: str) -> Goal:
    """Return a goal to change, its owner held, and its health as of now."""
    owners.hold_owner(session, caller, "goal", goal_id)
    goal_health.lapse_one(session, caller, goal_id)
    return queries.get_allowed(session, caller, Goal, goal_id, action)


def _normalise(goal: Goal) -> None:
    if goal.kind == GoalKind.binary:
        goal.baseline, goal.target, goal.unit = 0.0, 1.0, None


def _say_done(session: Session, caller: Caller, goal: Goal) -> None:
    """Record that what is done or not done is done: the number and the state say the same."""
    now = clock.now()
    said = ProgressUpdate(
        organisation_id=caller.organisation_id,
        employee_id=goal.employee_id,
        goal_id=goal.id,
        recorded_by_id=caller.employee_id,
        as_of=now,
        value=1.0,
        health=Health.on_track,
        state=UpdateState.recorded,
    )
    session.add(said)
    session.flush()
    change = events.Change("progress_update.recorded", said.id, said.version, goal.employee_id, private=goal.private)
    events.record_changes(session, caller, "progress_update", [change])


def _place_in_plan(session: Session, caller: Caller, goal: Goal) -> None:
    """Raise Unprocessable for a plan that is not the same person's, Conflict for one that takes no goal now."""
    if goal.plan_id is None:
        if goal.employee_id != caller.employee_id:
            raise Conflict("plan_not_proposed", "A goal for somebody else goes into a plan that is proposed to them.")
        return
    with session.no_autoflush:
        plan = session.execute(
            select(PLAN.c.state, PLAN.c.employee_id).where(
                PLAN.c.organisation_id == caller.organisation_id, PLAN.c.id == goal.plan_id
            )
        ).one_or_none()
    if plan is None or plan.employee_id != goal.employee_id:
        raise Unprocessable(faults=[Fault("/plan_id", "unknown_reference", "There is no such plan of the person.")])
    if goal.employee_id != caller.employee_id and plan.state != PlanState.proposed:
        raise Conflict("plan_not_proposed", "A goal for somebody else goes into a plan that is proposed to them.")
    if plan.state not in (PlanState.proposed, *OPEN_PLAN):
        raise Conflict("plan_closed", f"The plan is {plan.state}: it takes no goal any more.")
    _require_room(session, caller, goal)


def _require_room(session: Session, caller: Caller, goal: Goal) -> None:
    """Raise Conflict for a plan with as many goals as it can hold, of those that the caller may know of."""
    count = select(func.count()).where(
        Goal.organisation_id == ORGANISATION,
        Goal.plan_id == bindparam("plan"),
        Goal.state != GoalState.abandoned,
        access.predicate(caller, "goal", "read"),
    )
    with session.no_autoflush:
        found = session.execute(count, {**queries.parameters(caller), "plan": goal.plan_id}).scalar_one()
    if found >= MOST_IN_A_PLAN:
        raise Conflict("too_many_goals", f"A plan holds at most {MOST_IN_A_PLAN} goals; a few are easier to reach.")


def _require_started_plan(session: Session, caller: Caller, goal: Goal) -> None:
    if goal.plan_id is None:
        return
    plan = session.get_one(DevelopmentPlan, (caller.organisation_id, goal.plan_id))
    if plan.state not in STARTED_PLAN:
        raise Conflict("plan_not_active", f"The plan is {plan.state}: activate it, and its drafts with it.")


def _require_owner(caller: Caller, goal: Goal) -> None:
    if goal.employee_id != caller.employee_id:
        raise Forbidden("not_allowed", "Whether a goal is private is its owner's to say.")


def _require_mine_to_hide(caller: Caller, goal: Goal) -> None:
    if goal.private:
        _require_owner(caller, goal)


def _periods(session: Session, caller: Caller, plans: set[UUID]) -> dict[UUID | None, Period]:
    if not plans:
        return {}
    query = select(PLAN.c.id, PLAN.c.starts_on, PLAN.c.ends_on).where(
        PLAN.c.organisation_id == caller.organisation_id, PLAN.c.id.in_(plans)
    )
    return {row.id: Period(row.starts_on, row.ends_on) for row in session.execute(query)}
