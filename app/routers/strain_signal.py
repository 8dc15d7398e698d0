"""Strain signals over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Moment, Page, SyncPage
from app.schemas.strain_signal import StrainSignalOut, WhichState
from app.services import history
from app.services import strain_signal as signals

router = APIRouter(prefix="/v1/strain-signals", tags=["Strain signals"], route_class=Route)

State = Annotated[
    WhichState, Query(description="A sync asks for `any`, to learn which signals turned out not to be true.")
]
From = Annotated[Moment | None, Query(description="Triggered then or later.")]
Before = Annotated[Moment | None, Query(description="Triggered before then.")]


@router.get("")
@allows("strain_signal", "read")
async def list_strain_signals(
    call: Call,
    paging: Synced,
    state: State = "raised",
    employee_id: UUID | None = None,
    rule_id: UUID | None = None,
    triggered_after: From = None,
    triggered_before: Before = None,
) -> SyncPage[StrainSignalOut]:
    """List signals: a person their own, a client those that rest on no flag."""
    filters = {
        "state": state,
        "employee_id": employee_id,
        "rule_id": rule_id,
        "triggered_after": triggered_after,
        "triggered_before": triggered_before,
    }
    return await call.page(signals.list_, paging, filters)


@router.get("/{signal_id}")
@allows("strain_signal", "read")
async def read_strain_signal(call: Call, signal_id: UUID) -> StrainSignalOut:
    """Read one signal: the rule as it was, the window, the count and the calls behind it."""
    return await call(signals.read, signal_id)


@router.get("/{signal_id}/history")
@allows("strain_signal", "read")
async def list_strain_signal_history(call: Call, paging: Paged, signal_id: UUID) -> Page[HistoryEntry]:
    """List when this signal was raised and superseded, the newest first."""
    return await call.page(history.list_, paging, "strain_signal", signal_id)
