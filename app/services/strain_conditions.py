"""What a strain rule can look for in a person's calls: pure functions over calls in their order."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

UNRESOLVED = "unresolved"
LONGEST_LOOK_BACK = timedelta(hours=12)
# Moments are whole microseconds since 2000 here, as PostgreSQL keeps them: a batch looks at thousands of them.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
TICKS_A_SECOND = 1_000_000
AT = attrgetter("at")


def ticks(moment: datetime) -> int:
    """Return a moment as whole microseconds since 2000."""
    return (moment - EPOCH) // TICK


def moment(at: int) -> datetime:
    """Return the moment so many microseconds after 2000 began."""
    return EPOCH + at * TICK


class Call(NamedTuple):
    """One call of one person. Calls compare by their order: when they ended, then ``place`` among those of one moment.

    A flag without a call event is a call too, known by the flag alone: ``coded`` is False and ``id`` the flag's.
    """

    at: int
    place: int
    id: bytes
    outcomes: Sequence[str]
    started_at: int | None = None
    busy_until: int | None = None
    flag_id: UUID | None = None
    flag: str | None = None
    coded: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A strain rule made ready for evaluation. ``hard`` holds the outcomes and flags that make a call hard for it."""

    id: UUID
    version: int
    kind: str
    condition: Mapping[str, Any]
    hard: frozenset[str]
    cooldown: timedelta
    service_area_ids: frozenset[UUID] = frozenset()
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def look_back(self) -> timedelta:
        """How long before a moment a call can lie and still matter for whether a signal is raised there."""
        match self.kind:
            case "talk_without_pause":
                wanted = 2 * (self.condition["talk_seconds"] + self.condition["pause_seconds"])
                return min(timedelta(seconds=wanted), LONGEST_LOOK_BACK)
            case "hard_call_count" | "hard_call_streak" | "unresolved_share":
                return timedelta(seconds=self.condition["window_seconds"])
        return timedelta(0)

    @property
    def needs_hard_calls_only(self) -> bool:
        return self.kind == "hard_call_count"

    def ticks(self, name: str) -> int:
        """Return a number of seconds of the condition in microseconds."""
        return int(self.condition[name]) * TICKS_A_SECOND

    def is_hard(self, call: Call) -> bool:
        return call.flag in self.hard or not self.hard.isdisjoint(call.outcomes)

    def covers(self, service_area_id: UUID | None) -> bool:
        """Say whether the rule is for people of this service area. A rule that names none is for everyone."""
        return not self.service_area_ids or service_area_id in self.service_area_ids


class Met(NamedTuple):
    """That a condition is met at a call, before the cool-down is asked."""

    at: int
    window_from: int
    measure: float
    threshold: float
    calls: Sequence[Call]


Allows = Callable[[int], bool]


def first_since(calls: Sequence[Call], since: int) -> int:
    """Return the index of the first call that ended at a moment or later."""
    return bisect_left(calls, since, key=AT)


def _hard_call_count(rule: Rule, calls: Sequence[Call], since: int, allows: Allows) -> Iterator[Met]:
    count, window = rule.condition["count"], rule.ticks("window_seconds")
    hard = [call for call in calls if rule.is_hard(call)]
    for index in range(max(first_since(hard, since), count - 1), len(hard)):
        at = hard[index].at
        if hard[index - count + 1].at >= at - window and allows(at):
            first = first_since(hard, at - window)
            yield Met(at, hard[first].at, index - first + 1, count, hard[first : index + 1])


def _hard_call_streak(rule: Rule, calls: Sequence[Call], since: int, allows: Allows) -> Iterator[Met]:
    count, window = rule.condition["count"], rule.ticks("window_seconds")
    start = first_since(calls, since - window)
    streak = 0
    for index in range(start, len(calls)):
        call = calls[index]
        streak = streak + 1 if rule.is_hard(call) else 0
        if streak < count or call.at < since:
            continue
        earliest = call.at - window
        if calls[index - count + 1].at >= earliest and allows(call.at):
            first = max(index - streak + 1, first_since(calls, earliest))
            yield Met(call.at, calls[first].at, index - first + 1, count, calls[first : index + 1])


def _unresolved_share(rule: Rule, calls: Sequence[Call], since: int, allows: Allows) -> Iterator[Met]:
    least, share = rule.condition["minimum_calls"], rule.condition["share"]
    window = rule.ticks("window_seconds")
    calls = calls[first_since(calls, since - window) :]
    unresolved = [0]
    for call in calls:
        unresolved.append(unresolved[-1] + (UNRESOLVED in call.outcomes))
    if unresolved[-1] < share * least:
        return
    for index in range(first_since(calls, since), len(calls)):
        at = calls[index].at
        first = first_since(calls, at - window)
        found, total = unresolved[index + 1] - unresolved[first], index - first + 1
        if total >= least and found / total >= share and allows(at):
            among = [call for call in calls[first : index + 1] if UNRESOLVED in call.outcomes]
            yield Met(at, calls[first].at, found / total, share, among)


@dataclass(slots=True)
class _Talks:
    """The times in which somebody was on a call, in order, a list for each thing that is known of them.

    ``totals`` say how long they talked since the last pause, ``firsts`` at which place that began.
    """

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    busy_until: list[int] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)

    def add(self, start: int, end: int, busy_until: int, pause: int) -> None:
        """Add a call, together with those that it overlaps. Calls are added in the order in which they ended."""
        while self.ends and self.ends[-1] > start:
            start = min(start, self.starts[-1])
            for column in (self.starts, self.ends, self.busy_until, self.totals, self.firsts):
                column.pop()
        first, total = len(self.ends), end - start
        if first and start - self.busy_until[-1] < pause:
            first, total = self.firsts[-1], total + self.totals[-1]
        self.starts.append(start)
        self.ends.append(end)
        self.busy_until.append(busy_until)
        self.totals.append(total)
        self.firsts.append(first)


def _talk_without_pause(rule: Rule, calls: Sequence[Call], since: int, allows: Allows) -> Iterator[Met]:
    """Add up time on calls since the last pause. Calls that overlap count once; wrapping up is not a pause."""
    limit, pause, reach = rule.ticks("talk_seconds"), rule.ticks("pause_seconds"), rule.look_back // TICK
    talks = _Talks()
    timed = [call for call in calls[first_since(calls, since - reach) :] if call.started_at is not None]
    for index, (at, _, _, _, started_at, busy_until, *_) in enumerate(timed):
        start = at if started_at is None or started_at > at else started_at
        talks.add(start, at, at if busy_until is None else busy_until, pause)
        if talks.totals[-1] >= limit and at >= since and allows(at):
            met = _stretch(talks, timed[: index + 1], at - reach, limit)
            if met is not None:
                yield met


def _stretch(talks: _Talks, calls: Sequence[Call], earliest: int, limit: int) -> Met | None:
    """Return the stretch that the last of the talks ends, where it lies after ``earliest``, if it is long enough."""
    after_pause = talks.firsts[-1]
    first = max(after_pause, bisect_right(talks.ends, earliest))
    lying_before = talks.totals[first - 1] if first > after_pause else 0
    window_from = max(earliest, talks.starts[first])
    talked = talks.totals[-1] - lying_before - (window_from - talks.starts[first])
    if talked < limit:
        return None
    since_pause = max(earliest, talks.ends[first - 1]) if first else earliest
    among = calls[bisect_right(calls, since_pause, key=AT) :]
    return Met(talks.ends[-1], window_from, talked / TICKS_A_SECOND, limit / TICKS_A_SECOND, among)


def _self_flag(rule: Rule, calls: Sequence[Call], since: int, allows: Allows) -> Iterator[Met]:
    for call in calls[first_since(calls, since) :]:
        if call.flag in rule.hard and allows(call.at):
            yield Met(call.at, call.at, 1, 1, [call])


# How hard a call was matters to these; so do flags. The other two look at how much work there was.
BY_SEVERITY = {"hard_call_count": _hard_call_count, "hard_call_streak": _hard_call_streak, "self_flag": _self_flag}
BY_LOAD = {"unresolved_share": _unresolved_share, "talk_without_pause": _talk_without_pause}
CONDITIONS = BY_SEVERITY | BY_LOAD
