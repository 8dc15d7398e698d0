"""What a signal says of itself: numbers, what was counted and when. Nothing about how anybody felt."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.services.strain_evaluation import Finding

UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
OWN_FLAGS = " It counts calls that you flagged yourself, so only you can see it."


def explain(condition: Mapping[str, Any], finding: Finding, zone: ZoneInfo) -> str:
    """Return one or two plain sentences on why a signal was raised, with times in the organisation's time zone."""
    sentences = _WORDS[condition["kind"]](condition, finding, zone)
    return sentences + (OWN_FLAGS if finding.private else "")


def duration(seconds: float) -> str:
    """Return a length of time in its largest whole unit: ``8 hours``, ``90 minutes``."""
    for size, unit in UNITS:
        if seconds >= size and seconds % size == 0:
            return _many(int(seconds // size), unit)
    return _many(round(seconds), "second")


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _day(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{local.day} {local:%B %Y}"


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M} on {_day(moment, zone)}"


def _span(finding: Finding, zone: ZoneInfo) -> str:
    first, last = finding.window_from, finding.triggered_at
    if _day(first, zone) == _day(last, zone):
        return f"between {first.astimezone(zone):%H:%M} and {_at(last, zone)}"
    return f"between {_at(first, zone)} and {_at(last, zone)}"


def _count(condition: Mapping[str, Any], finding: Finding, zone: ZoneInfo) -> str:
    if condition["count"] == 1:
        return f"A hard call ended at {_at(finding.triggered_at, zone)}."
    found, window = _many(int(finding.measure), "hard call"), duration(condition["window_seconds"])
    return f"{found} {_span(finding, zone)}. The rule looks for {condition['count']} within {window}."


def _streak(condition: Mapping[str, Any], finding: Finding, zone: ZoneInfo) -> str:
    found, window = _many(int(finding.measure), "hard call"), duration(condition["window_seconds"])
    return f"{found} in a row, {_span(finding, zone)}. The rule looks for {condition['count']} within {window}."


def _share(condition: Mapping[str, Any], finding: Finding, zone: ZoneInfo) -> str:
    unresolved = len(finding.call_event_ids)
    total = round(unresolved / finding.measure)
    wanted = f"{condition['share'] * 100:g} % of at least {condition['minimum_calls']} calls"
    return f"{unresolved} of {total} calls stayed unresolved {_span(finding, zone)}. The rule looks for {wanted}."


def _talk(condition: Mapping[str, Any], finding: Finding, zone: ZoneInfo) -> str:
    talked, pause = _many(int(finding.measure // 60), "minute"), duration(condition["pause_seconds"])
    wanted = duration(condition["talk_seconds"])
    return f"{talked} on calls without a pause of {pause}, {_span(finding, zone)}. The rule looks for {wanted}."


def _median(condition: Mapping[str, Any], finding: Finding, zone: ZoneInfo) -> str:
    found, shifts = _many(int(finding.measure), "hard call"), _many(condition["shifts"], "shift")
    middle = finding.threshold / condition["multiple"]
    limit = f"{condition['multiple']:g} times the middle value of the team, {middle:g}"
    return f"{found} on the last {shifts} since {_day(finding.window_from, zone)}. That is more than {limit}."


def _flag(_: Mapping[str, Any], finding: Finding, zone: ZoneInfo) -> str:
    return f"You flagged the call that ended at {_at(finding.triggered_at, zone)} as hard."


_WORDS = {
    "hard_call_count": _count,
    "hard_call_streak": _streak,
    "unresolved_share": _share,
    "talk_without_pause": _talk,
    "above_team_median": _median,
    "self_flag": _flag,
}
