"""The summary of a plan: how its goals have come along, per pillar and week, of those that the caller may see."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Date, Uuid, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app import access, queries
from app.auth import Caller
from app.database import execute
from app.models import Goal, Pillar, ProgressUpdate
from app.models.goal import GoalState, UpdateState
from app.relations import ORGANISATION
from app.services import goal_health
from app.services import plan_owner as owners

GOAL, UPDATE, PILLAR = Goal.__table__, ProgressUpdate.__table__, Pillar.__table__
WEEK = 7
COUNTED = (GoalState.active, GoalState.achieved, GoalState.missed)
PILLARS = (
    select(PILLAR.c.key, PILLAR.c.name, PILLAR.c.hidden)
    .where(PILLAR.c.organisation_id == ORGANISATION)
    .order_by(PILLAR.c.position, PILLAR.c.id)
)
DAYS_IN = cast(func.timezone("UTC", UPDATE.c.as_of), Date) - bindparam("starts_on", type_=Date())
# The week of the first point that shows an update: what is said on the first day shows in the first point.
SAID = (
    select(
        *(UPDATE.c.id, UPDATE.c.goal_id, UPDATE.c.as_of, UPDATE.c.value),
        func.greatest((DAYS_IN + WEEK - 1) // WEEK, 0).label("week"),
    )
    .where(UPDATE.c.organisation_id == ORGANISATION, UPDATE.c.state == UpdateState.recorded)
    .where(UPDATE.c.goal_id == any_(bindparam("ids", type_=ARRAY(Uuid()))), UPDATE.c.value.is_not(None))
    .subquery("said")
)
VALUES = (
    select(SAID.c.goal_id, SAID.c.week, SAID.c.value)
    .ext(distinct_on(SAID.c.goal_id, SAID.c.week))
    .order_by(SAID.c.goal_id, SAID.c.week, SAID.c.as_of.desc(), SAID.c.id.desc())
)


def read(session: Session, caller: Caller, plan_id: UUID) -> Mapping[str, Any]:
    """Return the present and the past of a plan's goals, ready to draw as a radar and a line."""
    plan = queries.read(session, caller, "development_plan", plan_id)
    rows = _goals(session, caller, plan_id)
    goals = [goal_health.as_of_now(row) for row in rows.values() if row["plan_id"] == plan_id]
    points = _points(plan["starts_on"], min(plan["ends_on"], owners.today()))
    courses = _courses(rows, _values(session, caller, rows, plan["starts_on"]), len(points))
    counted = [goal for goal in goals if goal["state"] in COUNTED]
    everything = [goal["id"] for goal in counted]
    return {
        "plan_id": plan_id,
        "goals": len(counted),
        "by_state": Counter(goal["state"] for goal in goals),
        "by_health": Counter(goal["health"] for goal in goals if goal["health"] is not None),
        "progress": _mean(courses, everything),
        **_drawn(_pillars(session, caller, counted), counted, courses, points),
    }


def _drawn(
    pillars: Mapping[str, str],
    goals: Sequence[Mapping[str, Any]],
    courses: Mapping[UUID, list[float]],
    points: Sequence[date],
) -> dict[str, Any]:
    """Return the pillars with their means, and the same as a radar and a line."""
    on = {key: [goal["id"] for goal in goals if key in goal["pillars"]] for key in pillars}
    means = {key: _mean(courses, ids) for key, ids in on.items()}
    lines: list[tuple[str, str | None, list[UUID]]] = [("All goals", None, [goal["id"] for goal in goals])]
    lines += [(name, key, on[key]) for key, name in pillars.items() if on[key]]
    return {
        "pillars": [
            {"pillar": key, "name": name, "goals": len(on[key]), "progress": means[key]}
            for key, name in pillars.items()
        ],
        "radar": {"labels": list(pillars.values()), "values": list(means.values())},
        "line": {"labels": points, "series": [_series(*each, courses, len(points)) for each in lines]},
    }


def _goals(session: Session, caller: Caller, plan_id: UUID) -> dict[UUID, dict[str, Any]]:
    """Return the goals of a plan that the caller may see, with all their parts, in the plan or not."""
    visible = access.predicate(caller, "goal", "read")
    tree = (
        select(GOAL.c.id)
        .where(GOAL.c.organisation_id == ORGANISATION, GOAL.c.plan_id == bindparam("plan"), visible)
        .cte("tree", recursive=True)
    )
    tree = tree.union(
        select(GOAL.c.id).where(GOAL.c.organisation_id == ORGANISATION, GOAL.c.parent_id == tree.c.id, visible)
    )
    query = select(GOAL).where(GOAL.c.organisation_id == ORGANISATION, GOAL.c.id.in_(select(tree.c.id)))
    found = execute(session, query.order_by(GOAL.c.id), {**queries.parameters(caller), "plan": plan_id})
    return {row.id: dict(row._mapping) for row in found}


def _values(
    session: Session, caller: Caller, rows: Mapping[UUID, Any], starts_on: date
) -> dict[UUID, dict[int, float]]:
    """Return the last value of each goal in each week of the plan in which there was one."""
    values: dict[UUID, dict[int, float]] = defaultdict(dict)
    given = {"organisation_id": caller.organisation_id, "ids": list(rows), "starts_on": starts_on}
    for row in execute(session, VALUES, given) if rows else ():
        values[row.goal_id][row.week] = row.value
    return values


def _courses(
    rows: Mapping[UUID, Mapping[str, Any]], values: Mapping[UUID, Mapping[int, float]], points: int
) -> dict[UUID, list[float]]:
    """Return how far each goal had come at each point, and now: by its parts, else by its own number."""
    parts: dict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows.values():
        if row["parent_id"] is not None and row["state"] != GoalState.abandoned:
            parts[row["parent_id"]].append(row)
    courses: dict[UUID, list[float]] = {}

    def of(goal_id: UUID) -> list[float]:
        if goal_id not in courses:
            shares = [(part["weight"], of(part["id"])) for part in parts.get(goal_id, ())]
            courses[goal_id] = _together(shares) if shares else _own(rows[goal_id], values.get(goal_id, {}), points)
        return courses[goal_id]

    return {goal_id: of(goal_id) for goal_id in rows}


def _together(shares: Sequence[tuple[int, list[float]]]) -> list[float]:
    whole = sum(weight for weight, _ in shares)
    weighted = ([weight * share for share in course] for weight, course in shares)
    return [sum(each) / whole for each in zip(*weighted, strict=True)]


def _own(goal: Mapping[str, Any], said: Mapping[int, float], points: int) -> list[float]:
    course, last = [], 0.0
    for week in range(points):
        last = _measured(goal, said[week]) if week in said else last
        course.append(last)
    return [*course, _measured(goal, said[max(said)]) if said else 0.0]


def _measured(goal: Mapping[str, Any], value: float) -> float:
    baseline, target = goal["baseline"], goal["target"]
    if baseline is None or target is None or baseline == target:
        return 0.0
    return float(min(max((value - baseline) / (target - baseline), 0.0), 1.0)) + 0.0


def _pillars(session: Session, caller: Caller, goals: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the axes: every pillar that is not hidden, and what the goals name beside."""
    used = {key: key for goal in goals for key in goal["pillars"]}
    known = execute(session, PILLARS, {"organisation_id": caller.organisation_id}).all()
    shown = {row.key: row.name for row in known if not row.hidden or row.key in used}
    return {**shown, **{key: name for key, name in sorted(used.items()) if key not in shown}}


def _points(first: date, last: date) -> list[date]:
    """Return the first day, every seventh after it, and the last day."""
    if last < first:
        return []
    weeks = [first + timedelta(days=days) for days in range(0, (last - first).days + 1, WEEK)]
    return weeks if weeks[-1] == last else [*weeks, last]


def _series(
    label: str, key: str | None, ids: Sequence[UUID], courses: Mapping[UUID, list[float]], points: int
) -> dict[str, Any]:
    return {"label": label, "pillar": key, "values": [_mean(courses, ids, point) for point in range(points)]}


def _mean(courses: Mapping[UUID, list[float]], ids: Sequence[UUID], point: int = -1) -> float | None:
    """Return the mean of these goals at one point, by default now. Null without any."""
    return round(sum(courses[goal_id][point] for goal_id in ids) / len(ids), 6) + 0.0 if ids else None
