"""Call flags: a person's own word that a call was hard. Theirs alone."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field, model_validator

from app.models.call_event import FlagKind
from app.schemas.base import In, Moment, Out


class CallFlagCreate(In):
    """That a call was hard. Nothing has to be said beside that."""

    call_event_id: UUID | None = Field(default=None, description="Which call, where it is known already.")
    kind: FlagKind | None = Field(default=None, description="In what way, if you like.")
    occurred_at: Moment | None = Field(default=None, description="When a call ended that is not named. Absent: now.")

    @model_validator(mode="before")
    @classmethod
    def _one_moment(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("call_event_id") and value.get("occurred_at"):
            raise ValueError("A call that is named says itself when it was: leave occurred_at out.")
        return value


class CallFlagOut(Out):
    """A person's own word that a call was hard. Nobody else sees it, nor that there is one."""

    id: UUID
    call_event_id: UUID | None
    kind: FlagKind | None
    occurred_at: datetime
    taken_back_at: datetime | None
    created_at: datetime
    allowed_actions: list[str]
