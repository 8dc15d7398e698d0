"""What was agreed in coaching sessions, over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.session_action import ActionState
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import Day, HistoryEntry, Page, Reason, SyncPage
from app.schemas.goal import GoalOut
from app.schemas.session_action import SessionActionCreate, SessionActionGoal, SessionActionOut, SessionActionUpdate
from app.services import session_action as actions

router = APIRouter(tags=["Session actions"], route_class=Route)
OF_SESSION = "/v1/coaching-sessions/{session_id}/actions"
ONE = OF_SESSION + "/{action_id}"
DueBefore = Annotated[Day | None, Query(description="Only those due before this day.")]
Overdue = Annotated[bool | None, Query(description="Whether it is open and its day has passed.")]


@router.get("/v1/session-actions")
@allows("session_action", "read")
async def list_session_actions(
    call: Call,
    paging: Synced,
    session_id: UUID | None = None,
    employee_id: Annotated[UUID | None, Query(description="Who does it.")] = None,
    state: ActionState | None = None,
    due_before: DueBefore = None,
    overdue: Overdue = None,
) -> SyncPage[SessionActionOut]:
    """List what was agreed in any session that one takes part in, and what one is to do oneself."""
    filters = {
        "session_id": session_id,
        "employee_id": employee_id,
        "state": state,
        "due_before": due_before,
        "overdue": overdue,
    }
    return await call.page(actions.list_, paging, filters)


@router.get(OF_SESSION)
@allows("session_action", "read")
async def list_actions_of_session(
    call: Call, paging: Synced, session_id: UUID, state: ActionState | None = None
) -> SyncPage[SessionActionOut]:
    """List what was agreed in one session, for those who take part in it."""
    return await call.page(actions.list_of, paging, session_id, {"state": state})


@router.post(OF_SESSION, status_code=201)
@allows("session_action", "create")
async def create_session_action(call: Call, session_id: UUID, data: SessionActionCreate) -> SessionActionOut:
    """Write down what was agreed: what is to be done, by whom, until when."""
    return await call(actions.create, session_id, data)


@router.get(ONE)
@allows("session_action", "read")
async def read_session_action(call: Call, session_id: UUID, action_id: UUID) -> SessionActionOut:
    """Read one action."""
    return await call(actions.read, session_id, action_id)


@router.patch(ONE)
@allows("session_action", "update")
async def update_session_action(
    call: Call, session_id: UUID, action_id: UUID, data: SessionActionUpdate
) -> SessionActionOut:
    """Change an open action by a JSON merge patch."""
    return await call(actions.change, session_id, action_id, data)


@router.post(ONE + "/complete")
@allows("session_action", "complete")
async def complete_session_action(
    call: Call, session_id: UUID, action_id: UUID, data: Reason | None = None
) -> SessionActionOut:
    """Say that it is done."""
    return await call(actions.move, session_id, action_id, "complete", data)


@router.post(ONE + "/drop")
@allows("session_action", "drop")
async def drop_session_action(
    call: Call, session_id: UUID, action_id: UUID, data: Reason | None = None
) -> SessionActionOut:
    """Say that it will not be done."""
    return await call(actions.move, session_id, action_id, "drop", data)


@router.post(ONE + "/reopen")
@allows("session_action", "reopen")
async def reopen_session_action(
    call: Call, session_id: UUID, action_id: UUID, data: Reason | None = None
) -> SessionActionOut:
    """Say that it is to be done after all."""
    return await call(actions.move, session_id, action_id, "reopen", data)


@router.post(ONE + "/goal", status_code=201)
@allows("goal", "take_up")
async def create_goal_from_session_action(
    call: Call, session_id: UUID, action_id: UUID, data: SessionActionGoal
) -> GoalOut:
    """Draft a goal of one's own from what one agreed to do, once."""
    return await call(actions.make_goal, session_id, action_id, data)


@router.get(ONE + "/history")
@allows("session_action", "read")
async def list_session_action_history(
    call: Call, paging: Paged, session_id: UUID, action_id: UUID
) -> Page[HistoryEntry]:
    """List what became of an action, when and by whom, the newest first."""
    return await call.page(actions.list_history, paging, session_id, action_id)
