"""Writes what changed of strain signals, what is to be said of it, and what is offered because of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, insert, update
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.database import execute
from app.models import StrainSignal
from app.models.base import new_id
from app.models.strain import SignalState
from app.services import prompt_offer, strain_words, team_prompt
from app.services import strain_reading as reading
from app.services.strain_conditions import Rule
from app.services.strain_evaluation import Change, Finding
from app.telemetry import SIGNALS

TABLE = StrainSignal.__table__
SUPERSEDE = (
    update(StrainSignal)
    .where(TABLE.c.organisation_id == bindparam("of"), TABLE.c.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
    .where(TABLE.c.state == SignalState.raised)
    .values(
        state=SignalState.superseded,
        superseded_at=bindparam("now"),
        updated_at=bindparam("now"),
        version=TABLE.c.version + 1,
    )
    .returning(TABLE.c.id, TABLE.c.employee_id, TABLE.c.rule_id, TABLE.c.triggered_at, TABLE.c.private, TABLE.c.version)
)
SHOWN = ("name", "description", "basis", "basis_label", "condition", "severity", "hard_severity", "cooldown_seconds")


class Raised(NamedTuple):
    """A signal that was just raised."""

    id: UUID
    employee_id: UUID
    rule: Rule
    finding: Finding


class Superseded(NamedTuple):
    """A signal that was just found to be no longer true."""

    id: UUID
    employee_id: UUID
    rule_id: UUID
    triggered_at: datetime
    private: bool
    version: int


def write(
    session: Session,
    caller: Caller,
    setting: reading.Setting,
    people: Mapping[UUID, reading.Person],
    changes: Sequence[tuple[UUID, Rule | None, Change]],
) -> None:
    """Supersede what is no longer true, insert what is new, record both, and offer what follows from it."""
    untrue = [stored.id for _, _, change in changes for stored in change.untrue]
    raised = [
        Raised(new_id(), person, rule, finding)
        for person, rule, change in changes
        if rule is not None
        for finding in change.new
    ]
    superseded = _supersede(session, caller, untrue) if untrue else []
    if raised:
        _insert(session, caller, setting, raised)
    if not (raised or superseded):
        return
    caller.has_written = True
    others = {signal.employee_id for signal in raised} - people.keys()
    known = {**people, **reading.lock_people(session, caller, others)} if others else people
    present = prompt_offer.offer(session, caller, setting, known, raised, superseded)
    team_prompt.offer(session, caller, setting, [signal for signal in present if not signal.finding.private])


def _supersede(session: Session, caller: Caller, ids: Sequence[UUID]) -> list[Superseded]:
    values = {"of": caller.organisation_id, "ids": ids, "now": clock.now()}
    gone = [Superseded._make(row) for row in execute(session, SUPERSEDE, values)]
    _record(session, caller, "superseded", [(s.id, s.version, s.employee_id, s.private) for s in gone])
    return gone


def _insert(session: Session, caller: Caller, setting: reading.Setting, raised: Sequence[Raised]) -> None:
    rows = [_row(caller, setting, signal) for signal in raised]
    session.connection().execute(insert(StrainSignal), rows)
    _record(session, caller, "raised", [(s.id, 1, s.employee_id, s.finding.private) for s in raised])


def _row(caller: Caller, setting: reading.Setting, signal: Raised) -> dict[str, Any]:
    finding, rule = signal.finding, signal.rule
    return finding._asdict() | {
        "organisation_id": caller.organisation_id,
        "id": signal.id,
        "employee_id": signal.employee_id,
        "rule": snapshot(rule.row),
        "window_to": finding.triggered_at,
        "explanation": strain_words.explain(rule.condition, finding, setting.zone),
        "call_event_ids": list(finding.call_event_ids),
        "call_flag_ids": list(finding.call_flag_ids),
        "state": SignalState.raised,
    }


def snapshot(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule as a signal keeps it: what it looked for, how it weighed calls, and what it offered."""
    prompt = {name: row[f"prompt_{name}"] for name in ("kind", "minutes", "expires_seconds", "pillar")}
    areas = [str(area) for area in row["service_area_ids"]]
    return {**{name: row[name] for name in SHOWN}, "service_area_ids": areas, "prompt": prompt}


def _record(session: Session, caller: Caller, state: str, signals: Sequence[tuple[UUID, int, UUID, bool]]) -> None:
    SIGNALS.labels(state).inc(len(signals))
    changes = [
        events.Change(f"strain_signal.{state}", signal_id, version, person, state=state, private=private)
        for signal_id, version, person, private in signals
    ]
    events.record_changes(session, prompt_offer.by_the_rules(caller), "strain_signal", changes)
