"""Mentor profiles, and the starting values that mentoring begins with."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.strain import Basis
from app.schemas.base import Flag, In, Out, Prose, Resource, TimeZone
from app.schemas.practice import Pillars
from app.schemas.work_pattern import HoursOut, Languages, WeekOfHours

Capacity = Annotated[int, Field(strict=True, ge=0, le=50)]
PROFILE: dict[str, Any] = {
    "pillars": ["relationships", "emotional_wellbeing"],
    "capacity": 3,
    "languages": ["en", "pl"],
    "about": "Nine years on the housing line. I listen first.",
}


class StartingValue(Out):
    """A value that nobody chose, and where it comes from: a labelled starting point, not a finding."""

    field: str
    value: int
    unit: str
    basis: str
    basis_label: Basis


class StartingValueOf(StartingValue):
    """A starting value, and what it is of."""

    of: str = Field(description="The resource that starts with it.")


class StartingValues(Out):
    """What mentoring starts with, each value with its basis."""

    data: list[StartingValueOf]


class ProfileCreate(In):
    """That one can be a mentor, and for whom. A programme lead can say so for others."""

    model_config = ConfigDict(json_schema_extra={"examples": [PROFILE]})

    employee_id: UUID | None = Field(default=None, description="Whose it is; left out, one's own.")
    pillars: Pillars = Field(description="Keys of the pillars that the person mentors on.")
    capacity: Capacity | None = Field(
        default=None, description="For how many mentees at once; left out, the starting value."
    )
    languages: Languages = Field(default_factory=list, description="None means those of the work pattern.")
    time_zone: TimeZone | None = Field(default=None, description="Left out, that of the work pattern.")
    hours: WeekOfHours | None = Field(
        default=None, description="When there is time for mentees; left out, the hours of the work pattern."
    )
    accepting: Flag = Field(default=True, description="Whether others may propose a mentee.")
    about: Prose | None = Field(default=None, description="What somebody who looks for a mentor reads.")


class ProfileUpdate(In):
    """A merge patch. Fewer places than mentees ends no pair: no new one begins until there is room again."""

    pillars: Pillars = Field(default_factory=list)
    capacity: Capacity = Field(default=1)
    languages: Languages = Field(default_factory=list)
    time_zone: TimeZone | None = None
    hours: WeekOfHours | None = None
    accepting: Flag = Field(default=True)
    about: Prose | None = None


class ProfileOut(Resource):
    """Somebody who can be a mentor. What is null comes from their work pattern."""

    employee_id: UUID
    display_name: str
    service_area_id: UUID | None
    pillars: list[str]
    capacity: int
    open_places: int = Field(description="Places that are free now. A pair that is active or paused takes one.")
    languages: list[str]
    time_zone: str | None
    hours: list[HoursOut] | None
    accepting: bool
    about: str | None
    starting_values: list[StartingValue] = Field(description="The values that nobody chose, with their basis.")
