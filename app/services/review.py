"""Reviews of a plan: each side writes its own part, shares it when ready, and both are locked on completion."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, any_, bindparam, or_, select
from sqlalchemy.orm import Session

from app import clock, events, queries, texts
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault, Forbidden, NotFound, Unprocessable
from app.models import DevelopmentPlan, Employee, Goal, Review, ReviewAction, Team, TeamMember
from app.models.review import ReviewState, ShownWhen
from app.relations import ME, ORGANISATION
from app.schemas.base import Reason
from app.schemas.review import ReviewCreate, ReviewUpdate
from app.services import history
from app.services import review_part as parts

TABLE, ACTION, GOAL = Review.__table__, ReviewAction.__table__, Goal.__table__
REVIEWS = queries.Listing(
    "review",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={
        "plan_id": TABLE.c.plan_id == bindparam("plan_id"),
        "kind": TABLE.c.kind == bindparam("kind"),
        "state": TABLE.c.state == bindparam("state"),
    },
)
# A goal that its owner has marked private since is not shown to anybody else.
VISIBLE_GOAL = and_(
    GOAL.c.organisation_id == ACTION.c.organisation_id,
    GOAL.c.id == ACTION.c.goal_id,
    or_(~GOAL.c.private, GOAL.c.employee_id == ME),
)
ACTIONS = (
    select(ACTION.c.review_id, ACTION.c.id, ACTION.c.words, ACTION.c.due_on, GOAL.c.id.label("goal_id"))
    .outerjoin(GOAL, VISIBLE_GOAL)
    .where(ACTION.c.organisation_id == ORGANISATION)
    .where(ACTION.c.review_id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
    .order_by(ACTION.c.id)
)
LEADS = (
    select(Team.lead_id)
    .join(TeamMember, (TeamMember.organisation_id == Team.organisation_id) & (TeamMember.team_id == Team.id))
    .where(Team.organisation_id == ORGANISATION, TeamMember.employee_id == bindparam("employee"))
)


def list_(
    session: Session, caller: Caller, paging: queries.Paging, plan_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of a plan's reviews. Raise NotFound for a plan that is not the caller's to know of."""
    queries.read(session, caller, "development_plan", plan_id)
    page = queries.paginate(session, caller, REVIEWS, paging, {**filters, "plan_id": plan_id})
    return {**page, "data": _shown(session, caller, page["data"])}


def read(session: Session, caller: Caller, plan_id: UUID, review_id: UUID) -> Mapping[str, Any]:
    """Return one review. Raise NotFound for one of another plan."""
    row = queries.read(session, caller, "review", review_id)
    if row["plan_id"] != plan_id:
        raise NotFound
    return _shown(session, caller, [row])[0]


def create(session: Session, caller: Caller, plan_id: UUID, data: ReviewCreate) -> Mapping[str, Any]:
    """Open a review of a plan that is not closed. Raise Conflict where nobody leads the person who could review."""
    plan = queries.get_allowed(session, caller, DevelopmentPlan, plan_id, "review")
    queries.get_subject(session, caller, "review", "create", plan.employee_id)
    review = Review(
        organisation_id=caller.organisation_id,
        employee_id=plan.employee_id,
        plan_id=plan.id,
        reviewer_id=_reviewer(session, caller, plan.employee_id, data.reviewer_id),
        state=ReviewState.open,
        **data.model_dump(exclude={"reviewer_id"}),
    )
    session.add(review)
    events.record(session, caller, "review.created", review, details={"kind": review.kind, "state": review.state})
    return read(session, caller, plan_id, review.id)


def update(session: Session, caller: Caller, plan_id: UUID, review_id: UUID, data: ReviewUpdate) -> Mapping[str, Any]:
    """Write one's own part, or move the day. Raise Forbidden for the other's part, Conflict for what is locked."""
    review = to_change(session, caller, plan_id, review_id, "update")
    changed = {name: value for name, value in data.given().items() if _differs(session, caller, review, name, value)}
    for name, value in changed.items():
        if name in parts.PARTS:
            _require_own_part(caller, review, name)
            _require_not_settled(review, name)
            parts.write(session, caller, review, name, value)
        else:
            setattr(review, name, value)
    if changed:
        events.record(session, caller, "review.updated", review, details={"fields": sorted(changed)})
    return read(session, caller, plan_id, review_id)


def share(session: Session, caller: Caller, plan_id: UUID, review_id: UUID) -> Mapping[str, Any]:
    """Share one's own part. Raise Conflict for an empty one, and for one that is shared already."""
    review = to_change(session, caller, plan_id, review_id, "share")
    part = "self_part" if review.employee_id == caller.employee_id else "reviewer_part"
    _require_own_part(caller, review, part)
    if not parts.is_written(vars(review), part):
        raise Conflict("nothing_to_share", "Write your part first.")
    if _shared_at(review, part) is not None:
        raise Conflict("already_shared", "Your part is shared already.")
    text = parts.said(session, caller, review, part)
    setattr(review, _moment(part), clock.now())
    parts.write(session, caller, review, part, text)  # a shared part is sealed for the plan's owner
    events.record(session, caller, "review.shared", review, details={"part": part})
    return read(session, caller, plan_id, review_id)


def complete(
    session: Session, caller: Caller, plan_id: UUID, review_id: UUID, data: Reason | None = None
) -> Mapping[str, Any]:
    """Lock both parts for good. What was not shared by then stays its author's."""
    review = to_change(session, caller, plan_id, review_id, "complete")
    review.state, review.completed_at = ReviewState.completed, clock.now()
    reason = {"reason": data.reason} if data is not None and data.reason is not None else {}
    events.record(session, caller, "review.completed", review, details={"state": review.state, **reason})
    return read(session, caller, plan_id, review_id)


def list_history(
    session: Session, caller: Caller, paging: queries.Paging, plan_id: UUID, review_id: UUID
) -> Mapping[str, Any]:
    """Return a page of the changes of one review."""
    read(session, caller, plan_id, review_id)
    return history.list_(session, caller, paging, "review", review_id)


def to_change(session: Session, caller: Caller, plan_id: UUID, review_id: UUID, action: str) -> Review:
    """Return a review of this plan to change. Raise Conflict where it is completed."""
    try:
        review = queries.get_allowed(session, caller, Review, review_id, action)
    except Conflict:
        raise Conflict("review_locked", "The review is completed: nothing in it changes any more.") from None
    if review.plan_id != plan_id:
        raise NotFound
    return review


def _reviewer(session: Session, caller: Caller, employee_id: UUID, named: UUID | None) -> UUID:
    """Return who reviews: the one named, who must lead the person; else the lead who asks, else the line manager."""
    values = {"organisation_id": caller.organisation_id, "employee": employee_id}
    person = session.get_one(Employee, (caller.organisation_id, employee_id))
    leads = {*session.execute(LEADS, values).scalars(), person.manager_id} - {None, employee_id}
    if named is not None:
        if named not in leads:
            detail = "Must be the line manager of the person, or lead a team that they are in."
            raise Unprocessable(faults=[Fault("/reviewer_id", "not_a_lead", detail)])
        return named
    wanted = caller.employee_id if caller.employee_id != employee_id else person.manager_id
    if wanted is None:
        raise Conflict("no_reviewer", "No line manager is known who could review: name who leads a team of the person.")
    return wanted


def _require_own_part(caller: Caller, review: Review, part: str) -> None:
    author = review.employee_id if part == "self_part" else review.reviewer_id
    if author != caller.employee_id:
        raise Forbidden("not_your_part", "Only its author writes and shares a part of a review.")


def _require_not_settled(review: Review, part: str) -> None:
    """Raise Conflict for a part shared in an exchange: nobody writes theirs anew after reading the other's."""
    if review.shown_when == ShownWhen.both_shared and _shared_at(review, part) is not None:
        raise Conflict("part_shared", "Your part is shared for an exchange of both: it stays as it is.")


def _differs(session: Session, caller: Caller, review: Review, name: str, value: Any) -> bool:
    """Return whether a value is another than the caller sees: never whether it is one that they may not see."""
    if name not in parts.PARTS:
        return bool(getattr(review, name) != value)
    if name not in _visible_to(caller, vars(review)):
        return value is not None
    try:
        return bool(parts.said(session, caller, review, name) != value)
    except texts.Unreadable:
        return True


def _moment(part: str) -> str:
    return part.replace("_part", "_shared_at")


def _shared_at(review: Review, part: str) -> datetime | None:
    moment: datetime | None = getattr(review, _moment(part))
    return moment


def _shown(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return reviews as the caller may see them, with their actions."""
    values = {"organisation_id": caller.organisation_id, "me": caller.id, "ids": [row["id"] for row in rows]}
    actions: dict[UUID, list[Any]] = {row["id"]: [] for row in rows}
    for action in execute(session, ACTIONS, values) if rows else ():
        actions[action.review_id].append(action)
    found = [{**row, "allowed_actions": _open_to(caller, row), "actions": actions[row["id"]]} for row in rows]
    parts.reveal(session, caller, [(row, _visible_to(caller, row)) for row in found])
    return found


def _visible_to(caller: Caller, row: dict[str, Any]) -> list[str]:
    """Return the parts that this caller may see: a client none, a person their own and the shared."""
    if caller.kind != "person":
        return []
    both = row["self_shared_at"] is not None and row["reviewer_shared_at"] is not None
    shown = both if row["shown_when"] == ShownWhen.both_shared else None
    authors = {"self_part": row["employee_id"], "reviewer_part": row["reviewer_id"]}
    return [
        part
        for part, author in authors.items()
        if caller.id == author or (row[_moment(part)] is not None if shown is None else shown)
    ]


def _open_to(caller: Caller, row: dict[str, Any]) -> list[str]:
    actions: list[str] = row["allowed_actions"]
    if caller.kind == "person" and not _can_share(caller, row):
        return [action for action in actions if action != "share"]
    return actions


def _can_share(caller: Caller, row: dict[str, Any]) -> bool:
    if caller.id == row["employee_id"]:
        return parts.is_written(row, "self_part") and row["self_shared_at"] is None
    mine = caller.id == row["reviewer_id"]
    return mine and parts.is_written(row, "reviewer_part") and row["reviewer_shared_at"] is None
