"""Calls and rules for the tests of the evaluation, which is a pure function of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from app.services.strain_calls import OwnFlag, with_flags
from app.services.strain_conditions import Call, Rule, moment, ticks
from app.services.strain_evaluation import Finding, Stored, Timeline, evaluate_coded, reconcile

DAWN = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
HARD = frozenset({"abusive", "threatening", "flag", "aimed_at_me"})
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def rule(kind: str, cooldown: timedelta = 2 * HOUR, **condition: Any) -> Rule:
    return Rule(uuid5(NAMESPACE_OID, kind), 1, kind, {"kind": kind, **condition}, HARD, cooldown)


def call(
    number: int, minute: float, outcomes: Sequence[str] = ("abusive",), talked: float = 0, wrap: float = 0
) -> Call:
    at = DAWN + minute * MINUTE
    timed = ticks(at - talked * MINUTE), ticks(at + wrap * MINUTE)
    return Call(ticks(at), number, UUID(int=number).bytes, outcomes, *timed)


def found(a_rule: Rule, *calls: Call) -> list[Finding]:
    return evaluate_coded(a_rule, sorted(calls), DAWN, ())


def number(one: Call) -> int:
    return int.from_bytes(one.id)


def ids(finding: Finding) -> list[int]:
    return [one.int for one in finding.call_event_ids]


COUNT = rule("hard_call_count", count=3, window_seconds=3600)
STREAK = rule("hard_call_streak", count=2, window_seconds=3600)
SHARE = rule("unresolved_share", share=0.5, minimum_calls=4, window_seconds=7200)
TALK = rule("talk_without_pause", talk_seconds=3600, pause_seconds=300)
FLAG = rule("self_flag", cooldown=HOUR)
RULES = (COUNT, STREAK, SHARE, TALK, FLAG)


@dataclass
class History:
    """One person's calls, flags and live signals, brought up to date after each change as the service does it."""

    rules: Sequence[Rule] = RULES
    bounded: bool = False
    calls: dict[bytes, Call] = field(default_factory=dict)
    as_of: dict[bytes, int] = field(default_factory=dict)
    flags: dict[UUID, OwnFlag] = field(default_factory=dict)
    stored: list[Finding] = field(default_factory=list)

    def take(self, calls: Sequence[Call], as_of: int = 0) -> None:
        moments = []
        for one in calls:
            before = self.calls.get(one.id)
            if before is None or self.as_of[one.id] < as_of:
                moments += [moment(one.at), moment(before.at if before else one.at)]
                self.calls[one.id], self.as_of[one.id] = one, as_of
        if moments:
            self.follow(min(moments), max(moments))

    def drop(self, one: Call) -> None:
        at = moment(self.calls.pop(one.id).at)
        self.follow(at, at)

    def flag(self, number: int, minute: float, on: int | None) -> None:
        at = moment(self.calls[UUID(int=on).bytes].at) if on is not None else DAWN + minute * MINUTE
        self.flags[UUID(int=number)] = OwnFlag(at, UUID(int=number), None, on is not None, UUID(int=on or 0))
        self.follow(at, at, private_only=True)

    def take_back(self, number: int) -> None:
        at = self.flags.pop(UUID(int=number)).at
        self.follow(at, at, private_only=True)

    def live(self) -> list[Finding]:
        return sorted(self.stored)

    def follow(self, since: datetime, until: datetime, *, private_only: bool = False) -> None:
        for one in self.rules:
            for reach in (1, 3, None) if self.bounded else (None,):
                end = until + one.look_back + reach * one.cooldown if reach else None
                if self._reconcile(one, since, end, private_only=private_only):
                    break

    def _reconcile(self, one: Rule, since: datetime, end: datetime | None, *, private_only: bool) -> bool:
        earliest = ticks(since - one.look_back)
        near = [c for c in self.calls.values() if c.at >= earliest and (end is None or c.at <= ticks(end))]
        flags = [self._placed(f) for f in self.flags.values()]
        flags = [f for f in flags if f.at >= since - one.look_back and (end is None or f.at <= end)]
        stored = [
            Stored(UUID(int=0), f)
            for f in self.stored
            if f.rule_id == one.id and f.triggered_at >= since - one.cooldown and (end is None or f.triggered_at <= end)
        ]
        line = Timeline(sorted(near), with_flags(sorted(near), flags), since, end)
        change = reconcile(one, line, stored, private_only=private_only)
        if change.settled:
            for gone in change.untrue:
                self.stored.remove(gone.finding)
            self.stored += change.new
        return change.settled

    def _placed(self, flag: OwnFlag) -> OwnFlag:
        on = self.calls.get(flag.call_event_id.bytes) if flag.on_call and flag.call_event_id else None
        return flag._replace(at=moment(on.at)) if on else flag._replace(on_call=False)
