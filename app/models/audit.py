"""What is written beside a change: its audit entry, its outgoing event, their counter, and stored answers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, now


class AuditEntry(Owned, Base):
    """Who did what to which resource, or looked at it by which right, and when. Never its content. Insert only."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        UniqueConstraint("organisation_id", "number"),
        Index("ix_audit_entry_resource", "organisation_id", "resource", "resource_id"),
        Index("ix_audit_entry_since", "organisation_id", "resource", "number"),
        Index("ix_audit_entry_unnumbered", "organisation_id", "id", postgresql_where=text("number IS NULL")),
        Index(
            "ix_audit_entry_looked_at",
            "organisation_id",
            "subject_id",
            "id",
            postgresql_where=text("access_right IS NOT NULL"),
        ),
    )

    number: Mapped[int | None] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime] = mapped_column(default=now)
    action: Mapped[str]
    resource: Mapped[str]
    resource_id: Mapped[UUID]
    subject_id: Mapped[UUID | None]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    request_id: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    reason: Mapped[bytes | None] = mapped_column(LargeBinary)  # why, in a person's words, sealed: see reasons.py
    access_right: Mapped[str | None]  # of a read: the relation that let the reader see it. Null for a change.


class OutgoingEvent(Owned, Base):
    """One thing that other systems may learn of. Shown by any feed only once the worker has numbered it."""

    __tablename__ = "outgoing_event"
    __table_args__ = (
        UniqueConstraint("organisation_id", "number"),
        Index("ix_outgoing_event_unnumbered", "organisation_id", "id", postgresql_where=text("number IS NULL")),
        Index(
            "ix_outgoing_event_type", "organisation_id", "type", "number", postgresql_where=text("number IS NOT NULL")
        ),
    )

    number: Mapped[int | None] = mapped_column(BigInteger)
    occurred_at: Mapped[datetime] = mapped_column(default=now)
    type: Mapped[str]
    resource: Mapped[str]
    resource_id: Mapped[UUID]
    data: Mapped[dict[str, Any]]


class FeedCounter(Base):
    """The last number given to a committed entry of one feed of one organisation."""

    __tablename__ = "feed_counter"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    feed: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger, default=0)


class IdempotentAnswer(Dated, Base):
    """The stored answer to a POST that carried an Idempotency-Key: sealed, without secrets, for 24 hours."""

    __tablename__ = "idempotent_answer"
    __table_args__ = (Index("ix_idempotent_answer_created_at", "organisation_id", "created_at"),)

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes] = mapped_column(LargeBinary)
