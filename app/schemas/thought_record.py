"""Thought records and with whom they are shared."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from app.models.thought_record import Distortion
from app.schemas.base import In, Name, Out, Prose, Resource

THOUGHT: dict[str, Any] = {
    "situation": "A caller hung up on me after I had looked for his file for ten minutes.",
    "automatic_thought": "I am too slow for this job.",
    "feeling": "ashamed",
    "strength_before": 80,
    "distortions": ["labelling", "mind_reading"],
    "speaks_for": "He had been waiting for a long time.",
    "speaks_against": "The file was under another name, and I found it. He may have been called away.",
    "balanced_thought": "It took long, and I did find it. I do not know why he hung up.",
    "strength_after": 40,
}


def _each_once(values: list[Distortion]) -> list[Distortion]:
    if len(set(values)) < len(values):
        raise ValueError("Must name each one once.")
    return values


Strength = Annotated[int, Field(strict=True, ge=0, le=100)]
Distortions = Annotated[list[Distortion], Field(max_length=len(Distortion)), AfterValidator(_each_once)]


class Content(In):
    """What a thought record says. Anything but the situation can be left for later, or for good."""

    automatic_thought: Prose | None = Field(default=None, description="What went through one's head.")
    feeling: Name | None = Field(default=None, description="The feeling, in one's own word.")
    strength_before: Strength | None = Field(default=None, description="How strong the feeling was then, 0 to 100.")
    distortions: Distortions = Field(
        default_factory=list, description="Turns that the thought takes, where naming them helps."
    )
    speaks_for: Prose | None = Field(default=None, description="What speaks for the thought.")
    speaks_against: Prose | None = Field(default=None, description="What speaks against it.")
    balanced_thought: Prose | None = Field(default=None, description="A reading that takes both into account.")
    strength_after: Strength | None = Field(default=None, description="How strong the feeling is now, 0 to 100.")


class ThoughtRecordCreate(Content):
    """A hard thought, to be looked at again. Of what happened on the call leave out what could name the caller."""

    model_config = ConfigDict(json_schema_extra={"examples": [THOUGHT]})

    situation: Prose = Field(description="What happened.")


class ThoughtRecordUpdate(Content):
    """A merge patch."""

    situation: Prose = Field(default="", description="What happened.")


class ThoughtRecordOut(Resource):
    """A thought record. Its author's alone, unless they share it."""

    employee_id: UUID
    situation: str | None
    automatic_thought: str | None
    feeling: str | None
    strength_before: int | None
    distortions: list[Distortion]
    speaks_for: str | None
    speaks_against: str | None
    balanced_thought: str | None
    strength_after: int | None
    unreadable: bool = Field(
        description="Whether what it said cannot be read any more: its author was erased, or what is stored is damaged"
        " for good. All that it said is then null."
    )
    pillar: str = Field(description="The key of the pillar that it strengthens.")
    practices: list[str] = Field(description="The keys of the practices that it is the tool of.")


class ThoughtShareCreate(In):
    """Whom to let read it."""

    employee_id: UUID = Field(description="One's active mentor, or the coach of a session of one's own.")


class ThoughtShareOut(Out):
    """That somebody may read a thought record."""

    id: UUID
    record_id: UUID
    shared_with_id: UUID
    in_effect: bool = Field(description="Whether they can read it now: they still mentor or coach its author.")
    created_at: datetime
    allowed_actions: list[str] = Field(description="What you may do to it now.")
