"""Strain signals, as those who may see them read them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller
from app.models import StrainSignal

TABLE = StrainSignal.__table__
SIGNALS = queries.Listing(
    "strain_signal",
    sorts={"id": TABLE.c.id, "triggered_at": TABLE.c.triggered_at},
    filters={
        "employee_id": TABLE.c.employee_id == bindparam("employee_id"),
        "rule_id": TABLE.c.rule_id == bindparam("rule_id"),
        "state": TABLE.c.state == bindparam("state"),
        "triggered_after": TABLE.c.triggered_at >= bindparam("triggered_after"),
        "triggered_before": TABLE.c.triggered_at < bindparam("triggered_before"),
    },
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the signals; the state ``any`` is every state."""
    state = None if filters["state"] == "any" else filters["state"]
    return queries.paginate(session, caller, SIGNALS, paging, {**filters, "state": state})


def read(session: Session, caller: Caller, signal_id: UUID) -> Mapping[str, Any]:
    """Return one signal."""
    return queries.read(session, caller, "strain_signal", signal_id)
