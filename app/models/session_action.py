"""What was agreed in a coaching session, to be done by one who takes part."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, belongs_to, one_of


class ActionState(StrEnum):
    """What became of something that was agreed."""

    open = "open"
    done = "done"
    dropped = "dropped"


class SessionAction(Owned, Versioned, Base):
    """Something that was agreed in a session. ``employee_id`` is who does it; they can make a goal of it."""

    __tablename__ = "session_action"
    __table_args__ = (
        belongs_to("coaching_session", "session_id"),
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "agreed_by_id"),
        belongs_to("employee", "done_by_id"),
        belongs_to("goal", "goal_id"),
        one_of("state", ActionState),
        CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name="done_at"),
        CheckConstraint("(done_at IS NULL) = (done_by_id IS NULL)", name="done_by"),
        Index("ix_session_action_session", "organisation_id", "session_id"),
        Index("ix_session_action_employee", "organisation_id", "employee_id"),
        Index("ix_session_action_goal", "organisation_id", "goal_id", postgresql_where=text("goal_id IS NOT NULL")),
    )

    session_id: Mapped[UUID]
    employee_id: Mapped[UUID]
    agreed_by_id: Mapped[UUID]
    words: Mapped[str]
    due_on: Mapped[date | None]
    state: Mapped[ActionState] = mapped_column(Text, default=ActionState.open)
    done_at: Mapped[datetime | None]
    done_by_id: Mapped[UUID | None]
    goal_id: Mapped[UUID | None]
