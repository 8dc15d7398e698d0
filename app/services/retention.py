"""Removing what has been kept long enough, in small batches: the worker's part of the retention rules."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from app import events
from app.auth import Caller
from app.database import execute
from app.duties import Done
from app.models import (
    CallEvent,
    CallFlag,
    CoachingSession,
    Employee,
    RetentionRule,
    StrainSignal,
    SupportPrompt,
)
from app.personal_data_classes import CLASSES, CountsFrom, DataClass
from app.relations import ORGANISATION
from app.services import data_export, erasure, erasure_rows

PEOPLE_AT_ONCE = 10
ROWS_AT_ONCE = 500
PERSON: Any = Employee.__table__
CALL, FLAG, SIGNAL, PROMPT, SESSION = (
    model.__table__ for model in (CallEvent, CallFlag, StrainSignal, SupportPrompt, CoachingSession)
)
RULES = (
    select(RetentionRule.id, RetentionRule.data_class, RetentionRule.keep_days)
    .where(RetentionRule.organisation_id == ORGANISATION, RetentionRule.keep_days.is_not(None))
    .order_by(RetentionRule.data_class)
)
LEFT_LONG_AGO = (
    select(PERSON.c.id)
    .where(
        PERSON.c.organisation_id == ORGANISATION,
        ~PERSON.c.active,
        PERSON.c.deactivated_at < bindparam("before", type_=PERSON.c.deactivated_at.type),
        PERSON.c.erased_at.is_(None),
        bindparam("data_class", type_=Text()) != PERSON.c.forgotten.all_(),
    )
    .order_by(PERSON.c.id)
    .limit(PEOPLE_AT_ONCE)
    .with_for_update(skip_locked=True)
)


def apply(session: Session, caller: Caller, now: datetime) -> Done:
    """Do one small batch of the first rule that has something to do, and say so in the audit. Exports run out too."""
    exports = data_export.purge(session, caller, now)
    for rule in execute(session, RULES, {"organisation_id": caller.organisation_id}).all():
        data_class, before = DataClass(rule.data_class), now - timedelta(days=rule.keep_days)
        if CLASSES[data_class].counts_from is CountsFrom.fixed:
            continue
        removed = _batch(session, caller, data_class, before)
        if removed:
            _report(session, caller, rule.id, removed, now)
            return Done(more=True)
    return Done(more=exports == data_export.PURGED_AT_ONCE)


def _batch(session: Session, caller: Caller, data_class: DataClass, before: datetime) -> Mapping[str, int]:
    by_record = BY_RECORD.get(data_class)
    return by_record(session, caller, before) if by_record else _of_leavers(session, caller, data_class, before)


def _report(session: Session, caller: Caller, rule_id: UUID, removed: Mapping[str, int], now: datetime) -> None:
    """Write down what a rule removed: counts, never of whom."""
    rule = session.get_one(RetentionRule, (caller.organisation_id, rule_id))
    rule.last_run_at, rule.last_run_records = now, sum(removed.values())
    events.record(session, caller, "retention_rule.applied", rule, details={"records": dict(removed)})


def _of_leavers(session: Session, caller: Caller, data_class: DataClass, before: datetime) -> Mapping[str, int]:
    """Forget one class of data about a few people who left before; of the directory: erase them."""
    if data_class is DataClass.directory:
        erasure.hold(session, caller)
    values = {"organisation_id": caller.organisation_id, "before": before, "data_class": data_class}
    people = list(execute(session, LEFT_LONG_AGO, values).scalars())
    if not people:
        return {}
    if data_class is DataClass.directory:
        for person_id in people:
            erasure.now_erase(session, caller, session.get_one(Employee, (caller.organisation_id, person_id)))
        return {"employee": len(people)}
    removed = erasure_rows.forget(session, caller, people, [data_class])
    theirs = and_(PERSON.c.organisation_id == caller.organisation_id, PERSON.c.id.in_(people))
    noted = update(PERSON).where(theirs)
    # Not a change of the person that anybody is told of: neither version nor time moves.
    _run(
        session, noted.values(forgotten=PERSON.c.forgotten.op("||")([str(data_class)]), updated_at=PERSON.c.updated_at)
    )
    return {"employee": len(people), **removed}


def _calls(session: Session, caller: Caller, before: datetime) -> Mapping[str, int]:
    ids = _oldest(session, caller, CALL, CALL.c.ended_at < before)
    _loosen(session, caller, FLAG.c.call_event_id, ids)
    return _remove(session, caller, CALL, ids)


def _strain(session: Session, caller: Caller, before: datetime) -> Mapping[str, int]:
    """Remove flags, signals and prompts: a prompt with its signal, or by itself where it is about a team."""
    flags = _remove(session, caller, FLAG, _oldest(session, caller, FLAG, FLAG.c.occurred_at < before))
    signals = _oldest(session, caller, SIGNAL, SIGNAL.c.triggered_at < before)
    alone = and_(PROMPT.c.signal_id.is_(None), PROMPT.c.offered_at < before)
    prompts = _oldest(session, caller, PROMPT, or_(PROMPT.c.signal_id.in_(signals), alone), ROWS_AT_ONCE * 10)
    _loosen(session, caller, SESSION.c.prompt_id, prompts)
    _loosen(session, caller, SESSION.c.signal_id, signals)
    gone = Counter(_remove(session, caller, PROMPT, prompts))
    return gone + Counter(_remove(session, caller, SIGNAL, signals)) + Counter(flags)


def _oldest(
    session: Session, caller: Caller, table: Any, is_over: ColumnElement[bool], most: int = ROWS_AT_ONCE
) -> Sequence[UUID]:
    """Return the ids of some rows that are over, locked; what somebody else holds is left for another time."""
    query = select(table.c.id).where(table.c.organisation_id == caller.organisation_id, is_over)
    return session.scalars(query.order_by(table.c.id).limit(most).with_for_update(skip_locked=True)).all()


def _loosen(session: Session, caller: Caller, column: Any, ids: Sequence[UUID]) -> None:
    """Let go of rows that are to be removed."""
    table = column.table
    held = and_(table.c.organisation_id == caller.organisation_id, column.in_(ids))
    if ids:
        _run(session, update(table).where(held).values({column.name: None}))


def _remove(session: Session, caller: Caller, table: Any, ids: Sequence[UUID]) -> dict[str, int]:
    over = and_(table.c.organisation_id == caller.organisation_id, table.c.id.in_(ids))
    count = _run(session, delete(table).where(over)) if ids else 0
    return {table.name: count} if count else {}


def _run(session: Session, statement: Any) -> int:
    return int(session.connection().execute(statement).rowcount)


BY_RECORD: Mapping[DataClass, Callable[[Session, Caller, datetime], Mapping[str, int]]] = {
    DataClass.calls: _calls,
    DataClass.strain: _strain,
}
