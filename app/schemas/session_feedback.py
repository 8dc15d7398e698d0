"""What those who were coached say of a session."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.coaching_session import SessionKind
from app.schemas.base import In, Out, Prose, Resource

FEEDBACK: dict[str, Any] = {"rating": 4, "words": "I could say what was on my mind."}
Rating = Annotated[int, Field(strict=True, ge=1, le=5, description="1: of no help, to 5: of great help.")]


class FeedbackCreate(In):
    """What one says of a session that one attended."""

    model_config = ConfigDict(json_schema_extra={"examples": [FEEDBACK]})

    rating: Rating
    words: Prose | None = None


class FeedbackUpdate(In):
    """A merge patch, within 14 days of giving it."""

    rating: Rating = Field(default=1)
    words: Prose | None = None


class FeedbackOut(Resource):
    """One attendee's word on one session, for its coach and for who gave it."""

    session_id: UUID
    employee_id: UUID = Field(description="Who gave it.")
    coach_id: UUID = Field(description="Who coached the session then, and reads it.")
    rating: int
    words: str | None = Field(description="Null where there are none, and once the giver's key is gone.")
    editable_until: datetime


class FeedbackCell(Out):
    """The feedback of one quarter on one kind of session. Suppressed means few or none: it is not said which."""

    starts_on: date = Field(description="The first day of the quarter in which it was given, in UTC.")
    ends_on: date
    kind: SessionKind
    suppressed: bool
    givers: int | None = Field(description="How many people gave it.")
    mean_rating: float | None = Field(
        description="To the nearest half, between 1.5 and 4.5: that all said the same is not told."
    )


class FeedbackSummary(Out):
    """Feedback in one fixed breakdown that never changes once it is shown, so that nothing can be subtracted."""

    threshold: int = Field(description="The fewest people, without those of any one coach, of whom a figure is shown.")
    cells: list[FeedbackCell]
