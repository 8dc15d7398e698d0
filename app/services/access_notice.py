"""What the caller is told of: that a referral of theirs was read in an emergency."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, select
from sqlalchemy.orm import Session

from app import clock, events, queries, texts
from app.auth import Caller
from app.database import execute
from app.models import AccessNotice, BreakGlassRequest, Employee
from app.relations import ME, ORGANISATION
from app.services.break_glass import DELAY_REASON, REASON

TABLE, REQUEST = AccessNotice.__table__, BreakGlassRequest.__table__
NOTICES = queries.Listing("access_notice", sorts={"id": TABLE.c.id}, default_sort="-id", syncs=False)
UNREAD = select(func.count()).where(
    AccessNotice.organisation_id == ORGANISATION,
    AccessNotice.employee_id == ME,
    AccessNotice.told_at <= bindparam("now", type_=TABLE.c.told_at.type),
    AccessNotice.acknowledged_at.is_(None),
)


def _request_columns() -> list[Any]:
    who = {
        "asked": REQUEST.c.requested_by_id,
        "first": REQUEST.c.approved_by_id,
        "second": REQUEST.c.second_approved_by_id,
    }
    names = []
    for name, column in who.items():
        person = Employee.__table__.alias(f"who_{name}")
        same = (person.c.organisation_id == REQUEST.c.organisation_id) & (person.c.id == column)
        names.append(select(person.c.display_name).where(same).scalar_subquery().label(name))
    return names


ABOUT = select(REQUEST, *_request_columns()).where(
    REQUEST.c.organisation_id == ORGANISATION, REQUEST.c.id == any_(bindparam("ids", type_=ARRAY(Uuid())))
)


def list_(session: Session, caller: Caller, paging: queries.Paging) -> Mapping[str, Any]:
    """Return a page of what the caller was told of, the newest first."""
    page = queries.paginate(session, caller, NOTICES, paging, {})
    return {**page, "data": _shown(session, caller, page["data"])}


def acknowledge(session: Session, caller: Caller, notice_id: UUID) -> Mapping[str, Any]:
    """Note that the caller has seen it. To be repeated without harm."""
    notice = queries.get_allowed(session, caller, AccessNotice, notice_id, "acknowledge")
    if notice.acknowledged_at is None:
        notice.acknowledged_at = clock.now()
        events.record(session, caller, "access_notice.acknowledged", notice)
    return _shown(session, caller, [queries.read(session, caller, "access_notice", notice_id)])[0]


def count_unread(session: Session, caller: Caller) -> int:
    """Return how many there are that the caller has not acknowledged."""
    return int(execute(session, UNREAD, queries.parameters(caller)).scalar_one())


def _shown(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = [row["request_id"] for row in rows]
    requests = {row.id: row for row in execute(session, ABOUT, {"organisation_id": caller.organisation_id, "ids": ids})}
    return [_with_request(session, caller, row, requests[row["request_id"]]) for row in rows]


def _with_request(session: Session, caller: Caller, row: dict[str, Any], request: Any) -> dict[str, Any]:
    sealed = [(request.employee_id, REASON, request.id, request.reason)]
    if request.delay_reason is not None:
        sealed.append((request.employee_id, DELAY_REASON, request.id, request.delay_reason))
    reason, *delay_reason = texts.reveal_many(session, caller, sealed)
    return {
        **row,
        "requested_by_name": request.asked,
        "approved_by_names": [name for name in (request.first, request.second) if name is not None],
        "reason": reason,
        "delay_reason": delay_reason[0] if delay_reason else None,
        "looked_at": request.used_at,
    }
