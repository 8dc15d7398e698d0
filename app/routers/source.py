"""Sources of call events and their outcome mappings over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.call_event import CodeKind
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, SyncPage
from app.schemas.source import (
    OutcomeMappingBatch,
    OutcomeMappingBatchResult,
    OutcomeMappingCreate,
    OutcomeMappingOut,
    OutcomeMappingUpdate,
    SourceCreate,
    SourceOut,
    SourceUpdate,
    UnmappedCodeOut,
)
from app.services import history
from app.services import outcome_mapping as mappings
from app.services import source as sources

router = APIRouter(prefix="/v1/sources", tags=["Sources"], route_class=Route)

Active = Annotated[bool | None, Query(description="Only sources that take call events, or only others.")]
Kind = Annotated[CodeKind | None, Query(description="Only codes of this kind.")]
Code = Annotated[str | None, Query(max_length=200, description="Only this code, in any case.")]


@router.get("")
@allows("source", "read")
async def list_sources(call: Call, paging: Synced, active: Active = None) -> SyncPage[SourceOut]:
    """List the systems that post call events."""
    return await call.page(sources.list_, paging, {"active": active}, call.app.state.settings.public_url)


@router.post("", status_code=201)
@allows("source", "create", batch=True)
async def create_source(call: Call, data: SourceCreate) -> SourceOut:
    """Make a source. It belongs to the client that makes it, where that client may post call events."""
    return await call(sources.create, data, call.app.state.settings.public_url)


@router.get("/{source_id}")
@allows("source", "read")
async def read_source(call: Call, source_id: UUID) -> SourceOut:
    """Read one source."""
    return await call(sources.read, source_id, call.app.state.settings.public_url)


@router.patch("/{source_id}")
@allows("source", "update")
async def update_source(call: Call, source_id: UUID, data: SourceUpdate) -> SourceOut:
    """Change a source by a JSON merge patch. An inactive one takes no call events; what it brought stays.

    Its kind stays what it was.
    """
    return await call(sources.update, source_id, data, call.app.state.settings.public_url)


@router.get("/{source_id}/history")
@allows("source", "read")
async def list_source_history(call: Call, paging: Paged, source_id: UUID) -> Page[HistoryEntry]:
    """List who changed what of a source, when and why, the newest first."""
    return await call.page(history.list_, paging, "source", source_id)


@router.get("/{source_id}/unmapped-codes")
@allows("unmapped_code", "read")
async def list_unmapped_codes(call: Call, paging: Paged, source_id: UUID, kind: Kind = None) -> Page[UnmappedCodeOut]:
    """List the codes of a source that mean nothing yet, the most frequent first."""
    return await call.page(sources.list_unmapped, paging, source_id, {"kind": kind})


@router.get("/{source_id}/outcome-mappings")
@allows("outcome_mapping", "read")
async def list_outcome_mappings(
    call: Call, paging: Paged, source_id: UUID, kind: Kind = None, code: Code = None
) -> Page[OutcomeMappingOut]:
    """List what the codes of a source mean."""
    return await call.page(mappings.list_, paging, source_id, {"kind": kind, "code": code})


@router.post("/{source_id}/outcome-mappings", status_code=201)
@allows("outcome_mapping", "create")
async def create_outcome_mapping(call: Call, source_id: UUID, data: OutcomeMappingCreate) -> OutcomeMappingOut:
    """Say what a code means. Past call events with it follow, and so do their signals."""
    return await call(mappings.create, source_id, data)


@router.post("/{source_id}/outcome-mappings/batch")
@allows("outcome_mapping", "create", batch=True)
async def sync_outcome_mappings(call: Call, source_id: UUID, data: OutcomeMappingBatch) -> OutcomeMappingBatchResult:
    """Say what up to 1,000 codes mean, new or not, each on its own, with a result per item in order."""
    return await call(mappings.sync, source_id, data)


@router.get("/{source_id}/outcome-mappings/{mapping_id}")
@allows("outcome_mapping", "read")
async def read_outcome_mapping(call: Call, source_id: UUID, mapping_id: UUID) -> OutcomeMappingOut:
    """Read what one code means."""
    return await call(mappings.read, source_id, mapping_id)


@router.patch("/{source_id}/outcome-mappings/{mapping_id}")
@allows("outcome_mapping", "update")
async def update_outcome_mapping(
    call: Call, source_id: UUID, mapping_id: UUID, data: OutcomeMappingUpdate
) -> OutcomeMappingOut:
    """Change what a code means. Past call events with it follow, and so do their signals."""
    return await call(mappings.update, source_id, mapping_id, data)


@router.delete("/{source_id}/outcome-mappings/{mapping_id}", status_code=204)
@allows("outcome_mapping", "delete")
async def delete_outcome_mapping(call: Call, source_id: UUID, mapping_id: UUID) -> None:
    """Forget what a code means. It is unmapped again, also for past call events."""
    return await call(mappings.delete, source_id, mapping_id)
