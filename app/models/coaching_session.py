"""Coaching sessions with their attendees, links and series, and the times that they take up of whom."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, Versioned, belongs_to, one_of

# The longest that a session lasts. The search for overlaps relies on it: it looks no further back.
LONGEST = timedelta(hours=12)


class SessionKind(StrEnum):
    """What kind of conversation a session is."""

    one_to_one = "one_to_one"
    group = "group"
    debrief = "debrief"
    coach_the_coach = "coach_the_coach"
    peer = "peer"


class SessionState(StrEnum):
    """How far a session is."""

    requested = "requested"
    scheduled = "scheduled"
    declined = "declined"
    in_progress = "in_progress"
    completed = "completed"
    acknowledged = "acknowledged"
    cancelled = "cancelled"
    no_show = "no_show"


class Answer(StrEnum):
    """What an attendee says to an invitation, in the words of iCalendar's PARTSTAT."""

    needs_action = "needs_action"
    accepted = "accepted"
    declined = "declined"
    tentative = "tentative"


class SeriesState(StrEnum):
    """Whether a series still goes on."""

    active = "active"
    ended = "ended"


class SessionSeries(Owned, Versioned, Base):
    """Sessions that recur by one rule (RFC 5545). Each occurrence is a session of its own.

    ``starts_at`` is when the first begins (DTSTART), told in ``time_zone``; ``until_at`` is when the last begins.
    """

    __tablename__ = "session_series"
    __table_args__ = (
        belongs_to("employee", "coach_id"),
        belongs_to("employee", "requested_by_id"),
        one_of("kind", SessionKind),
        one_of("state", SeriesState),
        CheckConstraint("duration_seconds BETWEEN 300 AND 43200", name="duration"),
        Index("ix_session_series_coach", "organisation_id", "coach_id"),
        Index("ix_session_series_requested_by", "organisation_id", "requested_by_id"),
    )

    kind: Mapped[SessionKind] = mapped_column(Text)
    subject: Mapped[str]
    coach_id: Mapped[UUID]
    requested_by_id: Mapped[UUID | None]
    rrule: Mapped[str]
    starts_at: Mapped[datetime]
    time_zone: Mapped[str]
    duration_seconds: Mapped[int]
    until_at: Mapped[datetime]
    state: Mapped[SeriesState] = mapped_column(Text, default=SeriesState.active)


class CoachingSession(Owned, Versioned, Base):
    """A planned conversation of a coach with one or several attendees; while it is asked for, perhaps without a time.

    ``sequence`` counts the changes of time and place (iCalendar's SEQUENCE), ``occurrence_at`` is the start that a
    series gave it (RECURRENCE-ID), however far it was moved since.
    """

    __tablename__ = "coaching_session"
    __table_args__ = (
        belongs_to("employee", "coach_id"),
        belongs_to("employee", "requested_by_id"),
        belongs_to("session_series", "series_id"),
        belongs_to("support_prompt", "prompt_id"),
        belongs_to("strain_signal", "signal_id"),
        one_of("kind", SessionKind),
        one_of("state", SessionState),
        CheckConstraint("(starts_at IS NULL) = (ends_at IS NULL)", name="both_times"),
        CheckConstraint("ends_at > starts_at AND ends_at - starts_at <= interval '12 hours'", name="length"),
        CheckConstraint(
            "state IN ('requested', 'declined', 'cancelled') OR (starts_at IS NOT NULL AND coach_id IS NOT NULL)",
            name="settled",
        ),
        CheckConstraint("(series_id IS NULL) = (occurrence_at IS NULL)", name="occurrence"),
        UniqueConstraint("organisation_id", "series_id", "occurrence_at"),
        Index("ix_coaching_session_sorts_at", "organisation_id", "sorts_at", "id"),
        Index("ix_coaching_session_coach", "organisation_id", "coach_id", "starts_at"),
        Index("ix_coaching_session_requested_by", "organisation_id", "requested_by_id"),
        Index("ix_coaching_session_pillars", "pillars", postgresql_using="gin"),
        Index(
            "uq_coaching_session_prompt",
            "organisation_id",
            "prompt_id",
            unique=True,
            postgresql_where=text("prompt_id IS NOT NULL AND state NOT IN ('declined', 'cancelled', 'no_show')"),
        ),
    )

    kind: Mapped[SessionKind] = mapped_column(Text)
    subject: Mapped[str]
    agenda: Mapped[str | None]
    pillars: Mapped[list[str]] = mapped_column(default=list)
    coach_id: Mapped[UUID | None]
    requested_by_id: Mapped[UUID | None]
    state: Mapped[SessionState] = mapped_column(Text)
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    time_zone: Mapped[str]
    location: Mapped[str | None]
    meeting_url: Mapped[str | None]
    sequence: Mapped[int] = mapped_column(default=0)
    series_id: Mapped[UUID | None]
    occurrence_at: Mapped[datetime | None]
    prompt_id: Mapped[UUID | None]
    signal_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    scheduled_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    sorts_at: Mapped[datetime] = mapped_column(Computed("coalesce(starts_at, created_at)", persisted=True))


class SessionAttendee(Owned, Versioned, Base):
    """One person who is invited to a session, beside its coach. One who was taken off stays, with ``removed_at``."""

    __tablename__ = "session_attendee"
    __table_args__ = (
        belongs_to("coaching_session", "session_id"),
        belongs_to("employee", "employee_id"),
        one_of("answer", Answer),
        UniqueConstraint("organisation_id", "session_id", "employee_id"),
        Index("ix_session_attendee_employee", "organisation_id", "employee_id"),
    )

    session_id: Mapped[UUID]
    employee_id: Mapped[UUID]
    answer: Mapped[Answer] = mapped_column(Text, default=Answer.needs_action)
    answer_note: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    attended: Mapped[bool | None]
    acknowledged_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class SessionLink(Owned, Dated, Base):
    """A goal or a call event that a session is to speak of. ``employee_id`` is whose it is.

    It shares nothing: who may not see the goal or the call sees no link to it.
    """

    __tablename__ = "session_link"
    __table_args__ = (
        belongs_to("coaching_session", "session_id"),
        belongs_to("employee", "employee_id"),
        belongs_to("goal", "goal_id", ondelete="CASCADE"),
        belongs_to("call_event", "call_event_id", ondelete="CASCADE"),
        CheckConstraint("(goal_id IS NULL) <> (call_event_id IS NULL)", name="one_target"),
        Index(
            "uq_session_link_goal",
            "organisation_id",
            "session_id",
            "goal_id",
            unique=True,
            postgresql_where=text("goal_id IS NOT NULL"),
        ),
        Index(
            "uq_session_link_call_event",
            "organisation_id",
            "session_id",
            "call_event_id",
            unique=True,
            postgresql_where=text("call_event_id IS NOT NULL"),
        ),
        Index("ix_session_link_goal", "organisation_id", "goal_id"),
        Index("ix_session_link_call_event", "organisation_id", "call_event_id"),
    )

    session_id: Mapped[UUID]
    employee_id: Mapped[UUID]
    goal_id: Mapped[UUID | None]
    call_event_id: Mapped[UUID | None]


class SessionBooking(Base):
    """That a session takes up a person's time: of the coach, and of each attendee who has not declined.

    Follows from the session while it is scheduled or under way, and is written with it. That two never begin at once
    for one person the key says; that they never overlap is held by a lock on the person.
    """

    __tablename__ = "session_booking"
    __table_args__ = (
        belongs_to("coaching_session", "session_id"),
        belongs_to("employee", "employee_id"),
        CheckConstraint("ends_at > starts_at", name="length"),
        UniqueConstraint("organisation_id", "session_id", "employee_id"),
    )

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    employee_id: Mapped[UUID] = mapped_column(primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime]
    session_id: Mapped[UUID]
