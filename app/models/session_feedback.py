"""What those who were coached say of a session."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, belongs_to, one_of
from app.models.coaching_session import SessionKind


class SessionFeedback(Owned, Versioned, Base):
    """One attendee's mark and words on one session, for its coach.

    ``coach_id`` and ``kind`` are those of the session when the feedback was given: later changes move it nowhere.
    """

    __tablename__ = "session_feedback"
    __table_args__ = (
        belongs_to("coaching_session", "session_id"),
        belongs_to("employee", "employee_id"),
        belongs_to("employee", "coach_id"),
        one_of("kind", SessionKind),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        UniqueConstraint("organisation_id", "session_id", "employee_id"),
        Index("ix_session_feedback_employee", "organisation_id", "employee_id"),
        Index("ix_session_feedback_coach", "organisation_id", "coach_id"),
        Index("ix_session_feedback_created_at", "organisation_id", "created_at"),
    )

    session_id: Mapped[UUID]
    employee_id: Mapped[UUID]
    coach_id: Mapped[UUID]
    kind: Mapped[SessionKind] = mapped_column(Text)
    rating: Mapped[int]
    words: Mapped[bytes | None] = mapped_column(LargeBinary)
