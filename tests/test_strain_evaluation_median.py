"""The evaluation of strain beside a team: more than a multiple of its median."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from app.services.strain_evaluation import Finding
from app.services.strain_exposure import Flagged, Shift, TeamDays, evaluate
from tests.strain_findings import (
    rule,
)

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
