"""Who looked at one's own records, over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.access_log import AccessLogEntryOut, AccessNoticeOut
from app.schemas.base import Page
from app.services import access_log
from app.services import access_notice as notices

router = APIRouter(prefix="/v1/me", tags=["Me"], route_class=Route)


@router.get("/access-log")
@allows("access_log_entry", "read")
async def list_access_log(call: Call, paging: Paged) -> Page[AccessLogEntryOut]:
    """List who else was shown a sensitive record about you, when and by which right, the newest first."""
    return await call.page(access_log.list_, paging)


@router.get("/access-notices")
@allows("access_notice", "read")
async def list_access_notices(call: Call, paging: Paged) -> Page[AccessNoticeOut]:
    """List the readings in an emergency that you were told of, the newest first."""
    return await call.page(notices.list_, paging)


@router.post("/access-notices/{notice_id}/acknowledge")
@allows("access_notice", "acknowledge")
async def acknowledge_access_notice(call: Call, notice_id: UUID) -> AccessNoticeOut:
    """Say that you have seen it: it no longer counts in `access_notices` of `/v1/me`."""
    return await call(notices.acknowledge, notice_id)
