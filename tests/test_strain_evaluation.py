"""The evaluation of strain is a pure function of what happened: no order, no split and no repeat changes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.strain_calls import OwnFlag, with_flags
from app.services.strain_conditions import Call, Rule, moment, ticks
from app.services.strain_evaluation import Finding, Stored, Timeline, evaluate_coded, reconcile
from app.services.strain_exposure import Flagged, Shift, TeamDays, evaluate

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


class TestHardCallCount:
    def test_so_many_within_the_window(self) -> None:
        (finding,) = found(COUNT, call(1, 0), call(2, 30), call(3, 60))

        assert finding.triggered_at == DAWN + HOUR
        assert finding.window_from == DAWN
        assert (finding.measure, finding.threshold) == (3, 3)
        assert ids(finding) == [1, 2, 3]

    def test_none_when_one_lies_before_it(self) -> None:
        assert found(COUNT, call(1, 0), call(2, 30), call(3, 60.5)) == []

    def test_easy_calls_in_between_change_nothing(self) -> None:
        (finding,) = found(COUNT, call(1, 0), call(2, 5, ("resolved",)), call(3, 10), call(4, 20))

        assert ids(finding) == [1, 3, 4]

    def test_it_cools_down(self) -> None:
        calls = [call(n, minute) for n, minute in enumerate(range(0, 400, 20))]

        moments = [finding.triggered_at for finding in found(COUNT, *calls)]

        assert moments == [DAWN + 40 * MINUTE, DAWN + 160 * MINUTE, DAWN + 280 * MINUTE]

    def test_without_cool_down_each_moment_has_one_signal(self) -> None:
        at_once = replace(COUNT, cooldown=timedelta(0), condition={**COUNT.condition, "count": 1})

        moments = [finding.triggered_at for finding in found(at_once, call(1, 0), call(2, 0), call(3, 1))]

        assert moments == [DAWN, DAWN + MINUTE]

    def test_a_call_is_as_hard_as_its_hardest_outcome(self) -> None:
        one = replace(COUNT, condition={**COUNT.condition, "count": 1}, hard=frozenset({"threatening"}))

        assert found(one, call(1, 0, ("abusive",))) == []
        assert len(found(one, call(1, 0, ("resolved", "threatening")))) == 1


class TestHardCallStreak:
    def test_two_in_a_row(self) -> None:
        (finding,) = found(STREAK, call(1, 0), call(2, 30))

        assert ids(finding) == [1, 2]

    def test_an_easy_call_ends_it(self) -> None:
        assert found(STREAK, call(1, 0), call(2, 10, ("resolved",)), call(3, 20)) == []

    def test_the_whole_streak_lies_within_the_window(self) -> None:
        assert found(STREAK, call(1, 0), call(2, 61)) == []


class TestUnresolvedShare:
    def test_half_of_enough_calls(self) -> None:
        (finding,) = found(
            SHARE, call(1, 0, ("resolved",)), call(2, 1, ("unresolved",)), call(3, 2, ()), call(4, 3, ("unresolved",))
        )

        assert (finding.measure, finding.threshold) == (0.5, 0.5)
        assert ids(finding) == [2, 4]

    def test_too_few_calls_say_nothing(self) -> None:
        assert found(SHARE, *(call(n, n, ("unresolved",)) for n in range(3))) == []


class TestTalkWithoutPause:
    def test_an_hour_of_calls_with_short_gaps(self) -> None:
        calls = [call(n, (n + 1) * 20 + n, (), talked=20) for n in range(3)]

        (finding,) = found(TALK, *calls)

        assert finding.measure == 3600
        assert finding.window_from == DAWN
        assert ids(finding) == [0, 1, 2]

    def test_a_pause_begins_anew(self) -> None:
        calls = [call(1, 50, (), talked=50), call(2, 80, (), talked=25), call(3, 110, (), talked=28)]

        assert found(TALK, *calls) == []
        (finding,) = found(TALK, *calls, call(4, 122, (), talked=10))
        assert ids(finding) == [2, 3, 4]
        assert finding.window_from == DAWN + 55 * MINUTE

    def test_wrapping_up_is_not_a_pause(self) -> None:
        assert len(found(TALK, call(1, 40, (), talked=40, wrap=8), call(2, 70, (), talked=20))) == 1

    def test_calls_at_the_same_time_count_once(self) -> None:
        assert found(TALK, *(call(n, 40 + n, (), talked=40) for n in range(3))) == []

    def test_a_call_of_unknown_length_is_left_out(self) -> None:
        unknown = call(2, 45, ())._replace(started_at=None)

        assert len(found(TALK, call(1, 40, (), talked=40), unknown, call(3, 62, (), talked=20))) == 1

    def test_it_looks_back_twice_what_it_looks_for(self) -> None:
        calls = [call(n, n * 5, (), talked=0.5) for n in range(1, 200)]

        assert TALK.look_back == timedelta(seconds=2 * 3900)
        assert found(rule("talk_without_pause", talk_seconds=3600, pause_seconds=600), *calls) == []

    def test_never_more_than_twelve_hours(self) -> None:
        assert rule("talk_without_pause", talk_seconds=21_600, pause_seconds=300).look_back == 12 * HOUR


class TestFlags:
    def test_a_flag_alone_is_a_private_signal(self) -> None:
        history = History((FLAG,))

        history.flag(1, 30, None)

        (finding,) = history.live()
        assert finding.private
        assert finding.call_event_ids == ()
        assert finding.call_flag_ids == (UUID(int=1),)

    def test_a_flag_counts_like_a_code(self) -> None:
        history = History((COUNT,))

        history.take([call(1, 0), call(2, 10), call(3, 20, ("resolved",))])
        history.flag(9, 20, 3)

        (finding,) = history.live()
        assert finding.private
        assert ids(finding) == [1, 2, 3]
        assert finding.call_flag_ids == (UUID(int=9),)

    def test_what_codes_say_stays_public_beside_a_flag(self) -> None:
        history = History((STREAK,))

        history.flag(9, 0, None)
        history.take([call(1, 10), call(2, 20)])

        assert [(f.private, f.triggered_at - DAWN) for f in history.live()] == [
            (True, 10 * MINUTE),
            (False, 20 * MINUTE),
        ]

    def test_a_flag_on_a_call_that_does_not_count_stands_alone(self) -> None:
        flag = OwnFlag(DAWN, UUID(int=1), None, on_call=False, call_event_id=UUID(int=5))

        (alone,) = with_flags([], [flag]) or []

        assert not alone.coded
        assert alone.flag == "flag"


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


outcome_sets = st.sampled_from([("abusive",), ("threatening", "unresolved"), ("resolved",), ("unresolved",), ()])
minutes = st.integers(0, 120).map(lambda n: n * 5)


@st.composite
def days(draw: st.DrawFn, least: int = 0) -> list[Call]:
    """Draw a person's calls, ties and overlaps among them."""
    made = draw(
        st.lists(st.tuples(minutes, outcome_sets, st.integers(0, 45), st.integers(0, 10)), min_size=least, max_size=25)
    )
    return [call(n + 1, *one) for n, one in enumerate(made)]


def splits(draw: Any, calls: Sequence[Call]) -> list[list[Call]]:
    """Draw a permutation of calls and a split of it into batches."""
    order = draw(st.permutations(list(calls)))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=6)))
    return [list(order[a:b]) for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]


class TestAnyOrder:
    @given(st.data(), st.booleans())
    @settings(max_examples=120, deadline=None)
    def test_any_permutation_and_split_gives_the_same_signals(self, data: st.DataObject, bounded: bool) -> None:
        calls = data.draw(days())
        whole, parts = History(), History(bounded=bounded)
        whole.take(calls)

        for batch in splits(data.draw, calls):
            parts.take(batch)

        assert parts.live() == whole.live()

    @given(st.data(), st.booleans())
    @settings(max_examples=100, deadline=None)
    def test_later_word_of_a_call_moves_its_signals(self, data: st.DataObject, bounded: bool) -> None:
        calls = data.draw(days(least=1))
        changed = data.draw(st.lists(st.tuples(st.sampled_from(calls), minutes, outcome_sets), max_size=5))
        versions = [(one, 0) for one in calls] + [
            (call(number(one), minute, outcomes), n + 1) for n, (one, minute, outcomes) in enumerate(changed)
        ]
        final = {one.id: one for one, _ in versions}
        whole, parts = History(), History(bounded=bounded)
        whole.take(list(final.values()))

        for one, as_of in data.draw(st.permutations(versions)):
            parts.take([one], as_of)

        assert parts.live() == whole.live()

    @given(st.data())
    @settings(max_examples=100, deadline=None)
    def test_what_is_voided_or_taken_back_leaves_nothing(self, data: st.DataObject) -> None:
        calls, gone = data.draw(days()), data.draw(st.sets(st.integers(1, 25)))
        flagged = data.draw(st.lists(st.integers(1, 25), unique=True, max_size=4))
        clean, history = History(), History(bounded=data.draw(st.booleans()))
        clean.take([one for one in calls if number(one) not in gone])

        history.take(calls)
        for n in flagged:
            history.flag(100 + n, n * 5, None)
        for one in calls:
            if number(one) in gone:
                history.drop(one)
        for n in flagged:
            history.take_back(100 + n)

        assert history.live() == clean.live()

    @pytest.mark.parametrize("late", [5, 25, 45])
    def test_a_late_call_that_shifts_all_that_follow_is_followed_to_the_end(self, late: int) -> None:
        calls = [call(n, 60 + n * 20) for n in range(100)]
        whole, parts = History((COUNT,)), History((COUNT,), bounded=True)
        whole.take([*calls, call(500, late), call(501, late)])

        parts.take(calls)
        parts.take([call(500, late), call(501, late)])

        assert parts.live() == whole.live()

    @given(days())
    @settings(max_examples=100, deadline=None)
    def test_a_repeat_raises_nothing(self, calls: list[Call]) -> None:
        history = History()
        history.take(calls)
        before = history.live()

        for one in calls:
            history.take([one])
            history.follow(moment(one.at), moment(one.at))

        assert history.live() == before


class TestNobodyElseSeesAFlag:
    @given(st.data(), st.booleans())
    @settings(max_examples=120, deadline=None)
    def test_public_signals_are_the_same_with_and_without_flags(self, data: st.DataObject, bounded: bool) -> None:
        calls = data.draw(days())
        without, history = History(), History(bounded=bounded)
        without.take(calls)

        for n, batch in enumerate(splits(data.draw, calls)):
            history.take(batch)
            on = data.draw(st.sampled_from([None, *(number(one) for one in batch)]))
            history.flag(100 + n, data.draw(minutes), on)

        assert [f for f in history.live() if not f.private] == without.live()
        assert all(f.call_flag_ids for f in history.live() if f.private)

    @given(st.data())
    @settings(max_examples=80, deadline=None)
    def test_private_ones_do_not_depend_on_order_either(self, data: st.DataObject) -> None:
        calls = data.draw(days(least=1))
        flags = [(100, 30, None), (101, 0, number(calls[0])), (102, 200, None)]
        first, second = History(), History()
        first.take(calls)
        for flag in flags:
            first.flag(*flag)

        second.flag(*flags[2])
        second.flag(*flags[0])
        for batch in splits(data.draw, calls):
            second.take(batch)
        second.flag(*flags[1])

        assert second.live() == first.live()


LONDON = ZoneInfo("Europe/London")
MEDIAN = rule("above_team_median", timedelta(days=3), multiple=1.5, shifts=2, minimum_team=5, minimum_hard_calls=3)
MONDAY = date(2026, 3, 2)
TEAM = [UUID(int=n) for n in range(1, 7)]


def shifts(hard: Mapping[int, Sequence[int]]) -> dict[UUID, list[Shift]]:
    """Return for each member, by day, so many hard calls."""
    return {
        UUID(int=member): [
            Shift(MONDAY + timedelta(days=day), tuple(UUID(int=member * 1000 + day * 100 + n) for n in range(count)))
            for day, count in enumerate(counts)
        ]
        for member, counts in hard.items()
    }


def compared(made: dict[UUID, list[Shift]], smallest: int = 5) -> dict[UUID, list[Finding]]:
    team_days = TeamDays(MONDAY, MONDAY + timedelta(days=30), LONDON, TEAM, TEAM)
    return {person: f for person, f in evaluate(MEDIAN, made, team_days, {}, smallest).items() if f}


class TestAboveTeamMedian:
    def test_more_than_a_multiple_of_the_team(self) -> None:
        found_ = compared(shifts({1: [2, 2], 2: [1, 1], 3: [1, 1], 4: [1, 1], 5: [1, 1], 6: [1, 1]}))

        (finding,) = found_[UUID(int=1)]
        assert list(found_) == [UUID(int=1)]
        assert (finding.measure, finding.threshold) == (4, 3)
        assert len(finding.call_event_ids) == 4
        assert finding.triggered_at == datetime(2026, 3, 4, tzinfo=UTC)
        assert finding.window_from == datetime(2026, 3, 2, tzinfo=UTC)

    def test_exactly_the_multiple_is_not_more(self) -> None:
        assert compared(shifts({1: [1, 2], **{n: [1, 1] for n in range(2, 7)}})) == {}

    def test_a_team_with_fewer_to_compare_gives_none(self) -> None:
        few = {1: [9, 9], **{n: [1, 1] for n in range(2, 5)}}

        assert compared(shifts({**few, 5: [1]})) == {}
        assert len(compared(shifts({**few, 5: [1, 1]}))) == 1
        assert compared(shifts({**few, 5: [1, 1]}), smallest=6) == {}

    def test_a_few_hard_calls_are_no_signal_in_a_quiet_team(self) -> None:
        assert compared(shifts({1: [1, 1], **{n: [0, 0] for n in range(2, 7)}})) == {}
        assert len(compared(shifts({1: [1, 2], **{n: [0, 0] for n in range(2, 7)}}))) == 1

    def test_only_ones_own_flags_count_and_the_signal_is_private(self) -> None:
        made = shifts({1: [1, 2], **{n: [1, 1] for n in range(2, 7)}})
        flagged = (Flagged(UUID(int=77), None),)
        made[UUID(int=1)][1] = made[UUID(int=1)][1]._replace(flagged=flagged)
        made[UUID(int=2)][1] = made[UUID(int=2)][1]._replace(flagged=flagged * 9)

        found_ = compared(made)

        assert all(finding.private for findings in found_.values() for finding in findings)
        assert [(f.measure, f.threshold) for f in found_[UUID(int=1)]] == [(4, 3)]

    def test_a_day_that_only_colleagues_flags_tell_of_is_no_shift_of_theirs(self) -> None:
        made = shifts({1: [0, 3, 4], **{n: [3, 0, 3] for n in range(2, 7)}})
        for member in range(2, 7):
            flagged = (Flagged(UUID(int=member), None),)
            made[UUID(int=member)][2:] = [Shift(MONDAY + timedelta(days=2), flagged=flagged, coded=False)]
        without = {member: [shift for shift in found_ if shift.coded] for member, found_ in made.items()}

        assert compared(made).get(UUID(int=1)) == compared(without).get(UUID(int=1))
        assert len(compared(without)[UUID(int=1)]) == 1

    def test_with_public_signals_given_only_what_flags_add_is_worked_out(self) -> None:
        made = shifts({1: [2, 2], **{n: [1, 1] for n in range(2, 7)}})
        made[UUID(int=1)].append(Shift(MONDAY + timedelta(days=9), flagged=(Flagged(UUID(int=7), None),)))
        team_days = TeamDays(MONDAY, MONDAY + timedelta(days=1), LONDON, TEAM, TEAM)

        found_ = evaluate(MEDIAN, made, team_days, {}, 5, public=dict.fromkeys(TEAM, ()))

        assert not any(found_.values())

    def test_summer_time_moves_the_start_of_a_day(self) -> None:
        made = {
            member: [shift._replace(day=shift.day + timedelta(days=27)) for shift in found_]
            for member, found_ in shifts({1: [2, 2], **{n: [1, 1] for n in range(2, 7)}}).items()
        }

        (finding,) = compared(made)[UUID(int=1)]

        assert finding.triggered_at == datetime(2026, 3, 30, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize("one", RULES, ids=lambda one: one.kind)
def test_what_lies_before_the_look_back_matters_to_none(one: Rule) -> None:
    calls = [call(n, n * 7, ("abusive", "unresolved"), talked=6) for n in range(1, 80)]
    since = moment(calls[60].at)
    taken = [f.triggered_at for f in evaluate_coded(one, calls, DAWN, ()) if f.triggered_at < since]

    near = [c for c in calls if c.at >= ticks(since - one.look_back)]

    assert evaluate_coded(one, near, since, taken) == evaluate_coded(one, calls, since, taken)
