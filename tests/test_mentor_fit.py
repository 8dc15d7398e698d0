"""The fit of a mentor: what forbids a pair, points that add up with reasons, hours across zones, the same in bulk."""

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.mentor_fit import (
    OBSTACLES,
    WEEK,
    Interval,
    Mentee,
    Mentor,
    Shift,
    Weights,
    fit,
    focus,
    in_week,
    language,
    obstacle,
    overlap,
    points,
    rank,
)
from app.services.mentor_scores import OBSTACLE_CODES, score

AMIRA, GRACE, THEO = (UUID(int=number) for number in (1, 2, 3))
HOUSING, LEGAL = UUID(int=8), UUID(int=9)
PILLARS = ("emotional_wellbeing", "inner_drive", "relationships")
MORNING = (Interval(9 * 60, 13 * 60), Interval(33 * 60, 37 * 60))
WINTER, SPRING, SUMMER = date(2026, 3, 2), date(2026, 3, 23), date(2026, 4, 6)
OFFICE = [Shift(day, 9 * 60, 17 * 60) for day in range(5)]


def mentee(**fields: object) -> Mentee:
    return replace(Mentee(AMIRA, languages=frozenset({"en"})), **fields)  # type: ignore[arg-type]  # a test's own fields


def mentor(**fields: object) -> Mentor:
    base = Mentor(GRACE, frozenset({"relationships"}), frozenset({"en"}), capacity=3, load=1)
    return replace(base, **fields)  # type: ignore[arg-type]  # a test's own fields


class TestObstacle:
    @pytest.mark.parametrize(
        ("code", "one", "other"),
        [
            ("self_mentoring", mentee(id=GRACE), mentor()),
            ("person_inactive", mentee(active=False), mentor()),
            ("person_inactive", mentee(), mentor(active=False)),
            ("line_manager", mentee(manager_id=GRACE), mentor()),
            ("pair_already_open", mentee(paired_with=frozenset({THEO, GRACE})), mentor()),
            ("focus_already_covered", mentee(covered=frozenset({"relationships"})), mentor()),
            ("focus_already_covered", mentee(covered=frozenset({"inner_drive"}), focus="inner_drive"), mentor()),
            ("mentor_not_accepting", mentee(), mentor(accepting=False)),
            ("mentor_at_capacity", mentee(), mentor(load=3)),
            ("mentor_at_capacity", mentee(), mentor(capacity=0, load=0)),
            ("no_shared_language", mentee(languages=frozenset({"pl"})), mentor()),
        ],
    )
    def test_forbids_the_pair(self, code: str, one: Mentee, other: Mentor) -> None:
        assert obstacle(one, other) == code
        assert code in OBSTACLES
        assert fit(one, other) is None
        assert rank(one, [other]) == []

    def test_what_is_not_said_is_not_held_against_anybody(self) -> None:
        assert obstacle(mentee(languages=frozenset()), mentor()) is None
        assert obstacle(mentee(), mentor(languages=frozenset())) is None
        assert obstacle(mentee(), mentor(), needs_pillar=True) is None

    def test_languages_and_pillars_as_asked_for(self) -> None:
        assert obstacle(mentee(languages=frozenset({"pl"})), mentor(), needs_language=False) is None
        for wanted in (mentee(pillars=frozenset({"inner_drive"})), mentee(focus="inner_drive")):
            assert obstacle(wanted, mentor(), needs_pillar=True) == "no_shared_pillar"
            assert obstacle(wanted, mentor()) is None

    def test_a_pillar_that_is_covered_leaves_the_others(self) -> None:
        both = mentor(pillars=frozenset({"relationships", "inner_drive"}))
        assert focus(mentee(covered=frozenset({"relationships"})), both) == ("inner_drive",)


class TestFit:
    def test_is_the_sum_of_reasons_one_can_read(self) -> None:
        one = mentee(pillars=frozenset(PILLARS[1:]), focus="relationships", hours=MORNING, service_area_id=HOUSING)
        other = mentor(pillars=frozenset(PILLARS), hours=(Interval(10 * 60, 40 * 60),), service_area_id=HOUSING)

        found = fit(one, other)

        assert found is not None
        assert found.score == sum(reason.points for reason in found.reasons) == 20 + 40 + 20 + 7 + 10 + 6
        assert [(reason.code, reason.detail) for reason in found.reasons] == [
            ("focus_pillar", "Mentors on the pillar asked for: relationships."),
            ("shared_pillars", "Mentors on pillars of the mentee's goals: inner_drive, relationships."),
            ("shared_languages", "Both speak en."),
            ("overlapping_hours", "Both are at work 7 h 00 min a week."),
            ("same_service_area", "Both work in the same service area."),
            ("free_places", "2 of the mentor's 3 places are free."),
        ]

    def test_follows_the_weights(self) -> None:
        one, other = mentee(service_area_id=HOUSING), mentor(service_area_id=LEGAL)
        nothing = Weights(**dict.fromkeys(Weights.__slots__, 0))

        assert points(one, other, nothing).score == 0
        assert points(one, other, replace(nothing, other_service_area=7)).score == 7
        assert points(one, other, replace(nothing, shared_language=5)).score == 5

    def test_the_best_comes_first_and_equals_by_id(self) -> None:
        twin, free = mentor(id=UUID(int=1_000)), mentor(id=THEO, load=0)

        found = rank(mentee(), [twin, mentor(), free])

        assert [each.id for each, _ in found] == [THEO, GRACE, UUID(int=1_000)]

    @pytest.mark.parametrize(
        ("tag", "expected"), [("en-GB", "en"), ("EN_us", "en"), ("zh-Hant-TW", "zh"), ("pl", "pl")]
    )
    def test_languages_are_compared_without_regions(self, tag: str, expected: str) -> None:
        assert language(tag) == expected


class TestHours:
    def test_are_read_by_the_local_clock_of_that_week(self) -> None:
        assert in_week([Shift(0, 540, 600)], "Europe/London", WINTER) == (Interval(540, 600),)
        assert in_week([Shift(0, 540, 600)], "Europe/London", SUMMER) == (Interval(480, 540),)

    def test_overlap_moves_while_only_one_of_two_has_changed_its_clocks(self) -> None:
        """New York changes on 8 March, London on 29 March: three weeks at four hours' distance instead of five."""
        shared = [
            overlap(in_week(OFFICE, "Europe/London", monday), in_week(OFFICE, "America/New_York", monday))
            for monday in (WINTER, SPRING, SUMMER)
        ]
        assert shared == [5 * 180, 5 * 240, 5 * 180]

    def test_a_night_over_the_change_is_as_long_as_it_was(self) -> None:
        """On 29 March 2026 at 01:00 the clocks in London go forward."""
        (night,) = in_week([Shift(6, 0, 480)], "Europe/London", SPRING)
        assert night == Interval(6 * 1440, 6 * 1440 + 7 * 60)

    def test_a_night_over_the_week_s_end_counts_on_both_sides(self) -> None:
        sunday_night = in_week([Shift(6, 22 * 60, 30 * 60)], "UTC", WINTER)
        assert sunday_night == (Interval(0, 6 * 60), Interval(WEEK - 120, WEEK))

    def test_shifts_that_touch_or_overlap_are_counted_once(self) -> None:
        found = in_week([Shift(0, 0, 120), Shift(0, 60, 180), Shift(0, 180, 240)], "UTC", WINTER)
        assert found == (Interval(0, 240),)

    def test_of_a_zone_far_away_fall_into_the_same_week(self) -> None:
        found = in_week([Shift(0, 0, 60)], "Pacific/Auckland", WINTER)
        assert [interval.start for interval in found] == [WEEK - 13 * 60]


SOME_PILLARS = st.frozensets(st.sampled_from(PILLARS))
LANGUAGES = st.frozensets(st.sampled_from(("en", "pl", "es")), max_size=2)
WEEKS = st.sampled_from(
    (
        (),
        MORNING,
        in_week(OFFICE, "Asia/Manila", SPRING),
        in_week(OFFICE, "Europe/Warsaw", SPRING),
        (Interval(0, 1), Interval(7, WEEK)),
    )
)
IDS = st.integers(1, 6).map(lambda number: UUID(int=number))
AREAS = st.sampled_from((None, HOUSING, LEGAL))
MENTEES = st.builds(
    Mentee,
    id=IDS,
    manager_id=st.none() | IDS,
    pillars=SOME_PILLARS,
    focus=st.none() | st.sampled_from(PILLARS),
    languages=LANGUAGES,
    hours=WEEKS,
    service_area_id=AREAS,
    active=st.sampled_from((True, True, True, False)),
    paired_with=st.frozensets(IDS, max_size=2),
    covered=st.just(frozenset[str]()) | SOME_PILLARS,
)
MENTORS = st.builds(
    Mentor,
    id=IDS,
    pillars=SOME_PILLARS,
    languages=LANGUAGES,
    hours=WEEKS,
    service_area_id=AREAS,
    capacity=st.integers(0, 4),
    load=st.integers(0, 4),
    active=st.sampled_from((True, True, True, False)),
    accepting=st.sampled_from((True, True, True, False)),
)
WEIGHTS = st.builds(Weights, **{name: st.integers(0, 100) for name in Weights.__slots__})


class TestInBulk:
    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(MENTEES, max_size=6),
        st.lists(MENTORS, max_size=6, unique_by=lambda each: each.id),
        WEIGHTS,
        st.booleans(),
        st.booleans(),
    )
    def test_every_pair_has_the_points_and_the_obstacle_that_it_has_alone(
        self, mentees: list[Mentee], mentors: list[Mentor], weights: Weights, language: bool, pillar: bool
    ) -> None:
        found = score(mentees, mentors, weights, needs_language=language, needs_pillar=pillar)

        for row, one in enumerate(mentees):
            for column, other in enumerate(mentors):
                alone = obstacle(one, other, needs_language=language, needs_pillar=pillar)
                assert OBSTACLE_CODES[found.obstacles[row, column]] == (alone or "")
                if alone is None:
                    assert found.points[row, column] == points(one, other, weights).score
