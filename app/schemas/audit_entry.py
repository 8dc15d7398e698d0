"""Audit entries."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from app.schemas.base import Out


class AuditEntryOut(Out):
    """Who did what to which resource, and when. Never what it holds."""

    id: UUID
    number: int | None = Field(description="Its place among the committed entries; null until it is numbered.")
    recorded_at: datetime
    action: str
    resource: str
    resource_id: UUID
    subject_id: UUID | None = Field(description="The person whom the resource is about.")
    actor_kind: str
    actor_id: UUID | None
    request_id: str | None
    access_right: str | None = Field(description="By which right a record was looked at; null for a change.")
    details: dict[str, Any] = Field(description="Names of changed fields, states, the given reason (null once erased).")
