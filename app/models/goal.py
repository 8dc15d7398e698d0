"""Goals with their progress updates, and the templates that goals are made from."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, belongs_to, one_of


class GoalState(StrEnum):
    """How far a goal is; how it is going is its health."""

    draft = "draft"
    active = "active"
    achieved = "achieved"
    missed = "missed"
    abandoned = "abandoned"


class Health(StrEnum):
    """How an active goal is going, in its owner's own judgement, or that they have not said so for too long."""

    not_updated = "not_updated"
    on_track = "on_track"
    at_risk = "at_risk"
    off_track = "off_track"


class GoalKind(StrEnum):
    """What a goal is measured in."""

    counted = "count"
    percent = "percent"
    scale = "scale"
    duration = "duration"
    binary = "binary"


class Priority(StrEnum):
    """What comes first."""

    high = "high"
    medium = "medium"
    low = "low"


class UpdateState(StrEnum):
    """Whether a progress update still counts."""

    recorded = "recorded"
    withdrawn = "withdrawn"


class TemplateState(StrEnum):
    """Whether goals can still be made from a template."""

    active = "active"
    archived = "archived"


class Goal(Owned, Versioned, Base):
    """A SMART goal of one employee, within a plan or outside any. A private one is its owner's alone.

    ``health`` and ``update_due_at`` (when the agreed rhythm has passed) follow from the latest update that counts.
    """

    __tablename__ = "goal"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("development_plan", "plan_id"),
        belongs_to("goal", "parent_id"),
        belongs_to("goal_template", "template_id"),
        one_of("kind", GoalKind),
        one_of("priority", Priority),
        one_of("state", GoalState),
        one_of("health", Health),
        CheckConstraint("parent_id <> id", name="own_parent"),
        CheckConstraint("confidence BETWEEN 1 AND 5", name="confidence"),
        CheckConstraint("weight BETWEEN 1 AND 100", name="weight"),
        CheckConstraint("update_every_days BETWEEN 1 AND 366", name="update_every_days"),
        CheckConstraint("(state = 'active') = (health IS NOT NULL)", name="health_while_active"),
        Index("ix_goal_employee", "organisation_id", "employee_id"),
        Index("ix_goal_plan", "organisation_id", "plan_id"),
        Index("ix_goal_parent", "organisation_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("ix_goal_template", "organisation_id", "template_id", postgresql_where=text("template_id IS NOT NULL")),
        Index("ix_goal_pillars", "pillars", postgresql_using="gin"),
        Index(
            "ix_goal_update_due_at",
            "organisation_id",
            "update_due_at",
            postgresql_where=text("state = 'active' AND health <> 'not_updated'"),
        ),
    )

    employee_id: Mapped[UUID]
    plan_id: Mapped[UUID | None]
    parent_id: Mapped[UUID | None]
    template_id: Mapped[UUID | None]
    title: Mapped[str]
    description: Mapped[str | None]
    pillars: Mapped[list[str]]
    kind: Mapped[GoalKind | None] = mapped_column(Text)
    baseline: Mapped[float | None]
    target: Mapped[float | None]
    unit: Mapped[str | None]
    why_it_matters: Mapped[str | None]
    how_to_reach_it: Mapped[str | None]
    if_then: Mapped[str | None]
    confidence: Mapped[int | None]
    priority: Mapped[Priority] = mapped_column(Text, default=Priority.medium)
    weight: Mapped[int] = mapped_column(default=1)
    due_on: Mapped[date | None]
    update_every_days: Mapped[int | None]
    private: Mapped[bool] = mapped_column(default=False)
    state: Mapped[GoalState] = mapped_column(Text, default=GoalState.draft)
    health: Mapped[Health | None] = mapped_column(Text)
    update_due_at: Mapped[datetime | None]
    activated_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class ProgressUpdate(Owned, Versioned, Base):
    """What a goal's owner said of its progress at one moment. Never changed or deleted; a mistaken one is withdrawn."""

    __tablename__ = "progress_update"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "recorded_by_id"),
        belongs_to("goal", "goal_id"),
        one_of("health", Health),
        one_of("state", UpdateState),
        CheckConstraint("confidence BETWEEN 1 AND 5", name="confidence"),
        Index("ix_progress_update_goal", "organisation_id", "goal_id", "as_of", "id"),
    )

    employee_id: Mapped[UUID]
    goal_id: Mapped[UUID]
    recorded_by_id: Mapped[UUID]
    as_of: Mapped[datetime]
    value: Mapped[float | None]
    health: Mapped[Health] = mapped_column(Text)
    note: Mapped[str | None]
    confidence: Mapped[int | None]
    state: Mapped[UpdateState] = mapped_column(Text, default=UpdateState.recorded)
    withdrawn_at: Mapped[datetime | None]


class GoalTemplate(Owned, Versioned, Base):
    """What goals for many people are made from."""

    __tablename__ = "goal_template"
    __table_args__ = (
        one_of("kind", GoalKind),
        one_of("priority", Priority),
        one_of("state", TemplateState),
        CheckConstraint("cardinality(pillars) > 0", name="pillars"),
        CheckConstraint("due_in_days BETWEEN 1 AND 1830", name="due_in_days"),
        CheckConstraint("update_every_days BETWEEN 1 AND 366", name="update_every_days"),
        Index("ix_goal_template_pillars", "pillars", postgresql_using="gin"),
    )

    title: Mapped[str]
    description: Mapped[str | None]
    pillars: Mapped[list[str]]
    kind: Mapped[GoalKind | None] = mapped_column(Text)
    baseline: Mapped[float | None]
    target: Mapped[float | None]
    unit: Mapped[str | None]
    why_it_matters: Mapped[str | None]
    how_to_reach_it: Mapped[str | None]
    if_then: Mapped[str | None]
    priority: Mapped[Priority] = mapped_column(Text, default=Priority.medium)
    due_in_days: Mapped[int | None]
    update_every_days: Mapped[int | None]
    state: Mapped[TemplateState] = mapped_column(Text, default=TemplateState.active)
