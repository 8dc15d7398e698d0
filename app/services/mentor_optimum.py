"""The best assignment of mentees to places, and the proof that there is none better.

The transport problem as a linear programme (HiGHS, by way of SciPy) over few promising pairs, with prices of the
mentors' places as its by-product. The prices give a bound on what any assignment over *all* pairs could reach. Where
the assignment does not reach the bound, the pairs that the prices speak for join, and it is solved again: so leaving
pairs out costs nothing but time. Both numbers are whole, and are compared as such: no tolerance of the solver
reaches the answer.

Only a process that matches imports this: SciPy is no part of the server.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]  # it brings no types
from scipy.optimize import linprog  # type: ignore[import-untyped]  # likewise

First = Literal["total_fit", "most_mentees"]
Numbers = NDArray[np.int64]
Pairs = NDArray[np.bool_]

# Of each kind of row in a round, at least: those that leave the most after the price, and others. Measured at 5,000 by
# 500: half as many take more rounds, twice as many longer ones.
BEST, OTHERS = 8, 4
PAIRS_AT_FIRST = 60_000
PRICE_ROUNDS = 60
FORBIDDEN = np.int64(-(2**50))
METHODS = ("highs-ipm", "highs-ds")  # the second is far slower here; it is asked where the first proves nothing


class NotProven(ArithmeticError):
    """The solver gave no answer that could be proven to be the best."""


@dataclass(frozen=True)
class Problem:
    """What each kind of row is worth in each column, how many rows are of the kind, and the places of each column."""

    values: Numbers
    rows: Numbers
    places: Numbers


@dataclass(frozen=True)
class Solution:
    """How many rows of each kind go to each column, what one more row would gain, and the price of one more place."""

    flows: Numbers
    gains: Numbers
    prices: Numbers


def best_assignment(
    points: NDArray[Any],
    allowed: Pairs,
    places: NDArray[Any],
    first: First = "total_fit",
    tell: Callable[[float], None] = lambda _share: None,
) -> Numbers:
    """Return the column of each row, or -1: the greatest sum of points with no column taken more often than its places.

    ``points`` are whole and not below zero. With ``first="total_fit"`` the sum comes first, and among equal sums the
    number of rows that get a column; with ``most_mentees`` the other way round. Equal rows get their columns in order.
    Raises NotProven. ``tell`` hears after each round which share of the bound is reached.
    """
    places = places.astype(np.int64).clip(0)
    values = _values(points, allowed, places, first)
    kinds: dict[bytes, int] = {}
    kind = np.array([kinds.setdefault(row.tobytes(), len(kinds)) for row in values], np.int64)
    _, firsts, rows = np.unique(kind, return_index=True, return_counts=True)
    flows = _proven(Problem(values[firsts], rows, places), tell)
    choice = np.full(len(values), -1, np.int64)
    for number in range(len(firsts)):
        columns = np.repeat(np.arange(len(places)), flows[number])
        choice[np.flatnonzero(kind == number)[: len(columns)]] = columns
    return choice


def _values(points: NDArray[Any], allowed: Pairs, places: Numbers, first: First) -> Numbers:
    """Return what each pair adds to one number that is greatest where the first aim is, and then the second."""
    rows, columns = points.shape
    most = min(rows, int(places.sum()))
    values: Numbers
    if first == "total_fit":
        values = points.astype(np.int64) * (most + 1) + 1  # all the pairs there can be count less than one point
    else:
        # One pair more may move a mentee of each mentor: what they lose together is less than what it adds.
        greatest = int(points.max(initial=0, where=allowed))
        values = points.astype(np.int64) + (min(most, columns) * greatest + 1)
    values[~allowed] = FORBIDDEN
    values[:, places == 0] = FORBIDDEN
    return values


def _proven(problem: Problem, tell: Callable[[float], None]) -> Numbers:
    """Return the best flows. Any prices bound what can be reached: each row at its best column's value less its price,
    and each place at its price. Flows that keep to the rules and reach that bound are the best that there are.
    """
    values, possible = problem.values, problem.values > 0
    if not possible.any():
        return np.zeros_like(values)
    chosen = _promising(values - _guessed_prices(problem), possible)
    for method in METHODS:
        while True:
            found = _solve(problem, chosen, method)
            left = values - found.prices
            bound = int((left.max(axis=1).clip(0) * problem.rows).sum() + (found.prices * problem.places).sum())
            total = int((found.flows * values).sum())
            tell(total / bound)
            if total == bound and _keeps_the_rules(problem, found.flows):
                return found.flows
            wanted = (left > found.gains[:, None]) & possible & ~chosen
            if not wanted.any():
                break
            chosen |= _promising(left, wanted)
    raise NotProven("no solver's prices prove the assignment")


def _keeps_the_rules(problem: Problem, flows: Numbers) -> bool:
    within = (flows.sum(axis=1) <= problem.rows).all() and (flows.sum(axis=0) <= problem.places).all()
    return bool(within and (flows >= 0).all() and (problem.values[flows > 0] > 0).all())


def _guessed_prices(problem: Problem) -> Numbers:
    """Return prices under which demand about meets the places: those of wanted columns rise, the others' fall."""
    values, rows, places = problem.values.astype(np.float32), problem.rows, problem.places  # a guess: half the size
    prices, unit = np.zeros(len(places), np.float32), np.ptp(values[values > 0]) / 14 or 1.0
    for turn in range(PRICE_ROUNDS):
        left = values - prices
        favourite = left.argmax(axis=1)
        asking = left[np.arange(len(rows)), favourite] > 0
        demand = np.bincount(favourite[asking], rows[asking], minlength=len(places))
        step = unit / (1 + 0.3 * turn) * ((demand - places) / places.clip(1)).clip(-1, 2)
        prices = (prices + step.astype(np.float32)).clip(0)
    return np.asarray(np.rint(prices), np.int64)


def _promising(left: Numbers, among: Pairs) -> Pairs:
    """Return some pairs of each row, among these: the BEST that leave the most after the price, and some OTHERS.

    The others are mixed over all columns: where every row wants the same few, the prices of the rest would say nothing.
    """
    rows, columns = left.shape
    least = BEST + OTHERS
    many = max(least, PAIRS_AT_FIRST // rows)
    if columns <= many:
        return among
    mixed = (np.arange(rows)[:, None] * 7919 + np.arange(columns)[None, :] * 104_729) % 1009
    chosen = np.zeros_like(among)
    for keys, share in ((left * 1009 + mixed, BEST), (mixed, OTHERS)):
        best = np.argpartition(np.where(among, keys, FORBIDDEN), -(many * share // least), axis=1)
        chosen[np.arange(rows)[:, None], best[:, -(many * share // least) :]] = True
    return chosen & among


def _solve(problem: Problem, chosen: Pairs, method: str) -> Solution:
    """Solve the problem over the chosen pairs alone."""
    rows, columns = problem.values.shape
    of_row, of_column = np.nonzero(chosen)
    many = len(of_row)
    touched = np.stack([of_row, rows + of_column], axis=1).ravel()
    limits = sparse.csc_matrix(
        (np.ones(2 * many), touched, np.arange(0, 2 * many + 1, 2)), shape=(rows + columns, many)
    )
    worth = problem.values[of_row, of_column].astype(float)
    most = np.concatenate([problem.rows, problem.places])
    found = linprog(-worth, A_ub=limits, b_ub=most, bounds=(0, None), method=method)
    if found.status != 0:
        raise NotProven(f"the solver ended with status {found.status}")
    flows = np.zeros_like(problem.values)
    flows[of_row, of_column] = np.rint(found.x)
    duals = np.rint(-found.ineqlin.marginals).astype(np.int64).clip(0)
    return Solution(flows, duals[:rows], duals[rows:])
