"""Sources of call events, how their codes map to our outcomes, and the events themselves."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, Versioned, belongs_to, one_of


class Outcome(StrEnum):
    """What a call was like, in our words. A call can have several. New values may be added."""

    resolved = "resolved"
    unresolved = "unresolved"
    escalated = "escalated"
    complaint = "complaint"
    refusal_given = "refusal_given"
    abusive = "abusive"
    threatening = "threatening"
    distressed_caller = "distressed_caller"
    safeguarding = "safeguarding"
    abandoned = "abandoned"
    other = "other"


class CodeKind(StrEnum):
    """What a raw code of a source is."""

    disposition = "disposition"
    marker = "marker"


class SourceKind(StrEnum):
    """Which format a source sends, and so by which address it comes in. New values may be added."""

    api = "api"
    cloudevents = "cloudevents"
    eventbridge = "eventbridge"
    twilio = "twilio"
    mapping = "mapping"


class Source(Owned, Versioned, Base):
    """A system that posts call events."""

    __tablename__ = "source"
    __table_args__ = (
        belongs_to("client", "client_id"),
        UniqueConstraint("organisation_id", "name_key"),
        one_of("kind", SourceKind),
        CheckConstraint("silent_after_seconds > 0", name="silent_after_seconds"),
    )

    name: Mapped[str]
    name_key: Mapped[str]
    description: Mapped[str | None]
    client_id: Mapped[UUID | None]
    active: Mapped[bool] = mapped_column(default=True)
    kind: Mapped[SourceKind] = mapped_column(Text, default=SourceKind.api, server_default=text("'api'"))
    options: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'::jsonb"))
    # To be given none is to be given none: not the default.
    silent_after_seconds: Mapped[int | None] = mapped_column(
        Integer().evaluates_none(), default=86_400, server_default=text("86400")
    )


class OutcomeMapping(Owned, Versioned, Base):
    """What one raw code of one source means: a set of outcomes, possibly none."""

    __tablename__ = "outcome_mapping"
    __table_args__ = (
        belongs_to("source", "source_id", ondelete="CASCADE"),
        UniqueConstraint("organisation_id", "source_id", "kind", "code_key"),
        one_of("kind", CodeKind),
    )

    source_id: Mapped[UUID]
    kind: Mapped[CodeKind] = mapped_column(Text)
    code: Mapped[str]
    code_key: Mapped[str]
    outcomes: Mapped[list[str]]


class UnmappedCode(Owned, Base):
    """How often a source sent a code that has no mapping yet."""

    __tablename__ = "unmapped_code"
    __table_args__ = (
        belongs_to("source", "source_id", ondelete="CASCADE"),
        UniqueConstraint("organisation_id", "source_id", "kind", "code_key"),
        one_of("kind", CodeKind),
    )

    source_id: Mapped[UUID]
    kind: Mapped[CodeKind] = mapped_column(Text)
    code: Mapped[str]
    code_key: Mapped[str]
    count: Mapped[int] = mapped_column(BigInteger)
    last_seen_at: Mapped[datetime]


class CallEvent(Owned, Versioned, Base):
    """What happened on one call of one agent: an outcome, never a recording, transcript, name or number."""

    __tablename__ = "call_event"
    __table_args__ = (
        belongs_to("source", "source_id"),
        belongs_to("employee", "employee_id"),
        UniqueConstraint("organisation_id", "source_id", "contact_id", "agent_key"),
        Index("ix_call_event_employee", "organisation_id", "employee_id", "ended_at"),
        Index("ix_call_event_unmatched", "organisation_id", "agent_key", postgresql_where=text("employee_id IS NULL")),
        Index(
            "ix_call_event_disposition",
            "organisation_id",
            "source_id",
            "disposition_key",
            postgresql_where=text("disposition_key IS NOT NULL"),
        ),
        Index("ix_call_event_marked", "organisation_id", "source_id", postgresql_where=text("markers <> '[]'::jsonb")),
        CheckConstraint("voided_at IS NOT NULL OR void_reason IS NULL", name="void_reason"),
    )

    source_id: Mapped[UUID]
    contact_id: Mapped[str]
    agent_ref: Mapped[str]
    agent_key: Mapped[str]
    employee_id: Mapped[UUID | None]
    root_contact_id: Mapped[str | None]
    leg_id: Mapped[str | None]
    platform: Mapped[str | None]
    queue_ref: Mapped[str | None]
    queue_name: Mapped[str | None]
    team_ref: Mapped[str | None]
    channel: Mapped[str | None]
    direction: Mapped[str | None]
    started_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime]
    wrapup_ended_at: Mapped[datetime | None]
    queue_seconds: Mapped[int | None]
    talk_seconds: Mapped[int | None]
    hold_seconds: Mapped[int | None]
    wrapup_seconds: Mapped[int | None]
    result: Mapped[str | None]
    ended_by: Mapped[str | None]
    disposition_code: Mapped[str | None]
    disposition_key: Mapped[str | None]
    disposition_label: Mapped[str | None]
    disposition_scheme: Mapped[str | None]
    markers: Mapped[list[dict[str, Any]] | None]
    sentiment: Mapped[dict[str, Any] | None]
    outcomes: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'"))
    as_of: Mapped[datetime]
    as_of_event_id: Mapped[str]
    field_as_of: Mapped[dict[str, Any] | None]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None]
    disputed_at: Mapped[datetime | None]
    dispute_reason: Mapped[str | None]


class CallEventReceipt(Base):
    """That an event id of a source was taken in: a repeat finds it here and counts nothing twice."""

    __tablename__ = "call_event_receipt"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    call_event_id: Mapped[UUID]


class RefusedCallEvent(Owned, Dated, Base):
    """An item that could not be read: what of it was safe to keep, and why, for a week."""

    __tablename__ = "refused_call_event"
    __table_args__ = (
        belongs_to("client", "client_id"),
        Index("ix_refused_call_event_created_at", "organisation_id", "created_at"),
        Index("ix_refused_call_event_event", "organisation_id", "source_id", "event_id"),
    )

    client_id: Mapped[UUID | None]
    source_id: Mapped[UUID | None]
    event_id: Mapped[str | None]
    payload: Mapped[dict[str, Any]]
    errors: Mapped[list[dict[str, Any]]]
    assumed: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'"))
    replayed_at: Mapped[datetime | None]
    call_event_id: Mapped[UUID | None]


class FlagKind(StrEnum):
    """How a person says that a call was hard."""

    angry_at_the_situation = "angry_at_the_situation"
    aimed_at_me = "aimed_at_me"
    threat_or_hate = "threat_or_hate"
    distressing = "distressing"


class CallFlag(Owned, Dated, Base):
    """A person's own word that a call was hard. Theirs alone."""

    __tablename__ = "call_flag"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("call_event", "call_event_id"),
        CheckConstraint("kind IS NULL OR kind IN ('" + "', '".join(FlagKind) + "')", name="kind"),
        Index("ix_call_flag_employee", "organisation_id", "employee_id", "occurred_at"),
        Index(
            "uq_call_flag_call",
            "organisation_id",
            "employee_id",
            "call_event_id",
            unique=True,
            postgresql_where=text("call_event_id IS NOT NULL AND taken_back_at IS NULL"),
        ),
    )

    employee_id: Mapped[UUID]
    call_event_id: Mapped[UUID | None]
    kind: Mapped[FlagKind | None] = mapped_column(Text)
    occurred_at: Mapped[datetime]
    taken_back_at: Mapped[datetime | None]
