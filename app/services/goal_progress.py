"""The progress of goals, worked out in SQL from the updates that count, through any parts that a goal has."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Float, Select, Uuid, any_, bindparam, case, cast, func, literal, select
from sqlalchemy import true as always
from sqlalchemy.orm import Session

from app.auth import Caller
from app.database import execute
from app.models import Goal, ProgressUpdate
from app.models.goal import GoalState, UpdateState
from app.relations import ORGANISATION

GOAL, UPDATE = Goal.__table__, ProgressUpdate.__table__
IDS = bindparam("ids", type_=ARRAY(Uuid()))


def measured(baseline: Any, target: Any, current: Any) -> ColumnElement[float]:
    """Return how far a number has come from baseline to target, 0 to 1; null where there is no distance."""
    share = (current - baseline) / func.nullif(target - baseline, 0)
    return case((share.is_(None), None), else_=func.least(func.greatest(share, 0.0), 1.0))


def _parts_of(parent: Any) -> tuple[Any, tuple[ColumnElement[bool], ...]]:
    part = GOAL.alias()
    of = (part.c.organisation_id == ORGANISATION, part.c.parent_id == parent, part.c.state != GoalState.abandoned)
    return part, of


def _progress() -> Select[Any]:
    """Return the statement of every goal's own number and of its progress.

    A goal's parts share it by their weights, and theirs share them: what is left at the ends is measured.
    """
    tree = (
        select(GOAL.c.id.label("root"), GOAL.c.id.label("id"), literal(1.0, Float()).label("share"))
        .where(GOAL.c.organisation_id == ORGANISATION, GOAL.c.id == any_(IDS))
        .cte("tree", recursive=True)
    )
    part, of_part = _parts_of(tree.c.id)
    sibling, of_sibling = _parts_of(tree.c.id)
    together = select(func.sum(sibling.c.weight)).where(*of_sibling).scalar_subquery()
    share = tree.c.share * cast(part.c.weight, Float()) / cast(together, Float())
    tree = tree.union_all(select(tree.c.root, part.c.id, share).where(*of_part))
    end, of_end = _parts_of(tree.c.id)
    has_parts = select(end.c.id).where(*of_end).exists()
    latest = (
        select(UPDATE.c.value)
        .where(UPDATE.c.organisation_id == ORGANISATION, UPDATE.c.goal_id == tree.c.id)
        .where(UPDATE.c.state == UpdateState.recorded, UPDATE.c.value.is_not(None))
        .order_by(UPDATE.c.as_of.desc(), UPDATE.c.id.desc())
        .limit(1)
        .lateral("latest")
    )
    current = func.coalesce(latest.c.value, GOAL.c.baseline)
    progress = func.sum(tree.c.share * measured(GOAL.c.baseline, GOAL.c.target, current)).filter(~has_parts)
    own = func.max(current).filter(tree.c.id == tree.c.root)
    return (
        select(tree.c.root, own.label("current_value"), progress.label("progress"))
        .join(GOAL, (GOAL.c.organisation_id == ORGANISATION) & (GOAL.c.id == tree.c.id))
        .outerjoin(latest, always())
        .group_by(tree.c.root)
    )


PROGRESS = _progress()


def add(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return goals with what follows from their updates: ``current_value``, ``progress`` and ``direction``."""
    if not rows:
        return []
    values = {"organisation_id": caller.organisation_id, "ids": [row["id"] for row in rows]}
    found = {each.root: each for each in execute(session, PROGRESS, values)}
    return [{**row, **_of(row, found.get(row["id"]))} for row in rows]


def _of(row: dict[str, Any], found: Any) -> dict[str, Any]:
    progress = None if found is None or found.progress is None else min(max(round(found.progress, 6), 0.0), 1.0) + 0.0
    current = None if found is None else found.current_value
    return {"direction": _direction(row["baseline"], row["target"]), "current_value": current, "progress": progress}


def _direction(baseline: float | None, target: float | None) -> str | None:
    if baseline is None or target is None or baseline == target:
        return None
    return "increase" if target > baseline else "decrease"


def current_of(session: Session, caller: Caller, goal_id: UUID) -> float | None:
    """Return where a goal's own number stands."""
    values = {"organisation_id": caller.organisation_id, "ids": [goal_id]}
    value: float | None = execute(session, PROGRESS, values).one().current_value
    return value
