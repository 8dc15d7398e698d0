"""Reviews of a development plan, and the actions that come out of them."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, belongs_to, one_of


class ReviewKind(StrEnum):
    """What kind of conversation a review belongs to."""

    one_to_one = "one_to_one"
    appraisal = "appraisal"


class ShownWhen(StrEnum):
    """When one side sees the other's part."""

    each_shared = "each_shared"
    both_shared = "both_shared"


class ReviewState(StrEnum):
    """Whether a review can still be written."""

    open = "open"
    completed = "completed"


class Review(Owned, Versioned, Base):
    """A one-to-one or an appraisal: what the plan's owner says, and what their reviewer says. Fed by nothing else."""

    __tablename__ = "review"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "reviewer_id"),
        belongs_to("development_plan", "plan_id"),
        one_of("kind", ReviewKind),
        one_of("shown_when", ShownWhen),
        one_of("state", ReviewState),
        CheckConstraint("reviewer_id <> employee_id", name="own_reviewer"),
        Index("ix_review_plan", "organisation_id", "plan_id"),
        Index("ix_review_employee", "organisation_id", "employee_id"),
        Index(
            "ix_review_plain",
            "organisation_id",
            "id",
            postgresql_where=text("self_part IS NOT NULL OR reviewer_part IS NOT NULL"),
        ),
    )

    employee_id: Mapped[UUID]
    plan_id: Mapped[UUID]
    reviewer_id: Mapped[UUID]
    kind: Mapped[ReviewKind] = mapped_column(Text)
    held_on: Mapped[date | None]
    shown_when: Mapped[ShownWhen] = mapped_column(Text)
    # What was said before people had keys stands in the parts, until the worker has sealed it.
    self_part: Mapped[str | None]
    self_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    self_shared_at: Mapped[datetime | None]
    reviewer_part: Mapped[str | None]
    reviewer_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    reviewer_shared_at: Mapped[datetime | None]
    state: Mapped[ReviewState] = mapped_column(Text, default=ReviewState.open)
    completed_at: Mapped[datetime | None]


class ReviewAction(Owned, Versioned, Base):
    """Something that was agreed in a review. Its owner can make a goal of it."""

    __tablename__ = "review_action"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("review", "review_id"),
        belongs_to("goal", "goal_id"),
        Index("ix_review_action_review", "organisation_id", "review_id"),
    )

    employee_id: Mapped[UUID]
    review_id: Mapped[UUID]
    words: Mapped[str]
    due_on: Mapped[date | None]
    goal_id: Mapped[UUID | None]
