"""Notes of coaching sessions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.session_note import NoteState, Visibility
from app.schemas.base import In, Prose, Resource

NOTE: dict[str, Any] = {"text": "Try the handover at half past eight.", "visibility": "shared_with_attendees"}


class NoteCreate(In):
    """A note on a session that one takes part in."""

    model_config = ConfigDict(json_schema_extra={"examples": [NOTE]})

    text: Prose
    visibility: Visibility = Field(
        default=Visibility.private_to_author,
        description="Shared: for the coach and the attendees as they are now. Who joins later does not get it.",
    )


class NoteUpdate(In):
    """A merge patch. Either change gives a shared note to those who take part by then."""

    text: Prose = Field(default="")
    visibility: Visibility = Field(default=Visibility.private_to_author)


class Acknowledgement(In):
    """A word that goes with an acknowledgement."""

    words: Prose | None = Field(
        default=None, description="Kept as a note that is shared with those who take part. Nobody else reads it."
    )


class NoteOut(Resource):
    """A note of one who took part in a session."""

    session_id: UUID
    author_id: UUID
    visibility: Visibility
    text: str | None = Field(
        description="Null once it is withdrawn, and where the key that the reader's copy is sealed under is gone."
    )
    shared_with: list[UUID] = Field(description="Who else has a copy.")
    state: NoteState
    withdrawn_at: datetime | None
