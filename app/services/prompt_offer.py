"""What is offered to a person because of a strain signal, and what becomes of the offer when the signal changes."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, insert, literal_column, select, update
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.database import execute
from app.models import Practice, StrainSignal, SupportPrompt
from app.models.base import new_id
from app.models.strain import PromptKind, PromptState, SignalState
from app.services.strain_conditions import Rule
from app.telemetry import PROMPTS

if TYPE_CHECKING:
    from app.services.strain_reading import Person, Setting
    from app.services.strain_writing import Raised, Superseded

TABLE, SIGNAL, PRACTICE = SupportPrompt.__table__, StrainSignal.__table__, Practice.__table__
ORGANISATION = bindparam("organisation_id", type_=Uuid())
IDS = bindparam("ids", type_=ARRAY(Uuid()))
BREAK_MOMENTS = ("after_a_hard_call", "between_calls")

OF_SIGNALS = select(
    TABLE.c.id, TABLE.c.signal_id, TABLE.c.state, TABLE.c.employee_id, TABLE.c.private, TABLE.c.version
).where(TABLE.c.organisation_id == ORGANISATION, TABLE.c.signal_id == any_(IDS))
OPEN = (
    select(TABLE.c.id, TABLE.c.employee_id, TABLE.c.private, TABLE.c.version, SIGNAL.c.rule_id)
    .join(SIGNAL, (SIGNAL.c.organisation_id == TABLE.c.organisation_id) & (SIGNAL.c.id == TABLE.c.signal_id))
    .where(TABLE.c.organisation_id == ORGANISATION, TABLE.c.employee_id == any_(IDS))
    .where(TABLE.c.state == PromptState.offered, TABLE.c.expires_at > bindparam("now"))
)
MOVE = (
    update(SupportPrompt)
    .where(TABLE.c.organisation_id == bindparam("of"), TABLE.c.id == bindparam("prompt"))
    .values(signal_id=bindparam("signal"), updated_at=bindparam("now"), version=TABLE.c.version + 1)
)
SUPERSEDE = (
    update(SupportPrompt)
    .where(TABLE.c.organisation_id == bindparam("of"), TABLE.c.id == any_(IDS))
    .values(state=PromptState.superseded, updated_at=bindparam("now"), version=TABLE.c.version + 1)
)
PRACTICES = (
    select(PRACTICE.c.id, PRACTICE.c.moment, PRACTICE.c.minutes, PRACTICE.c.pillars)
    .where(PRACTICE.c.organisation_id == ORGANISATION, ~PRACTICE.c.hidden)
    .order_by(PRACTICE.c.key)
)

REPEATED = (
    select(SIGNAL.c.employee_id)
    .where(SIGNAL.c.organisation_id == ORGANISATION, SIGNAL.c.employee_id == any_(IDS))
    .where(SIGNAL.c.state == literal_column(f"'{SignalState.raised}'"), SIGNAL.c.private)
    .where(SIGNAL.c.triggered_at > bindparam("since"))
    .group_by(SIGNAL.c.employee_id)
    .having(func.count() >= bindparam("signals"))
)

BREAK = "If you like, take {minutes} away from phone and screen before your next call. Whether you do is your choice."
MESSAGES = {
    PromptKind.take_break: BREAK,
    PromptKind.debrief: (
        "If you like, have a word with your team lead, or with another person you trust, about what would help now."
        " You choose what to talk about, and nobody asks you to go through the call again."
    ),
    PromptKind.mentor: "If you like, talk with your mentor about how the last days on the phone have been going.",
    PromptKind.practice: "Here is a short practice that you can try, now or later, if you like.",
}
NO_CONSEQUENCE = " Saying no needs no reason and has no consequence."
ABOUT_THE_WORK = (
    " You have flagged calls repeatedly: that says more about the work than about you. If you like, tell your team lead"
    " or the programme lead what about it could change. They do not see your flags."
)


def offer(
    session: Session,
    caller: Caller,
    setting: "Setting",
    people: Mapping[UUID, "Person"],
    raised: Sequence["Raised"],
    superseded: Sequence["Superseded"],
) -> list["Raised"]:
    """Offer support for the signals just raised, and take or move what was offered for those just superseded.

    Return the signals whose moment for an offer has not passed. Offers that others may see follow from what others may
    see: an open private offer never stands in the way of one, it gives way to it.
    """
    now = clock.now()
    present = [signal for signal in raised if _expires_at(signal) > now]
    moved = _follow_signals(session, caller, raised, superseded, now) if superseded else set()
    wanted: dict[tuple[UUID, UUID, bool], Raised] = {}
    for signal in sorted(present, key=lambda signal: signal.finding.triggered_at):
        if signal.id not in moved and _wants(people.get(signal.employee_id), now):
            wanted[signal.employee_id, signal.rule.id, signal.finding.private] = signal
    if wanted:
        _offer(session, caller, setting, wanted, now)
    return present


def _expires_at(signal: "Raised") -> datetime:
    seconds = signal.rule.row["prompt_expires_seconds"]
    return signal.finding.triggered_at + timedelta(seconds=seconds)


def _wants(person: "Person | None", now: datetime) -> bool:
    if person is None or not person.active:
        return False
    return person.prompts_paused_until is None or person.prompts_paused_until <= now


def _follow_signals(
    session: Session, caller: Caller, raised: Sequence["Raised"], superseded: Sequence["Superseded"], now: datetime
) -> set[UUID]:
    """Move the prompts of superseded signals to what replaces them; where nothing does, take back open offers.

    Return the signals that were given a prompt. An answer stays an answer: it moves too, and nothing is offered twice.
    """
    successors = {gone.id: next_one for gone in superseded if (next_one := _successor(gone, raised))}
    values = {"organisation_id": caller.organisation_id, "ids": [gone.id for gone in superseded]}
    prompts = execute(session, OF_SIGNALS, values).all()
    moves = [p for p in prompts if p.signal_id in successors and p.state != PromptState.superseded]
    for prompt in moves:
        values = {"of": caller.organisation_id, "prompt": prompt.id, "now": now}
        execute(session, MOVE, {**values, "signal": successors[prompt.signal_id]})
    events.record_changes(
        session, by_the_rules(caller), "support_prompt", [_change("moved", p, p.state) for p in moves]
    )
    _supersede(
        session, caller, [p for p in prompts if p.state == PromptState.offered and p.signal_id not in successors], now
    )
    return {successors[prompt.signal_id] for prompt in moves}


def _successor(gone: "Superseded", raised: Sequence["Raised"]) -> UUID | None:
    """Return the nearest new signal of the same rule, person and audience within the rule's cool-down."""
    near = [
        (abs(signal.finding.triggered_at - gone.triggered_at), signal.id)
        for signal in raised
        if (signal.employee_id, signal.rule.id, signal.finding.private)
        == (gone.employee_id, gone.rule_id, gone.private)
        and abs(signal.finding.triggered_at - gone.triggered_at) <= signal.rule.cooldown
    ]
    return min(near)[1] if near else None


def _supersede(session: Session, caller: Caller, prompts: Sequence[Any], now: datetime) -> None:
    if prompts:
        values = {"of": caller.organisation_id, "ids": [prompt.id for prompt in prompts], "now": now}
        execute(session, SUPERSEDE, values)
        PROMPTS.labels("superseded").inc(len(prompts))
        changes = [_change("superseded", prompt, "superseded") for prompt in prompts]
        events.record_changes(session, by_the_rules(caller), "support_prompt", changes)


def _offer(
    session: Session,
    caller: Caller,
    setting: "Setting",
    wanted: Mapping[tuple[UUID, UUID, bool], "Raised"],
    now: datetime,
) -> None:
    ids = list({person for person, _, _ in wanted})
    rows = execute(session, OPEN, {"organisation_id": caller.organisation_id, "ids": ids, "now": now}).all()
    open_ = {(row.employee_id, row.rule_id, row.private): row for row in rows}
    new = [
        signal
        for (person, rule, private), signal in wanted.items()
        if (person, rule, False) not in open_
        and not (private and ((person, rule, True) in open_ or (person, rule, False) in wanted))
    ]
    give_way = [open_[key] for s in new if (key := (s.employee_id, s.rule.id, True)) in open_]
    _supersede(session, caller, give_way, now)
    if new:
        _insert(session, caller, new, now, _flag_repeatedly(session, caller, setting, new, now))


def _flag_repeatedly(
    session: Session, caller: Caller, setting: "Setting", signals: Sequence["Raised"], now: datetime
) -> set[UUID]:
    """Return those of the people whose own flags have raised so many signals that a team would be asked about."""
    people = list({signal.employee_id for signal in signals if signal.finding.private})
    if not people:
        return set()
    since = now - timedelta(days=setting.team_prompt_days)
    values = {"organisation_id": caller.organisation_id, "since": since, "signals": setting.team_prompt_signals}
    return set(execute(session, REPEATED, {**values, "ids": people}).scalars())


def _insert(
    session: Session, caller: Caller, signals: Sequence["Raised"], now: datetime, flag_repeatedly: Collection[UUID]
) -> None:
    practices: Sequence[Any] = ()
    if any(signal.rule.row["prompt_pillar"] for signal in signals):
        practices = execute(session, PRACTICES, {"organisation_id": caller.organisation_id}).all()
    rows = [
        {
            "organisation_id": caller.organisation_id,
            "id": new_id(),
            "employee_id": signal.employee_id,
            "signal_id": signal.id,
            "practice_id": pick(practices, signal.rule, signal.employee_id, signal.finding.triggered_at),
            "kind": signal.rule.row["prompt_kind"],
            "message": message(signal.rule, repeated=signal.finding.private and signal.employee_id in flag_repeatedly),
            "minutes": signal.rule.row["prompt_minutes"],
            "private": signal.finding.private,
            "offered_at": now,
            "expires_at": _expires_at(signal),
            "state": PromptState.offered,
        }
        for signal in signals
    ]
    session.connection().execute(insert(SupportPrompt), rows)
    PROMPTS.labels("offered").inc(len(rows))
    changes = [
        events.Change("support_prompt.offered", r["id"], 1, r["employee_id"], state="offered", private=r["private"])
        for r in rows
    ]
    events.record_changes(session, by_the_rules(caller), "support_prompt", changes)


def message(rule: Rule, *, repeated: bool = False) -> str:
    """Return what a prompt says, in plain words: an offer, a choice, and no consequence.

    ``repeated`` is for somebody whose own flags repeat: then the work is to change, and only they can say so.
    """
    minutes = rule.row["prompt_minutes"]
    text = MESSAGES[PromptKind(rule.row["prompt_kind"])]
    text = text.format(minutes=f"{minutes} minutes" if minutes and minutes > 1 else "a minute")
    return text + NO_CONSEQUENCE + (ABOUT_THE_WORK if repeated else "")


def pick(practices: Sequence[Any], rule: Rule, person: UUID, at: datetime) -> UUID | None:
    """Return a practice of the rule's pillar: another one each day, not the same for everyone. None without a pillar.

    With a break go those that help after a hard call or between calls, and fit into it.
    """
    pillar, minutes = rule.row["prompt_pillar"], rule.row["prompt_minutes"]
    fitting = [p for p in practices if pillar in p.pillars and (minutes is None or p.minutes <= minutes)]
    if rule.row["prompt_kind"] == PromptKind.take_break:
        fitting = [practice for practice in fitting if practice.moment in BREAK_MOMENTS]
    elif not fitting:
        fitting = [practice for practice in practices if pillar in practice.pillars]
    return fitting[(at.toordinal() + person.int) % len(fitting)].id if fitting else None


def _change(verb: str, prompt: Any, state: str) -> events.Change:
    details = {"state": state}
    return events.Change(
        f"support_prompt.{verb}",
        prompt.id,
        prompt.version + 1,
        prompt.employee_id,
        details,
        state=state,
        private=prompt.private,
    )


def by_the_rules(caller: Caller) -> Caller:
    """Return who raises signals and makes offers: the rules do. The audit does not say whose request it was."""
    return Caller(caller.organisation_id, "system", None)
