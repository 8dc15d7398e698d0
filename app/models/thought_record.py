"""Thought records: a person's own, sealed as a whole under their key, and with whom they share one."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, Versioned, belongs_to


class Distortion(StrEnum):
    """A turn that thoughts take under strain. Naming it is optional, and no diagnosis."""

    all_or_nothing = "all_or_nothing"
    overgeneralising = "overgeneralising"
    mind_reading = "mind_reading"
    fortune_telling = "fortune_telling"
    magnifying_the_negative = "magnifying_the_negative"
    minimising_the_positive = "minimising_the_positive"
    catastrophising = "catastrophising"
    emotional_reasoning = "emotional_reasoning"
    should_statements = "should_statements"
    labelling = "labelling"
    self_blame = "self_blame"
    blaming_others = "blaming_others"


class ThoughtRecord(Owned, Versioned, Base):
    """One hard thought, looked at again. All that it says stands in ``content``, sealed; the rest is whose and when."""

    __tablename__ = "thought_record"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        Index("ix_thought_record_employee", "organisation_id", "employee_id", "id"),
    )

    employee_id: Mapped[UUID]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ThoughtShare(Owned, Dated, Base):
    """That its author lets one mentor or coach of theirs read one thought record. Revoking removes the row."""

    __tablename__ = "thought_share"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "shared_with_id"),
        belongs_to("thought_record", "record_id", ondelete="CASCADE"),
        UniqueConstraint("organisation_id", "record_id", "shared_with_id"),
        Index("ix_thought_share_shared_with", "organisation_id", "shared_with_id"),
    )

    employee_id: Mapped[UUID]
    record_id: Mapped[UUID]
    shared_with_id: Mapped[UUID]
