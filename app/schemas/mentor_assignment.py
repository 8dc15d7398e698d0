"""Mentor assignments, the meetings of a pair, and suggestions of mentors."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.mentor import AssignmentKind, AssignmentState, MeetingState, PairHealth, PausedBecause
from app.schemas.base import Day, In, Moment, Out, Prose, Resource
from app.schemas.mentor_profile import StartingValue
from app.schemas.practice import Pillars

Days = Annotated[int, Field(strict=True, ge=1, le=366)]
Sessions = Annotated[int, Field(strict=True, ge=1, le=100)]
Duration = Annotated[int, Field(strict=True, ge=60, le=86_400)]
CADENCE = "How many days the two agree to let pass between meetings, at most"
PROPOSAL: dict[str, Any] = {
    "mentor_id": "01997d36-7b8e-7c52-9d0f-0a4b6c8e1f23",
    "focus_pillars": ["relationships"],
    "rationale": "I would like to talk about asking for help early.",
}
MEETING: dict[str, Any] = {"met_at": "2026-03-02T15:00:00Z", "duration_seconds": 2700}


class AssignmentCreate(In):
    """A mentor for a mentee. Proposed by one of the two, the other accepts; by somebody else, both do."""

    model_config = ConfigDict(json_schema_extra={"examples": [PROPOSAL]})

    mentor_id: UUID
    mentee_id: UUID | None = Field(default=None, description="Who is to be mentored; left out, oneself.")
    kind: AssignmentKind = Field(
        default=AssignmentKind.ongoing, description="`one_off` is one meeting about one question."
    )
    focus_pillars: Pillars = Field(description="Keys of the pillars that it is about.")
    rationale: Prose | None = Field(
        default=None, description="Why these two. Read by both and by the programme lead, not by who leads the mentee."
    )
    agreed_cadence_days: Days | None = Field(default=None, description=f"{CADENCE}; left out, the starting values.")
    later_cadence_days: Days | None = Field(
        default=None,
        description="What holds after the first two months instead; left out beside an agreed one, the same.",
    )
    planned_sessions: Sessions | None = Field(
        default=None, description="How many meetings; left out, a starting value."
    )
    starts_on: Day | None = Field(default=None, description="The first day; left out, the day when both have agreed.")
    ends_on: Day | None = Field(default=None, description="The last day that is planned.")


class AssignmentUpdate(In):
    """A merge patch of what the two have agreed."""

    agreed_cadence_days: Days = Field(default=1)
    later_cadence_days: Days | None = None
    planned_sessions: Sessions = Field(default=1)
    ends_on: Day | None = None


class AssignmentOut(Resource):
    """One mentor and one mentee. Who leads the mentee sees the pair, and null for how it goes."""

    mentor_id: UUID
    mentor_name: str
    mentee_id: UUID
    mentee_name: str
    requested_by_id: UUID
    kind: AssignmentKind
    focus_pillars: list[str]
    state: AssignmentState
    rationale: str | None
    reasons: list[str] | None = Field(description="Why the two were thought to fit when it was proposed.")
    agreed_cadence_days: int
    later_cadence_days: int | None = Field(description="Holds from two months after the start. Null: no change then.")
    planned_sessions: int
    starting_values: list[StartingValue] = Field(description="The values that nobody chose, with their basis.")
    starts_on: date | None
    ends_on: date | None
    mentee_agreed_at: datetime | None
    mentor_agreed_at: datetime | None
    answer_due_at: datetime | None = Field(description="When a proposal runs out.")
    activated_at: datetime | None
    paused_at: datetime | None
    paused_because: PausedBecause | None
    away_until: datetime | None = Field(description="When it is ended, unless the one who left is back by then.")
    closed_at: datetime | None
    ended_reason: str | None
    last_met_at: datetime | None
    meetings_held: int | None
    next_planned_at: datetime | None
    meeting_due_at: datetime | None = Field(description="When the agreed days have passed since the latest meeting.")
    health: PairHealth | None = Field(
        description="`amber` once the agreed days have passed without a meeting, `red` at one and a half times these."
    )
    flagged_at: datetime | None


class MeetingCreate(In):
    """That the two met. What they spoke about is theirs, and has no place here."""

    model_config = ConfigDict(json_schema_extra={"examples": [MEETING]})

    met_at: Moment | None = Field(default=None, description="When it began; left out, now. Not in the future.")
    duration_seconds: Duration | None = None
    next_planned_at: Moment | None = Field(default=None, description="When they want to meet next.")


class MeetingOut(Resource):
    """That a pair met, when and for how long. A mistaken one is withdrawn, never deleted."""

    assignment_id: UUID
    mentor_id: UUID
    mentee_id: UUID
    noted_by_id: UUID
    met_at: datetime
    duration_seconds: int | None
    next_planned_at: datetime | None
    state: MeetingState
    withdrawn_at: datetime | None


class FitReason(Out):
    """One reason why a mentor would suit."""

    code: str
    points: int
    detail: str


class Suggestion(Out):
    """A mentor who would suit, and why."""

    mentor_id: UUID
    display_name: str
    profile_id: UUID
    score: int = Field(description="The sum of the points of the reasons. It orders mentors for one mentee, no more.")
    reasons: list[FitReason]


class Suggestions(Out):
    """Mentors for one person, the best first. The choice is theirs."""

    employee_id: UUID
    basis: str = Field(description="Where the points come from.")
    data: list[Suggestion]
