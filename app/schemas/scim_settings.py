"""The rules for what an identity provider sends."""

from pydantic import Field

from app.models.scim_settings import ServiceAreaAttribute, TeamLead
from app.schemas.base import Flag, In, Resource


class ScimSettingsUpdate(In):
    """A merge patch: absent keeps."""

    service_area_attribute: ServiceAreaAttribute = Field(
        default=ServiceAreaAttribute.department,
        description="Whose value names a person's service area; it is made where it is new. `none`: SCIM sets none.",
    )
    groups_are_teams: Flag = Field(
        default=True, description="Whether a provider's groups are teams here. Otherwise it is refused to push any."
    )
    team_lead: TeamLead = Field(
        default=TeamLead.kept,
        description="`kept`: as set here. `common_manager`: the active manager to whom most members report.",
    )


class ScimSettingsOut(Resource):
    """How what the identity provider sends is understood."""

    service_area_attribute: ServiceAreaAttribute
    groups_are_teams: bool
    team_lead: TeamLead
