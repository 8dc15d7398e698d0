"""Who was exposed to more than their team over the last shifts: a pure function over days, whole days only.

A shift is a calendar day, in the organisation's time zone, on which somebody had a call. A day is looked at when it is
over for the team: when a later day with a call of the team is known. So one day gives one answer, whatever the order in
which its calls arrive, and nobody's signal flickers while the day goes on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from app.services.strain_conditions import Rule, ticks
from app.services.strain_evaluation import CoolDown, Finding


class Flagged(NamedTuple):
    """A call that is hard by the person's own word alone."""

    flag_id: UUID
    call_event_id: UUID | None


class Shift(NamedTuple):
    """One person's day: the call events that were hard for the rule by their codes, and those by a flag alone."""

    day: date
    hard: tuple[UUID, ...] = ()
    flagged: tuple[Flagged, ...] = ()
    coded: bool = True


Shifts = Mapping[UUID, Sequence[Shift]]


@dataclass(frozen=True, slots=True)
class TeamDays:
    """Which days of a team to look at, and whose signals follow from them."""

    first: date
    last: date
    zone: ZoneInfo
    members: Sequence[UUID]
    subjects: Iterable[UUID]


def look_back_days(rule: Rule) -> int:
    """Return over how many calendar days the last shifts are looked for, so that part-time work is found too."""
    return 3 * int(rule.condition["shifts"]) + 7


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """Return when a day begins in a time zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _latest(rule: Rule, shifts: Sequence[Shift], day: date) -> Sequence[Shift] | None:
    """Return the last shifts up to a day, or None where there are too few to compare."""
    count, earliest = rule.condition["shifts"], day - timedelta(days=look_back_days(rule))
    found = [shift for shift in shifts if earliest < shift.day <= day][-count:]
    return found if len(found) == count else None


def _exposures(rule: Rule, shifts: Shifts, members: Iterable[UUID], day: date) -> list[int]:
    """Return how many hard calls each comparable member had on their last shifts, by code alone."""
    latest = (_latest(rule, [s for s in shifts.get(member, ()) if s.coded], day) for member in members)
    return [sum(len(shift.hard) for shift in found) for found in latest if found is not None]


def evaluate(
    rule: Rule,
    shifts: Shifts,
    days: TeamDays,
    taken: Mapping[UUID, Sequence[Finding]],
    smallest: int,
    public: Mapping[UUID, Sequence[Finding]] | None = None,
) -> dict[UUID, list[Finding]]:
    """Return the signals of each subject on the team's days. ``taken`` are those that stand already.

    A team in which fewer than ``smallest`` people can be compared gives none, and nobody's flags count but one's own.
    Where ``public`` is given, those signals are taken as they are and only private ones are worked out.
    """
    least = max(rule.condition["minimum_team"], smallest)
    worked = {shift.day for member in days.members for shift in shifts.get(member, ())}
    limits: dict[date, float] = {}
    for day in sorted(day for day in worked if days.first <= day <= days.last):
        exposures = _exposures(rule, shifts, days.members, day)
        if len(exposures) >= least:
            limits[day] = rule.condition["multiple"] * median(exposures)
    found: dict[UUID, list[Finding]] = {}
    for subject in days.subjects:
        mine, standing = shifts.get(subject, ()), taken.get(subject, ())
        given = None if public is None else public[subject]
        coded = _coded(rule, mine, limits, days.zone, standing) if given is None else list(given)
        found[subject] = coded + _flagged(rule, mine, limits, days.zone, [*standing, *coded])
    return found


Limits = Mapping[date, float]


def _coded(
    rule: Rule, shifts: Sequence[Shift], limits: Limits, zone: ZoneInfo, taken: Sequence[Finding]
) -> list[Finding]:
    standing = [finding.triggered_at for finding in taken if not finding.private]
    coded = [shift for shift in shifts if shift.coded]
    return list(_findings(rule, coded, limits, zone, CoolDown(rule.cooldown, standing), private=False))


def _flagged(
    rule: Rule, shifts: Sequence[Shift], limits: Limits, zone: ZoneInfo, taken: Sequence[Finding]
) -> list[Finding]:
    if not any(shift.flagged for shift in shifts):
        return []
    standing = [finding.triggered_at for finding in taken]
    return list(_findings(rule, shifts, limits, zone, CoolDown(rule.cooldown, standing), private=True))


def _findings(
    rule: Rule,
    shifts: Sequence[Shift],
    limits: Limits,
    zone: ZoneInfo,
    cool_down: CoolDown,
    *,
    private: bool,
) -> Iterator[Finding]:
    for day in (shift.day for shift in shifts if shift.day in limits):
        latest = _latest(rule, shifts, day) or ()
        events = tuple(event for shift in latest for event in shift.hard)
        flagged = tuple(call for shift in latest for call in shift.flagged) if private else ()
        if private and not flagged:
            continue
        exposure, at = len(events) + len(flagged), start_of(day + timedelta(days=1), zone)
        if exposure >= rule.condition["minimum_hard_calls"] and exposure > limits[day] and cool_down.allows(ticks(at)):
            cool_down.note(ticks(at))
            window_from, numbers = start_of(latest[0].day, zone), (float(exposure), float(limits[day]))
            events += tuple(call.call_event_id for call in flagged if call.call_event_id)
            flags = tuple(call.flag_id for call in flagged)
            yield Finding(rule.id, rule.version, at, private, window_from, *numbers, events, flags)
