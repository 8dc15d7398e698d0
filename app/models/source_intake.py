"""What a source's own address needs: the credentials that open it, and what came in through it, counted."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, belongs_to, one_of


class CredentialKind(StrEnum):
    """How a sender proves who it is. ``zendesk`` and ``twilio`` are what those platforms sign with."""

    bearer = "bearer"
    header = "header"
    basic = "basic"
    hmac = "hmac"
    zendesk = "zendesk"
    twilio = "twilio"


class SourceCredential(Owned, Dated, Base):
    """One secret that opens a source's address. Several are good side by side, so that they can be rotated.

    Of a secret that is only compared, the SHA-256 is kept; of one that signs, the secret itself, sealed.
    """

    __tablename__ = "source_credential"
    __table_args__ = (
        belongs_to("source", "source_id", ondelete="CASCADE"),
        one_of("kind", CredentialKind),
        CheckConstraint("(digest IS NULL) <> (sealed IS NULL)", name="one_secret"),
        CheckConstraint("digest IS NULL OR octet_length(digest) = 32", name="digest"),
        CheckConstraint("(kind IN ('bearer', 'header', 'basic')) = (digest IS NOT NULL)", name="kept_as"),
        Index("ix_source_credential_source", "organisation_id", "source_id"),
    )

    source_id: Mapped[UUID]
    kind: Mapped[CredentialKind] = mapped_column(Text)
    name: Mapped[str | None]
    # What is no secret of it: the header's name, the user name, how a signature is written.
    settings: Mapped[dict[str, Any]]
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    last_four: Mapped[str]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]  # to the hour


class SourceCount(Base):
    """How much came in from a source within five minutes, in several slots: senders side by side do not wait."""

    __tablename__ = "source_count"
    __table_args__ = (
        belongs_to("source", "source_id", ondelete="CASCADE"),
        Index("ix_source_count_began_at", "organisation_id", "began_at"),
    )

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    began_at: Mapped[datetime] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    accepted: Mapped[int]
    updated: Mapped[int]
    duplicates: Mapped[int]
    dropped: Mapped[int]
    refused: Mapped[int]
    coded: Mapped[int]
    unmapped: Mapped[int]
    last_received_at: Mapped[datetime]


class HealthState(StrEnum):
    """How a source is. New values may be added."""

    waiting = "waiting"
    healthy = "healthy"
    silent = "silent"
    unmapped = "unmapped"
    refusing = "refusing"
    inactive = "inactive"


class SourceHealth(Base):
    """What the worker saw of a source when it last looked. Not part of the source: its version does not move."""

    __tablename__ = "source_health"
    __table_args__ = (
        belongs_to("source", "source_id", ondelete="CASCADE"),
        one_of("state", HealthState),
    )

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[HealthState] = mapped_column(Text)
    since: Mapped[datetime]
    watched_since: Mapped[datetime]
    last_received_at: Mapped[datetime | None]
    last_mapped_at: Mapped[datetime | None]


COUNTED = ("accepted", "updated", "duplicates", "dropped", "refused", "coded", "unmapped")
