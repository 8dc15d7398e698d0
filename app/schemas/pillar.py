"""Pillars of emotional resilience."""

from typing import Annotated, Literal

from pydantic import Field

from app.schemas.base import Flag, In, Key, Name, Prose, Reference, Resource

Origin = Literal["ballast", "organisation"]
Hidden = Literal["true", "false", "any"]
Position = Annotated[int, Field(strict=True, ge=0, le=10_000)]


class PillarCreate(In):
    """A pillar of the organisation's own."""

    key: Key = Field(description="What practices and rules name it by. It cannot be changed.")
    name: Name
    description: Prose
    position: Position = Field(default=100, description="Where it stands among the others; ours are 1 to 5.")
    source: Reference | None = Field(default=None, description="The text that it comes from.")


class PillarUpdate(In):
    """A merge patch. Of the pillars that come with the service, only `hidden` can be changed."""

    name: Name = Field(default="")
    description: Prose = Field(default="")
    position: Position = Field(default=100)
    source: Reference | None = None
    hidden: Flag = Field(default=False)


class PillarOut(Resource):
    """One of the five pillars of emotional resilience, or one that the organisation added."""

    key: str
    origin: Origin = Field(description="`ballast`: it comes with the service, and can be hidden but not changed.")
    hidden: bool
    position: int
    name: str
    description: str
    source: str | None
