"""Goals, their SMART gate and their progress updates."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from app.models.goal import GoalKind, GoalState, Health, Priority, UpdateState
from app.schemas.base import Day, Flag, In, Moment, Name, Out, Prose, Reason, Resource
from app.schemas.practice import Pillars

LARGEST = 1e9
DECIMALS = 6


def _measured(value: float) -> float:
    # Differences of such numbers never overflow a quotient, however near the two are.
    if round(value, DECIMALS) != value:
        raise ValueError(f"Must have at most {DECIMALS} decimals.")
    return value + 0.0


Measure = Annotated[float, Field(strict=True, ge=-LARGEST, le=LARGEST), AfterValidator(_measured)]
Confidence = Annotated[int, Field(strict=True, ge=1, le=5)]
Weight = Annotated[int, Field(strict=True, ge=1, le=100)]
EveryDays = Annotated[int, Field(strict=True, ge=1, le=366)]
Unit = Annotated[Name, Field(max_length=40)]
Letter = Literal["specific", "measurable", "attainable", "relevant", "time_bound"]

GOAL: dict[str, Any] = {
    "title": "Leave on time",
    "description": "Overtime on the evening line down to what the rota foresees.",
    "pillars": ["physical_health"],
    "kind": "duration",
    "baseline": 10,
    "target": 4,
    "unit": "hours a month",
    "why_it_matters": "After long evenings I sleep badly, and the next shift starts tired.",
    "how_to_reach_it": "Hand over open cases at half past eight; agree the handover with the night line.",
    "if_then": "If a call comes in after 20:50, then I offer to call back tomorrow.",
    "confidence": 4,
    "due_on": "2099-06-30",
}
UPDATE: dict[str, Any] = {"value": 8, "health": "on_track", "note": "Two late evenings only.", "confidence": 4}


class Content(In):
    """What makes a goal SMART. A draft may leave any of it open."""

    description: Prose | None = Field(default=None, description="What will be different.")
    kind: GoalKind | None = Field(default=None, description="What it is measured in; `binary` is done or not done.")
    baseline: Measure | None = Field(default=None, description="Where it starts. A binary goal starts at 0.")
    target: Measure | None = Field(
        default=None, description="Where it is to get to; below the baseline to bring a number down. Binary: 1."
    )
    unit: Unit | None = Field(default=None, description="What the numbers count, such as `calls` or `hours a month`.")
    why_it_matters: Prose | None = Field(default=None, description="Why it matters to the person.")
    how_to_reach_it: Prose | None = Field(default=None, description="How it will be reached.")
    if_then: Prose | None = Field(
        default=None,
        description="If this happens, then I will do that. Not required; people with such a plan reach more goals.",
    )
    confidence: Confidence | None = Field(default=None, description="How sure the person is to reach it, 1 to 5.")
    due_on: Day | None = Field(default=None, description="The last day, within the plan's period.")


class GoalCheck(Content):
    """A goal to be checked, not saved."""

    model_config = ConfigDict(json_schema_extra={"examples": [GOAL]})

    title: Name | None = None
    pillars: list[str] = Field(default_factory=list, max_length=20, description="Keys of pillars.")
    plan_id: UUID | None = Field(default=None, description="The plan that it would belong to.")


class GoalCreate(Content):
    """A goal, as a draft. One's own, or one in a plan that one proposes to somebody whom one leads."""

    model_config = ConfigDict(json_schema_extra={"examples": [GOAL]})

    employee_id: UUID | None = Field(default=None, description="Whose goal it is; left out, one's own.")
    plan_id: UUID | None = Field(default=None, description="The plan that it belongs to; left out, to none.")
    parent_id: UUID | None = Field(default=None, description="A goal of the same person that this is a part of.")
    title: Name
    pillars: Pillars = Field(description="Keys of the pillars that it strengthens, the main one first.")
    priority: Priority = Priority.medium
    weight: Weight = Field(
        default=1, description="How much it counts in the progress of its parent, beside the others."
    )
    update_every_days: EveryDays | None = Field(
        default=7,
        description="The agreed rhythm of updates. A starting point: noting progress weekly helps to reach a goal.",
    )
    private: Flag | None = Field(
        default=None, description="Seen by its owner alone. Left out, as its parent is; not private without a parent."
    )


class GoalUpdate(Content):
    """A merge patch. An active goal has to stay SMART."""

    plan_id: UUID | None = None
    parent_id: UUID | None = None
    title: Name = Field(default="")
    pillars: Pillars = Field(default_factory=list)
    priority: Priority = Priority.medium
    weight: Weight = 1
    update_every_days: EveryDays | None = None
    private: Flag = Field(default=False, description="Changed on the topmost goal, for it and all its parts at once.")


class GoalOut(Resource):
    """A goal of one employee. State and health are two things: how far it is, and how it is going."""

    employee_id: UUID
    plan_id: UUID | None
    parent_id: UUID | None
    template_id: UUID | None = Field(description="The template that it was made from.")
    title: str
    description: str | None
    pillars: list[str]
    kind: GoalKind | None
    baseline: float | None
    target: float | None
    unit: str | None
    direction: Literal["increase", "decrease"] | None = Field(description="Follows from baseline and target.")
    current_value: float | None = Field(description="The value of the latest update that counts, else the baseline.")
    progress: float | None = Field(
        description="(current - baseline) / (target - baseline), held between 0 and 1. Of a goal with parts: the "
        "weighted mean of those that are not abandoned. Null while there is nothing to measure by."
    )
    why_it_matters: str | None
    how_to_reach_it: str | None
    if_then: str | None
    confidence: int | None
    priority: Priority
    weight: int
    due_on: date | None
    update_every_days: int | None
    update_due_at: datetime | None = Field(description="When the agreed rhythm has passed.")
    private: bool = Field(description="Seen by its owner alone.")
    state: GoalState
    health: Health | None = Field(
        description="What its owner last said; `not_updated` by itself when the rhythm passes."
    )
    activated_at: datetime | None
    closed_at: datetime | None


class MissingLetter(Out):
    """One letter of SMART that a goal lacks, and what would satisfy it."""

    code: Letter
    pointer: str = Field(description="The first member that has to be filled or changed.")
    detail: str


class SmartCheck(Out):
    """What the SMART gate says of a goal."""

    smart: bool
    missing: list[MissingLetter]


class ProgressUpdateCreate(In):
    """How a goal is going now, in its owner's words."""

    model_config = ConfigDict(json_schema_extra={"examples": [UPDATE]})

    value: Measure | None = Field(default=None, description="Where the number stands; of a binary goal 0 or 1.")
    health: Literal["on_track", "at_risk", "off_track"]
    note: Prose | None = None
    confidence: Confidence | None = Field(default=None, description="How sure the person is to reach it, 1 to 5.")
    as_of: Moment | None = Field(default=None, description="When it was so; left out, now. Not in the future.")


class ProgressUpdateOut(Resource):
    """What was said of a goal's progress. A mistaken one is withdrawn, never deleted."""

    goal_id: UUID
    recorded_by_id: UUID
    as_of: datetime
    value: float | None
    health: Health
    note: str | None
    confidence: int | None
    state: UpdateState
    withdrawn_at: datetime | None


class Closing(Reason):
    """Why a goal ends, where there is something to say."""
