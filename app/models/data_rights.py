"""What stands behind people's rights over their data: exports, the ledger of erasures, and how long what is kept."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, belongs_to, now
from app.models.job import Job, job_rules


class DataExport(Owned, Versioned, Job, Base):
    """All that is held about one person, as a job. ``content`` is sealed under their key: theirs alone to read."""

    __tablename__ = "data_export"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "requested_by_id"),
        CheckConstraint("(state = 'succeeded') = (content IS NOT NULL)", name="content"),
        Index("ix_data_export_employee", "organisation_id", "employee_id"),
        *job_rules("data_export"),
    )

    employee_id: Mapped[UUID]
    requested_by_id: Mapped[UUID]
    record_count: Mapped[int | None]
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime]


class Erasure(Owned, Base):
    """One line of the ledger of erasures: it outlives a restore, so that an erased person does not return.

    It refers to no other table: a backup may be older than the person. ``filed_at`` is when it was written down outside
    of the database.
    """

    __tablename__ = "erasure"
    __table_args__ = (
        UniqueConstraint("organisation_id", "employee_id"),
        Index("ix_erasure_unfiled", "organisation_id", postgresql_where=text("filed_at IS NULL")),
    )

    employee_id: Mapped[UUID]
    pseudonym: Mapped[str]
    erased_by_id: Mapped[UUID | None]
    erased_at: Mapped[datetime] = mapped_column(default=now)
    counts: Mapped[dict[str, Any]]
    filed_at: Mapped[datetime | None]


class RetentionRule(Owned, Versioned, Base):
    """How long one class of data is kept, in days. Null: until it is erased. See ``app/personal_data_classes.py``."""

    __tablename__ = "retention_rule"
    __table_args__ = (
        UniqueConstraint("organisation_id", "data_class"),
        CheckConstraint("keep_days BETWEEN 1 AND 36500", name="keep_days"),
    )

    data_class: Mapped[str]
    keep_days: Mapped[int | None]
    # The organisation's own ground for its value. Null while the starting value holds.
    basis: Mapped[str | None]
    last_run_at: Mapped[datetime | None]
    last_run_records: Mapped[int | None]
