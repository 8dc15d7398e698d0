"""CloudEvents 1.0 in JSON, as the API describes them; ``app/intake/cloudevents.py`` reads them, not these models."""

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.call_event import MOST_AT_ONCE, CallEventData, Instant


class CloudEvent(BaseModel):
    """A CloudEvent whose data is a call event. Attributes beyond these are allowed, and not kept."""

    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"]
    id: str = Field(min_length=1, max_length=200, description="The id of this event.")
    source: str = Field(description="`/v1/sources/` and the id of the source, or an absolute URL that ends so.")
    type: str = Field(min_length=1, description="Such as `com.example.contact.completed.v1`.")
    subject: str | None = Field(default=None, description="The id of the contact, where the data leaves it out.")
    time: Instant | None = Field(default=None, description="Stands for `ended_at` and `as_of` where they are left out.")
    data: CallEventData


@cache
def described() -> dict[str, Any]:
    """Return the request bodies that carry CloudEvents, single and batched, by media type."""
    schema = CloudEvent.model_json_schema(ref_template="#/components/schemas/{model}")
    data = schema.pop("$defs")["CallEventData"]
    data["required"] = [name for name in data["required"] if name not in ("contact_id", "ended_at")]
    schema["properties"]["data"] = data
    return {
        "application/cloudevents+json": {"schema": schema},
        "application/cloudevents-batch+json": {
            "schema": {"type": "array", "items": schema, "maxItems": MOST_AT_ONCE, "title": "CloudEvents"}
        },
    }


def also(media_type: str) -> dict[str, Any]:
    """Return what an operation adds to its description because it reads this media type too."""
    return {"requestBody": {"content": {media_type: described()[media_type]}}}
