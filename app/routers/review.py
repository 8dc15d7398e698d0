"""Reviews of a development plan over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.models.review import ReviewKind, ReviewState
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, Reason, SyncPage
from app.schemas.goal import GoalOut
from app.schemas.review import ActionCreate, ActionGoal, ActionOut, ReviewCreate, ReviewOut, ReviewUpdate
from app.services import review as reviews
from app.services import review_action as actions

router = APIRouter(prefix="/v1/development-plans/{plan_id}/reviews", tags=["Reviews"], route_class=Route)


@router.get("")
@allows("review", "read")
async def list_reviews(
    call: Call, paging: Synced, plan_id: UUID, kind: ReviewKind | None = None, state: ReviewState | None = None
) -> SyncPage[ReviewOut]:
    """List the reviews of a plan."""
    return await call.page(reviews.list_, paging, plan_id, {"kind": kind, "state": state})


@router.post("", status_code=201)
@allows("review", "create")
async def create_review(call: Call, plan_id: UUID, data: ReviewCreate) -> ReviewOut:
    """Open a review of a plan, as its owner or as who leads them."""
    return await call(reviews.create, plan_id, data)


@router.get("/{review_id}")
@allows("review", "read")
async def read_review(call: Call, plan_id: UUID, review_id: UUID) -> ReviewOut:
    """Read one review. A part that is not shared with the caller is null."""
    return await call(reviews.read, plan_id, review_id)


@router.patch("/{review_id}")
@allows("review", "update")
async def update_review(call: Call, plan_id: UUID, review_id: UUID, data: ReviewUpdate) -> ReviewOut:
    """Write one's own part by a JSON merge patch, or move the day."""
    return await call(reviews.update, plan_id, review_id, data)


@router.post("/{review_id}/share")
@allows("review", "share")
async def share_review(call: Call, plan_id: UUID, review_id: UUID) -> ReviewOut:
    """Share one's own part with the other side."""
    return await call(reviews.share, plan_id, review_id)


@router.post("/{review_id}/complete")
@allows("review", "complete")
async def complete_review(call: Call, plan_id: UUID, review_id: UUID, data: Reason | None = None) -> ReviewOut:
    """Complete a review, as who leads the person. Both parts are locked for good."""
    return await call(reviews.complete, plan_id, review_id, data)


@router.post("/{review_id}/actions", status_code=201)
@allows("review_action", "create")
async def create_review_action(call: Call, plan_id: UUID, review_id: UUID, data: ActionCreate) -> ActionOut:
    """Add what was agreed."""
    return await call(actions.create, plan_id, review_id, data)


@router.get("/{review_id}/actions/{action_id}")
@allows("review_action", "read")
async def read_review_action(call: Call, plan_id: UUID, review_id: UUID, action_id: UUID) -> ActionOut:
    """Read one action. All of a review stand in the review itself."""
    return await call(actions.read, plan_id, review_id, action_id)


@router.post("/{review_id}/actions/{action_id}/goal", status_code=201)
@allows("goal", "take_up")
async def create_goal_from_review_action(
    call: Call, plan_id: UUID, review_id: UUID, action_id: UUID, data: ActionGoal
) -> GoalOut:
    """Draft a goal of one's own from what was agreed, once. Also after the review is completed."""
    return await call(actions.make_goal, plan_id, review_id, action_id, data)


@router.get("/{review_id}/history")
@allows("review", "read")
async def list_review_history(call: Call, paging: Paged, plan_id: UUID, review_id: UUID) -> Page[HistoryEntry]:
    """List who changed which part of a review and when, the newest first."""
    return await call.page(reviews.list_history, paging, plan_id, review_id)
