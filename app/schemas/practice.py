"""Practices that strengthen a pillar."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from app.schemas.base import Flag, In, Key, Name, Prose, Reference, Resource
from app.schemas.pillar import Origin


def _each_once(value: list[str]) -> list[str]:
    if len(set(value)) != len(value):
        raise ValueError("Must name each pillar once.")
    return value


PracticeMoment = Literal["before_shift", "between_calls", "after_a_hard_call", "end_of_shift", "weekly", "any_time"]
Minutes = Annotated[int, Field(strict=True, ge=1, le=480)]
Pillars = Annotated[list[Key], Field(min_length=1, max_length=20), AfterValidator(_each_once)]


class PracticeCreate(In):
    """A practice of the organisation's own."""

    key: Key = Field(description="A short name that is unique in the organisation. It cannot be changed.")
    name: Name
    summary: Prose
    how_to: Prose = Field(description="One step a line.")
    minutes: Minutes = Field(description="How long it takes, about.")
    when_it_helps: Prose
    moment: PracticeMoment = "any_time"
    pillars: Pillars = Field(description="Keys of the pillars that it strengthens, the main one first.")
    evidence: Prose | None = Field(default=None, description="What studies support, and no more.")
    caution: Prose | None = Field(default=None, description="When to leave it out.")
    source: Reference | None = Field(default=None, description="The text that it comes from.")


class PracticeUpdate(In):
    """A merge patch. Of the practices that come with the service, only `hidden` can be changed."""

    name: Name = Field(default="")
    summary: Prose = Field(default="")
    how_to: Prose = Field(default="")
    minutes: Minutes = Field(default=5)
    when_it_helps: Prose = Field(default="")
    moment: PracticeMoment = Field(default="any_time")
    pillars: Pillars = Field(default_factory=list)
    evidence: Prose | None = None
    caution: Prose | None = None
    source: Reference | None = None
    hidden: Flag = Field(default=False)


class PracticeOut(Resource):
    """A technique that strengthens one or more pillars. It is offered; the person chooses."""

    key: str
    origin: Origin = Field(description="`ballast`: it comes with the service, and can be hidden but not changed.")
    hidden: bool
    name: str
    summary: str
    how_to: str = Field(description="One step a line.")
    minutes: int = Field(description="How long it takes, about.")
    when_it_helps: str
    moment: PracticeMoment
    pillars: list[str] = Field(description="Keys of the pillars that it strengthens, the main one first.")
    evidence: str | None = Field(description="What studies support, and no more.")
    caution: str | None = Field(description="When to leave it out.")
    source: str | None = Field(description="The text that it comes from.")
