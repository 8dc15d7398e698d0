"""Reading what one has no right to, in an emergency: the request, its approvals, and the notice to the person."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, belongs_to, one_of

LONGEST_DELAY_SECONDS = 7 * 86_400


class BreakGlassState(StrEnum):
    """Where a request stands. One that is approved gives one reading."""

    pending = "pending"
    approved = "approved"
    denied = "denied"
    expired = "expired"
    used = "used"


class BreakGlassRequest(Owned, Versioned, Base):
    """That somebody asks to read whatever referral a person may have. It does not know whether there is one.

    ``reason`` and ``delay_reason`` are about that person, and sealed under their key.
    """

    __tablename__ = "break_glass_request"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "requested_by_id"),
        belongs_to("employee", "approved_by_id"),
        belongs_to("employee", "second_approved_by_id"),
        belongs_to("employee", "denied_by_id"),
        one_of("state", BreakGlassState),
        CheckConstraint("requested_by_id <> employee_id", name="own"),
        CheckConstraint("approved_by_id NOT IN (requested_by_id, employee_id)", name="approver"),
        CheckConstraint(
            "second_approved_by_id NOT IN (requested_by_id, employee_id, approved_by_id)", name="second_approver"
        ),
        CheckConstraint(f"delay_seconds BETWEEN 0 AND {LONGEST_DELAY_SECONDS}", name="delay"),
        CheckConstraint("(delay_seconds > 0) = (delay_reason IS NOT NULL)", name="delay_reason"),
        CheckConstraint(
            "state NOT IN ('approved', 'used') OR (approved_by_id IS NOT NULL"
            " AND (delay_seconds = 0 OR second_approved_by_id IS NOT NULL))",
            name="approved",
        ),
        Index("ix_break_glass_request_requested_by", "organisation_id", "requested_by_id"),
        Index(
            "ix_break_glass_request_expires_at",
            "organisation_id",
            "expires_at",
            postgresql_where=text("state IN ('pending', 'approved')"),
        ),
    )

    employee_id: Mapped[UUID]
    requested_by_id: Mapped[UUID]
    reason: Mapped[bytes] = mapped_column(LargeBinary)
    delay_seconds: Mapped[int] = mapped_column(default=0)
    delay_reason: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[BreakGlassState] = mapped_column(Text, default=BreakGlassState.pending)
    expires_at: Mapped[datetime]
    approved_by_id: Mapped[UUID | None]
    approved_at: Mapped[datetime | None]
    second_approved_by_id: Mapped[UUID | None]
    second_approved_at: Mapped[datetime | None]
    denied_by_id: Mapped[UUID | None]
    used_at: Mapped[datetime | None]


class AccessNotice(Owned, Versioned, Base):
    """That a person's referral was read in an emergency: theirs to see from ``told_at`` on, with its audit entries."""

    __tablename__ = "access_notice"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("break_glass_request", "request_id"),
        Index("ix_access_notice_employee", "organisation_id", "employee_id", "told_at"),
    )

    employee_id: Mapped[UUID]
    request_id: Mapped[UUID]
    entry_ids: Mapped[list[UUID]]
    told_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
