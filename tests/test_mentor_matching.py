"""The best proposal for many at once: as good as trying every one, the same each time, explained."""

import os
import random
import subprocess
import sys
from itertools import product
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.services import mentor_optimum
from app.services.mentor_fit import Mentee, Mentor, Weights, fit
from app.services.mentor_matching import match
from app.services.mentor_optimum import First, NotProven, best_assignment
from app.services.mentor_outcome import UNMATCHED, Outcome
from app.services.mentor_wire import Terms, plain, read_mentee, read_mentor, read_terms

PILLARS = ("emotional_wellbeing", "inner_drive", "future_focus", "relationships", "physical_health")
FIRSTS: tuple[First, ...] = ("total_fit", "most_mentees")


def ids(start: int, many: int) -> list[UUID]:
    return [UUID(int=number) for number in range(start, start + many)]


def worth(points: Any, choice: Any, first: First) -> tuple[int, int]:
    """Return what an assignment comes to, in the order of the aims."""
    reached = (sum(int(points[i][j]) for i, j in enumerate(choice) if j >= 0), sum(j >= 0 for j in choice))
    return reached if first == "total_fit" else reached[::-1]


def best_of_all(points: Any, allowed: Any, places: list[int], first: First) -> tuple[int, int]:
    """Return what the best assignment comes to, by trying every one."""
    rows, columns = len(points), len(places)
    return max(
        worth(points, choice, first)
        for choice in product(range(-1, columns), repeat=rows)
        if all(j < 0 or allowed[i][j] for i, j in enumerate(choice))
        and all(choice.count(j) <= many for j, many in enumerate(places))
    )


@st.composite
def problems(draw: st.DrawFn) -> tuple[Any, Any, list[int]]:
    rows, columns, most = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.sampled_from((0, 1, 3, 140)))
    points = draw(
        st.lists(st.lists(st.integers(0, most), min_size=columns, max_size=columns), min_size=rows, max_size=rows)
    )
    allowed = draw(st.lists(st.lists(st.booleans(), min_size=columns, max_size=columns), min_size=rows, max_size=rows))
    return np.array(points), np.array(allowed), draw(st.lists(st.integers(0, 3), min_size=columns, max_size=columns))


class TestBestAssignment:
    @settings(max_examples=120, deadline=None)
    @given(problems())
    # Where the greatest sum leaves somebody out, and where the best for each alone is not the best for all.
    @example((np.array([[10, 1], [1, 0]]), np.array([[True, True], [True, False]]), [1, 1]))
    @example((np.array([[10, 9], [9, 1]]), np.array([[True, True], [True, True]]), [1, 1]))
    def test_is_as_good_as_the_best_of_all(self, problem: tuple[Any, Any, list[int]]) -> None:
        points, allowed, places = problem
        for first in FIRSTS:
            choice = best_assignment(points, allowed, np.array(places), first)

            assert all(j < 0 or allowed[i][j] for i, j in enumerate(choice))
            assert all(list(choice).count(j) <= many for j, many in enumerate(places))
            assert worth(points, choice, first) == best_of_all(points, allowed, places, first)

    @pytest.mark.parametrize("shape", ["any", "only the mentor counts", "alike", "few may", "all the same"])
    def test_leaving_pairs_out_at_first_costs_nothing(self, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Few pairs of each row are tried at first, over many columns. All of them at once come to the same."""
        chance = np.random.default_rng(5)
        points = chance.integers(0, 60, (150, 60))
        allowed = chance.random((150, 60)) < (0.1 if shape == "few may" else 0.95)
        if shape == "only the mentor counts":
            points[:] = points[0]
        elif shape == "alike":
            points = points[chance.integers(0, 3, 150)]
        elif shape == "all the same":
            points[:] = 7
        places = chance.integers(0, 4, 60)
        rounds: list[float] = []
        monkeypatch.setattr(mentor_optimum, "PAIRS_AT_FIRST", 0)

        for first in FIRSTS:
            few = best_assignment(points, allowed, places, first, rounds.append)
            with monkeypatch.context() as patch:
                patch.setattr(mentor_optimum, "BEST", 60)
                every = best_assignment(points, allowed, places, first)

            assert worth(points, few, first) == worth(points, every, first)
        assert rounds[-1] == 1

    def test_one_that_is_not_proven_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A solver that answers something worse than the best is found out."""
        solve = mentor_optimum._solve

        def worse(*args: Any) -> mentor_optimum.Solution:
            found = solve(*args)
            found.flows[0] = 0
            return found

        monkeypatch.setattr(mentor_optimum, "_solve", worse)
        with pytest.raises(NotProven):
            best_assignment(np.array([[5, 6], [7, 8]]), np.ones((2, 2), np.bool_), np.array([1, 1]))


def people(mentees: int, mentors: int, seed: int = 1) -> tuple[list[Mentee], list[Mentor]]:
    """Return made-up people: enough likeness that many assignments come to the same."""
    chance = random.Random(seed)
    who = ids(10_000, mentors)

    def some(words: tuple[str, ...]) -> frozenset[str]:
        return frozenset(chance.sample(words, chance.randint(1, 2)))

    return (
        [Mentee(each, chance.choice(who), some(PILLARS), None, some(("en", "pl", "es"))) for each in ids(1, mentees)],
        [
            Mentor(
                each, some(PILLARS), some(("en", "pl", "es")), capacity=chance.randint(1, 3), load=chance.randint(0, 2)
            )
            for each in who
        ],
    )


def pairs(outcome: Outcome) -> dict[UUID, UUID]:
    return {pair.mentee.id: pair.mentor.id for pair in outcome.pairs}


class TestMatch:
    def test_keeps_every_rule_and_says_why(self) -> None:
        mentees, mentors = people(60, 15)

        outcome = match(mentees, mentors, Terms())

        assert sorted([*pairs(outcome), *(each.mentee.id for each in outcome.unmatched)]) == ids(1, 60)
        for pair in outcome.pairs:
            assert pair.fit == fit(pair.mentee, pair.mentor)
        for mentor in mentors:
            assert list(pairs(outcome).values()).count(mentor.id) <= mentor.free
        assert outcome.total_fit == sum(pair.fit.score for pair in outcome.pairs) > 0
        assert len(outcome.pairs) == sum(mentor.free for mentor in mentors)
        for each in outcome.unmatched:
            assert sum(each.obstacles.values()) == 15

    def test_is_the_same_in_whatever_order_and_process(self) -> None:
        mentees, mentors = people(60, 15)
        first = match(mentees, mentors, Terms())

        shuffled = match(mentees[::-1], random.Random(2).sample(mentors, 15), Terms())
        script = (
            "from tests.test_mentor_matching import *\n"
            "print(sorted((a.int, b.int) for a, b in pairs(match(*people(60, 15), Terms())).items()))"
        )
        elsewhere = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": "77"},
            capture_output=True,
            text=True,
            check=True,
        )

        assert shuffled == first
        assert elsewhere.stdout.strip() == str(sorted((a.int, b.int) for a, b in pairs(first).items()))

    def test_equal_people_get_equal_mentors_in_the_order_of_their_ids(self) -> None:
        mentors = [Mentor(each, frozenset({"relationships"})) for each in ids(100, 3)]

        outcome = match([Mentee(each) for each in ids(1, 4)], mentors, Terms())

        assert pairs(outcome) == dict(zip(ids(1, 3), ids(100, 3), strict=True))

    @pytest.mark.parametrize(
        ("code", "mentee", "mentors", "terms"),
        [
            ("no_mentors", Mentee(UUID(int=1)), [], Terms()),
            ("self_mentoring", Mentee(UUID(int=100)), [{}], Terms()),
            ("person_inactive", Mentee(UUID(int=1), active=False), [{}], Terms()),
            ("line_manager", Mentee(UUID(int=1), UUID(int=100)), [{}], Terms()),
            ("pair_already_open", Mentee(UUID(int=1), paired_with=frozenset(ids(100, 1))), [{}], Terms()),
            ("focus_already_covered", Mentee(UUID(int=1), covered=frozenset({"inner_drive"})), [{}], Terms()),
            ("mentor_not_accepting", Mentee(UUID(int=1), UUID(int=100)), [{}, {"accepting": False}], Terms()),
            ("mentor_at_capacity", Mentee(UUID(int=1)), [{"load": 1}, {"accepting": False}], Terms()),
            ("no_shared_language", Mentee(UUID(int=1), languages=frozenset({"pl"})), [{"load": 1}, {}], Terms()),
            ("no_shared_pillar", Mentee(UUID(int=1), focus="relationships"), [{}], Terms(needs_pillar=True)),
            ("below_least_score", Mentee(UUID(int=1)), [{}], Terms(least_score=11)),
            ("places_taken", Mentee(UUID(int=2)), [{}], Terms()),
        ],
    )
    def test_says_why_there_is_nobody(
        self, code: str, mentee: Mentee, mentors: list[dict[str, Any]], terms: Terms
    ) -> None:
        about: dict[str, Any] = {"pillars": frozenset({"inner_drive"}), "languages": frozenset({"en"})}
        who = [Mentor(each, **{**about, **fields}) for each, fields in zip(ids(100, 9), mentors, strict=False)]
        favoured = [Mentee(UUID(int=1), pillars=frozenset({"inner_drive"}))] if code == "places_taken" else []

        outcome = match([mentee, *favoured], who, terms)

        (found,) = [each for each in outcome.unmatched if each.mentee == mentee]
        assert found.code == code
        assert code in UNMATCHED
        assert sum(found.obstacles.values()) == len(mentors)

    def test_as_fitting_as_can_be_or_as_many_as_can_be(self) -> None:
        """The second mentee may have the first mentor alone, who suits the first: one pair, or two worse ones."""
        suits, other = (Mentor(each, frozenset({pillar})) for each, pillar in zip(ids(100, 2), PILLARS, strict=False))
        mentees = [Mentee(UUID(int=1), pillars=suits.pillars), Mentee(UUID(int=2), manager_id=other.id)]
        weights = Weights(free_places=0)

        fitting = match(mentees, [suits, other], Terms(weights, "total_fit"))
        many = match(mentees, [suits, other], Terms(weights, "most_mentees"))

        assert (pairs(fitting), fitting.total_fit) == ({UUID(int=1): suits.id}, 20)
        assert (pairs(many), many.total_fit) == ({UUID(int=1): other.id, UUID(int=2): suits.id}, 0)

    def test_people_and_terms_travel_as_they_are(self) -> None:
        mentees, mentors = people(5, 5)
        full = Mentee(UUID(int=1), UUID(int=2), frozenset({"a"}), "b", frozenset({"en"}), ((1, 2),), UUID(int=3))  # type: ignore[arg-type]  # as JSON has it

        assert [read_mentee(plain(each)) for each in (*mentees, full)] == [*mentees, full]
        assert [read_mentor(plain(each)) for each in mentors] == mentors
        assert read_terms(plain(Terms(least_score=7, first="most_mentees"))) == Terms(
            least_score=7, first="most_mentees"
        )
