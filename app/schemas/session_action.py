"""What was agreed in coaching sessions."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.session_action import ActionState
from app.schemas.base import Day, In, Name, Resource
from app.schemas.practice import Pillars

ACTION: dict[str, Any] = {"words": "Agree the handover with the night line", "due_on": "2026-12-04"}


class SessionActionCreate(In):
    """Something that was agreed."""

    model_config = ConfigDict(json_schema_extra={"examples": [ACTION]})

    words: Name = Field(description="What will be done.")
    due_on: Day | None = None
    employee_id: UUID | None = Field(
        default=None, description="Who does it: one who takes part in the session. Left out, who asks."
    )


class SessionActionUpdate(In):
    """A merge patch."""

    words: Name = Field(default="")
    due_on: Day | None = None


class SessionActionGoal(In):
    """What a goal needs beside the words of the action."""

    pillars: Pillars = Field(description="Keys of the pillars that it strengthens, the main one first.")
    plan_id: UUID | None = Field(default=None, description="The plan of one's own that it goes into; left out, none.")


class SessionActionOut(Resource):
    """Something that was agreed in a session, seen by those who take part alone."""

    session_id: UUID
    employee_id: UUID = Field(description="Who does it.")
    agreed_by_id: UUID = Field(description="Who wrote it down.")
    words: str
    due_on: date | None
    state: ActionState
    done_at: datetime | None
    done_by_id: UUID | None = Field(description="Who said that it is done.")
    goal_id: UUID | None = Field(description="The goal that was made of it, where the caller may see that.")
