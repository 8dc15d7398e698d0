"""The evaluation of strain: no order, no split and no repeat changes it, and a flag changes nothing for others."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.strain_conditions import Call, Rule, moment, ticks
from app.services.strain_evaluation import evaluate_coded
from tests.strain_findings import (
    COUNT,
    DAWN,
    RULES,
    History,
    call,
    number,
)

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


@pytest.mark.parametrize("one", RULES, ids=lambda one: one.kind)
def test_what_lies_before_the_look_back_matters_to_none(one: Rule) -> None:
    calls = [call(n, n * 7, ("abusive", "unresolved"), talked=6) for n in range(1, 80)]
    since = moment(calls[60].at)
    taken = [f.triggered_at for f in evaluate_coded(one, calls, DAWN, ()) if f.triggered_at < since]

    near = [c for c in calls if c.at >= ticks(since - one.look_back)]

    assert evaluate_coded(one, near, since, taken) == evaluate_coded(one, calls, since, taken)
