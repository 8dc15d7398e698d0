"""Matching mentors and mentees for a cohort over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.job import JobState
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, SyncPage
from app.schemas.mentor_match import (
    Confirmation,
    MatchConfirm,
    MatchCreate,
    MatchOut,
    MatchPairOut,
    UnmatchedOut,
)
from app.services import history
from app.services import mentor_match as matches
from app.services import mentor_match_confirm as confirmations

router = APIRouter(prefix="/v1/mentor-matches", tags=["Mentor matches"], route_class=Route)

IsConfirmed = Annotated[bool | None, Query(description="Whether a proposal was made of it.")]
Code = Annotated[str | None, Query(max_length=63, description="Why nobody is proposed, such as `places_taken`.")]


@router.get("")
@allows("mentor_match", "read")
async def list_mentor_matches(
    call: Call, paging: Synced, state: JobState | None = None, requested_by_id: UUID | None = None
) -> SyncPage[MatchOut]:
    """List the matchings of the last 30 days, the newest first."""
    return await call.page(matches.list_, paging, {"state": state, "requested_by_id": requested_by_id})


@router.post("", status_code=202)
@allows("mentor_match", "create")
async def request_mentor_match(call: Call, data: MatchCreate) -> MatchOut:
    """Ask for the best proposal for many mentees at once. It is a job: read it where Location says until it is done."""
    return await call(matches.request, data)


@router.get("/{match_id}")
@allows("mentor_match", "read")
async def read_mentor_match(call: Call, match_id: UUID) -> MatchOut:
    """Read how far a matching is, and when it is done what it comes to."""
    return await call(matches.read, match_id)


@router.get("/{match_id}/pairs")
@allows("mentor_match_pair", "read")
async def list_mentor_match_pairs(
    call: Call,
    paging: Paged,
    match_id: UUID,
    mentee_id: UUID | None = None,
    mentor_id: UUID | None = None,
    confirmed: IsConfirmed = None,
) -> Page[MatchPairOut]:
    """List the pairs that a matching proposes, each with its reasons."""
    filters = {"mentee_id": mentee_id, "mentor_id": mentor_id, "confirmed": confirmed}
    return await call.page(matches.list_pairs, paging, match_id, filters)


@router.get("/{match_id}/unmatched")
@allows("mentor_match_unmatched", "read")
async def list_mentor_match_unmatched(
    call: Call, paging: Paged, match_id: UUID, mentee_id: UUID | None = None, code: Code = None
) -> Page[UnmatchedOut]:
    """List those for whom a matching proposes nobody, each with the reason."""
    return await call.page(matches.list_unmatched, paging, match_id, {"mentee_id": mentee_id, "code": code})


@router.post("/{match_id}/cancel")
@allows("mentor_match", "cancel")
async def cancel_mentor_match(call: Call, match_id: UUID) -> MatchOut:
    """Give up a matching that is not finished."""
    return await call(matches.cancel, match_id)


@router.post("/{match_id}/confirm")
@allows("mentor_match", "confirm")
async def confirm_mentor_match(call: Call, match_id: UUID, data: MatchConfirm | None = None) -> Confirmation:
    """Make proposals of pairs, with a result for each. Both of a pair still have to agree. Safe to repeat."""
    return await call(confirmations.confirm, match_id, data)


@router.get("/{match_id}/history")
@allows("mentor_match", "read")
async def list_mentor_match_history(call: Call, paging: Paged, match_id: UUID) -> Page[HistoryEntry]:
    """List what became of a matching, when and by whom, the newest first."""
    return await call.page(history.list_, paging, "mentor_match", match_id)
