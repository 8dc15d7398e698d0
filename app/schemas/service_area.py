"""Service areas: what people work on."""

from pydantic import Field

from app.schemas.base import In, Name, Prose, Reference, Resource


class ServiceAreaCreate(In):
    """A new service area."""

    name: Name = Field(description="Unique without regard to case.")
    external_id: Reference | None = Field(default=None, description="The area's key in the HR or telephone system.")
    description: Prose | None = None


class ServiceAreaUpdate(In):
    """A merge patch: absent keeps, null clears."""

    name: Name = Field(default="", description="Unique without regard to case.")
    external_id: Reference | None = None
    description: Prose | None = None


class ServiceAreaOut(Resource):
    """The queue group or account that people work on."""

    external_id: str | None
    name: str
    description: str | None
