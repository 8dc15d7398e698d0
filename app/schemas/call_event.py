"""Call events, as they are posted and shown."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, StringConstraints, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from app.models.base import folded
from app.models.call_event import Outcome
from app.schemas.base import AS_SENT, FIRST_YEAR, LAST_YEAR, In, Out, Prose, Resource, Seconds
from app.schemas.employee import ItemFault

MOST_AT_ONCE = 1000

Channel = Literal["voice", "chat", "email", "message", "task", "video", "other"]
Direction = Literal["inbound", "outbound", "internal"]
Result = Literal["answered", "abandoned", "no_answer", "busy", "failed", "voicemail"]
EndedBy = Literal["customer", "agent", "system", "transfer", "unknown"]
MarkerKind = Literal["abuse", "threat", "sexual_harassment", "discrimination", "distress", "self_harm_risk", "other"]
Origin = Literal["agent", "supervisor", "rule", "model"]
Status = Literal["created", "updated", "duplicate", "refused"]


class _Instant:
    """Checks a time wholly in compiled code: there are thousands of them in a batch."""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.str_schema(max_length=64, pattern=r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
        return core_schema.chain_schema(
            [
                written,
                core_schema.datetime_schema(
                    tz_constraint="aware",
                    ge=datetime(FIRST_YEAR + 1, 1, 1, tzinfo=UTC),
                    lt=datetime(LAST_YEAR, 1, 1, tzinfo=UTC),
                ),
            ]
        )


def _fits_the_key(value: str) -> str:
    # The folded name is part of a unique key beside 200 characters of contact id; an index entry holds 2,700 bytes.
    if len(value) > 20 and len(folded(value)) > 400:
        raise ValueError("Must be shorter in its compatibility form.")
    return value


Instant = Annotated[datetime, _Instant(), WithJsonSchema({"type": "string", "format": "date-time"})]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
Code = Annotated[Text, AfterValidator(_fits_the_key)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Score = Annotated[float, Field(strict=True, ge=-1, le=1)]


class AgentIn(In):
    """Who took the contact, as the platform names them. Their name and address are known here already."""

    ref: Code = Field(description="The platform's id of the agent; who that is, the service finds out.")


class QueueIn(In):
    """Where the contact waited."""

    ref: Text | None = None
    name: Text | None = None


class DurationsIn(In):
    """How long each part took, in whole seconds."""

    queue_s: Seconds | None = None
    talk_s: Seconds | None = None
    hold_s: Seconds | None = None
    wrapup_s: Seconds | None = None


class DispositionIn(In):
    """The code that closed the contact, raw. What it means, the source's outcome mapping says."""

    code: Code
    label: Text | None = None
    scheme: Text | None = None


class MarkerIn(In):
    """That somebody or something marked the contact as hard."""

    kind: MarkerKind
    origin: Origin | None = None
    rule: Code | None = Field(default=None, description="The site's own name of the rule; it can be mapped.")
    confidence: Share | None = None
    at: Instant | None = None


class SentimentIn(In):
    """How the customer sounded. Nothing is inferred about how an employee feels."""

    subject: Literal["customer"]
    score: Score | None = None
    label: Word | None = None
    provider: Word | None = None


class CallEventData(In):
    """What is said of one contact. Never a phone number, a name of a customer, a note, a transcript or a recording.

    Absent and null say nothing: another event about the same contact and agent may say more, or say it anew.
    """

    contact_id: Text = Field(description="The platform's id of the contact, opaque.")
    root_contact_id: Text | None = None
    leg_id: Text | None = None
    platform: Word | None = Field(default=None, description="Such as `amazon_connect`, `genesys_cloud`, `twilio`.")
    agent: AgentIn
    queue: QueueIn | None = None
    team_ref: Text | None = None
    channel: Channel | None = None
    direction: Direction | None = None
    started_at: Instant | None = None
    answered_at: Instant | None = None
    ended_at: Instant
    wrapup_ended_at: Instant | None = None
    durations: DurationsIn | None = None
    result: Result | None = None
    ended_by: EndedBy | None = None
    disposition: DispositionIn | None = None
    markers: Annotated[list[MarkerIn], Field(max_length=32)] | None = Field(
        default=None, description="All that are known by then: a later list takes the place of an earlier one."
    )
    sentiment: SentimentIn | None = None
    as_of: Instant | None = Field(
        default=None, description="When the platform last changed what it says: later wins. `ended_at` where absent."
    )


class CallEventCreate(CallEventData):
    """One event about one contact of one agent."""

    source_id: UUID = Field(description="The source that it comes from.")
    event_id: Text = Field(description="The platform's id of this event: the same one again counts nothing twice.")


class CallEventBatch(In):
    """Up to 1,000 events. Each is checked on its own: one bad item never sinks the batch."""

    events: Annotated[list[Annotated[CallEventCreate, AS_SENT]], Field(max_length=MOST_AT_ONCE)]


class VoidReason(In):
    """Why a call event is wrong."""

    reason: Prose


class Replay(In):
    """What to change of a refused item before it is tried again."""

    corrections: dict[str, Any] | None = Field(
        default=None, description="A JSON merge patch of the item: null removes a member."
    )


class AgentOut(Out):
    """Who took the contact, as the platform names them."""

    ref: str


class QueueOut(Out):
    """Where the contact waited."""

    ref: str | None
    name: str | None


class DurationsOut(Out):
    """How long each part took, in whole seconds."""

    queue_s: int | None
    talk_s: int | None
    hold_s: int | None
    wrapup_s: int | None


class DispositionOut(Out):
    """The raw code that closed the contact."""

    code: str
    label: str | None
    scheme: str | None


class MarkerOut(Out):
    """That somebody or something marked the contact as hard."""

    kind: MarkerKind
    origin: Origin | None
    rule: str | None
    confidence: float | None
    at: datetime | None


class SentimentOut(Out):
    """How the customer sounded."""

    subject: Literal["customer"]
    score: float | None
    label: str | None
    provider: str | None


class CallEventOut(Resource):
    """What happened on one contact of one agent."""

    source_id: UUID
    contact_id: str
    root_contact_id: str | None
    leg_id: str | None
    platform: str | None
    agent: AgentOut
    employee_id: UUID | None = Field(description="Who the agent is. Null until an alias says so.")
    queue: QueueOut | None
    team_ref: str | None
    channel: Channel | None
    direction: Direction | None
    started_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime
    wrapup_ended_at: datetime | None
    durations: DurationsOut
    result: Result | None
    ended_by: EndedBy | None
    disposition: DispositionOut | None
    markers: list[MarkerOut]
    sentiment: SentimentOut | None
    outcomes: list[Outcome] = Field(description="What the raw codes mean, by the source's mapping.")
    as_of: datetime
    voided_at: datetime | None
    void_reason: str | None
    disputed_at: datetime | None = Field(description="Since when you dispute it. Only you see that you do.")
    dispute_reason: str | None = Field(description="Why you dispute it. Only you see it.")


class CallEventItemResult(Out):
    """What became of one item, in the order of the batch."""

    index: int
    status: Status = Field(
        description="`duplicate`: this event id came before, or it says nothing that a later event has not said."
    )
    id: UUID | None = Field(description="The call event. Null where the item was refused.")
    matched: bool | None = Field(description="Whether it is known whose call it was.")
    unmapped_codes: bool | None = Field(description="Whether it brought a code that the source's mapping lacks.")
    refused_id: UUID | None = Field(description="Under which id the refused item can be read and replayed.")
    errors: list[ItemFault]


class CallEventBatchResult(Out):
    """What a batch did."""

    created: int
    updated: int
    duplicate: int
    refused: int
    results: list[CallEventItemResult]


class RefusedCallEventOut(Out):
    """An item that was refused: what of it was safe to keep, and why. Kept for a week."""

    id: UUID
    created_at: datetime
    source_id: UUID | None
    event_id: str | None
    payload: dict[str, Any] = Field(
        description="The members that are fine by themselves. What was refused is not kept."
    )
    errors: list[ItemFault]
    replayed_at: datetime | None
    call_event_id: UUID | None = Field(description="What it became when it was replayed.")
    allowed_actions: list[str] = Field(description="What you may do to it now.")
