"""What follows for strain signals when call events or flags change.

The signals of a person are a pure function of what happened. Here it is worked out afresh from the earliest touched
moment on, for all touched people together, and reconciled with what is stored.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.services import strain_calls
from app.services import strain_reading as reading
from app.services import strain_teams as teams
from app.services import strain_writing as writing
from app.services.strain_conditions import Call, Rule, moment
from app.services.strain_evaluation import Change, Stored, Timeline, reconcile
from app.services.strain_teams import Changes, Scope, Touch

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
NONE = timedelta(0)
# How many cool-downs past the last touched moment to look at first, before everything since is looked at.
REACHES = (1, 10)


class Window(NamedTuple):
    """From when signals are worked out, and until when (None: to the end)."""

    since: datetime
    until: datetime | None


class LookBack(NamedTuple):
    """How long before a moment hard calls matter, and how long all calls do; how long the longest cool-down is."""

    hard_calls: timedelta
    calls: timedelta
    cool_down: timedelta


def follow(
    session: Session,
    caller: Caller,
    touched: Mapping[UUID, datetime],
    until: Mapping[UUID, datetime] | None = None,
    *,
    private_only: bool = False,
) -> None:
    """Bring the signals and prompts of the touched employees up to date, each from its earliest touched moment on.

    A moment is where a call ends or ended: of one that moved, both the old and the new end are touched. ``until`` names
    each one's latest touched moment, so that late calls cost no more than their surroundings; where it is missing,
    everything since is worked out. ``private_only`` is for flags: what others see is then left exactly as it is.
    """
    if not touched:
        return
    session.flush()
    setting = reading.read_setting(session, caller)
    scope = Scope(session, caller, setting, private_only)
    compared = any(rule.kind == teams.KIND for rule in setting.rules)
    locked = teams.lock(session, caller, touched) if compared else {}
    people = reading.lock_people(session, caller, touched)
    touches = {person: Touch(touched[person], (until or {}).get(person)) for person in people}
    changes, latest = _follow_people(scope, people, touches)
    if locked:
        changes += teams.follow(scope, locked, touches, {} if private_only else latest)
    if changes:
        writing.write(session, caller, setting, people, changes)


def _follow_people(
    scope: Scope, people: Mapping[UUID, reading.Person], touches: Mapping[UUID, Touch]
) -> tuple[Changes, dict[UUID, datetime]]:
    """Return how everyone's own signals have to change, and when everyone's latest call was that was looked at."""
    changes: Changes = []
    latest: dict[UUID, datetime] = {}
    rules = [rule for rule in scope.setting.rules if rule.kind != teams.KIND]
    back, now = _look_back(rules), clock.now()
    pending = list(people)  # in the order of their ids, as they were locked
    for reach in (*REACHES, None):
        windows = {person: _window(touches[person], reach, back, now) for person in pending}
        pending = []
        for person, found in _evaluate(scope, rules, back, people, windows, latest).items():
            if all(change.settled for _, _, change in found):
                changes += (one for one in found if one[2].new or one[2].untrue)
            else:
                pending.append(person)
        if not pending:
            break
    return changes, latest


def _look_back(rules: Sequence[Rule]) -> LookBack:
    longest = max((rule.look_back for rule in rules), default=NONE)
    among_all = max((rule.look_back for rule in rules if not rule.needs_hard_calls_only), default=NONE)
    return LookBack(longest, among_all, max((rule.cooldown for rule in rules), default=NONE))


def _window(touch: Touch, reach: int | None, back: LookBack, now: datetime) -> Window:
    until = touch.last + back.hard_calls + reach * back.cool_down if touch.last and reach else None
    return Window(touch.first, None if until is None or until >= now else until)


def _evaluate(
    scope: Scope,
    rules: Sequence[Rule],
    back: LookBack,
    people: Mapping[UUID, reading.Person],
    windows: Mapping[UUID, Window],
    latest: dict[UUID, datetime],
) -> dict[UUID, Changes]:
    """Work out the signals of everyone in their window. Note everyone's latest call."""
    spans = {p: reading.Span(window.since, window.until or END_OF_TIME) for p, window in windows.items()}
    flags, calls = _read_work(scope, rules, back, spans)
    stored = reading.read_stored(scope.session, scope.caller, spans, rules)
    found: dict[UUID, Changes] = {}
    for person, window in windows.items():
        coded, signals = calls.get(person, []), stored.get(person, [])
        if coded:
            latest[person] = moment(coded[-1].at)
        flagged = strain_calls.with_flags(coded, flags.get(person, ()))
        line = Timeline(coded, flagged, window.since, window.until)
        found[person] = [
            (person, rule, reconcile(rule, line, _of(rule, signals), private_only=scope.private_only))
            for rule in rules
            if rule.covers(people[person].service_area_id)
        ]
    if stored:
        _add_untrue(scope, people, windows, stored, found)
    return found


def _read_work(
    scope: Scope, rules: Sequence[Rule], back: LookBack, spans: Mapping[UUID, reading.Span]
) -> tuple[Mapping[UUID, list[strain_calls.OwnFlag]], Mapping[UUID, list[Call]]]:
    """Return everyone's flags and coded calls in their span, and those before it that matter there."""
    reaches = {
        person: strain_calls.Reach(span.since - back.hard_calls, span.since - back.calls, span.until)
        for person, span in spans.items()
    }
    flagged_in = {person: reading.Span(reach.hard_from, reach.until) for person, reach in reaches.items()}
    flags = strain_calls.read_flags(scope.session, scope.caller, flagged_in)
    flagged_ids = [flag.call_event_id for own in flags.values() for flag in own if flag.call_event_id]
    hard = {key for rule in rules if rule.needs_hard_calls_only for key in rule.hard}
    return flags, strain_calls.read_calls(scope.session, scope.caller, reaches, hard, flagged_ids)


def _of(rule: Rule, signals: list[Stored]) -> list[Stored]:
    return [signal for signal in signals if signal.finding.rule_id == rule.id] if signals else signals


def _add_untrue(
    scope: Scope,
    people: Mapping[UUID, reading.Person],
    windows: Mapping[UUID, Window],
    stored: Mapping[UUID, list[Stored]],
    found: dict[UUID, Changes],
) -> None:
    """Add the signals of rules that are no longer in force as they were, where what they rest on counts no longer."""
    rules = {(rule.id, rule.version): rule for rule in scope.setting.rules}
    past: list[tuple[UUID, Stored]] = []
    for person, signals in stored.items():
        for signal in signals:
            rule = rules.get((signal.finding.rule_id, signal.finding.rule_version))
            in_force = rule is not None and rule.covers(people[person].service_area_id)
            public_and_left = scope.private_only and not signal.finding.private
            if signal.finding.triggered_at >= windows[person].since and not in_force and not public_and_left:
                past.append((person, signal))
    for person, signal in reading.read_untrue(scope.session, scope.caller, past):
        found[person].append((person, None, Change(untrue=[signal])))
