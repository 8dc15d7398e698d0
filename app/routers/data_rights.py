"""People's rights over their data over HTTP: exports, erasures, and how long what is kept."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page
from app.schemas.data_rights import (
    DataExportOut,
    ErasureCreate,
    ErasureOut,
    PersonalDataOut,
    RetentionRuleOut,
    RetentionRuleUpdate,
)
from app.services import data_export as exports
from app.services import erasure as erasures
from app.services import history
from app.services import retention_rule as retention_rules

router = APIRouter(tags=["Data rights"], route_class=Route)


@router.get("/v1/me/export", responses={202: {"model": DataExportOut, "description": "It is much: a job gathers it."}})
@allows("personal_data", "read")
async def export_my_data(call: Call) -> PersonalDataOut | DataExportOut:
    """Read everything that is held about you, with purposes, sources, recipients and how long it is kept."""
    return await call(exports.export_mine)


@router.post("/v1/employees/{employee_id}/exports", status_code=202)
@allows("employee", "export")
async def request_data_export(call: Call, employee_id: UUID) -> DataExportOut:
    """Start an export for a person who asked for it. They read it at `/v1/data-exports`; you cannot."""
    return await call(exports.request, employee_id)


@router.get("/v1/data-exports")
@allows("data_export", "read")
async def list_data_exports(call: Call, paging: Paged) -> Page[DataExportOut]:
    """List the exports of your data of the last seven days; as the data-protection officer, those of everybody."""
    return await call.page(exports.list_, paging)


@router.get("/v1/data-exports/{export_id}")
@allows("data_export", "read")
async def read_data_export(call: Call, export_id: UUID) -> DataExportOut:
    """Read how far an export is."""
    return await call(exports.read, export_id)


@router.get("/v1/data-exports/{export_id}/content")
@allows("data_export", "open")
async def read_data_export_content(call: Call, export_id: UUID) -> PersonalDataOut:
    """Read an export of your own data. Nobody else can."""
    return await call(exports.open_, export_id)


@router.post("/v1/employees/{employee_id}/erasure")
@allows("employee", "erase")
async def erase_employee(call: Call, employee_id: UUID, data: ErasureCreate | None = None) -> ErasureOut:
    """Erase a person who has left, for good, or say with `dry_run` what would go. Twice is the same answer."""
    return await call(erasures.erase, employee_id, data)


@router.get("/v1/retention-rules")
@allows("retention_rule", "read")
async def list_retention_rules(call: Call, paging: Paged) -> Page[RetentionRuleOut]:
    """List how long each class of data is kept, and on what ground."""
    return await call.page(retention_rules.list_, paging)


@router.get("/v1/retention-rules/{rule_id}")
@allows("retention_rule", "read")
async def read_retention_rule(call: Call, rule_id: UUID) -> RetentionRuleOut:
    """Read how long one class of data is kept."""
    return await call(retention_rules.read, rule_id)


@router.patch("/v1/retention-rules/{rule_id}")
@allows("retention_rule", "update")
async def update_retention_rule(call: Call, rule_id: UUID, data: RetentionRuleUpdate) -> RetentionRuleOut:
    """Change how long one class of data is kept. The worker removes what is over from then on, in small batches."""
    return await call(retention_rules.change, rule_id, data)


@router.get("/v1/retention-rules/{rule_id}/history")
@allows("retention_rule", "read")
async def list_retention_rule_history(call: Call, paging: Paged, rule_id: UUID) -> Page[HistoryEntry]:
    """List when a rule was changed, and when it was applied to how many records, the newest first."""
    return await call.page(history.list_, paging, "retention_rule", rule_id)
