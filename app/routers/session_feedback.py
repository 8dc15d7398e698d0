"""What attendees say of coaching sessions, over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page
from app.schemas.session_feedback import FeedbackCreate, FeedbackOut, FeedbackSummary, FeedbackUpdate
from app.services import session_feedback as feedback

router = APIRouter(tags=["Session feedback"], route_class=Route)
OF_SESSION = "/v1/coaching-sessions/{session_id}/feedback"
ONE = OF_SESSION + "/{feedback_id}"


@router.get("/v1/session-feedback-summary")
@allows("session_feedback", "count")
async def read_session_feedback_summary(call: Call) -> FeedbackSummary:
    """Read what was said of sessions as a whole: four settled quarters, by kind, small groups suppressed."""
    return await call(feedback.summarise)


@router.get(OF_SESSION)
@allows("session_feedback", "read")
async def list_session_feedback(call: Call, paging: Paged, session_id: UUID) -> Page[FeedbackOut]:
    """List the feedback on a session, as who coached it; as an attendee, one's own."""
    return await call.page(feedback.list_, paging, session_id)


@router.post(OF_SESSION, status_code=201)
@allows("session_feedback", "create")
async def create_session_feedback(call: Call, session_id: UUID, data: FeedbackCreate) -> FeedbackOut:
    """Say how much a session helped, once. Its coach reads it, nobody else does."""
    return await call(feedback.create, session_id, data)


@router.get(ONE)
@allows("session_feedback", "read")
async def read_session_feedback(call: Call, session_id: UUID, feedback_id: UUID) -> FeedbackOut:
    """Read one attendee's feedback. Who gave it can see that the coach read it."""
    return await call(feedback.read, session_id, feedback_id)


@router.patch(ONE)
@allows("session_feedback", "update")
async def update_session_feedback(call: Call, session_id: UUID, feedback_id: UUID, data: FeedbackUpdate) -> FeedbackOut:
    """Change one's own feedback by a JSON merge patch, within 14 days."""
    return await call(feedback.change, session_id, feedback_id, data)


@router.get(ONE + "/history")
@allows("session_feedback", "read")
async def list_session_feedback_history(
    call: Call, paging: Paged, session_id: UUID, feedback_id: UUID
) -> Page[HistoryEntry]:
    """List when a feedback was given and changed, the newest first."""
    return await call.page(feedback.list_history, paging, session_id, feedback_id)
