"""What a source of each kind can be told: above all, the declaration by which a mapping reads any JSON."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, model_validator

from app.intake import privacy
from app.models.call_event import SourceKind
from app.schemas.base import In, TimeZone
from app.schemas.call_event import Channel, Direction, EndedBy, MarkerKind, Origin, Result

MOST_STEPS, MOST_VALUES = 16, 200
# Of a member with such a name nothing is ever taken. Words that are as often harmless (name, number) are not here.
PERSONAL = frozenset(
    {
        *("phone", "telephone", "mobile", "msisdn", "ani", "dnis", "email", "mail", "address", "postcode"),
        *("caller", "customer", "requester", "firstname", "lastname", "birth", "dob", "ssn"),
        *("note", "notes", "comment", "comments", "transcript", "transcription", "recording"),
        *("body", "summary", "subject"),
    }
)
# Of whom nothing is taken at all, however the parts of them are called: `/caller/number`.
PERSONS = frozenset({"caller", "customer", "requester"})


def _pointer(value: str) -> str:
    steps = value.split("/")[1:]
    if value and not value.startswith("/"):
        raise ValueError("Must be a JSON Pointer: empty, or beginning with /.")
    if len(steps) > MOST_STEPS:
        raise ValueError(f"Must have {MOST_STEPS} steps at most.")
    for step in steps:
        if "~" in step.replace("~0", "").replace("~1", ""):
            raise ValueError("In a JSON Pointer, ~ is written ~0 and / is written ~1.")
    return value


def _impersonal(value: str) -> str:
    *above, last = value.lower().split("/")
    words = {word.lower() for word in privacy.WORDS.findall(value.rpartition("/")[2])}
    joined = last.replace("_", "").replace("-", "")
    if words & PERSONAL or joined in PERSONAL or PERSONS.intersection(above):
        raise ValueError("Names what is personal: of callers only codes, ids and times are taken.")
    return value


Pointer = Annotated[str, StringConstraints(max_length=300), AfterValidator(_pointer)]
Impersonal = Annotated[Pointer, AfterValidator(_impersonal)]
Raw = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Tabled = Field(default=None, max_length=MOST_VALUES)


class _Source(In):
    """Where a value comes from: a place in the item, or a constant. Exactly one of the two."""

    pointer: Impersonal | None = Field(default=None, description="A JSON Pointer (RFC 6901) into the item.")
    constant: Raw | None = Field(default=None, description="The same for every item.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.pointer is None) == (self.constant is None):
            raise ValueError("Needs either a pointer or a constant.")
        return self


class TextFrom(_Source):
    """A text, such as an id or a code. ``values`` replaces raw texts, compared without regard to case."""

    values: dict[Raw, Raw] | None = Tabled


class AgentFrom(In):
    """The platform's id of the agent, or the e-mail address that the directory has of them."""

    pointer: Pointer
    values: dict[Raw, Raw] | None = Tabled


class ChannelFrom(_Source):
    """A channel. A raw value that is neither in ``values`` nor itself a channel says nothing."""

    values: dict[Raw, Channel] | None = Tabled
    otherwise: Channel | None = None


class DirectionFrom(_Source):
    """A direction, as a channel is read."""

    values: dict[Raw, Direction] | None = Tabled
    otherwise: Direction | None = None


class ResultFrom(_Source):
    """A result, as a channel is read."""

    values: dict[Raw, Result] | None = Tabled
    otherwise: Result | None = None


class EndedByFrom(_Source):
    """Who ended it, as a channel is read."""

    values: dict[Raw, EndedBy] | None = Tabled
    otherwise: EndedBy | None = None


class TimeFrom(In):
    """A time. One without an offset needs a zone to be understood in."""

    pointer: Pointer
    format: Literal["iso", "epoch_s", "epoch_ms"] = "iso"
    zone: TimeZone | None = Field(default=None, description="Of times in ISO form that have no offset.")


class SecondsFrom(In):
    """A duration. It becomes whole seconds, rounded half up."""

    pointer: Pointer
    unit: Literal["s", "ms", "min"] = "s"


class ScoreFrom(In):
    """A number from ``lowest`` to ``highest``; it becomes one from -1 to 1."""

    pointer: Pointer
    lowest: Annotated[float, Field(strict=True, ge=-1e6, le=1e6)] = -1
    highest: Annotated[float, Field(strict=True, ge=-1e6, le=1e6)] = 1

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError("The lowest must lie below the highest.")
        return self


class MarkerFrom(In):
    """What makes a marker, where there is something at the pointer: a text, a number, true, or a list of these.

    With ``values``, each raw value that is in the table makes a marker of that kind, and others none. Without, each
    value that says something makes one of the kind ``kind``, with the raw value as its rule.
    """

    pointer: Impersonal
    separator: Annotated[str, StringConstraints(min_length=1, max_length=3)] | None = Field(
        default=None, description="Between several values in one text, such as a blank between tags."
    )
    values: dict[Raw, MarkerKind] | None = Tabled
    kind: MarkerKind = "other"
    origin: Origin | None = None


class AgentMembers(In):
    """Who took the contact."""

    ref: AgentFrom


class QueueMembers(In):
    """Where the contact waited."""

    ref: TextFrom | None = None
    name: TextFrom | None = None


class DurationMembers(In):
    """How long each part took."""

    queue_s: SecondsFrom | None = None
    talk_s: SecondsFrom | None = None
    hold_s: SecondsFrom | None = None
    wrapup_s: SecondsFrom | None = None


class DispositionMembers(In):
    """The code that closed the contact. What it means, the outcome mapping says."""

    code: TextFrom
    label: TextFrom | None = None
    scheme: TextFrom | None = None


class SentimentMembers(In):
    """How the customer sounded."""

    score: ScoreFrom | None = None
    label: TextFrom | None = None
    provider: TextFrom | None = None


class MappedMembers(In):
    """Where each member of a call event comes from."""

    event_id: TextFrom | None = Field(
        default=None, description="Absent: made from all that is read, so that the same sent again counts once."
    )
    contact_id: TextFrom
    agent: AgentMembers
    ended_at: TimeFrom
    root_contact_id: TextFrom | None = None
    leg_id: TextFrom | None = None
    platform: TextFrom | None = None
    queue: QueueMembers | None = None
    team_ref: TextFrom | None = None
    channel: ChannelFrom | None = None
    direction: DirectionFrom | None = None
    started_at: TimeFrom | None = None
    answered_at: TimeFrom | None = None
    wrapup_ended_at: TimeFrom | None = None
    durations: DurationMembers | None = None
    result: ResultFrom | None = None
    ended_by: EndedByFrom | None = None
    disposition: DispositionMembers | None = None
    markers: Annotated[list[MarkerFrom], Field(max_length=16)] | None = None
    sentiment: SentimentMembers | None = None
    as_of: TimeFrom | None = None


class Condition(In):
    """What an item must hold to be a call event: one of some values at a place, compared without regard to case."""

    pointer: Pointer
    values: Annotated[list[Raw], Field(min_length=1, max_length=MOST_VALUES)]


class MappingOptions(In):
    """How a source of kind ``mapping`` is read: where each member stands in what it sends."""

    items: Pointer | None = Field(
        default=None, description="Where the list of items stands. Absent: the body is a list, or is the one item."
    )
    only: Annotated[list[Condition], Field(max_length=16)] | None = Field(
        default=None, description="Items that do not hold all of these are dropped: they are no finished calls."
    )
    members: MappedMembers


class EventBridgeOptions(In):
    """What a source of kind ``eventbridge`` can be told."""

    disposition_attribute: Raw | None = Field(
        default=None, description="The contact attribute that names the disposition code. No other is ever read."
    )


class TwilioOptions(In):
    """What a source of kind ``twilio`` can be told."""

    disposition_attribute: Raw | None = Field(
        default=None, description="The task attribute that names the disposition code. No other is ever read."
    )


class NoOptions(In):
    """What a source of any other kind can be told: nothing."""


Options = NoOptions | EventBridgeOptions | TwilioOptions | MappingOptions
OPTIONS: dict[SourceKind, TypeAdapter[Any]] = {
    SourceKind.api: TypeAdapter(NoOptions),
    SourceKind.cloudevents: TypeAdapter(NoOptions),
    SourceKind.eventbridge: TypeAdapter(EventBridgeOptions),
    SourceKind.twilio: TypeAdapter(TwilioOptions),
    SourceKind.mapping: TypeAdapter(MappingOptions),
}
