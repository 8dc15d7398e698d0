"""Who is asking."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.models.client import Role
from app.schemas.base import Out


class MyOrganisation(Out):
    """The organisation that the caller belongs to."""

    id: UUID
    slug: str
    name: str


class MyEmployee(Out):
    """The caller, where a person asks."""

    id: UUID
    user_name: str
    display_name: str
    email: str | None
    locale: str | None
    time_zone: str | None
    manager_id: UUID | None
    service_area_id: UUID | None


class MyKey(Out):
    """The key that the request came with."""

    id: UUID
    last_four: str
    expires_at: datetime | None


class MyClient(Out):
    """The caller, where a machine asks."""

    id: UUID
    name: str
    key: MyKey


class MyRelation(Out):
    """How the caller stands to others."""

    relation: Literal["line_manager", "team_lead"]
    employees: int = Field(description="How many active people.")
    team_ids: list[UUID] = Field(description="The teams that the caller leads.")


class MeOut(Out):
    """The caller, and what decides what they may do. A client has scopes; a person has roles and relations."""

    kind: Literal["person", "client"]
    organisation: MyOrganisation
    employee: MyEmployee | None
    client: MyClient | None
    scopes: list[str]
    roles: list[Role]
    relations: list[MyRelation]
    access_notices: int = Field(description="How many readings of your records in an emergency you have yet to see.")
