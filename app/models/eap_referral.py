"""One person's way to an EAP, in one row for each who looks at it.

The person's own is the referral. The manager who suggested it keeps a submission, which nobody else ever changes; the
provider has a case under a reference that says nothing. So the ids, versions and times of each tell the others nothing.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, Versioned, belongs_to, now, one_of


class ReferralKind(StrEnum):
    """Who began it. None of them is ever mandatory."""

    self_ = "self"
    suggested = "suggested"
    management = "management"


class ReferralState(StrEnum):
    """Where a referral stands, after the FHIR Task; ``proposed`` and ``declined_by_employee`` come before it."""

    draft = "draft"
    proposed = "proposed"
    declined_by_employee = "declined_by_employee"
    requested = "requested"
    accepted = "accepted"
    rejected = "rejected"
    in_progress = "in_progress"
    on_hold = "on_hold"
    completed = "completed"
    failed = "failed"
    cancelled = "cancelled"


SENT = tuple(ReferralState)[3:]


class Urgency(StrEnum):
    """How soon somebody should get in touch."""

    routine = "routine"
    soon = "soon"
    urgent = "urgent"


class SubmissionState(StrEnum):
    """Whether a manager's suggestion was made. What became of it, it does not say."""

    draft = "draft"
    proposed = "proposed"


class Recipient(StrEnum):
    """To whom something is disclosed."""

    provider = "provider"
    referrer = "referrer"


class ConsentScope(StrEnum):
    """How much: the first three to the provider, the others to the manager who suggested it."""

    reference_only = "reference_only"
    name = "name"
    name_and_contact = "name_and_contact"
    none = "none"
    contact_made = "contact_made"
    attendance = "attendance"
    progress = "progress"


TO_PROVIDER, TO_REFERRER = tuple(ConsentScope)[:3], tuple(ConsentScope)[3:]


class Actor(StrEnum):
    """In what part somebody took a step."""

    employee = "employee"
    referrer = "referrer"
    coordinator = "coordinator"
    provider = "provider"


class EapSubmission(Owned, Versioned, Base):
    """A manager's suggestion to one of their people. ``reason`` is sealed under that person's key."""

    __tablename__ = "eap_submission"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "referred_by_id"),
        one_of("kind", ("suggested", "management")),
        one_of("state", SubmissionState),
        CheckConstraint("referred_by_id <> employee_id", name="own_referrer"),
        CheckConstraint("(state = 'proposed') = (proposed_at IS NOT NULL)", name="proposed_at"),
        Index("ix_eap_submission_referred_by", "organisation_id", "referred_by_id"),
        Index("ix_eap_submission_employee", "organisation_id", "employee_id"),
    )
    private: ClassVar[bool] = True

    employee_id: Mapped[UUID]
    referred_by_id: Mapped[UUID]
    kind: Mapped[ReferralKind] = mapped_column(Text)
    reason: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[SubmissionState] = mapped_column(Text, default=SubmissionState.draft)
    proposed_at: Mapped[datetime | None]


class EapReferral(Owned, Versioned, Base):
    """One person's way to an EAP: theirs. ``note`` and ``contact`` are their words, sealed under their key.

    Whoever makes one gives it a random id: one that tells when it was made would lead from an audit entry to the
    submission of that moment.
    """

    __tablename__ = "eap_referral"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "coordinator_id"),
        belongs_to("eap_submission", "submission_id"),
        belongs_to("eap_service", "service_id"),
        belongs_to("eap_provider", "provider_id"),
        one_of("kind", ReferralKind),
        one_of("state", ReferralState),
        one_of("urgency", Urgency),
        UniqueConstraint("organisation_id", "submission_id"),
        CheckConstraint("(kind = 'self') = (submission_id IS NULL)", name="submission"),
        CheckConstraint("coordinator_id <> employee_id", name="own_coordinator"),
        CheckConstraint("sessions_used >= 0", name="sessions_used"),
        Index("ix_eap_referral_employee", "organisation_id", "employee_id"),
        Index("ix_eap_referral_coordinator", "organisation_id", "coordinator_id"),
        Index("ix_eap_referral_requested_at", "organisation_id", "requested_at"),
    )
    private: ClassVar[bool] = True

    employee_id: Mapped[UUID]
    submission_id: Mapped[UUID | None]
    kind: Mapped[ReferralKind] = mapped_column(Text)
    state: Mapped[ReferralState] = mapped_column(Text)
    urgency: Mapped[Urgency] = mapped_column(Text, default=Urgency.routine)
    service_id: Mapped[UUID | None]
    provider_id: Mapped[UUID | None]
    coordinator_id: Mapped[UUID | None]
    note: Mapped[bytes | None] = mapped_column(LargeBinary)
    contact: Mapped[bytes | None] = mapped_column(LargeBinary)
    requested_at: Mapped[datetime | None]
    first_contact_due_at: Mapped[datetime | None]
    first_contact_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    sessions_used: Mapped[int] = mapped_column(default=0)
    sessions_included: Mapped[int | None]


class EapCase(Owned, Versioned, Base):
    """What a provider has of a referral that was sent to it. Whoever makes one gives it a random id and reference."""

    __tablename__ = "eap_case"
    __table_args__ = (
        belongs_to("eap_provider", "provider_id"),
        belongs_to("eap_service", "service_id"),
        belongs_to("eap_referral", "referral_id"),
        belongs_to("employee", "employee_id"),
        one_of("state", SENT),
        one_of("urgency", Urgency),
        UniqueConstraint("organisation_id", "reference"),
        UniqueConstraint("organisation_id", "referral_id"),
        CheckConstraint("sessions_used >= 0", name="sessions_used"),
        Index("ix_eap_case_provider", "organisation_id", "provider_id"),
    )
    private: ClassVar[bool] = True

    reference: Mapped[str]
    provider_id: Mapped[UUID]
    service_id: Mapped[UUID]
    referral_id: Mapped[UUID]
    employee_id: Mapped[UUID]
    state: Mapped[ReferralState] = mapped_column(Text)
    urgency: Mapped[Urgency] = mapped_column(Text)
    first_contact_due_at: Mapped[datetime]
    first_contact_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    sessions_used: Mapped[int] = mapped_column(default=0)
    sessions_included: Mapped[int | None]


class EapStep(Owned, Base):
    """One step of a referral: who, when, into which state, and why, sealed under the person's key. Insert only."""

    __tablename__ = "eap_step"
    __table_args__ = (
        belongs_to("eap_referral", "referral_id"),
        belongs_to("employee", "employee_id"),
        one_of("state", ReferralState),
        one_of("taken_by", Actor),
        Index("ix_eap_step_referral", "organisation_id", "referral_id", "id"),
    )

    referral_id: Mapped[UUID]
    employee_id: Mapped[UUID]
    state: Mapped[ReferralState] = mapped_column(Text)
    taken_by: Mapped[Actor] = mapped_column(Text)
    reason: Mapped[bytes | None] = mapped_column(LargeBinary)
    recorded_at: Mapped[datetime] = mapped_column(default=now)


class ConsentText(Owned, Dated, Base):
    """The very words that somebody is shown before they consent. Insert only: other words are another version."""

    __tablename__ = "consent_text"
    __table_args__ = (
        one_of("recipient", Recipient),
        UniqueConstraint("organisation_id", "recipient", "language", "version"),
        CheckConstraint("version > 0", name="version"),
    )

    recipient: Mapped[Recipient] = mapped_column(Text)
    language: Mapped[str]
    version: Mapped[int]
    words: Mapped[str]
    sha256: Mapped[str]


class EapConsent(Owned, Base):
    """That a person consented to a disclosure, or took that back. Insert only: the last row of a recipient counts."""

    __tablename__ = "eap_consent"
    __table_args__ = (
        belongs_to("eap_referral", "referral_id"),
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "referrer_id"),
        belongs_to("eap_provider", "provider_id"),
        belongs_to("consent_text", "text_id"),
        one_of("recipient", Recipient),
        one_of("scope", ConsentScope),
        UniqueConstraint("organisation_id", "referral_id", "recipient", "number"),
        CheckConstraint("(recipient = 'provider') = (provider_id IS NOT NULL)", name="provider"),
        CheckConstraint("(recipient = 'referrer') = (referrer_id IS NOT NULL)", name="referrer"),
        CheckConstraint(
            "(recipient = 'provider') = (scope IN ('reference_only', 'name', 'name_and_contact'))",
            name="scope_of_recipient",
        ),
    )
    private: ClassVar[bool] = True

    referral_id: Mapped[UUID]
    employee_id: Mapped[UUID]
    number: Mapped[int]
    recipient: Mapped[Recipient] = mapped_column(Text)
    provider_id: Mapped[UUID | None]
    referrer_id: Mapped[UUID | None]
    scope: Mapped[ConsentScope] = mapped_column(Text)
    text_id: Mapped[UUID]
    text_version: Mapped[int]
    text_sha256: Mapped[str]
    given_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]


class EapCount(Owned, Dated, Base):
    """How many people asked for help in one month, rounded, frozen when the month was over. Null: too few to say."""

    __tablename__ = "eap_count"
    __table_args__ = (
        UniqueConstraint("organisation_id", "month", "service_area_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("people >= minimum AND mod(people, rounded_to) = 0", name="people"),
        CheckConstraint("minimum >= 10", name="minimum"),
    )

    month: Mapped[date]
    service_area_id: Mapped[UUID | None]
    people: Mapped[int | None]
    minimum: Mapped[int]
    rounded_to: Mapped[int]
