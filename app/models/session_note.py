"""Notes of coaching sessions: each reader's copy is sealed under that reader's own key."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, Versioned, belongs_to, one_of


class Visibility(StrEnum):
    """Who can read a note."""

    private_to_author = "private_to_author"
    shared_with_attendees = "shared_with_attendees"


class NoteState(StrEnum):
    """Whether a note still says something."""

    written = "written"
    withdrawn = "withdrawn"


class SessionNote(Owned, Versioned, Base):
    """A note of one who took part in a session. Its text stands in its copies alone; a withdrawn one has none."""

    __tablename__ = "session_note"
    __table_args__ = (
        belongs_to("coaching_session", "session_id"),
        belongs_to("employee", "author_id"),
        one_of("visibility", Visibility),
        one_of("state", NoteState),
        CheckConstraint("(state = 'withdrawn') = (withdrawn_at IS NOT NULL)", name="withdrawn"),
        Index("ix_session_note_session", "organisation_id", "session_id"),
        Index("ix_session_note_author", "organisation_id", "author_id"),
    )

    session_id: Mapped[UUID]
    author_id: Mapped[UUID]
    visibility: Mapped[Visibility] = mapped_column(Text)
    state: Mapped[NoteState] = mapped_column(Text, default=NoteState.written)
    withdrawn_at: Mapped[datetime | None]


class SessionNoteCopy(Owned, Dated, Base):
    """The text of a note for one reader: destroying another's key leaves it readable."""

    __tablename__ = "session_note_copy"
    __table_args__ = (
        belongs_to("session_note", "note_id"),
        belongs_to("employee", "employee_id"),
        UniqueConstraint("organisation_id", "note_id", "employee_id"),
        Index("ix_session_note_copy_employee", "organisation_id", "employee_id"),
    )

    note_id: Mapped[UUID]
    employee_id: Mapped[UUID]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
