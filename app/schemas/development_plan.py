"""Development plans."""

from datetime import date
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.development_plan import PlanState
from app.models.goal import GoalState, Health
from app.schemas.base import Day, In, Name, Out, Prose, Resource

PLAN: dict[str, Any] = {
    "title": "Calm and clear on the evening line",
    "purpose": "End the shift with something left for the evening.",
    "agreed_support": "A one-to-one every second week, and the course on difficult conversations in March.",
    "starts_on": "2026-01-01",
    "ends_on": "2026-06-30",
    "next_review_on": "2026-04-01",
}


class PlanCreate(In):
    """A plan for one employee and one period: one's own, or a proposal to somebody whom one leads."""

    model_config = ConfigDict(json_schema_extra={"examples": [PLAN]})

    employee_id: UUID | None = Field(
        default=None, description="Whose plan it is; left out, one's own. For somebody else it is a proposal."
    )
    title: Name
    purpose: Prose | None = Field(default=None, description="What it is for.")
    agreed_support: Prose | None = Field(
        default=None, description="What helps on the way: a mentor, coaching, training, where to find counselling."
    )
    starts_on: Day
    ends_on: Day = Field(description="The last day. At most five years after the first.")
    next_review_on: Day | None = Field(default=None, description="When to look at it together next.")


class PlanUpdate(In):
    """A merge patch."""

    title: Name = Field(default="")
    purpose: Prose | None = None
    agreed_support: Prose | None = None
    starts_on: Day = Field(default=date(2026, 1, 1))
    ends_on: Day = Field(default=date(2026, 1, 1))
    next_review_on: Day | None = None


class PlanOut(Resource):
    """The development plan of one employee for one period. Its goals are at `/v1/goals?plan_id=`."""

    employee_id: UUID
    proposed_by_id: UUID | None = Field(description="Who proposed it. Null where the owner made it, or a client did.")
    title: str
    purpose: str | None
    agreed_support: str | None
    starts_on: date
    ends_on: date
    next_review_on: date | None
    state: PlanState


class PillarProgress(Out):
    """How the goals on one pillar stand now."""

    pillar: str = Field(description="The key of the pillar.")
    name: str
    goals: int = Field(description="How many goals the mean is of.")
    progress: float | None = Field(description="The mean of their progress, 0 to 1. Null where there is no goal.")


class Radar(Out):
    """The present, a value for each axis."""

    labels: list[str] = Field(description="The names of the pillars.")
    values: list[float | None]


class Series(Out):
    """One line: a value for each date. Null where there is no goal."""

    label: str
    pillar: str | None = Field(description="The key of the pillar. Null for all goals together.")
    values: list[float | None]


class Line(Out):
    """The past: a value for each date and series."""

    labels: list[date]
    series: list[Series]


class PlanSummary(Out):
    """Progress per pillar over time, of the goals that the caller may see. Drafts and abandoned goals do not count."""

    plan_id: UUID
    goals: int = Field(description="How many goals count.")
    by_state: dict[GoalState, int] = Field(description="How many goals are in which state, drafts too.")
    by_health: dict[Health, int] = Field(description="How the active ones are going.")
    progress: float | None = Field(description="The mean over all goals that count, 0 to 1.")
    pillars: list[PillarProgress]
    radar: Radar
    line: Line = Field(description="One point a week from the first day on, the last one today or on the last day.")


class PlanCount(Out):
    """How many plans are in one state."""

    state: PlanState
    plans: int | None = Field(description="Null where they are of fewer people than the minimum group size.")


class PillarCount(Out):
    """How many people have an active goal on one pillar."""

    pillar: str
    people: int | None = Field(description="Null where they are fewer than the minimum group size.")


class PlanCounts(Out):
    """How many plans and goals there are, naming nobody. A number of too few people is null; none at all is 0."""

    minimum_group_size: int
    plans: list[PlanCount]
    pillars: list[PillarCount]
