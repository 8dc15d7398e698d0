"""Webhook endpoints, what is delivered to them, and what became of each attempt."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from app.models.webhook import DeliveryKind, DeliveryState, DisabledReason, MessageFormat
from app.schemas.base import Flag, In, Moment, Out, Prose, Resource
from app.schemas.event import EventType

MOST_TYPES, MOST_REPLAYED = 200, 1000
DAY = 86_400
EXAMPLE: dict[str, Any] = {
    "url": "https://hooks.example.com/ballast",
    "description": "Offers a break on the agents' desktops.",
    "event_types": ["support_prompt.*"],
}


def _once_each(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise ValueError("Must name each type once.")
    return value


Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000, pattern=r"^[!-~]+$"),
    Field(
        examples=["https://hooks.example.com/ballast"],
        description="Where events are posted to: https and a public address, without user name, password or fragment.",
    ),
]
EventTypes = Annotated[list[EventType], Field(min_length=1, max_length=MOST_TYPES), AfterValidator(_once_each)]
Concurrency = Annotated[
    int, Field(strict=True, ge=1, le=10, description="How many deliveries may be under way at once.")
]
Overlap = Annotated[int, Field(strict=True, ge=0, le=7 * DAY)]


class WebhookEndpointCreate(In):
    """A new endpoint. It is told of what happens from now on, as far as its client may read it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    client_id: UUID | None = Field(
        default=None, description="Whose it is. A client leaves it out; a person names a client."
    )
    url: Url
    description: Prose | None = Field(default=None, description="What it is for.")
    event_types: EventTypes = Field(description="What it wants to be told of.")
    format: MessageFormat = Field(
        default=MessageFormat.standard, description="`cloudevents` posts a structured CloudEvent, signed the same way."
    )
    concurrency: Concurrency = 2


class WebhookEndpointUpdate(In):
    """A merge patch. What waits is delivered to the new URL, and at once when the endpoint is switched on again."""

    url: Url = Field(default_factory=str)
    description: Prose | None = None
    event_types: EventTypes = Field(default_factory=list)
    format: MessageFormat = MessageFormat.standard
    concurrency: Concurrency = 2
    active: Flag = Field(
        default=True, description="False: what happens waits, for 7 days. True: on again, also after we disabled it."
    )


class WebhookEndpointOut(Resource):
    """A URL that events are posted to. When it was last reached, and since when not, is no change of its version."""

    client_id: UUID
    url: str
    description: str | None
    event_types: list[str]
    format: MessageFormat
    concurrency: int
    active: bool
    paused_at: datetime | None = Field(description="When it was switched off by its owner.")
    disabled_at: datetime | None = Field(description="When we stopped delivering to it.")
    disabled_reason: DisabledReason | None = Field(
        description="`gone`: it answered 410. `failing`: nothing had arrived for 5 days."
    )
    failing_since: datetime | None = Field(description="Since when every attempt has failed.")
    last_delivered_at: datetime | None
    previous_secret_until: datetime | None = Field(description="Until when messages are signed with the old keys, too.")


class WebhookEndpointWithKeys(WebhookEndpointOut):
    """An endpoint with new keys."""

    secret: str | None = Field(
        description="`whsec_...`: verifies the `v1` signature. Shown this once; null where an Idempotency-Key replays."
    )
    public_key: str = Field(description="`whpk_...`: verifies the `v1a` (ed25519) signature. Not a secret.")


class SecretRotation(In):
    """How long messages are signed with the old keys beside the new ones."""

    overlap_seconds: Overlap = Field(default=DAY, description="0 ends the old keys at once; 7 days at most.")


class AttemptOut(Out):
    """One try to deliver."""

    number: int
    attempted_at: datetime
    duration_ms: int
    status: int | None = Field(description="The HTTP status that the receiver answered.")
    failure: str | None = Field(
        description="Why there was no answer, as a code: `timed_out`, `not_connected`, `tls_failed`, ..."
    )
    answer: str | None = Field(description="The first 4 KB of the answer's body.")


class WebhookDeliveryOut(Out):
    """One message for one endpoint: tried until it is delivered, or its retries are used up."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID = Field(description="The `webhook-id`, the same for every attempt and replay.")
    type: str
    kind: DeliveryKind
    occurred_at: datetime
    state: DeliveryState
    attempts: int = Field(description="How often it was tried.")
    due_at: datetime | None = Field(description="When it is tried next.")
    finished_at: datetime | None
    created_at: datetime


class WebhookDeliveryRead(WebhookDeliveryOut):
    """A delivery with its attempts."""

    tries: list[AttemptOut] = Field(description="Each attempt, the first one first.")


class Replay(In):
    """Which events to deliver once more: those of a time, by `since`, or these, by `event_ids`. One of the two."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-11-20T08:00:00Z"}]})

    since: Moment | None = Field(default=None, description="The first moment, at most 90 days ago.")
    until: Moment | None = Field(default=None, description="The last moment; left out, now.")
    event_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_REPLAYED)] | None = None


class Replayed(Out):
    """How many events are delivered once more."""

    queued: int
    continue_from: datetime | None = Field(
        description="Where there were too many for one request: the `since` for the next one. Null: that was all."
    )


class Queued(Out):
    """What was queued for delivery."""

    delivery_id: UUID
    event_id: UUID = Field(description="The `webhook-id` that it will come with.")
