"""Many mentees and many mentors: who with whom, and why some with nobody. Run in a process of its own.

``python -m app.services.mentor_matching`` reads the terms, then mentors and mentees, and writes pairs and unmatched.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from app.child import serve
from app.services.mentor_fit import Mentee, Mentor, points
from app.services.mentor_optimum import best_assignment
from app.services.mentor_outcome import Outcome, Pair, Unmatched
from app.services.mentor_scores import OBSTACLE_CODES, score
from app.services.mentor_wire import Terms, read_mentee, read_mentor, read_terms

AT_ONCE = 250
SCORED, SOLVED = 20, 90  # per cent of the way


def match(
    mentees: Sequence[Mentee], mentors: Sequence[Mentor], terms: Terms, tell: Callable[[int], None] = lambda _: None
) -> Outcome:
    """Return the proposal that is the best for all mentees together, proven to be so, within the mentors' places.

    The order in which people are given makes no difference. ``tell`` hears the progress in per cent.
    """
    mentees = sorted(mentees, key=lambda each: each.id)
    mentors = sorted(mentors, key=lambda each: each.id)
    scores = score(
        mentees, mentors, terms.weights, needs_language=terms.needs_language, needs_pillar=terms.needs_pillar
    )
    allowed = (scores.obstacles == 0) & (scores.points >= terms.least_score)
    tell(SCORED)
    open_to_some = np.flatnonzero(allowed.any(axis=0))
    choice = best_assignment(
        scores.points[:, open_to_some],
        allowed[:, open_to_some],
        np.array([mentors[column].free for column in open_to_some], np.int64),
        terms.first,
        lambda share: tell(int(SCORED + (SOLVED - SCORED) * share)),
    )
    pairs, unmatched = [], []
    for row, chosen in enumerate(choice):
        if chosen >= 0:
            mentor = mentors[open_to_some[chosen]]
            pairs.append(Pair(mentees[row], mentor, points(mentees[row], mentor, terms.weights)))
        else:
            unmatched.append(Unmatched(mentees[row], _obstacles(scores.obstacles[row], allowed[row])))
    return Outcome(pairs, unmatched)


def _obstacles(numbers: Any, allowed: Any) -> dict[str, int]:
    """Return how many mentors each obstacle kept away from one mentee."""
    counts = dict(zip(OBSTACLE_CODES, np.bincount(numbers, minlength=len(OBSTACLE_CODES)).tolist(), strict=True))
    suiting = int(allowed.sum())
    below = counts.pop("") - suiting
    counts |= {"below_least_score": below, "places_taken": suiting}
    return {code: many for code, many in counts.items() if many}


def _work(lines: Iterator[Any], tell: Callable[[Any], None]) -> None:
    terms = read_terms(next(lines))
    mentees: list[Mentee] = []
    mentors: list[Mentor] = []
    for line in lines:
        mentors += map(read_mentor, line.get("mentors", ()))
        mentees += map(read_mentee, line.get("mentees", ()))
    outcome = match(mentees, mentors, terms, lambda progress: tell({"progress": progress}))
    for start in range(0, len(outcome.pairs), AT_ONCE):
        tell({"pairs": [pair.plain() for pair in outcome.pairs[start : start + AT_ONCE]]})
    for start in range(0, len(outcome.unmatched), AT_ONCE):
        tell({"unmatched": [each.plain() for each in outcome.unmatched[start : start + AT_ONCE]]})
    tell({"total_fit": outcome.total_fit})


if __name__ == "__main__":
    serve(_work)
