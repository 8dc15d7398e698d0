"""Templates that goals for many people are made from."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.goal import GoalKind, Priority, TemplateState
from app.schemas.base import Day, In, Name, Out, Prose, Resource
from app.schemas.goal import GOAL, EveryDays, Measure, Unit
from app.schemas.practice import Pillars

MOST_PEOPLE = 500
DueInDays = Annotated[int, Field(strict=True, ge=1, le=1830)]
TEMPLATE = {name: value for name, value in GOAL.items() if name not in ("confidence", "due_on")} | {"due_in_days": 90}


class TemplateCreate(In):
    """A template on one or more pillars. Whoever gets a goal from it makes it their own before they activate it."""

    model_config = ConfigDict(json_schema_extra={"examples": [TEMPLATE]})

    title: Name
    description: Prose | None = None
    pillars: Pillars = Field(description="Keys of the pillars that it strengthens, the main one first.")
    kind: GoalKind | None = None
    baseline: Measure | None = None
    target: Measure | None = None
    unit: Unit | None = None
    why_it_matters: Prose | None = None
    how_to_reach_it: Prose | None = None
    if_then: Prose | None = None
    priority: Priority = Priority.medium
    due_in_days: DueInDays | None = Field(default=None, description="Due so many days after it is assigned.")
    update_every_days: EveryDays | None = 7


class TemplateUpdate(In):
    """A merge patch. Goals that were made before stay as they are."""

    title: Name = Field(default="")
    description: Prose | None = None
    pillars: Pillars = Field(default_factory=list)
    kind: GoalKind | None = None
    baseline: Measure | None = None
    target: Measure | None = None
    unit: Unit | None = None
    why_it_matters: Prose | None = None
    how_to_reach_it: Prose | None = None
    if_then: Prose | None = None
    priority: Priority = Priority.medium
    due_in_days: DueInDays | None = None
    update_every_days: EveryDays | None = None


class TemplateOut(Resource):
    """What goals for many people are made from. The goals made from it are at `/v1/goals?template_id=`."""

    title: str
    description: str | None
    pillars: list[str]
    kind: GoalKind | None
    baseline: float | None
    target: float | None
    unit: str | None
    why_it_matters: str | None
    how_to_reach_it: str | None
    if_then: str | None
    priority: Priority
    due_in_days: int | None
    update_every_days: int | None
    state: TemplateState


class Assignment(In):
    """Whom to give a goal made from the template."""

    employee_ids: list[UUID] = Field(min_length=1, max_length=MOST_PEOPLE)
    due_on: Day | None = Field(default=None, description="When it is due; left out, as the template says.")


class AssignmentResult(Out):
    """What became of one person's assignment."""

    employee_id: UUID
    status: Literal["assigned", "refused"]
    goal_id: UUID | None = Field(description="The draft that was made.")
    code: str | None = Field(description="Why it was refused.")
    detail: str | None


class AssignmentResults(Out):
    """A result for each person, in the order of the request. One that is refused sinks no other."""

    assigned: int
    refused: int
    results: list[AssignmentResult]
