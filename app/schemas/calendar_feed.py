"""Calendar feeds of a person."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.calendar_feed import FeedState
from app.schemas.base import Flag, In, Name, Resource

FEED: dict[str, Any] = {"name": "My phone"}
SUBJECT = "Show what each session is about and where it is. Otherwise every entry just says `Coaching`."


class FeedCreate(In):
    """A calendar to subscribe to."""

    model_config = ConfigDict(json_schema_extra={"examples": [FEED]})

    name: Name = Field(description="What it is for, to know it again when it is to be revoked.")
    show_subject: Flag = Field(default=False, description=SUBJECT)


class FeedUpdate(In):
    """A merge patch."""

    name: Name = Field(default="")
    show_subject: Flag = Field(default=False, description=SUBJECT)


class FeedOut(Resource):
    """A calendar feed. Its address is not kept, and so never shown again."""

    employee_id: UUID
    name: str
    show_subject: bool
    last_four: str = Field(description="The last four characters of what is secret in its address.")
    state: FeedState
    rotated_at: datetime | None
    revoked_at: datetime | None


class FeedCreated(FeedOut):
    """A calendar feed with its address, which is shown this once."""

    url: str | None = Field(description="Whoever knows it can read the feed. Null when the answer is replayed.")
