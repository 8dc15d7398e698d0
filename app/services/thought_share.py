"""Shares of thought records: explicit, one record and one person at a time, and taken back with the next read."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller
from app.database import execute
from app.errors import Fault, NotFound, Unprocessable
from app.models import ThoughtRecord, ThoughtShare
from app.policy.thoughts import mentors_or_coaches
from app.relations import ME
from app.schemas.thought_record import ThoughtShareCreate
from app.services import thought_record as records

TABLE = ThoughtShare.__table__
IN_EFFECT = mentors_or_coaches(TABLE.c.shared_with_id, TABLE.c.employee_id).label("in_effect")
HELPS_ME = select(mentors_or_coaches(bindparam("helper"), ME))
SHARES = queries.Listing(
    "thought_share",
    sorts={"id": TABLE.c.id},
    filters={"record_id": TABLE.c.record_id == bindparam("record_id")},
    syncs=False,
    extra=(IN_EFFECT,),
)
EFFECT = select(IN_EFFECT).where(TABLE.c.organisation_id == bindparam("organisation_id"), TABLE.c.id == bindparam("id"))


def list_(session: Session, caller: Caller, paging: queries.Paging, record_id: UUID) -> Mapping[str, Any]:
    """Return a page of those with whom the caller shares one of their own records."""
    _require_own(session, caller, record_id)
    return queries.paginate(session, caller, SHARES, paging, {"record_id": record_id})


def read(session: Session, caller: Caller, record_id: UUID, share_id: UUID) -> Mapping[str, Any]:
    """Return one share of a record. Raise NotFound for one of another record."""
    share = queries.read(session, caller, "thought_share", share_id)
    if share["record_id"] != record_id:
        raise NotFound
    effect = execute(session, EFFECT, {"organisation_id": caller.organisation_id, "id": share_id}).scalar_one()
    return {**share, "in_effect": effect}


def create(session: Session, caller: Caller, record_id: UUID, data: ThoughtShareCreate) -> Mapping[str, Any]:
    """Let a mentor or coach of the caller's read one record. Raise Unprocessable for anybody else, alike."""
    record = queries.get_allowed(session, caller, ThoughtRecord, record_id, "share")
    values = {**queries.parameters(caller), "helper": data.employee_id}
    if not execute(session, HELPS_ME, values).scalar_one():
        detail = "Must be your active mentor, or the coach of a session of yours."
        raise Unprocessable(faults=[Fault("/employee_id", "not_a_mentor_or_coach", detail)])
    share = ThoughtShare(
        organisation_id=caller.organisation_id,
        employee_id=record.employee_id,
        record_id=record.id,
        shared_with_id=data.employee_id,
    )
    session.add(share)
    records.record_own_change(session, caller)
    return read(session, caller, record_id, share.id)


def revoke(session: Session, caller: Caller, record_id: UUID, share_id: UUID) -> None:
    """Take a share back. It counts from the next read on."""
    share = queries.get_allowed(session, caller, ThoughtShare, share_id, "revoke")
    if share.record_id != record_id:
        raise NotFound
    session.delete(share)
    records.record_own_change(session, caller)


def _require_own(session: Session, caller: Caller, record_id: UUID) -> None:
    """Raise NotFound for a record that is not the caller's own: with whom it is shared is its author's to know."""
    if queries.read(session, caller, "thought_record", record_id)["employee_id"] != caller.employee_id:
        raise NotFound
