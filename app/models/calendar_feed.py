"""The secret addresses under which people subscribe to their coaching sessions."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, belongs_to, one_of


class FeedState(StrEnum):
    """Whether an address still answers."""

    active = "active"
    revoked = "revoked"


class CalendarFeed(Owned, Versioned, Base):
    """One address of one person's sessions as iCalendar. Only the SHA-256 of what is secret in it is kept."""

    __tablename__ = "calendar_feed"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        one_of("state", FeedState),
        UniqueConstraint("organisation_id", "digest"),
        CheckConstraint("octet_length(digest) = 32", name="digest"),
        CheckConstraint("(state = 'revoked') = (revoked_at IS NOT NULL)", name="revoked"),
        Index("ix_calendar_feed_employee", "organisation_id", "employee_id"),
    )

    employee_id: Mapped[UUID]
    name: Mapped[str]
    show_subject: Mapped[bool] = mapped_column(default=False)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    last_four: Mapped[str]
    state: Mapped[FeedState] = mapped_column(Text, default=FeedState.active)
    rotated_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
