"""A source's own address: its credentials, what it is answered, what would become of a payload, how the source is."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from app.models.call_event import Outcome
from app.models.source_intake import CredentialKind, HealthState
from app.schemas.base import In, Moment, Out
from app.schemas.employee import ItemFault

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
Printable = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=200)]
UserName = Annotated[str, StringConstraints(pattern=r"^[\x21-\x39\x3b-\x7e]+$", max_length=100)]
SentName = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=200)]
SentValue = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]*$", max_length=8000)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]

# Headers that a request has anyway: what everyone sends proves nothing.
TAKEN = frozenset(
    {"accept", "authorization", "connection", "content-length", "content-type", "cookie", "host", "user-agent"}
)
ASKED: dict[CredentialKind, frozenset[str]] = {
    CredentialKind.bearer: frozenset(),
    CredentialKind.header: frozenset({"header"}),
    CredentialKind.basic: frozenset({"user_name"}),
    CredentialKind.hmac: frozenset(
        {"header", "secret", "algorithm", "encoding", "prefix", "timestamp_header", "separator"}
    ),
    CredentialKind.zendesk: frozenset({"secret"}),
    CredentialKind.twilio: frozenset({"secret"}),
}
NEEDED: dict[CredentialKind, frozenset[str]] = {
    CredentialKind.header: frozenset({"header"}),
    CredentialKind.hmac: frozenset({"header"}),
    CredentialKind.zendesk: frozenset({"secret"}),
    CredentialKind.twilio: frozenset({"secret"}),
}
FOR_ALL = frozenset({"kind", "name", "expires_at"})


class SourceCredentialCreate(In):
    """A way for a sender to prove who it is. Which members belong to which kind, the documentation says.

    Where the platform takes a secret of ours (`bearer`, `header`, `basic`) it is made here and shown once. Where the
    platform has its own (`zendesk`, `twilio`) send it. For `hmac` either will do.
    """

    kind: CredentialKind
    name: Label | None = Field(default=None, description="What you call it.")
    expires_at: Moment | None = Field(default=None, description="From when on it is refused. Absent: never.")
    header: HeaderName | None = Field(default=None, description="The header that holds the secret, or the signature.")
    user_name: UserName | None = Field(default=None, description="Of `basic`. Absent: `ballast`.")
    secret: Annotated[Printable, Field(min_length=16)] | None = Field(
        default=None, description="The platform's own: the auth token or the shared key of Twilio, a signing secret."
    )
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]*$", max_length=20)] = Field(
        default="", description="Before the signature, such as `sha256=`."
    )
    timestamp_header: HeaderName | None = Field(
        default=None, description="The header with the time that is signed before the body; good for five minutes."
    )
    separator: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]*$", max_length=3)] = Field(
        default="", description="Between that time and the body."
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        if extra := sorted(given - ASKED[self.kind] - FOR_ALL):
            raise ValueError(f"A credential of kind {self.kind} has no {extra[0]}.")
        if missing := sorted(NEEDED.get(self.kind, frozenset()) - given):
            raise ValueError(f"A credential of kind {self.kind} needs {missing[0]}.")
        if self.header is not None and self.header.lower() in TAKEN:
            raise ValueError("The header must be one that requests do not have anyway.")
        return self


class SourceCredentialOut(Out):
    """A way for a sender to prove who it is. Never the secret itself."""

    id: UUID
    source_id: UUID
    kind: CredentialKind
    name: str | None
    settings: dict[str, Any] = Field(description="What is no secret of it, such as the header's name.")
    last_four: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the hour.")
    allowed_actions: list[str] = Field(description="What you may do to it now.")


class SourceCredentialCreated(SourceCredentialOut):
    """A new way for a sender to prove who it is."""

    secret: str | None = Field(
        description="Shown this once. Null where you sent it, or where an Idempotency-Key replays the answer."
    )


class RefusedDelivery(Out):
    """An item of a delivery that was refused. It is kept for a week, without what was wrong with it."""

    index: int
    refused_id: UUID
    errors: list[ItemFault]


class DeliveryResult(Out):
    """What became of a delivery. Whatever it says, do not send the delivery again."""

    accepted: int = Field(description="Call events that are new.")
    updated: int = Field(description="Items that said more of a call event, or said it anew.")
    duplicates: int = Field(description="Items that came before, or say nothing that a later one has not said.")
    dropped: int = Field(description="Items that are no calls of an agent.")
    refused: list[RefusedDelivery]


class DeliveryTest(In):
    """A delivery to try, as the platform would send it."""

    headers: dict[SentName, SentValue] = Field(
        default={}, max_length=100, description="Those that matter, such as `Content-Type` or `ce-id`."
    )
    query: Annotated[str, StringConstraints(max_length=2000, pattern=r"^[\x21-\x7e]*$")] = Field(
        default="", description="What follows the question mark of the address, where something does."
    )
    body: Any = Field(description="JSON, or the body as a text.")


class TestedItem(Out):
    """What one item would become."""

    index: int
    status: Literal["taken", "refused", "dropped"]
    event: dict[str, Any] | None = Field(description="The call event, as `POST /v1/call-events` would take it.")
    assumed: list[str] = Field(description="Its members that are a guess: whatever is said of them wins.")
    outcomes: list[Outcome]
    unmapped_codes: list[str] = Field(description="Its codes that the source's mapping lacks.")
    employee_id: UUID | None = Field(description="Who the agent is. Null where nobody, or more than one, fits.")
    received_before: bool | None = Field(description="Whether its event id was taken in before: it counts once.")
    reason: str | None = Field(description="Why it is dropped, as a code.")
    detail: str | None = Field(description="Why it is dropped, in a sentence.")
    errors: list[ItemFault] = Field(description="Why it is refused.")


class LeftOut(Out):
    """A place of the payload of which nothing is kept, and why."""

    pointer: str
    reason: str


class DeliveryTestResult(Out):
    """What a delivery would become. Nothing of it was stored."""

    readable: bool
    code: str | None = Field(description="Why it is not readable as a whole, as a code.")
    detail: str | None
    items: list[TestedItem]
    left_out: list[LeftOut] = Field(description="What is personal, or not read by any rule: a hundred places at most.")


class SourceCounts(Out):
    """What came in from a source within a span, to five minutes."""

    accepted: int
    updated: int
    duplicates: int
    dropped: int
    refused: int
    coded: int = Field(description="Items that brought a code.")
    unmapped: int = Field(description="Those of them with a code that the mapping lacks.")
    unmapped_share: float | None = Field(description="Null where no item brought a code.")


class SourceHealthOut(Out):
    """How a source is: whether it delivers, and whether what it delivers is understood."""

    source_id: UUID
    state: HealthState = Field(
        description="`waiting`: nothing came yet. `silent`: nothing for longer than `silent_after_seconds`. `unmapped`:"
        " the last 20 or more codes were all unmapped, and earlier ones were not. `refusing`: of ten or more items of"
        " the last hour, at least half were refused."
    )
    since: datetime | None = Field(description="Since when. Null until the worker has seen it.")
    last_received_at: datetime | None
    silent_after_seconds: int | None
    last_hour: SourceCounts
    last_day: SourceCounts
