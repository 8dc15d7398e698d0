"""Reading a referral without the right to, in an emergency: asked for, approved by a second person, read once, told.

No answer before the reading says whether the person has a referral at all: it is asked for whatever there may be.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import access, clock, events, queries, texts
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault, Forbidden, Unprocessable
from app.models import AccessNotice, BreakGlassRequest, Employee
from app.models.base import new_id
from app.models.break_glass import BreakGlassState
from app.models.eap_referral import EapReferral
from app.reads import Read
from app.relations import ORGANISATION
from app.schemas.access_log import BreakGlassCreate
from app.services import history
from app.services.access_log import BREAK_GLASS

log = logging.getLogger("ballast.audit")

WITHIN = timedelta(hours=1)  # to be approved, and then to be used
AT_ONCE = 500
MOST_SHOWN = 20

TABLE, REFERRAL = BreakGlassRequest.__table__, EapReferral.__table__
REASON, DELAY_REASON = "break_glass_request.reason", "break_glass_request.delay_reason"
OPEN = (BreakGlassState.pending, BreakGlassState.approved)
REQUESTS = queries.Listing(
    "break_glass_request",
    sorts={"id": TABLE.c.id},
    filters={
        "state": TABLE.c.state == bindparam("state"),
        "employee_id": TABLE.c.employee_id == bindparam("employee_id"),
    },
    default_sort="-id",
    syncs=False,
)
SENT = (
    select(REFERRAL)
    .where(
        REFERRAL.c.organisation_id == ORGANISATION,
        REFERRAL.c.employee_id == bindparam("person"),
        REFERRAL.c.requested_at.is_not(None),
    )
    .order_by(REFERRAL.c.requested_at.desc(), REFERRAL.c.id)
    .limit(MOST_SHOWN)
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the requests that the caller made or may decide about, the newest first."""
    page = queries.paginate(session, caller, REQUESTS, paging, filters)
    return {**page, "data": _shown(session, caller, page["data"])}


def read(session: Session, caller: Caller, request_id: UUID) -> Mapping[str, Any]:
    """Return one request."""
    return _shown(session, caller, [queries.read(session, caller, "break_glass_request", request_id)])[0]


def list_history(session: Session, caller: Caller, paging: queries.Paging, request_id: UUID) -> Mapping[str, Any]:
    """Return a page of who did what with one request and when."""
    return history.list_(session, caller, paging, "break_glass_request", request_id)


def create(session: Session, caller: Caller, data: BreakGlassCreate) -> Mapping[str, Any]:
    """Ask for one reading. Raise Forbidden for oneself and for those whom one leads."""
    if (data.delay_seconds > 0) != (data.delay_reason is not None):
        detail = "A delay needs a reason, and a reason needs a delay."
        raise Unprocessable(faults=[Fault("/delay_reason", "delay_reason", detail)])
    _require_beside(session, caller, data.employee_id)
    request_id = new_id()

    def seal(column: str, words: str) -> bytes:
        return texts.seal(session, caller, data.employee_id, column, request_id, words)

    request = BreakGlassRequest(
        organisation_id=caller.organisation_id,
        id=request_id,
        employee_id=data.employee_id,
        requested_by_id=caller.employee_id,
        reason=seal(REASON, data.reason),
        delay_seconds=data.delay_seconds,
        delay_reason=seal(DELAY_REASON, data.delay_reason) if data.delay_reason is not None else None,
        state=BreakGlassState.pending,
        expires_at=clock.now() + WITHIN,
    )
    session.add(request)
    _record(session, caller, request, "created")
    return read(session, caller, request_id)


def approve(session: Session, caller: Caller, request_id: UUID) -> Mapping[str, Any]:
    """Approve, as somebody else than who asks and whom it is about; twice, by two, where telling is to be delayed."""
    request = _to_act_on(session, caller, request_id, "approve")
    now = clock.now()
    if request.approved_by_id is None:
        request.approved_by_id, request.approved_at = caller.employee_id, now
    else:
        request.second_approved_by_id, request.second_approved_at = caller.employee_id, now
    if request.delay_seconds == 0 or request.second_approved_by_id is not None:
        request.state, request.expires_at = BreakGlassState.approved, now + WITHIN
    _record(session, caller, request, "approved")
    return read(session, caller, request_id)


def deny(session: Session, caller: Caller, request_id: UUID) -> Mapping[str, Any]:
    """Deny, also what was approved and is not used yet."""
    request = _to_act_on(session, caller, request_id, "deny")
    request.state, request.denied_by_id = BreakGlassState.denied, caller.employee_id
    _record(session, caller, request, "denied")
    return read(session, caller, request_id)


def open_(session: Session, caller: Caller, request_id: UUID) -> Mapping[str, Any]:
    """Give the one reading: the request is used up, the entries and the notice to the person are written with it."""
    request = _to_act_on(session, caller, request_id, "open")
    _require_beside(session, caller, request.employee_id)
    now = clock.now()
    request.state, request.used_at = BreakGlassState.used, now
    referrals = _referrals(session, caller, request.employee_id)
    shown = [Read(row["id"], request.employee_id, BREAK_GLASS) for row in referrals]
    if shown:
        entries = events.record_reads(session, caller, "eap_referral", shown)
    else:
        looked = Read(request.id, request.employee_id, BREAK_GLASS)
        entries = events.record_reads(session, caller, "break_glass_request", [looked])
    notice = AccessNotice(
        organisation_id=caller.organisation_id,
        employee_id=request.employee_id,
        request_id=request.id,
        entry_ids=entries,
        told_at=now + timedelta(seconds=request.delay_seconds),
    )
    session.add(notice)
    _record(session, caller, request, "used")
    return {
        "id": request.id,
        "version": request.version,
        "state": request.state,
        "used_at": now,
        "told_at": notice.told_at,
        "referrals": referrals,
    }


def expire(session: Session, caller: Caller, now: datetime) -> int:
    """Mark requests as expired that were not approved, or not used, in time. Return how many."""
    over = (
        select(BreakGlassRequest)
        .where(BreakGlassRequest.organisation_id == caller.organisation_id, BreakGlassRequest.state.in_(OPEN))
        .where(BreakGlassRequest.expires_at <= now)
        .order_by(BreakGlassRequest.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    requests = session.scalars(over).all()
    for request in requests:
        request.state = BreakGlassState.expired
        _record(session, caller, request, "expired")
    return len(requests)


def _to_act_on(session: Session, caller: Caller, request_id: UUID, action: str) -> BreakGlassRequest:
    request = queries.get_allowed(session, caller, BreakGlassRequest, request_id, action)
    if request.expires_at <= clock.now():
        raise Conflict("expired", "The hour for it is over. Ask anew.")
    return request


def _require_beside(session: Session, caller: Caller, employee_id: UUID) -> None:
    """Raise Unprocessable for nobody, Forbidden for oneself, for those whom one leads, and without the role."""
    may = access.predicate_about(caller, "break_glass_request", "create", Employee.__table__.c.id)
    query = select(may).where(Employee.organisation_id == ORGANISATION, Employee.id == bindparam("id"))
    allowed = session.execute(query, {**queries.parameters(caller), "id": employee_id}).scalar_one_or_none()
    if allowed is None:
        raise Unprocessable(faults=[Fault("/employee_id", "unknown_reference", "There is no such row.")])
    if not allowed:
        raise Forbidden("not_allowed", "Not about yourself, and not about people whom you lead.")


def _record(session: Session, caller: Caller, request: BreakGlassRequest, verb: str) -> None:
    details = {"severity": "high", "state": request.state}
    events.record(session, caller, f"break_glass_request.{verb}", request, details=details)
    about = {"organisation_id": caller.organisation_id, "request_id": str(request.id), "state": str(request.state)}
    log.warning("break-glass request %s", verb, extra=about)


def _shown(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return requests with their reasons; one whose hour is over shows as expired before the worker says so."""
    sealed = [
        (row["employee_id"], column, row["id"], row[name])
        for row in rows
        for column, name in ((REASON, "reason"), (DELAY_REASON, "delay_reason"))
        if row[name] is not None
    ]
    opened = dict(zip(((each[1], each[2]) for each in sealed), texts.reveal_many(session, caller, sealed), strict=True))
    return [
        {
            **row,
            **_as_of(row, clock.now()),
            "reason": opened.get((REASON, row["id"])),
            "delay_reason": opened.get((DELAY_REASON, row["id"])),
            "approvals_needed": 2 if row["delay_seconds"] else 1,
        }
        for row in rows
    ]


def _as_of(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    if row["state"] in OPEN and row["expires_at"] <= now:
        return {"state": BreakGlassState.expired, "allowed_actions": []}
    return {}


def _referrals(session: Session, caller: Caller, employee_id: UUID) -> list[dict[str, Any]]:
    at = {"organisation_id": caller.organisation_id, "person": employee_id}
    rows = [row._asdict() for row in execute(session, SENT, at)]
    columns = ("note", "contact")
    sealed = [
        (employee_id, f"eap_referral.{name}", row["id"], row[name])
        for row in rows
        for name in columns
        if row[name] is not None
    ]
    opened = dict(zip(((each[1], each[2]) for each in sealed), texts.reveal_many(session, caller, sealed), strict=True))
    return [{**row, **{name: opened.get((f"eap_referral.{name}", row["id"])) for name in columns}} for row in rows]
