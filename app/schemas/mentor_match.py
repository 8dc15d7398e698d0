"""Matching mentors and mentees for a cohort: the job, what it proposes, and its confirmation."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from app.models.job import JobState
from app.schemas.base import Flag, In, Name, Out, Prose, Resource
from app.schemas.mentor_assignment import FitReason
from app.services.mentor_fit import STARTING_WEIGHTS

MOST_MENTEES = 5_000
MOST_CONFIRMED_AT_ONCE = 100
Points = Annotated[int, Field(strict=True, ge=0, le=100)]
Score = Annotated[int, Field(strict=True, ge=0, le=10_000)]
First = Literal["total_fit", "most_mentees"]
MATCH: dict[str, Any] = {
    "team_id": "01997d36-7b8e-7c52-9d0f-0a4b6c8e1f23",
    "pillar": "relationships",
    "least_score": 20,
}


class WeightsIn(In):
    """How many points each reason gives. What is left out is the starting value, a judgement: see the defaults."""

    focus_pillar: Points = Field(
        default=STARTING_WEIGHTS.focus_pillar, description="The mentor is one for the pillar asked for."
    )
    shared_pillar: Points = Field(
        default=STARTING_WEIGHTS.shared_pillar,
        description="For each pillar of the mentee's goals; private ones never count.",
    )
    most_shared_pillars: Annotated[int, Field(strict=True, ge=0, le=20)] = Field(
        default=STARTING_WEIGHTS.most_shared_pillars, description="How many shared pillars count at most."
    )
    shared_language: Points = Field(
        default=STARTING_WEIGHTS.shared_language, description="They have a language in common."
    )
    overlapping_hour: Points = Field(
        default=STARTING_WEIGHTS.overlapping_hour, description="For each full hour of the week in which both work."
    )
    most_overlapping_hours: Annotated[int, Field(strict=True, ge=0, le=168)] = Field(
        default=STARTING_WEIGHTS.most_overlapping_hours, description="How many hours count at most."
    )
    same_service_area: Points = Field(
        default=STARTING_WEIGHTS.same_service_area, description="Both work in the same service area."
    )
    other_service_area: Points = Field(
        default=STARTING_WEIGHTS.other_service_area, description="They work in different ones."
    )
    free_places: Points = Field(
        default=STARTING_WEIGHTS.free_places, description="For a mentor without mentees; fewer as places are taken."
    )


class MatchCreate(In):
    """For whom to find mentors: for people by their ids, for a team, or for a service area. One of the three."""

    model_config = ConfigDict(json_schema_extra={"examples": [MATCH]})

    mentee_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=MOST_MENTEES)
    team_id: UUID | None = Field(default=None, description="Everyone active in it.")
    service_area_id: UUID | None = Field(default=None, description="Everyone active in it.")
    pillar: Name | None = Field(
        default=None, description="What it is to be about; left out, the pillars of their goals."
    )
    first: First = Field(
        default="total_fit",
        description="`total_fit` makes the sum of the scores as great as can be, and among equals matches the most; "
        "`most_mentees` leaves as few as possible without a mentor, and then makes the sum as great as can be.",
    )
    require_shared_language: Flag = Field(default=True, description="Only where both state some.")
    require_shared_pillar: Flag = Field(default=False, description="Only where the mentee's are known.")
    least_score: Score = Field(default=0, description="Propose no pair below it.")
    weights: WeightsIn = Field(default_factory=WeightsIn)

    @model_validator(mode="after")
    def _for_somebody(self) -> Self:
        if sum(given is not None for given in (self.mentee_ids, self.team_id, self.service_area_id)) != 1:
            raise ValueError("Name one of mentee_ids, team_id and service_area_id.")
        if self.mentee_ids is not None and len(set(self.mentee_ids)) < len(self.mentee_ids):
            raise ValueError("Name each mentee once.")
        return self


class WeightsOut(Out):
    """The points that each reason gave."""

    focus_pillar: int
    shared_pillar: int
    most_shared_pillars: int
    shared_language: int
    overlapping_hour: int
    most_overlapping_hours: int
    same_service_area: int
    other_service_area: int
    free_places: int


class MatchOut(Resource):
    """A matching. It proposes: before it is confirmed nobody is told, and then both of a pair still have to agree."""

    requested_by_id: UUID
    state: JobState
    progress: int = Field(description="In per cent.")
    team_id: UUID | None
    service_area_id: UUID | None
    pillar: str | None
    first: First
    require_shared_language: bool
    require_shared_pillar: bool
    least_score: int
    weights: WeightsOut
    mentee_count: int
    mentor_count: int | None = Field(description="How many have a mentor profile and are with the organisation.")
    pair_count: int | None
    unmatched_count: int | None
    total_fit: int | None = Field(description="The sum of the scores: proven to be the greatest that can be reached.")
    confirmed_count: int
    failure: str | None = Field(description="Why it failed, where it did.")
    started_at: datetime | None
    finished_at: datetime | None
    kept_until: datetime = Field(description="Then it is removed. What was confirmed stays.")


class MatchPairOut(Out):
    """A mentor who is proposed for a mentee."""

    id: UUID
    mentee_id: UUID
    mentor_id: UUID
    score: int
    reasons: list[FitReason]
    focus_pillars: list[str] = Field(description="What the assignment will be about.")
    assignment_id: UUID | None = Field(description="What was made of it when it was confirmed.")
    confirmed_at: datetime | None


class UnmatchedOut(Out):
    """Somebody for whom nobody is proposed, and why."""

    id: UUID
    mentee_id: UUID
    code: str = Field(
        description="What kept the nearest mentor away: an obstacle, or `places_taken` where some would suit and all "
        "their places go to others."
    )
    detail: str
    obstacles: dict[str, int] = Field(description="How many mentors each obstacle kept away.")


class MatchConfirm(In):
    """Which pairs to make proposals of."""

    pair_ids: list[UUID] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_CONFIRMED_AT_ONCE,
        description=f"Left out, the first {MOST_CONFIRMED_AT_ONCE} that are not confirmed yet.",
    )
    rationale: Prose | None = Field(default=None, description="A word to both of each pair.")


class Confirmed(Out):
    """What became of one pair."""

    pair_id: UUID
    status: Literal["confirmed", "refused"]
    assignment_id: UUID | None
    code: str | None
    detail: str | None


class Confirmation(Out):
    """What became of each pair, in order."""

    confirmed: int
    refused: int
    open: int = Field(description="How many pairs of the matching are not confirmed.")
    results: list[Confirmed]
