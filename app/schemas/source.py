"""Sources of call events, and how their raw codes map to our outcomes."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, PlainSerializer

from app.models.call_event import CodeKind, Outcome, SourceKind
from app.schemas.base import AS_SENT, Flag, In, Name, Out, Prose, Resource
from app.schemas.call_event import Code
from app.schemas.employee import ItemFault, ItemStatus
from app.schemas.source_options import Options

MOST_AT_ONCE = 1000
# Documented by kind, and checked by the service, which knows the kind.
SentOptions = Annotated[Options, AS_SENT, PlainSerializer(lambda sent: sent, return_type=Any)]
Silence = Annotated[int, Field(strict=True, ge=300, le=31 * 86_400)]
SILENCE = "Without a delivery for so long it counts as silent. Null: never."
OPTIONS = "What is special about it, by its kind; checked by the service."


def _in_order(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in Outcome if outcome in outcomes]


Outcomes = Annotated[list[Outcome], Field(max_length=len(Outcome)), AfterValidator(_in_order)]


class OutcomeMappingCreate(In):
    """What one raw code means. No outcomes: it is known, and means nothing to us."""

    kind: CodeKind = Field(description="A disposition's code, or the rule (else the kind) of a marker.")
    code: Code = Field(description="As the source writes it; compared without regard to case.")
    outcomes: Outcomes


class OutcomeMappingUpdate(In):
    """A merge patch of what a code means."""

    outcomes: Outcomes = Field(default=[])


class OutcomeMappingBatch(In):
    """Up to 1,000 mappings, by kind and code. Each is checked on its own: one bad item never sinks the batch."""

    mappings: Annotated[list[Annotated[OutcomeMappingCreate, AS_SENT]], Field(max_length=MOST_AT_ONCE)]


class OutcomeMappingOut(Resource):
    """What one raw code of a source means."""

    source_id: UUID
    kind: CodeKind
    code: str
    outcomes: list[Outcome]


class OutcomeMappingItemResult(Out):
    """What became of one item, in the order of the batch."""

    index: int
    status: ItemStatus
    id: UUID | None
    errors: list[ItemFault]


class OutcomeMappingBatchResult(Out):
    """What a batch of mappings did."""

    created: int
    updated: int
    unchanged: int
    rejected: int
    rederived_call_events: int = Field(description="How many past call events have other outcomes now.")
    results: list[OutcomeMappingItemResult]


class UnmappedCodeOut(Out):
    """A raw code that has no mapping yet."""

    kind: CodeKind
    code: str
    count: int = Field(description="How many call events came with it.")
    last_seen_at: datetime


class SourceCreate(In):
    """A new source."""

    name: Name
    description: Prose | None = None
    client_id: UUID | None = Field(
        default=None,
        description="The client that posts its events: by default the one that makes it, if it may. Null: any client.",
    )
    kind: SourceKind = Field(
        default=SourceKind.api,
        description="Which format it sends. `api` posts to `/v1/call-events`; every other has an address of its own.",
    )
    options: SentOptions = Field(default={}, description=OPTIONS)  # type: ignore[assignment]  # as it would be sent
    silent_after_seconds: Silence | None = Field(default=86_400, description=SILENCE)
    outcome_mappings: Annotated[list[OutcomeMappingCreate], Field(max_length=MOST_AT_ONCE)] = Field(default=[])


class SourceUpdate(In):
    """A merge patch of a source."""

    name: Name = Field(default="")
    description: Prose | None = None
    client_id: UUID | None = None
    active: Flag = Field(default=True, description="Events of an inactive source are refused.")
    options: SentOptions = Field(default={}, description=OPTIONS)  # type: ignore[assignment]  # as it would be sent
    silent_after_seconds: Silence | None = Field(default=86_400, description=SILENCE)


class SourceOut(Resource):
    """A system that posts call events. CloudEvents name it `/v1/sources/` and its id as their `source`."""

    name: str
    description: str | None
    client_id: UUID | None = Field(description="The one client that may use it. Null: any client with the scope.")
    active: bool
    kind: SourceKind
    options: dict[str, Any]
    silent_after_seconds: int | None
    intake_url: str | None = Field(description="Where it delivers, with one of its credentials. Null for kind `api`.")
