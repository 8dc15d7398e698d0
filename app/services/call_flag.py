"""Call flags: a person's own word that a call was hard. It counts like a coded outcome, and is theirs alone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.errors import Fault, Unprocessable
from app.models import CallEvent, CallFlag
from app.schemas.call_flag import CallFlagCreate
from app.services import strain
from app.services.own_record import OwnRecord

TABLE = CallFlag.__table__
FLAGS = queries.Listing(
    "call_flag",
    sorts={"id": TABLE.c.id, "occurred_at": TABLE.c.occurred_at},
    filters={
        "call_event_id": TABLE.c.call_event_id == bindparam("call_event_id"),
        "taken_back": TABLE.c.taken_back_at.is_not(None) == bindparam("taken_back"),
    },
    syncs=False,
)
AHEAD_AT_MOST, BACK_AT_MOST = timedelta(minutes=5), timedelta(days=31)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the caller's own flags."""
    page = queries.paginate(session, caller, FLAGS, paging, filters)
    return {**page, "data": [_shown(row) for row in page["data"]]}


def read(session: Session, caller: Caller, flag_id: UUID) -> Mapping[str, Any]:
    """Return one of the caller's own flags."""
    return _shown(queries.read(session, caller, "call_flag", flag_id))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return row if row["taken_back_at"] is None else {**row, "allowed_actions": []}


def create(session: Session, caller: Caller, data: CallFlagCreate) -> Mapping[str, Any]:
    """Flag a call of the caller's own. Raise Conflict where it is flagged already, Unprocessable for another's call."""
    occurred_at = _moment(session, caller, data)
    flag = CallFlag(
        organisation_id=caller.organisation_id,
        employee_id=caller.employee_id,
        call_event_id=data.call_event_id,
        kind=data.kind,
        occurred_at=occurred_at,
    )
    session.add(flag)
    _follow(session, caller, occurred_at)
    return read(session, caller, flag.id)


def take_back(session: Session, caller: Caller, flag_id: UUID) -> Mapping[str, Any]:
    """Take a flag back: what it led to is no longer true. Once more changes nothing."""
    flag = queries.get_allowed(session, caller, CallFlag, flag_id, "take_back")
    if flag.taken_back_at is None:
        flag.taken_back_at = clock.now()
        event = session.get(CallEvent, (caller.organisation_id, flag.call_event_id)) if flag.call_event_id else None
        _follow(session, caller, event.ended_at if event else flag.occurred_at)
    return read(session, caller, flag_id)


def _follow(session: Session, caller: Caller, moment: datetime) -> None:
    events.record(session, caller, OwnRecord.ACTION, OwnRecord())
    touched = {caller.employee_id: moment} if caller.employee_id else {}
    strain.follow(session, caller, touched, touched, private_only=True)


def _moment(session: Session, caller: Caller, data: CallFlagCreate) -> datetime:
    if data.call_event_id is not None:
        event = queries.get_owned(session, caller, CallEvent, data.call_event_id, "/call_event_id")
        if event.employee_id != caller.employee_id:
            raise Unprocessable(faults=[Fault("/call_event_id", "unknown_reference", "There is no such row.")])
        return event.ended_at
    now = clock.now()
    if data.occurred_at is None:
        return now
    if not now - BACK_AT_MOST <= data.occurred_at <= now + AHEAD_AT_MOST:
        raise Unprocessable(faults=[Fault("/occurred_at", "out_of_range", "Must lie within the last 31 days.")])
    return data.occurred_at
