"""The fit of every mentee with every mentor at once, as matrices: the same as ``mentor_fit.fit`` for each pair.

Only a process that matches imports this: numpy is no part of the server.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.services.mentor_fit import OBSTACLES, WEEK, Interval, Mentee, Mentor, Weights

Whole = NDArray[np.int32]
OBSTACLE_CODES = ("", *OBSTACLES)
NUMBER_OF = {code: number for number, code in enumerate(OBSTACLE_CODES)}
SEGMENTS_AT_ONCE = 512


@dataclass(frozen=True)
class Scores:
    """A row for each mentee, a column for each mentor: points, and the number of the obstacle or 0 for none."""

    points: Whole
    obstacles: NDArray[np.int8]


def score(
    mentees: Sequence[Mentee],
    mentors: Sequence[Mentor],
    weights: Weights,
    *,
    needs_language: bool = True,
    needs_pillar: bool = False,
) -> Scores:
    """Return the points and the obstacles of all pairs. Points of pairs that are forbidden mean nothing."""
    languages = _shared([m.languages for m in mentees], [m.languages for m in mentors])
    points = weights.shared_language * (languages > 0).astype(np.int32)
    points += _of_pillars(mentees, mentors, weights)
    points += _of_hours(mentees, mentors, weights)
    points += _of_service_areas(mentees, mentors, weights)
    points += np.array([weights.free_places * m.free // max(m.capacity, 1) for m in mentors], np.int32)
    found = np.zeros(points.shape, np.int8)  # written from the farthest obstacle to the nearest
    if needs_pillar:
        lacking = _shared([m.wanted for m in mentees], [m.pillars for m in mentors]) == 0
        found[lacking & _some(m.wanted for m in mentees)[:, None]] = NUMBER_OF["no_shared_pillar"]
    if needs_language:
        stated = _some(m.languages for m in mentees)[:, None] & _some(m.languages for m in mentors)
        found[stated & (languages == 0)] = NUMBER_OF["no_shared_language"]
    _mark_obstacles(found, mentees, mentors)
    return Scores(points, found)


def _some(sets: Iterable[Collection[str]]) -> NDArray[np.bool_]:
    return np.array([bool(words) for words in sets], np.bool_)


def _of_pillars(mentees: Sequence[Mentee], mentors: Sequence[Mentor], weights: Weights) -> Whole:
    offered = [m.pillars for m in mentors]
    points = weights.shared_pillar * np.minimum(_shared([m.pillars for m in mentees], offered), _most(weights))
    if any(m.focus is not None for m in mentees):
        wanted = [() if m.focus is None else (m.focus,) for m in mentees]
        points += weights.focus_pillar * _shared(wanted, offered)
    return points


def _most(weights: Weights) -> np.int32:
    return np.int32(weights.most_shared_pillars)


def _shared(rows: Sequence[Collection[str]], columns: Sequence[Collection[str]]) -> Whole:
    """Return how many words each row has in common with each column."""
    places = {word: place for place, word in enumerate(sorted({word for words in columns for word in words}))}
    product: NDArray[np.float32] = _marked(rows, places) @ _marked(columns, places).T
    return product.astype(np.int32)


def _marked(sets: Sequence[Collection[str]], places: dict[str, int]) -> NDArray[np.float32]:
    marks = np.zeros((len(sets), len(places)), np.float32)
    for number, words in enumerate(sets):
        marks[number, [places[word] for word in words if word in places]] = 1
    return marks


def _of_hours(mentees: Sequence[Mentee], mentors: Sequence[Mentor], weights: Weights) -> Whole:
    weeks, of_mentee = _distinct(m.hours for m in mentees)
    others, of_mentor = _distinct(m.hours for m in mentors)
    hours = np.minimum(_minutes_shared(weeks, others) // 60, weights.most_overlapping_hours)
    points: Whole = (weights.overlapping_hour * hours).astype(np.int32)
    return points[of_mentee][:, of_mentor]


def _distinct(weeks: Iterable[tuple[Interval, ...]]) -> tuple[list[tuple[Interval, ...]], NDArray[np.intp]]:
    """Return the different weeks that there are, and which of them is whose: many people work the same hours."""
    numbers: dict[tuple[Interval, ...], int] = {}
    whose = [numbers.setdefault(week, len(numbers)) for week in weeks]
    return list(numbers), np.array(whose, np.intp)


def _minutes_shared(rows: Sequence[Sequence[Interval]], columns: Sequence[Sequence[Interval]]) -> Whole:
    """Return for how many minutes each two weeks overlap. Sums below 2**24 are exact in single precision."""
    edges = np.array(sorted({0, WEEK, *(edge for week in (*rows, *columns) for part in week for edge in part)}))
    lengths = np.diff(edges).astype(np.float32)
    one, other = _covered(rows, edges), _covered(columns, edges)
    minutes = np.zeros((len(rows), len(columns)), np.float32)
    for start in range(0, len(lengths), SEGMENTS_AT_ONCE):
        part = slice(start, start + SEGMENTS_AT_ONCE)
        minutes += (one[:, part] * lengths[part]) @ other[:, part].astype(np.float32).T
    return minutes.astype(np.int32)


def _covered(weeks: Sequence[Sequence[Interval]], edges: NDArray[Any]) -> NDArray[np.int8]:
    """Return of each segment between two edges whether a week covers it."""
    turns = np.zeros((len(weeks), len(edges)), np.int8)
    rows = [number for number, week in enumerate(weeks) for _ in week]
    turns[rows, np.searchsorted(edges, [part.start for week in weeks for part in week])] += 1
    turns[rows, np.searchsorted(edges, [part.end for week in weeks for part in week])] -= 1
    return np.cumsum(turns, axis=1, dtype=np.int8)[:, :-1]


def _of_service_areas(mentees: Sequence[Mentee], mentors: Sequence[Mentor], weights: Weights) -> Whole:
    areas = {m.service_area_id for m in mentees} | {m.service_area_id for m in mentors}
    numbers = {area: number for number, area in enumerate(areas - {None})}
    one = np.array([numbers.get(m.service_area_id, -1) for m in mentees], np.int32)[:, None]
    other = np.array([numbers.get(m.service_area_id, -1) for m in mentors], np.int32)[None, :]
    points = np.where(one == other, weights.same_service_area, weights.other_service_area)
    return np.where((one < 0) | (other < 0), 0, points).astype(np.int32)


def _mark_obstacles(found: NDArray[np.int8], mentees: Sequence[Mentee], mentors: Sequence[Mentor]) -> None:
    """Write the numbers of what forbids pairs, but for what they share."""
    found[:, [not m.free for m in mentors]] = NUMBER_OF["mentor_at_capacity"]
    found[:, [not m.accepting for m in mentors]] = NUMBER_OF["mentor_not_accepting"]
    found[_covered_rows(mentees, mentors)] = NUMBER_OF["focus_already_covered"]
    columns = {mentor.id: number for number, mentor in enumerate(mentors)}
    for row, mentee in enumerate(mentees):
        found[row, [columns[who] for who in mentee.paired_with if who in columns]] = NUMBER_OF["pair_already_open"]
        if mentee.manager_id in columns:
            found[row, columns[mentee.manager_id]] = NUMBER_OF["line_manager"]
    found[[not m.active for m in mentees]] = NUMBER_OF["person_inactive"]
    found[:, [not m.active for m in mentors]] = NUMBER_OF["person_inactive"]
    for row, mentee in enumerate(mentees):
        if mentee.id in columns:
            found[row, columns[mentee.id]] = NUMBER_OF["self_mentoring"]


def _covered_rows(mentees: Sequence[Mentee], mentors: Sequence[Mentor]) -> NDArray[np.bool_]:
    """Return which pairs would be about nothing that another pair of the mentee is not about already."""
    found = np.zeros((len(mentees), len(mentors)), np.bool_)
    for row, mentee in enumerate(mentees):
        if mentee.covered:
            about_it = mentee.focus in mentee.covered
            found[row] = [about_it or (mentee.focus is None and m.pillars <= mentee.covered) for m in mentors]
    return found
