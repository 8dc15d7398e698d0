"""The organisation and its settings."""

from typing import Annotated

from pydantic import Field

from app.schemas.base import Flag, In, Name, Prose, Resource, TimeZone


class OrganisationUpdate(In):
    """A merge patch of the settings."""

    name: Name = Field(default="")
    time_zone: TimeZone = Field(default="UTC", description="Where its days and shifts begin and end.")
    monitoring_purpose: Prose = Field(default="", description="Shown to everyone: what call events are kept for.")
    minimum_group_size: Annotated[int, Field(strict=True, ge=5, le=1000)] = Field(
        default=5, description="An aggregate over fewer people is never shown. Not below 5."
    )
    team_prompt_signals: Annotated[int, Field(strict=True, ge=2, le=1000)] = Field(
        default=3, description="After how many signals in a team its programme lead is asked to change the work."
    )
    team_prompt_days: Annotated[int, Field(strict=True, ge=1, le=90)] = Field(
        default=14, description="Within how many days those signals count."
    )
    public_eap_directory: Flag = Field(
        default=True,
        description="Whether the contacts of the EAP can be read without signing in, so that they stay for leavers.",
    )


class OrganisationOut(Resource):
    """The tenant that everything else belongs to."""

    slug: str
    name: str
    time_zone: str
    monitoring_purpose: str
    minimum_group_size: int
    team_prompt_signals: int
    team_prompt_days: int
    public_eap_directory: bool
