"""Thought records: written and read by their author alone, unless they share one with their mentor or coach.

No entry, event, count or list of anybody else tells that there is one. What it says is sealed as a whole.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from app import events, queries, texts
from app.auth import Caller
from app.models import ThoughtRecord
from app.models.base import new_id
from app.policy.thoughts import SHARED_WITH
from app.reads import Read
from app.relations import ME
from app.schemas.thought_record import ThoughtRecordCreate, ThoughtRecordUpdate
from app.services.own_record import OwnRecord

TABLE = ThoughtRecord.__table__
SEALED_IN = "thought_record.content"
RECORDS = queries.Listing(
    "thought_record",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={"shared_with_me": (TABLE.c.employee_id != ME) == bindparam("shared_with_me")},
    syncs=False,
)
EMPTY: dict[str, Any] = {name: [] if name == "distortions" else None for name in ThoughtRecordCreate.model_fields}
TOOL_OF = {"pillar": "emotional_wellbeing", "practices": ["thought_record", "reframe_a_hard_call"]}


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the caller's own records, or of those that are shared with them."""
    page = queries.paginate(session, caller, RECORDS, paging, filters)
    return {**page, "data": _shown(session, caller, page["data"])}


def read(session: Session, caller: Caller, record_id: UUID) -> Mapping[str, Any]:
    """Return one record. That somebody else reads it is recorded."""
    return _shown(session, caller, [queries.read(session, caller, "thought_record", record_id)])[0]


def create(session: Session, caller: Caller, data: ThoughtRecordCreate) -> Mapping[str, Any]:
    """Write a record of the caller's own."""
    record = ThoughtRecord(organisation_id=caller.organisation_id, id=new_id(), employee_id=caller.employee_id)
    _seal(session, caller, record, data.model_dump(mode="json"))
    session.add(record)
    record_own_change(session, caller)
    return read(session, caller, record.id)


def update(session: Session, caller: Caller, record_id: UUID, data: ThoughtRecordUpdate) -> Mapping[str, Any]:
    """Change a record of the caller's own. Raise Unreadable where what it said is gone."""
    record = queries.get_allowed(session, caller, ThoughtRecord, record_id, "update")
    said = json.loads(texts.reveal(session, caller, record.employee_id, SEALED_IN, record.id, record.content))
    wanted = said | data.model_dump(mode="json", exclude_unset=True)
    if wanted != said:
        _seal(session, caller, record, wanted)
        record_own_change(session, caller)
    return read(session, caller, record_id)


def delete(session: Session, caller: Caller, record_id: UUID) -> None:
    """Remove a record of the caller's own for good, with its shares."""
    session.delete(queries.get_allowed(session, caller, ThoughtRecord, record_id, "delete"))
    record_own_change(session, caller)


def record_own_change(session: Session, caller: Caller) -> None:
    """Record that somebody changed something of their own: not who, nor what."""
    session.flush()
    events.record(session, caller, OwnRecord.ACTION, OwnRecord())


def _seal(session: Session, caller: Caller, record: ThoughtRecord, said: Mapping[str, Any]) -> None:
    plain = json.dumps(said, ensure_ascii=False)
    record.content = texts.seal(session, caller, record.employee_id, SEALED_IN, record.id, plain)


def _shown(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return records with what they say. Those of others are recorded as read, in this transaction."""
    said = texts.reveal_many(
        session, caller, [(row["employee_id"], SEALED_IN, row["id"], row["content"]) for row in rows]
    )
    reads = [Read(row["id"], row["employee_id"], SHARED_WITH.name) for row in rows]
    events.record_reads(session, caller, "thought_record", reads)
    return [
        {**row, **EMPTY, **(json.loads(text) if text else {}), **TOOL_OF, "unreadable": text is None}
        for row, text in zip(rows, said, strict=True)
    ]
