"""Work patterns: when a person works, where on the clock, and in which languages."""

from datetime import datetime, time
from itertools import pairwise
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from app.schemas.base import In, Out, TimeZone

WEEK, DAY = 7 * 24 * 60, 24 * 60
PATTERN: dict[str, Any] = {
    "time_zone": "Europe/London",
    "languages": ["en", "cy"],
    "hours": [{"weekday": day, "starts_at": "14:00", "ends_at": "22:00"} for day in range(1, 6)],
}


def _canonical(tag: str) -> str:
    language, *rest = tag.split("-")
    return "-".join([language.lower(), *rest])


def _once_each(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


Language = Annotated[
    str,
    StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"),
    AfterValidator(_canonical),
    Field(examples=["en"]),
]
Languages = Annotated[list[Language], Field(max_length=20), AfterValidator(_once_each)]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["09:00"])]
EndOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["17:00"])]


class Hours(In):
    """From one time of a weekday to another, by the local clock."""

    weekday: Annotated[int, Field(strict=True, ge=1, le=7)] = Field(description="1 is Monday, 7 is Sunday.")
    starts_at: TimeOfDay
    ends_at: EndOfDay = Field(description="Before the start means on the next day; `00:00` is midnight.")

    @model_validator(mode="after")
    def _lasts(self) -> "Hours":
        if self.starts_at == self.ends_at:
            raise ValueError("Must end at another time than it starts.")
        return self

    def minutes(self) -> tuple[int, int]:
        """Return its start and its end in minutes of the local week; the end can lie in the next week."""
        start, end = (time.fromisoformat(each) for each in (self.starts_at, self.ends_at))
        first = (self.weekday - 1) * DAY + start.hour * 60 + start.minute
        last = (self.weekday - 1) * DAY + end.hour * 60 + end.minute
        return first, last if last > first else last + DAY


def _no_overlap(hours: list[Hours]) -> list[Hours]:
    spans = sorted(each.minutes() for each in hours)
    around = [*spans, *((start + WEEK, end + WEEK) for start, end in spans[:1])]
    if any(later[0] < earlier[1] for earlier, later in pairwise(around)):
        raise ValueError("No two may overlap.")
    return hours


WeekOfHours = Annotated[list[Hours], Field(max_length=50), AfterValidator(_no_overlap)]


class WorkPatternPut(In):
    """A person's usual week, in place of what was there."""

    model_config = ConfigDict(json_schema_extra={"examples": [PATTERN]})

    time_zone: TimeZone | None = Field(
        default=None, description="Left out, that of the employee in the directory, else that of the organisation."
    )
    languages: Languages = Field(
        default_factory=list,
        description="In which the person likes to talk, the best first; none means that of their locale.",
    )
    hours: WeekOfHours = Field(description="The hours of a usual week. None at all means that they are not known.")


class HoursOut(Out):
    """From one time of a weekday to another, by the local clock."""

    weekday: int = Field(description="1 is Monday, 7 is Sunday.")
    starts_at: str
    ends_at: str = Field(description="Before the start means on the next day.")


class WorkPatternOut(Out):
    """When a person works. It is always there: nobody has said anything while it is the default one, of version 0."""

    employee_id: UUID
    version: int = Field(description="Counts the changes; the ETag is this number in quotes. 0 is the default week.")
    is_default: bool = Field(description="Whether this is a starting value that nobody has changed.")
    basis: str | None = Field(description="Where the starting value comes from. Null once somebody has said otherwise.")
    time_zone: str | None = Field(description="The one that was said. Null means that of the directory.")
    effective_time_zone: str = Field(description="The one that the hours are read in.")
    languages: list[str] = Field(description="Those that were said.")
    effective_languages: list[str] = Field(description="Those that count: where none were said, that of the locale.")
    hours: list[HoursOut]
    updated_at: datetime | None
    allowed_actions: list[str] = Field(description="What you may do to it now.")
