"""How an organisation wants what its identity provider sends to be understood."""

from enum import StrEnum

from sqlalchemy import Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, one_of


class ServiceAreaAttribute(StrEnum):
    """The attribute of a user whose value is the name of their service area."""

    none = "none"
    department = "department"
    division = "division"
    cost_center = "cost_center"
    organization = "organization"


class TeamLead(StrEnum):
    """Who leads a team that a provider keeps: whoever was set here, or the manager whom most members report to."""

    kept = "kept"
    common_manager = "common_manager"


class ScimSettings(Owned, Versioned, Base):
    """The rules of one organisation. Without a row, the defaults hold."""

    __tablename__ = "scim_settings"
    __table_args__ = (
        UniqueConstraint("organisation_id"),
        one_of("service_area_attribute", ServiceAreaAttribute),
        one_of("team_lead", TeamLead),
    )

    service_area_attribute: Mapped[ServiceAreaAttribute] = mapped_column(Text, default=ServiceAreaAttribute.department)
    groups_are_teams: Mapped[bool] = mapped_column(default=True)
    team_lead: Mapped[TeamLead] = mapped_column(Text, default=TeamLead.kept)
