"""A development plan: what one employee wants to grow in, within one period."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, belongs_to, one_of


class PlanState(StrEnum):
    """How far a development plan is."""

    proposed = "proposed"
    draft = "draft"
    active = "active"
    in_review = "in_review"
    completed = "completed"
    abandoned = "abandoned"
    declined = "declined"
    archived = "archived"


class DevelopmentPlan(Owned, Versioned, Base):
    """The development plan of one employee for one period. It holds goals, and never moves with the private ones."""

    __tablename__ = "development_plan"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "proposed_by_id"),
        one_of("state", PlanState),
        CheckConstraint("ends_on > starts_on", name="period"),
        Index("ix_development_plan_employee", "organisation_id", "employee_id", "starts_on"),
        Index("ix_development_plan_starts_on", "organisation_id", "starts_on"),
    )

    employee_id: Mapped[UUID]
    proposed_by_id: Mapped[UUID | None]
    title: Mapped[str]
    purpose: Mapped[str | None]
    agreed_support: Mapped[str | None]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    next_review_on: Mapped[date | None]
    state: Mapped[PlanState] = mapped_column(Text)
