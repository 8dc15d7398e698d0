"""Who looked at one's own records, and reading in an emergency."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.break_glass import LONGEST_DELAY_SECONDS, BreakGlassState
from app.models.eap_referral import ReferralKind, ReferralState, Urgency
from app.schemas.base import In, Out, Prose, Resource

Delay = Annotated[int, Field(strict=True, ge=0, le=LONGEST_DELAY_SECONDS)]
REASON = "On a call this morning she said that she would not be alive tonight, and nobody reaches her."


class AccessActor(Out):
    """Who looked: a person, or a system with a key."""

    kind: Literal["person", "client"]
    id: UUID
    display_name: str | None


class AccessLogEntryOut(Out):
    """That somebody else was shown a record about you."""

    id: UUID
    recorded_at: datetime
    resource: str = Field(description="The kind of record, such as `review`.")
    resource_id: UUID
    actor: AccessActor
    access_right: str = Field(description="By which right: a relation, a client's scope, or `break_glass`.")
    in_words: str = Field(description="The right, as one would say it to you.")


class BreakGlassCreate(In):
    """Ask to read whatever referral a person may have. The answer does not say whether there is one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"employee_id": str(UUID(int=0)), "reason": REASON}]})

    employee_id: UUID
    reason: Prose = Field(description="Why it cannot wait. Those who approve and the person read it.")
    delay_seconds: Delay = Field(
        default=0,
        description="How long after the reading the person is told. More than 0 needs two approvals.",
    )
    delay_reason: Prose | None = Field(default=None, description="Needed with a delay: why telling at once would harm.")


class BreakGlassOut(Resource):
    """A request to read in an emergency."""

    employee_id: UUID
    requested_by_id: UUID
    reason: str | None = Field(description="Null once nobody can read it any more: the person was erased.")
    delay_seconds: int
    delay_reason: str | None
    state: BreakGlassState
    expires_at: datetime = Field(description="Until when it must be approved, or, once approved, used.")
    approvals_needed: int
    approved_by_id: UUID | None
    approved_at: datetime | None
    second_approved_by_id: UUID | None
    second_approved_at: datetime | None
    denied_by_id: UUID | None
    used_at: datetime | None


class OpenedReferral(Out):
    """What there is of one referral of the person."""

    id: UUID
    kind: ReferralKind
    state: ReferralState
    urgency: Urgency
    provider_id: UUID | None
    service_id: UUID | None
    coordinator_id: UUID | None
    requested_at: datetime | None
    first_contact_due_at: datetime | None
    first_contact_at: datetime | None
    closed_at: datetime | None
    sessions_used: int
    note: str | None
    contact: str | None


class OpenedReferrals(Out):
    """The one reading that an approved request gives. A repetition of the request does not show it again."""

    id: UUID
    version: int
    state: BreakGlassState
    used_at: datetime
    told_at: datetime = Field(description="When the person is told.")
    referrals: list[OpenedReferral] | None = Field(description="Those that were sent to a provider, the newest first.")


class AccessNoticeOut(Resource):
    """That your referrals were read in an emergency."""

    request_id: UUID
    requested_by_name: str
    approved_by_names: list[str]
    reason: str | None
    delay_reason: str | None = Field(description="Why you were not told at once, where you were not.")
    looked_at: datetime
    told_at: datetime
    acknowledged_at: datetime | None
