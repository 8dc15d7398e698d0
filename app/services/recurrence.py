"""When a series recurs: a bounded part of the rules of RFC 5545, expanded in the local time of its zone."""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo

from dateutil import rrule

MOST = 104
LONGEST_TEXT = 200
HORIZON = timedelta(days=731)
NOT_THE_FIRST = "The first session must be one of those that the rule names."
FREQUENCIES: Mapping[str, Literal[0, 1, 2, 3]] = {
    "DAILY": rrule.DAILY,
    "WEEKLY": rrule.WEEKLY,
    "MONTHLY": rrule.MONTHLY,
    "YEARLY": rrule.YEARLY,
}
DAYS = {name: getattr(rrule, name) for name in ("MO", "TU", "WE", "TH", "FR", "SA", "SU")}
PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYSETPOS", "WKST")
ALWAYS = {"FREQ", "INTERVAL", "COUNT", "UNTIL"}
TAKEN = {
    "DAILY": ALWAYS | {"BYDAY"},
    "WEEKLY": ALWAYS | {"BYDAY", "WKST"},
    "MONTHLY": ALWAYS | {"BYDAY", "BYMONTHDAY", "BYSETPOS"},
    "YEARLY": ALWAYS,
}
NUMBER = re.compile(r"[+-]?[0-9]{1,3}")
DAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)")
LISTS = ("BYMONTHDAY", "BYSETPOS")


class NoRule(ValueError):
    """A text that is no rule, or a rule that is not taken. The words say why and quote nothing."""


@dataclass(frozen=True)
class Rule:
    """A rule that ends: by a number of occurrences or by a last moment, told in local time."""

    parts: Mapping[str, str]
    count: int | None
    until: datetime | None

    def text(self) -> str:
        """Return it as RFC 5545 writes it, parts in one order."""
        return ";".join(f"{name}={self.parts[name]}" for name in PARTS if name in self.parts)

    def ending(self, last: datetime) -> str:
        """Return the text of this rule with another end: the instant at which the last one begins."""
        parts = {name: value for name, value in self.parts.items() if name not in ("COUNT", "UNTIL")}
        parts["UNTIL"] = last.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        return Rule(parts, None, None).text()


def parse(text: str, zone: ZoneInfo) -> Rule:
    """Return a rule. Raise NoRule for one that never ends, ends too late, or uses what is not taken.

    Source: RFC 5545 section 3.3.10. Taken are days, weekdays, days of the month and a choice among them: what series of
    meetings need. Rules finer than a day, and those by months, weeks and days of a year, are not: some of them name no
    day at all, and the search for their first one runs to the year 9999.
    """
    parts = _parts(text)
    if parts.get("FREQ") not in FREQUENCIES:
        raise NoRule("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY.")
    if parts.keys() - TAKEN[parts["FREQ"]]:
        raise NoRule(f"With this FREQ only {', '.join(sorted(TAKEN[parts['FREQ']]))} are taken.")
    if ("COUNT" in parts) == ("UNTIL" in parts):
        raise NoRule("It must end, either by COUNT or by UNTIL.")
    _within(parts, "INTERVAL", 1, 366)
    _within(parts, "COUNT", 1, MOST)
    for name in LISTS:
        if name in parts and not all(_is_number(each, -31, 31) for each in parts[name].split(",")):
            raise NoRule(f"{name} is not a list of numbers from 1 to 31, or from -31 to -1.")
    _require_days(parts)
    if "BYSETPOS" in parts and not {"BYDAY", "BYMONTHDAY"} & parts.keys():
        raise NoRule("BYSETPOS needs BYDAY or BYMONTHDAY.")
    count = int(parts["COUNT"]) if "COUNT" in parts else None
    return Rule(parts, count, _until(parts["UNTIL"], zone) if "UNTIL" in parts else None)


def _parts(text: str) -> dict[str, str]:
    if len(text) > LONGEST_TEXT:
        raise NoRule(f"It must have at most {LONGEST_TEXT} characters.")
    parts: dict[str, str] = {}
    for part in text.upper().removeprefix("RRULE:").split(";"):
        name, equals, value = part.partition("=")
        if not equals or name not in PARTS or name in parts or not value:
            raise NoRule(f"Its parts are NAME=value, each once, of {', '.join(PARTS)}.")
        parts[name] = value
    return parts


def _is_number(text: str, least: int, most: int) -> bool:
    return NUMBER.fullmatch(text) is not None and least <= int(text) <= most and int(text) != 0


def _within(parts: Mapping[str, str], name: str, least: int, most: int) -> None:
    if name in parts and not (parts[name].isascii() and _is_number(parts[name], least, most)):
        raise NoRule(f"{name} must lie between {least} and {most}.")


def _require_days(parts: Mapping[str, str]) -> None:
    found = [DAY.fullmatch(each) for each in parts["BYDAY"].split(",")] if "BYDAY" in parts else []
    if not all(found):
        raise NoRule("BYDAY is not a list of weekdays such as TU or 2TU.")
    if parts["FREQ"] in ("DAILY", "WEEKLY") and any(each and each.group(1) for each in found):
        raise NoRule("A numbered weekday needs FREQ=MONTHLY.")
    if len({each.group(1) is None for each in found if each}) > 1:
        # What dateutil makes of a mixture is those that are both, where the standard means either.
        raise NoRule("Number all weekdays of BYDAY, or none.")
    if parts.get("WKST", "MO") not in DAYS:
        raise NoRule("WKST must be a weekday such as MO.")


def _until(text: str, zone: ZoneInfo) -> datetime:
    """Return the last local moment: a day holds all of it, an instant is given in UTC as the standard demands."""
    try:
        if len(text) == 8:
            return datetime.combine(datetime.strptime(text, "%Y%m%d").date(), time.max)  # noqa: DTZ007  # a local day
        moment = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise NoRule("UNTIL must be a day such as 20270131, or an instant in UTC such as 20270131T090000Z.") from None
    if not 1900 < moment.year < 2200:
        raise NoRule("UNTIL lies too far away.")
    return moment.astimezone(zone).replace(tzinfo=None)


def expand(rule: Rule, first: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the instants at which a rule's occurrences begin, the first of them ``first``.

    Each keeps the local hour of ``first``. A local time that a clock change skips is read with the offset before the
    change, one that comes twice is the earlier: RFC 5545 section 3.3.5. Raise NoRule where ``first`` is none of them,
    where there are more than 104, and where they reach further than two years.
    """
    start = first.astimezone(zone).replace(tzinfo=None)
    if not _names(rule.parts, start.date()):
        raise NoRule(NOT_THE_FIRST)
    horizon = start + HORIZON
    if rule.until is not None and rule.until > horizon:
        raise NoRule("It must end within two years.")
    found = list(islice(_local(rule, start, horizon), MOST + 1))
    if rule.count is not None:
        if len(found) < rule.count:
            raise NoRule("It must end within two years.")
        found = found[: rule.count]
    if len(found) > MOST:
        raise NoRule(f"It may have at most {MOST} occurrences.")
    if not found or found[0] != start:
        raise NoRule(NOT_THE_FIRST)
    return [local.replace(tzinfo=zone).astimezone(UTC) for local in found]


def _names(parts: Mapping[str, str], day: date) -> bool:
    """Return whether a rule names a day, were it the first.

    Asked before the search begins: a rule that names its first day names another one soon, and the search ends.
    """
    if "BYSETPOS" not in parts:
        return _passes(parts, day)
    month = [day.replace(day=number) for number in range(1, monthrange(day.year, day.month)[1] + 1)]
    chosen = [each for each in month if _passes(parts, each)]
    places = [int(each) for each in parts["BYSETPOS"].split(",")]
    return any(day in chosen[place - 1 if place > 0 else place :][:1] for place in places if abs(place) <= len(chosen))


def _passes(parts: Mapping[str, str], day: date) -> bool:
    last = monthrange(day.year, day.month)[1]
    if "BYMONTHDAY" in parts:
        numbers = {int(each) for each in parts["BYMONTHDAY"].split(",")}
        if not numbers & {day.day, day.day - last - 1}:
            return False
    if "BYDAY" not in parts:
        return True
    name = list(DAYS)[day.weekday()]
    forms = {name, *(f"{sign}{(day.day + 6) // 7}{name}" for sign in ("", "+")), f"-{(last - day.day) // 7 + 1}{name}"}
    return bool(forms & set(parts["BYDAY"].split(",")))


def _local(rule: Rule, start: datetime, horizon: datetime) -> Iterator[datetime]:
    parts = rule.parts
    lists = {name.lower(): [int(each) for each in parts[name].split(",")] for name in LISTS if name in parts}
    days = [_weekday(each) for each in parts["BYDAY"].split(",")] if "BYDAY" in parts else None
    return iter(
        rrule.rrule(
            FREQUENCIES[parts["FREQ"]],
            dtstart=start,
            interval=int(parts.get("INTERVAL", 1)),
            wkst=DAYS[parts.get("WKST", "MO")],
            until=horizon if rule.until is None else rule.until,
            byweekday=days,
            **lists,  # type: ignore[arg-type]  # the lists of numbers that it takes by these names
        )
    )


def _weekday(text: str) -> rrule.weekday:
    day = DAYS[text[-2:]]
    weekday: rrule.weekday = day(int(text[:-2])) if len(text) > 2 else day
    return weekday
