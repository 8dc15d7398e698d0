"""Support prompts: what is offered, and the person's free answer."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.models.strain import PromptKind, PromptState
from app.schemas.base import In, Out, Resource


class PromptAnswer(In):
    """An answer needs no words: nothing is asked, and nothing is kept but the answer."""


class SupportPromptOut(Resource):
    """What was offered to a person (or, about a team, to the programme lead), and what the answer was."""

    employee_id: UUID | None
    team_id: UUID | None = Field(description="The team whose work is asked about. Null for a person's prompt.")
    signal_id: UUID | None = Field(description="Why: only the person sees it.")
    practice_id: UUID | None = Field(description="A practice to try, where one goes with it.")
    kind: PromptKind
    message: str
    minutes: int | None
    private: bool = Field(description="It rests on the person's own flags: nobody else sees it.")
    offered_at: datetime
    expires_at: datetime
    state: PromptState
    answered_at: datetime | None
    done_at: datetime | None


class PromptPauseOut(Out):
    """Until when the person wants no prompts. Null: they are welcome."""

    until: datetime | None
