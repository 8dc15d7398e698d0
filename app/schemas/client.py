"""Clients, their scopes and their keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from app.policy import SCOPES
from app.schemas.base import In, Name, Out, Resource


def _known_scope(value: str) -> str:
    if value not in SCOPES:
        raise ValueError("Must be a scope that is documented, such as employees:read.")
    return value


Scope = Annotated[str, AfterValidator(_known_scope), Field(json_schema_extra={"enum": list(SCOPES)})]
Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))]
Overlap = Annotated[int, Field(strict=True, ge=0, le=30 * 86_400)]


class ClientCreate(In):
    """A new machine caller."""

    name: Name = Field(description="What it is, unique in the organisation.")
    scopes: Scopes = Field(description="What it may do. A client can only give scopes that it holds itself.")


class ClientUpdate(In):
    """A merge patch. Fewer scopes count from the next request of the client on."""

    name: Name = Field(default="")
    scopes: Scopes = Field(default_factory=list, description="All its scopes, in place of those before.")


class ClientOut(Resource):
    """A machine caller. A revoked one never comes back."""

    name: str
    scopes: list[str]
    revoked_at: datetime | None


class ClientCreated(ClientOut):
    """A new client with its first key."""

    key: str | None = Field(description="Shown this once; null where an Idempotency-Key replays the answer.")


class ClientKeyCreate(In):
    """How long the client's older keys go on working beside the new one."""

    overlap_seconds: Overlap = Field(default=86_400, description="0 ends the older keys at once; 30 days at most.")


class ClientKeyOut(Out):
    """One key of a client. It works until it expires or is revoked."""

    id: UUID
    client_id: UUID
    last_four: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ClientKeyCreated(ClientKeyOut):
    """A new key."""

    key: str | None = Field(description="Shown this once; null where an Idempotency-Key replays the answer.")
