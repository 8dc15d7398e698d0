"""Role grants."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from app.models.client import GrantState, Role
from app.schemas.base import In, Out, Prose, Resource


class Actor(Out):
    """Who did something: a person, a client, or an operator on the command line."""

    kind: Literal["person", "client", "operator"]
    id: UUID | None


def _actor(stored: Any) -> Any:
    if not isinstance(stored, str):
        return stored
    kind, _, actor_id = stored.partition(":")
    return {"kind": kind, "id": actor_id or None}


StoredActor = Annotated[Actor, BeforeValidator(_actor)]


class RoleGrantCreate(In):
    """A role for one person."""

    employee_id: UUID
    role: Role
    reason: Prose | None = Field(default=None, description="Why, for whoever approves and for the history.")


class RoleGrantOut(Resource):
    """A role of one person: pending until a second person approves, where the role is a sensitive one."""

    employee_id: UUID
    role: Role
    state: GrantState
    granted_by: StoredActor
    approved_by: StoredActor | None
    approved_at: datetime | None
    revoked_at: datetime | None
    reason: str | None
