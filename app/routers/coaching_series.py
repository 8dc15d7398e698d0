"""Series of coaching sessions over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.models.coaching_session import SeriesState
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, SyncPage
from app.schemas.session_series import SeriesCancel, SeriesChange, SeriesCreate, SeriesMade, SeriesOut
from app.services import history, session_series_change
from app.services import session_series as series

router = APIRouter(prefix="/v1/coaching-series", tags=["Coaching sessions"], route_class=Route)


@router.get("")
@allows("session_series", "read")
async def list_coaching_series(
    call: Call, paging: Synced, coach_id: UUID | None = None, state: SeriesState | None = None
) -> SyncPage[SeriesOut]:
    """List the series in which one takes part. The occurrences are sessions: list those by `series_id`."""
    return await call.page(series.list_, paging, {"coach_id": coach_id, "state": state})


@router.post("", status_code=201)
@allows("session_series", "create")
async def create_coaching_series(call: Call, data: SeriesCreate) -> SeriesMade:
    """Make sessions that recur by a rule of RFC 5545: all of them, or none where somebody is not free at one."""
    return await call(series.create, data)


@router.get("/{series_id}")
@allows("session_series", "read")
async def read_coaching_series(call: Call, series_id: UUID) -> SeriesOut:
    """Read one series."""
    return await call(series.read, series_id)


@router.get("/{series_id}/history")
@allows("session_series", "read")
async def list_coaching_series_history(call: Call, paging: Paged, series_id: UUID) -> Page[HistoryEntry]:
    """List what became of a series, when and why, the newest first."""
    return await call.page(history.list_, paging, "session_series", series_id)


@router.post("/{series_id}/change")
@allows("session_series", "change")
async def change_coaching_series(call: Call, series_id: UUID, data: SeriesChange) -> SeriesOut:
    """Change what is still to come from a day on. Where times change, the answer is the new series of the rest."""
    return await call(session_series_change.change, series_id, data)


@router.post("/{series_id}/cancel")
@allows("session_series", "cancel")
async def cancel_coaching_series(call: Call, series_id: UUID, data: SeriesCancel | None = None) -> SeriesOut:
    """Call off what is still to come, from a day on. What was held stays."""
    return await call(series.cancel, series_id, data)
