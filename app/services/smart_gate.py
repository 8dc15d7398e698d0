"""The SMART gate: which letters a goal lacks, and what would satisfy each. A pure function of the goal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.models.goal import GoalKind

WORDS, CHARACTERS = 3, 12
CONFIDENT_ENOUGH = 3


@dataclass(frozen=True)
class Missing:
    """One letter that is missing: the first member that has to be filled or changed, and what would satisfy it."""

    code: str
    pointer: str
    detail: str


@dataclass(frozen=True)
class Period:
    """The days of a plan, both included."""

    starts_on: date
    ends_on: date


def missing(goal: Mapping[str, Any], period: Period | None, today: date) -> list[Missing]:
    """Return an entry for each letter that a goal lacks, in the order of the word. Empty: it is SMART.

    ``period`` is that of the goal's plan, None for a goal outside any.
    """
    found = (
        _specific(goal),
        _measurable(goal),
        _attainable(goal),
        _relevant(goal),
        _time_bound(goal["due_on"], period, today),
    )
    return [letter for letter in found if letter is not None]


def _specific(goal: Mapping[str, Any]) -> Missing | None:
    title = (goal["title"] or "").strip()
    if len(title.split()) < WORDS and len(title) < CHARACTERS:
        detail = f"Say in the title what will be different, in at least {WORDS} words or {CHARACTERS} characters."
        return Missing("specific", "/title", detail)
    if not goal["description"] and not goal["how_to_reach_it"]:
        return Missing("specific", "/description", "Describe what will be different, or how it will be reached.")
    return None


def _measurable(goal: Mapping[str, Any]) -> Missing | None:
    if goal["kind"] is None:
        return Missing("measurable", "/kind", "Choose what it is measured in; binary is done or not done.")
    if goal["kind"] == GoalKind.binary:
        return None
    if goal["baseline"] is None or goal["target"] is None:
        name = "baseline" if goal["baseline"] is None else "target"
        return Missing("measurable", f"/{name}", "Give the number where it starts and the number to get to.")
    if goal["baseline"] == goal["target"]:
        return Missing("measurable", "/target", "Choose a target that differs from the baseline, above or below it.")
    if not goal["unit"]:
        return Missing("measurable", "/unit", "Say what the numbers count, such as calls or hours a month.")
    return None


def _attainable(goal: Mapping[str, Any]) -> Missing | None:
    if goal["confidence"] is None:
        return Missing("attainable", "/confidence", "Say from 1 to 5 how sure you are to reach it, and how you will.")
    if goal["confidence"] < CONFIDENT_ENOUGH:
        detail = (
            f"Change the goal until you are at least at {CONFIDENT_ENOUGH} of 5: make it smaller, give it more time, or"
            " agree on the help that you need."
        )
        return Missing("attainable", "/confidence", detail)
    if not goal["how_to_reach_it"]:
        return Missing("attainable", "/how_to_reach_it", "Say how it will be reached: the first steps, and what helps.")
    return None


def _relevant(goal: Mapping[str, Any]) -> Missing | None:
    if not goal["pillars"]:
        return Missing("relevant", "/pillars", "Name at least one pillar that it strengthens, and why it matters.")
    if not goal["why_it_matters"]:
        return Missing("relevant", "/why_it_matters", "Say why it matters to you.")
    return None


def _time_bound(due_on: date | None, period: Period | None, today: date) -> Missing | None:
    if due_on is None:
        return Missing("time_bound", "/due_on", "Give the day on which it is due.")
    if period is not None and not period.starts_on <= due_on <= period.ends_on:
        detail = f"Choose a day within the plan's period, {period.starts_on} to {period.ends_on}."
        return Missing("time_bound", "/due_on", detail)
    if period is None and due_on <= today:
        return Missing("time_bound", "/due_on", "Choose a day that lies ahead.")
    return None
