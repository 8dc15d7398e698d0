"""How well a mentor would suit a mentee: whole points, each with a reason that a person can read.

Pure: no session, nothing but the standard library, since a process of its own reads it too. The weights are labelled
starting points by judgement. Research finds that similar outlook and meeting often go with psychosocial support (Eby
et al. 2013, doi 10.1037/a0029279); no trial says how much each of these reasons should count.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

DAY, WEEK = 24 * 60, 7 * 24 * 60
# From the nearest obstacle to the farthest: the first that stands in the way is the one that is named.
OBSTACLES = {
    "self_mentoring": "Nobody mentors themself.",
    "person_inactive": "One of the two has left the organisation.",
    "line_manager": "The mentor is the person's line manager.",
    "pair_already_open": "The two are a pair already.",
    "focus_already_covered": "The person has a mentor on all of these pillars already.",
    "mentor_not_accepting": "The mentor takes nobody on at present.",
    "mentor_at_capacity": "The mentor has no free place.",
    "no_shared_language": "The two state no language in common.",
    "no_shared_pillar": "The mentor does not mentor on what the person wants to grow in.",
}


class Interval(NamedTuple):
    """From one minute of the reference week to another, counted from Monday 00:00 UTC; the end is not in it."""

    start: int
    end: int


class Shift(NamedTuple):
    """Working hours of one weekday (Monday is 0) in minutes of the local day; an end past 1440 is after midnight."""

    weekday: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Mentee:
    """What counts of somebody who is to get a mentor.

    ``pillars`` are those of the goals that others may know of, ``focus`` the one that was asked for. ``languages`` are
    lower-case primary subtags (``en``); none stated is not the same as none shared. ``hours`` are as ``in_week`` gives
    them; none means that they are not known. ``paired_with`` are the mentors of pairs that are proposed or open,
    ``covered`` the pillars that an ongoing pair is about.
    """

    id: UUID
    manager_id: UUID | None = None
    pillars: frozenset[str] = frozenset()
    focus: str | None = None
    languages: frozenset[str] = frozenset()
    hours: tuple[Interval, ...] = ()
    service_area_id: UUID | None = None
    active: bool = True
    paired_with: frozenset[UUID] = frozenset()
    covered: frozenset[str] = frozenset()

    @property
    def wanted(self) -> frozenset[str]:
        """The pillars to find a mentor for."""
        return self.pillars if self.focus is None else frozenset({self.focus})


@dataclass(frozen=True, slots=True)
class Mentor:
    """What counts of a mentor. ``id`` is the person's, ``load`` the places that are taken of ``capacity``."""

    id: UUID
    pillars: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    hours: tuple[Interval, ...] = ()
    service_area_id: UUID | None = None
    capacity: int = 1
    load: int = 0
    active: bool = True
    accepting: bool = True

    @property
    def free(self) -> int:
        """How many mentees more the mentor can take on."""
        return max(0, self.capacity - self.load)


@dataclass(frozen=True, slots=True)
class Weights:
    """How many points each reason gives, and up to where it counts. Whole numbers, none below zero."""

    focus_pillar: int = 20
    shared_pillar: int = 20
    most_shared_pillars: int = 3
    shared_language: int = 20
    overlapping_hour: int = 1
    most_overlapping_hours: int = 20
    same_service_area: int = 10
    other_service_area: int = 0
    free_places: int = 10


STARTING_WEIGHTS = Weights()


class Reason(NamedTuple):
    """One reason: what it is, its points, and a sentence."""

    code: str
    points: int
    detail: str


class Fit(NamedTuple):
    """How well the two suit each other: the sum of the points of the reasons."""

    score: int
    reasons: tuple[Reason, ...]


def obstacle(mentee: Mentee, mentor: Mentor, *, needs_language: bool = True, needs_pillar: bool = False) -> str | None:
    """Return the code of what forbids the pair (a key of ``OBSTACLES``), or None where nothing does.

    Languages and pillars stand in the way only where both have some: what is not said is not held against anybody.
    """
    if mentee.id == mentor.id:
        return "self_mentoring"
    if not (mentee.active and mentor.active):
        return "person_inactive"
    if mentor.id == mentee.manager_id:
        return "line_manager"
    if mentor.id in mentee.paired_with:
        return "pair_already_open"
    if mentee.covered and (mentee.focus in mentee.covered or not focus(mentee, mentor)):
        return "focus_already_covered"
    if not mentor.accepting:
        return "mentor_not_accepting"
    if not mentor.free:
        return "mentor_at_capacity"
    stated = needs_language and mentee.languages and mentor.languages
    if stated and not mentee.languages & mentor.languages:
        return "no_shared_language"
    wanted = mentee.wanted if needs_pillar else ()
    return "no_shared_pillar" if wanted and not mentor.pillars.intersection(wanted) else None


def focus(mentee: Mentee, mentor: Mentor) -> tuple[str, ...]:
    """Return the pillars that the pair would be about: the one asked for, else shared ones, else the mentor's."""
    if mentee.focus is not None:
        return (mentee.focus,)
    open_ones = mentor.pillars - mentee.covered
    return tuple(sorted(open_ones & mentee.pillars or open_ones))


def fit(
    mentee: Mentee, mentor: Mentor, weights: Weights = STARTING_WEIGHTS, *, needs_language: bool = True
) -> Fit | None:
    """Return how well the two suit each other, or None for a pair that is forbidden: see ``obstacle``."""
    forbidden = obstacle(mentee, mentor, needs_language=needs_language) is not None
    return None if forbidden else points(mentee, mentor, weights)


def points(mentee: Mentee, mentor: Mentor, weights: Weights = STARTING_WEIGHTS) -> Fit:
    """Return how well the two suit each other, for a pair that is known not to be forbidden."""
    reasons = (
        *_of_pillars(mentee, mentor, weights),
        *_of_languages(mentee, mentor, weights),
        *_of_hours(mentee, mentor, weights),
        *_of_service_areas(mentee, mentor, weights),
        _of_load(mentor, weights),
    )
    return Fit(sum(reason.points for reason in reasons), reasons)


def rank(
    mentee: Mentee, mentors: Iterable[Mentor], weights: Weights = STARTING_WEIGHTS, *, needs_language: bool = True
) -> list[tuple[Mentor, Fit]]:
    """Return the mentors who may mentor this person, the best first; equals in the order of their ids."""
    fits = ((mentor, fit(mentee, mentor, weights, needs_language=needs_language)) for mentor in mentors)
    found = [(mentor, suits) for mentor, suits in fits if suits is not None]
    return sorted(found, key=lambda pair: (-pair[1].score, pair[0].id))


def _of_pillars(mentee: Mentee, mentor: Mentor, weights: Weights) -> Iterable[Reason]:
    if mentee.focus is not None and mentee.focus in mentor.pillars:
        yield Reason("focus_pillar", weights.focus_pillar, f"Mentors on the pillar asked for: {mentee.focus}.")
    shared = sorted(mentee.pillars & mentor.pillars)
    if shared:
        given = weights.shared_pillar * min(len(shared), weights.most_shared_pillars)
        yield Reason("shared_pillars", given, f"Mentors on pillars of the mentee's goals: {', '.join(shared)}.")


def _of_languages(mentee: Mentee, mentor: Mentor, weights: Weights) -> Iterable[Reason]:
    shared = sorted(mentee.languages & mentor.languages)
    if shared:
        yield Reason("shared_languages", weights.shared_language, f"Both speak {', '.join(shared)}.")


def _of_hours(mentee: Mentee, mentor: Mentor, weights: Weights) -> Iterable[Reason]:
    if mentee.hours and mentor.hours:
        minutes = overlap(mentee.hours, mentor.hours)
        given = weights.overlapping_hour * min(minutes // 60, weights.most_overlapping_hours)
        words = f"{minutes // 60} h {minutes % 60:02} min a week" if minutes else "at no time of the week"
        yield Reason("overlapping_hours", given, f"Both are at work {words}.")


def _of_service_areas(mentee: Mentee, mentor: Mentor, weights: Weights) -> Iterable[Reason]:
    if mentee.service_area_id is None or mentor.service_area_id is None:
        return
    if mentee.service_area_id == mentor.service_area_id:
        yield Reason("same_service_area", weights.same_service_area, "Both work in the same service area.")
    else:
        yield Reason("other_service_area", weights.other_service_area, "The mentor works in another service area.")


def _of_load(mentor: Mentor, weights: Weights) -> Reason:
    given = weights.free_places * mentor.free // mentor.capacity
    return Reason("free_places", given, f"{mentor.free} of the mentor's {mentor.capacity} places are free.")


def overlap(one: Collection[Interval], other: Collection[Interval]) -> int:
    """Return for how many minutes of the week two people are both at work. Each one's intervals do not overlap."""
    return sum(max(0, min(a.end, b.end) - max(a.start, b.start)) for a in one for b in other)


def in_week(shifts: Iterable[Shift], time_zone: str, monday: date) -> tuple[Interval, ...]:
    """Return weekly working hours in a time zone as minutes of one week in UTC, in order, none overlapping another.

    The week begins on ``monday`` at 00:00 UTC. Each shift is put on its own days, so that a change of the clocks within
    the week counts as it falls; what lies in the week before or after is cut off.
    """
    shifts = tuple(shifts)
    zone, beginning = ZoneInfo(time_zone), datetime.combine(monday, time(), UTC)

    def minute(day: date, of_day: int) -> int:
        local = datetime.combine(day, time(), zone) + timedelta(minutes=of_day)  # the wall clock's minutes
        return int((local.astimezone(UTC) - beginning).total_seconds()) // 60

    days = (monday + timedelta(days=number) for number in range(-2, 9))
    found = (
        Interval(max(0, minute(day, shift.start)), min(WEEK, minute(day, shift.end)))
        for day in days
        for shift in shifts
        if shift.weekday == day.weekday()
    )
    return _merged(interval for interval in found if interval.start < interval.end)


def _merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return tuple(merged)


def language(tag: str) -> str:
    """Return the language of a tag without its region or script: ``en-GB`` and ``en_US`` are both ``en``."""
    return tag.replace("_", "-").partition("-")[0].lower()
