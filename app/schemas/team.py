"""Teams and their members."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.schemas.base import In, Name, Out, Reference, Resource


class TeamCreate(In):
    """A new team."""

    name: Name = Field(description="Unique without regard to case.")
    external_id: Reference | None = Field(default=None, description="The team's key in the HR system.")
    lead_id: UUID | None = Field(default=None, description="Who leads it: an active employee. A lead sees its members.")
    service_area_id: UUID | None = None


class TeamUpdate(In):
    """A merge patch: absent keeps, null clears."""

    name: Name = Field(default="", description="Unique without regard to case.")
    external_id: Reference | None = None
    lead_id: UUID | None = Field(default=None, description="Who leads it: an active employee. A lead sees its members.")
    service_area_id: UUID | None = None


class TeamOut(Resource):
    """People who work together, and who leads them."""

    external_id: str | None
    name: str
    lead_id: UUID | None
    service_area_id: UUID | None


class TeamMemberCreate(In):
    """Who joins the team."""

    employee_id: UUID


class TeamMemberOut(Out):
    """One employee in one team."""

    id: UUID
    team_id: UUID
    employee_id: UUID
    created_at: datetime
    allowed_actions: list[str] = Field(description="What you may do to it now.")
