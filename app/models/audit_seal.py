"""The seals of the audit trail, and where their heads were written down."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, now


class AuditSeal(Base):
    """One sealed batch of audit entries: a digest of each, and a signed head that rests on the seal before.

    Insert only. ``digests`` holds 32 bytes for each entry, in the order of their numbers.
    """

    __tablename__ = "audit_seal"
    __table_args__ = (
        UniqueConstraint("organisation_id", "first_number"),
        CheckConstraint("first_number <= last_number", name="span"),
        CheckConstraint("octet_length(digests) = 32 * (last_number - first_number + 1)", name="digests"),
        CheckConstraint("octet_length(head) = 32", name="head"),
    )

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    first_number: Mapped[int] = mapped_column(BigInteger)
    last_number: Mapped[int] = mapped_column(BigInteger)
    digests: Mapped[bytes] = mapped_column(LargeBinary)
    head: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime] = mapped_column(default=now)


class AuditAnchor(Base):
    """That the head of a seal was written down outside of the database, and where. Insert only."""

    __tablename__ = "audit_anchor"

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    seal_number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    place: Mapped[str] = mapped_column(primary_key=True)
    anchored_at: Mapped[datetime] = mapped_column(default=now)
