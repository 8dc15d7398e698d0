"""Series of coaching sessions."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from app.models.coaching_session import SeriesState, SessionKind
from app.schemas.base import Day, Flag, In, Name, Prose, Reason, Resource, TimeZone
from app.schemas.coaching_session import LONGEST_SECONDS, SHORTEST_SECONDS, AboutPillars, Address, Moment, People

ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["10:30"])]
SERIES: dict[str, Any] = {
    "kind": "one_to_one",
    "subject": "Every other Tuesday",
    "starts_at": "2099-03-03T10:00:00+01:00",
    "duration_seconds": 2700,
    "time_zone": "Europe/Berlin",
    "rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;COUNT=10",
}


class SeriesCreate(In):
    """Sessions that recur. Each occurrence is a session of its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [SERIES]})

    kind: SessionKind = SessionKind.one_to_one
    subject: Name
    agenda: Prose | None = None
    pillars: AboutPillars = Field(default_factory=list)
    coach_id: UUID | None = Field(default=None, description="Who coaches; left out, the calling person.")
    attendee_ids: People = Field(min_length=1, description="Who is invited to each.")
    location: Name | None = None
    meeting_url: Address | None = None
    starts_at: Moment = Field(description="When the first begins. It has to be one that the rule names.")
    duration_seconds: int = Field(strict=True, ge=SHORTEST_SECONDS, le=LONGEST_SECONDS)
    time_zone: TimeZone | None = Field(
        default=None, description="In which each keeps the hour of the first. Left out, the coach's."
    )
    rrule: str = Field(
        max_length=200,
        description="A rule of RFC 5545: FREQ (DAILY, WEEKLY, MONTHLY, YEARLY), INTERVAL, BYDAY, BYMONTHDAY, BYSETPOS, "
        "WKST, and COUNT (at most 104) or UNTIL (within two years).",
        examples=["FREQ=WEEKLY;COUNT=4"],
    )
    skip_conflicts: Flag = Field(
        default=False, description="Leave out the dates at which somebody is not free, instead of refusing all."
    )


class SeriesChange(Reason):
    """What is to be otherwise from a day on. Occurrences that were moved on their own keep their time."""

    starting_on: Day = Field(description="From this day of the series' zone on.")
    subject: Name | None = Field(default=None, description="Left out, it stays.")
    agenda: Prose | None = Field(default=None, description="Left out, each keeps its own.")
    location: Name | None = Field(default=None, description="Left out, each keeps its own.")
    meeting_url: Address | None = Field(default=None, description="Left out, each keeps its own.")
    start_time: ClockTime | None = Field(default=None, description="When each begins on the clock of the series' zone.")
    duration_seconds: int | None = Field(default=None, strict=True, ge=SHORTEST_SECONDS, le=LONGEST_SECONDS)


class SeriesCancel(Reason):
    """From when on a series is called off."""

    starting_on: Day | None = Field(default=None, description="From this day of its zone on; left out, from now on.")


class SeriesOut(Resource):
    """A series, and where it stands. Its occurrences are sessions: list them by `series_id`."""

    kind: SessionKind
    subject: str
    coach_id: UUID
    requested_by_id: UUID | None
    rrule: str
    starts_at: datetime
    until_at: datetime = Field(description="When the last of it begins.")
    duration_seconds: int
    time_zone: str
    state: SeriesState


class SeriesMade(SeriesOut):
    """A series that was just made."""

    skipped: list[datetime] = Field(description="Starts that were left out, since somebody is not free then.")
