"""Which strain signals follow from a person's calls and flags: a pure function, without database, clock or arrival.

What others may see is worked out as if there were no flags (``evaluate_coded``). What the flags add is worked out
beside it (``evaluate_flagged``): no public signal appears, moves or is missing because somebody flagged a call.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from app.services.strain_conditions import (
    BY_SEVERITY,
    CONDITIONS,
    TICK,
    UNRESOLVED,
    Call,
    Rule,
    first_since,
    moment,
    ticks,
)


class Finding(NamedTuple):
    """That a rule is met: when, over which window, by how much, and by which calls."""

    rule_id: UUID
    rule_version: int
    triggered_at: datetime
    private: bool
    window_from: datetime
    measure: float
    threshold: float
    call_event_ids: tuple[UUID, ...]
    call_flag_ids: tuple[UUID, ...]


class CoolDown:
    """Whether a signal may be raised: not while an earlier one of the same rule and person still cools down.

    ``taken`` are moments of signals that stand already; ``note`` adds the latest one.
    """

    def __init__(self, length: timedelta, taken: Iterable[datetime] = ()) -> None:
        self.length, self.taken = length // TICK, sorted(map(ticks, taken))
        self.last: int | None = None

    def allows(self, at: int) -> bool:
        """Say whether a signal may be raised at this moment, which is not before the one noted last."""
        earlier = bisect_right(self.taken, at)
        before = self.taken[earlier - 1] if earlier else None
        last = before if self.last is None else self.last if before is None else max(before, self.last)
        return last is None or (at - last >= self.length and at != last)

    def note(self, at: int) -> None:
        """Take note that a signal is raised at this moment."""
        self.last = at


def _findings(
    rule: Rule, calls: Sequence[Call], since: int, taken: Iterable[datetime], *, private: bool
) -> Iterator[Finding]:
    new = calls[first_since(calls, since) :]
    if rule.kind in BY_SEVERITY:
        new = [call for call in new if rule.is_hard(call)]
    cool_down = CoolDown(rule.cooldown, taken)
    if not any(cool_down.allows(call.at) for call in new):
        return
    for met in CONDITIONS[rule.kind](rule, calls, since, cool_down.allows):
        flags = tuple(call.flag_id for call in met.calls if call.flag_id and call.flag in rule.hard)
        if private and not flags:
            continue
        cool_down.note(met.at)
        events = tuple(UUID(bytes=call.id) for call in met.calls if call.coded)
        numbers = (moment(met.window_from), float(met.measure), float(met.threshold))
        yield Finding(rule.id, rule.version, moment(met.at), private, *numbers, events, flags)


def evaluate_coded(rule: Rule, calls: Sequence[Call], since: datetime, taken: Iterable[datetime]) -> list[Finding]:
    """Return the signals of one person that rest on call events alone, from ``since`` on.

    ``calls`` are in order, hold no flags, and reach back by the rule's look-back before ``since``. ``taken`` are the
    moments of public signals of this rule and person that stand already.
    """
    if rule.kind not in CONDITIONS or rule.kind == "self_flag":
        return []
    return list(_findings(rule, calls, ticks(since), taken, private=False))


def evaluate_flagged(rule: Rule, calls: Sequence[Call], since: datetime, taken: Iterable[datetime]) -> list[Finding]:
    """Return the signals that the person's own flags add. They are private.

    ``calls`` hold the flags. ``taken`` are the moments of all other signals of this rule and person, public ones
    included. What rests on no flag is not for here.
    """
    if rule.kind not in BY_SEVERITY:
        return []
    return list(_findings(rule, calls, ticks(since), taken, private=True))


class Stored(NamedTuple):
    """A signal that is live in the database, as the evaluation would find it."""

    id: UUID
    finding: Finding


@dataclass(slots=True)
class Change:
    """What has to change so that the stored signals are the ones that follow from the calls."""

    new: list[Finding] = field(default_factory=list)
    untrue: list[Stored] = field(default_factory=list)
    settled: bool = True


@dataclass(frozen=True)
class Timeline:
    """The calls of one person: as coded, and with the person's flags (None where there are none)."""

    coded: Sequence[Call]
    flagged: Sequence[Call] | None
    since: datetime
    until: datetime | None = None

    @cached_property
    def new(self) -> Sequence[Call]:
        """The coded calls from ``since`` on: only at these can a signal be raised."""
        return self.coded[first_since(self.coded, ticks(self.since)) :]

    @cached_property
    def new_outcomes(self) -> frozenset[str]:
        """What these calls were like."""
        return frozenset().union(*{call.outcomes for call in self.new})

    @cached_property
    def has_unresolved(self) -> bool:
        """Whether any of the coded calls was unresolved."""
        return any(UNRESOLVED in outcomes for outcomes in {call.outcomes for call in self.coded})

    def rules_out(self, rule: Rule) -> bool:
        """Say at a glance, as for most rules and people, that the coded calls cannot raise a signal."""
        if rule.kind in BY_SEVERITY:
            return rule.hard.isdisjoint(self.new_outcomes)
        if rule.kind == "unresolved_share" and rule.condition["share"] > 0:
            return not self.has_unresolved
        return not self.new


def reconcile(rule: Rule, line: Timeline, stored: Sequence[Stored], *, private_only: bool = False) -> Change:
    """Return how the stored signals of one rule and person have to change, from the timeline's ``since`` on.

    What was raised before ``since``, or under an older version of the rule, stands and keeps counting for the
    cool-down. ``private_only`` takes the public signals as they are: what a flag changes is nobody else's to see.
    """
    if not (stored or line.flagged) and (private_only or line.rules_out(rule)):
        return Change()
    fixed = [s.finding for s in stored if s.finding.triggered_at < line.since or s.finding.rule_version != rule.version]
    open_ = [s for s in stored if s.finding.triggered_at >= line.since and s.finding.rule_version == rule.version]
    if private_only:
        public = [s.finding for s in open_ if not s.finding.private]
    elif line.rules_out(rule):
        public = []
    else:
        public = evaluate_coded(rule, line.coded, line.since, (f.triggered_at for f in fixed if not f.private))
    private: list[Finding] = []
    if line.flagged is not None:
        private = evaluate_flagged(rule, line.flagged, line.since, (f.triggered_at for f in (*fixed, *public)))
    return compare(rule, open_, fixed, [*public, *private], line.until)


def compare(
    rule: Rule, open_: Sequence[Stored], fixed: Sequence[Finding], found: Sequence[Finding], until: datetime | None
) -> Change:
    """Return what is new, what is no longer true, and whether everything after ``until`` is bound to be the same."""
    known, wanted = {stored.finding for stored in open_}, set(found)
    change = Change([f for f in found if f not in known], [s for s in open_ if s.finding not in wanted])
    if until is not None and known != wanted:
        before = [*fixed, *(stored.finding for stored in open_)]
        change.settled = all(
            _last(before, track, until - rule.cooldown) == _last([*fixed, *found], track, until - rule.cooldown)
            for track in ((False,), (False, True))
        )
    return change


def _last(findings: Iterable[Finding], track: Sequence[bool], after: datetime) -> datetime | None:
    return max((f.triggered_at for f in findings if f.private in track and f.triggered_at > after), default=None)
