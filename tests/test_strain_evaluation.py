"""The evaluation of strain is a pure function of what happened: no order, no split and no repeat changes it."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from app.services.strain_calls import OwnFlag, with_flags
from tests.strain_findings import (
    COUNT,
    DAWN,
    FLAG,
    HOUR,
    MINUTE,
    SHARE,
    STREAK,
    TALK,
    History,
    call,
    found,
    ids,
    rule,
)


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
