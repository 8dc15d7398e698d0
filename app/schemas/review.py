"""Reviews of a development plan."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.review import ReviewKind, ReviewState, ShownWhen
from app.schemas.base import Day, In, Name, Out, Prose, Resource
from app.schemas.practice import Pillars

REVIEW: dict[str, Any] = {"kind": "one_to_one", "held_on": "2026-04-01", "shown_when": "both_shared"}


class ReviewCreate(In):
    """A one-to-one or an appraisal about a plan."""

    model_config = ConfigDict(json_schema_extra={"examples": [REVIEW]})

    kind: ReviewKind
    held_on: Day | None = Field(default=None, description="The day of the conversation.")
    shown_when: ShownWhen = Field(
        default=ShownWhen.each_shared,
        description="When one sees the other's part: as soon as that is shared, or once both are.",
    )
    reviewer_id: UUID | None = Field(
        default=None,
        description="Who reviews: the line manager, or who leads a team of the person. Left out, the manager who asks,"
        " else the line manager.",
    )


class ReviewUpdate(In):
    """A merge patch. Each side writes its own part."""

    held_on: Day | None = None
    self_part: Prose | None = Field(default=None, description="The self-appraisal: the plan's owner alone writes it.")
    reviewer_part: Prose | None = Field(default=None, description="The reviewer alone writes it.")


class ActionCreate(In):
    """Something that was agreed."""

    words: Name = Field(description="What will be done.")
    due_on: Day | None = None


class ActionOut(Resource):
    """Something that was agreed in a review."""

    review_id: UUID
    words: str
    due_on: date | None
    goal_id: UUID | None = Field(description="The goal that was made of it, where the caller may see that.")


class ActionGoal(In):
    """What a goal needs beside the words of the action."""

    pillars: Pillars = Field(description="Keys of the pillars that it strengthens, the main one first.")


class ReviewActionOut(Out):
    """Something that was agreed, within its review."""

    id: UUID
    words: str
    due_on: date | None
    goal_id: UUID | None = Field(description="The goal that was made of it, where the caller may see that.")


class ReviewOut(Resource):
    """A review. A part that the caller may not see yet, or ever, is null. Nothing in it comes from strain data."""

    employee_id: UUID
    plan_id: UUID
    reviewer_id: UUID
    kind: ReviewKind
    held_on: date | None
    shown_when: ShownWhen
    self_part: str | None
    self_shared_at: datetime | None
    reviewer_part: str | None
    reviewer_shared_at: datetime | None
    unreadable: list[Literal["self_part", "reviewer_part"]] = Field(
        description="Parts that were written and cannot be read any more: the person was erased, or what is stored is"
        " damaged."
    )
    actions: list[ReviewActionOut]
    state: ReviewState
    completed_at: datetime | None
