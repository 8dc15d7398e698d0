"""Goals and their parts: one owner, no circles, five levels, private together; a change moves every goal above it."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select, update
from sqlalchemy.orm import Session

from app import access, clock, events, queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault, Unprocessable
from app.models import Goal
from app.relations import ORGANISATION

TABLE = Goal.__table__
MOST_LEVELS = 5
IDS = bindparam("ids", type_=ARRAY(Uuid()))

OF_OWNER = select(TABLE.c.id, TABLE.c.parent_id).where(
    TABLE.c.organisation_id == ORGANISATION, TABLE.c.employee_id == bindparam("owner")
)
TOUCH = (
    update(Goal)
    .where(TABLE.c.organisation_id == bindparam("tenant"), TABLE.c.id == any_(IDS))
    .values(version=TABLE.c.version + 1, updated_at=bindparam("now"))
    .returning(TABLE.c.id, TABLE.c.version, TABLE.c.employee_id, TABLE.c.private, TABLE.c.state)
)
HIDE = TOUCH.values(private=bindparam("hidden"))


class Tree:
    """Who is whose part among the goals of one person. The person is held, so that it does not move meanwhile."""

    def __init__(self, session: Session, caller: Caller, employee_id: UUID) -> None:
        values = {"organisation_id": caller.organisation_id, "owner": employee_id}
        self.parents: dict[UUID, UUID | None] = {row.id: row.parent_id for row in execute(session, OF_OWNER, values)}
        self.parts: dict[UUID, list[UUID]] = {}
        for goal_id, parent_id in self.parents.items():
            if parent_id is not None:
                self.parts.setdefault(parent_id, []).append(goal_id)

    def above(self, goal_id: UUID) -> list[UUID]:
        """Return the goals that this one is a part of, the nearest first."""
        found: list[UUID] = []
        parent = self.parents.get(goal_id)
        while parent is not None:
            found.append(parent)
            parent = self.parents.get(parent)
        return found

    def below(self, goal_id: UUID) -> list[UUID]:
        """Return all parts of a goal, and theirs."""
        found: list[UUID] = []
        for part in self.parts.get(goal_id, ()):
            found += [part, *self.below(part)]
        return found

    def height(self, goal_id: UUID) -> int:
        """Return how many levels a goal has, its own included."""
        return 1 + max((self.height(part) for part in self.parts.get(goal_id, ())), default=0)


def require_place(session: Session, caller: Caller, goal: Goal, parent_id: UUID) -> Goal:
    """Return the goal that another may become a part of.

    Raise Unprocessable where the same person has none like it that the caller may know of, Conflict for a circle, for
    more than five levels, and for a public part of a private goal or the other way round.
    """
    parent = session.execute(
        select(Goal).where(
            Goal.organisation_id == caller.organisation_id,
            Goal.id == bindparam("id"),
            Goal.employee_id == goal.employee_id,
            access.predicate(caller, "goal", "read"),
        ),
        {**queries.parameters(caller), "id": parent_id},
    ).scalar_one_or_none()
    if parent is None:
        detail = "There is no such goal of the same person."
        raise Unprocessable(faults=[Fault("/parent_id", "unknown_reference", detail)])
    tree = Tree(session, caller, goal.employee_id)
    if goal.id in (parent_id, *tree.above(parent_id)):
        raise Conflict("goal_cycle", "A goal cannot be a part of itself, nor of one of its own parts.")
    if len(tree.above(parent_id)) + 1 + tree.height(goal.id) > MOST_LEVELS:
        raise Conflict("goal_too_deep", f"Goals have at most {MOST_LEVELS} levels.")
    return parent


def require_same_privacy(goal: Goal, parent: Goal) -> None:
    """Raise Conflict for a public part of a private goal, or the other way round: one would tell of the other."""
    if goal.private != parent.private:
        detail = "A goal and its parts are private together: change it on the topmost goal, or move the goal first."
        raise Conflict("privacy_differs", detail)


def set_private(session: Session, caller: Caller, goal: Goal, private: bool) -> None:
    """Make a topmost goal and all its parts private, or no longer so. Raise Conflict for a part of another goal."""
    if goal.parent_id is not None:
        detail = "A goal and its parts are private together: change it on the topmost goal, or move the goal first."
        raise Conflict("privacy_differs", detail)
    goal.private = private
    parts = Tree(session, caller, goal.employee_id).below(goal.id)
    values = {"tenant": caller.organisation_id, "ids": parts, "now": clock.now(), "hidden": private}
    rows = execute(session, HIDE, values).all() if parts else []
    changes = [
        events.Change("goal.updated", row.id, row.version, row.employee_id, {"fields": ["private"]}, row.state, private)
        for row in rows
    ]
    events.record_changes(session, caller, "goal", changes)


def touch_above(session: Session, caller: Caller, goal: Goal, *others: UUID | None) -> None:
    """Give every goal that this one is a part of, and the ``others``, a new version: their progress moved."""
    wanted: list[UUID] = [other for other in others if other is not None]
    if goal.parent_id is None and not wanted:
        return
    tree = Tree(session, caller, goal.employee_id)
    above: Iterable[UUID] = tree.above(goal.id)
    for other in wanted:
        above = [*above, other, *tree.above(other)]
    _touch(session, caller, goal, sorted({*above} - {goal.id}))


def _touch(session: Session, caller: Caller, goal: Goal, ids: Sequence[UUID]) -> None:
    if not ids:
        return
    values = {"tenant": caller.organisation_id, "ids": list(ids), "now": clock.now()}
    rows = execute(session, TOUCH, values).all()
    details = {"part": str(goal.id)}
    changes = [
        events.Change("goal.progressed", row.id, row.version, row.employee_id, details, row.state, row.private)
        for row in rows
    ]
    events.record_changes(session, caller, "goal", changes)
