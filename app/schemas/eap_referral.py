"""EAP referrals as each who has to do with one sees it: the person, the referrer, the provider."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from app.models.eap_referral import (
    Actor,
    ConsentScope,
    Recipient,
    ReferralKind,
    ReferralState,
    SubmissionState,
    Urgency,
)
from app.schemas.base import Flag, In, Moment, Out, Prose, Resource
from app.schemas.eap_provider import HelpContact, Sessions

MANDATORY = "A referral is never mandatory here: it is suggested to the person, who is free to say no."
CLINICAL = (
    "Ballast keeps nothing clinical. What troubles the person is for the talk with the provider; leave this member out."
)
# What is offered in the hope that there is a place for it. There is none, and the answer says why.
NAMES_OF_IT = (
    "assessment clinical_note clinical_notes condition conditions diagnoses diagnosis disability findings gad7"
    " health_condition icd icd10 medical_history medication mental_health_condition phq9 presenting_issue"
    " presenting_issues presenting_problem prognosis risk_assessment session_notes symptom symptoms therapy_notes"
    " treatment treatment_plan"
)
CLINICAL_MEMBERS = frozenset(NAMES_OF_IT.split())


class _NothingClinical(In):
    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_clinical(cls, given: Any) -> Any:
        if isinstance(given, dict) and any(str(name).lower().replace("-", "_") in CLINICAL_MEMBERS for name in given):
            raise ValueError(CLINICAL)
        return given


def _not_mandatory(value: Any) -> Any:
    if value == "mandatory":
        raise ValueError(MANDATORY)
    return value


Contact = Annotated[str, StringConstraints(max_length=500, pattern=r"\S")]
OwnKind = Annotated[Literal["self"], BeforeValidator(_not_mandatory)]
OthersKind = Annotated[Literal["suggested", "management"], BeforeValidator(_not_mandatory)]
ToProvider = Literal["reference_only", "name", "name_and_contact"]
ToReferrer = Literal["none", "contact_made", "attendance", "progress"]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Field(examples=["0" * 64])]
NOTE = "For the provider: when and how to reach you, what to mind. Not what troubles you."


class ReferralCreate(_NothingClinical):
    """A draft of one's own. Nobody else learns of it before one sends it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"urgency": "soon", "note": "After six, please."}]})

    kind: OwnKind = Field(default="self", description="For somebody else there are submissions.")
    service_id: UUID | None = Field(default=None, description="What one wants, of which provider.")
    urgency: Urgency = Urgency.routine
    note: Prose | None = Field(default=None, description=NOTE)
    contact: Contact | None = Field(
        default=None, description="Where the provider may reach you, shown only where you consent to it."
    )


class ReferralUpdate(_NothingClinical):
    """A merge patch, before it is sent."""

    service_id: UUID | None = None
    urgency: Urgency = Urgency.routine
    note: Prose | None = Field(default=None, description=NOTE)
    contact: Contact | None = None


class _Given(_NothingClinical):
    text_id: UUID = Field(description="The words that were shown: the latest of their language.")
    text_sha256: Digest = Field(description="Their `sha256`, so that it is sure that it was those.")
    expires_at: Moment | None = Field(
        default=None,
        description="When it ends by itself. Left out: to a provider with the case, to a referrer after 180 days.",
    )


class ProviderConsent(_Given):
    """What the provider may have."""

    scope: ToProvider


class ReferrerConsent(_Given):
    """What the manager who suggested it may have. Each scope holds those before it."""

    scope: ToReferrer


class ReferralRequest(_NothingClinical):
    """Send it to the provider. Of a suggestion this is the yes, which is the person's alone."""

    provider_consent: ProviderConsent
    referrer_consent: ReferrerConsent | None = Field(
        default=None, description="Left out, the manager who suggested it learns nothing, not even that you agreed."
    )
    with_coordinator: Flag = Field(
        default=True, description="Whether a coordinator sees it and helps. Some providers can only be reached so."
    )


class ConsentGiven(_Given):
    """A consent to one recipient, in place of the one before."""

    recipient: Recipient
    scope: ConsentScope


class ConsentWithdrawn(_NothingClinical):
    """From whom a consent is taken back."""

    recipient: Recipient


class CoordinatorChoice(_NothingClinical):
    """Another coordinator, or none any more."""

    with_coordinator: Flag = True


class StatusReason(_NothingClinical):
    """Why. The person reads it."""

    reason: Prose


class Attendance(_NothingClinical):
    """How many sessions were used by now, in all: a number, and nothing of what they were about."""

    sessions_used: Sessions


class SubmissionCreate(_NothingClinical):
    """A suggestion to somebody whom one leads, as a draft."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "suggested", "reason": "The last weeks were hard on you."}]}
    )

    employee_id: UUID
    kind: OthersKind
    reason: Prose | None = Field(default=None, description="For the person, who reads it. No provider ever does.")


class ConsentOut(Out):
    """A consent, or that it was taken back: one entry of a trail that only grows."""

    id: UUID
    recipient: Recipient
    scope: ConsentScope
    text_id: UUID
    text_version: int
    text_sha256: str
    given_at: datetime
    expires_at: datetime | None
    withdrawn_at: datetime | None


class ReferralOut(Resource):
    """A referral as the person has it, and a coordinator whom they let help."""

    employee_id: UUID
    kind: ReferralKind
    state: ReferralState
    referred_by_id: UUID | None = Field(description="Who suggested it.")
    referral_reason: str | None = Field(description="What they wrote to the person.")
    provider_id: UUID | None
    service_id: UUID | None
    reference: str | None = Field(description="The name under which the provider has it: to be quoted on the phone.")
    urgency: Urgency
    note: str | None
    contact: str | None
    coordinator_id: UUID | None
    requested_at: datetime | None
    first_contact_due_at: datetime | None
    first_contact_at: datetime | None
    closed_at: datetime | None
    sessions_used: int
    sessions_included: int | None
    status_reason: str | None = Field(description="Why it was rejected, put on hold, cancelled or failed.")
    provider_consent: ConsentOut | None = Field(description="The one that holds now.")
    referrer_consent: ConsentOut | None = Field(description="The one that holds now.")
    help_contacts: list[HelpContact] = Field(description="Where to turn to now, whatever becomes of this.")


class SubmissionOut(Resource):
    """A manager's own suggestion, as they made it. What became of it never changes anything of it."""

    employee_id: UUID
    referred_by_id: UUID
    kind: ReferralKind
    reason: str | None
    state: SubmissionState
    proposed_at: datetime | None


class SharedOut(Out):
    """What the person lets who suggested it know. Unanswered, declined and kept to oneself look the same."""

    submission_id: UUID
    scope: ToReferrer
    contact_made: bool | None
    sessions_used: int | None
    progress: Literal["waiting", "under_way", "paused", "ended"] | None
    until: datetime | None = Field(description="When the consent ends by itself.")


class Disclosed(Out):
    """What the person lets the provider have of themself."""

    name: str | None
    contact: str | None
    note: str | None = Field(description="What they wrote for the provider.")


class CaseOut(Resource):
    """What a provider has of a referral that was sent to it: no id of the person, and no name but by consent."""

    reference: str = Field(description="Random; the person has it too.")
    provider_id: UUID
    service_id: UUID
    state: ReferralState
    urgency: Urgency
    first_contact_due_at: datetime
    first_contact_at: datetime | None
    closed_at: datetime | None
    sessions_used: int
    sessions_included: int | None
    person: Disclosed | None = Field(description="By the consent that holds now; null where an answer is replayed.")


class StepOut(Out):
    """One step of a referral."""

    id: UUID
    state: ReferralState
    taken_by: Actor
    recorded_at: datetime
    reason: str | None


class AreaCount(Out):
    """Of one service area."""

    service_area_id: UUID
    people: int | None


class MonthCount(Out):
    """Of one month that is over. It never changes again."""

    month: str = Field(description="Such as 2026-10.")
    people: int | None = Field(description="Rounded; null for too few.")
    service_areas: list[AreaCount]


class CountsOut(Out):
    """How many people asked for help, month by month. Nobody can be told from it, not by subtraction either."""

    minimum: int = Field(description="Fewer people than this are null, and so is none at all.")
    rounded_to: int
    months: list[MonthCount]
