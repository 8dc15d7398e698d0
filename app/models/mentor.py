"""Mentors: who can be one, a mentor and a mentee through the life of their pair, and when the two met."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, belongs_to, one_of


class AssignmentState(StrEnum):
    """How far a pair is; whether it meets as agreed is its health."""

    proposed = "proposed"
    active = "active"
    paused = "paused"
    declined = "declined"
    expired = "expired"
    completed = "completed"
    ended_early = "ended_early"


# In these a pair is open: there is one open assignment of a pair. The last two take a place with the mentor.
OPEN = (AssignmentState.proposed, AssignmentState.active, AssignmentState.paused)
TAKING_A_PLACE = (AssignmentState.active, AssignmentState.paused)


class AssignmentKind(StrEnum):
    """Whether a pair meets over a time, or once for one question."""

    ongoing = "ongoing"
    one_off = "one_off"


class PairHealth(StrEnum):
    """That an active pair has not met within its agreed days, or not within one and a half times these."""

    amber = "amber"
    red = "red"


class PausedBecause(StrEnum):
    """Whether somebody asked for a pause, or one of the two is no longer active."""

    asked = "asked"
    person_inactive = "person_inactive"


class MeetingState(StrEnum):
    """Whether a meeting still counts."""

    recorded = "recorded"
    withdrawn = "withdrawn"


class MentorProfile(Owned, Versioned, Base):
    """That a person can be a mentor: on which pillars, for how many. No ``hours`` means those of their work pattern."""

    __tablename__ = "mentor_profile"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        UniqueConstraint("organisation_id", "employee_id"),
        CheckConstraint("cardinality(pillars) > 0", name="pillars"),
        CheckConstraint("capacity BETWEEN 0 AND 50", name="capacity"),
    )

    employee_id: Mapped[UUID]
    pillars: Mapped[list[str]]
    capacity: Mapped[int]
    languages: Mapped[list[str]]
    time_zone: Mapped[str | None]
    hours: Mapped[list[dict[str, Any]] | None]
    accepting: Mapped[bool] = mapped_column(default=True)
    about: Mapped[str | None]
    # The names of the fields that nobody chose: they are shown with the basis of their starting value.
    starting_values: Mapped[list[str]]


class MentorAssignment(Owned, Versioned, Base):
    """One mentor and one mentee through the life of their pair. Closed is closed: the two can meet again in a new one.

    The agreed days count from the latest of ``activated_at``, ``starts_on``, ``resumed_at`` and ``last_met_at``.
    ``due_at`` is when the worker next changes the row: a proposal runs out, a flag is due, an absence was too long.
    """

    __tablename__ = "mentor_assignment"
    __table_args__ = (
        belongs_to("employee", "mentor_id"),
        belongs_to("employee", "mentee_id"),
        belongs_to("employee", "requested_by_id"),
        one_of("state", AssignmentState),
        one_of("kind", AssignmentKind),
        one_of("health", PairHealth),
        one_of("paused_because", PausedBecause),
        CheckConstraint("mentor_id <> mentee_id", name="own_mentor"),
        CheckConstraint("cardinality(focus_pillars) > 0", name="focus_pillars"),
        CheckConstraint("agreed_cadence_days BETWEEN 1 AND 366", name="agreed_cadence_days"),
        CheckConstraint("later_cadence_days BETWEEN 1 AND 366", name="later_cadence_days"),
        CheckConstraint("planned_sessions BETWEEN 1 AND 100", name="planned_sessions"),
        CheckConstraint("ends_on >= starts_on", name="period"),
        CheckConstraint("health IS NULL OR state = 'active'", name="health_while_active"),
        CheckConstraint("(state = 'paused') = (paused_because IS NOT NULL)", name="why_paused"),
        Index(
            "uq_mentor_assignment_open_pair",
            "organisation_id",
            "mentor_id",
            "mentee_id",
            unique=True,
            postgresql_where=text("state IN ('proposed', 'active', 'paused')"),
        ),
        Index("ix_mentor_assignment_mentor", "organisation_id", "mentor_id"),
        Index("ix_mentor_assignment_mentee", "organisation_id", "mentee_id"),
        Index("ix_mentor_assignment_due_at", "organisation_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    mentor_id: Mapped[UUID]
    mentee_id: Mapped[UUID]
    requested_by_id: Mapped[UUID]
    kind: Mapped[AssignmentKind] = mapped_column(Text)
    focus_pillars: Mapped[list[str]]
    state: Mapped[AssignmentState] = mapped_column(Text, default=AssignmentState.proposed)
    rationale: Mapped[str | None]
    # Why the two were thought to fit, as readable lines, when it was proposed from a suggestion or a match.
    reasons: Mapped[list[str]] = mapped_column(default=list)
    agreed_cadence_days: Mapped[int]
    later_cadence_days: Mapped[int | None]
    planned_sessions: Mapped[int]
    # The names of the fields that nobody chose: they are shown with the basis of their starting value.
    starting_values: Mapped[list[str]]
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    mentee_agreed_at: Mapped[datetime | None]
    mentor_agreed_at: Mapped[datetime | None]
    answer_due_at: Mapped[datetime | None]
    activated_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
    paused_because: Mapped[PausedBecause | None] = mapped_column(Text)
    # When a pair is ended if the one who left has not come back by then.
    away_until: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None]
    last_met_at: Mapped[datetime | None]
    meetings_held: Mapped[int] = mapped_column(default=0)
    next_planned_at: Mapped[datetime | None]
    meeting_due_at: Mapped[datetime | None]
    health: Mapped[PairHealth | None] = mapped_column(Text)
    flagged_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]


class MentorMeeting(Owned, Versioned, Base):
    """That a pair met: when and for how long, never about what. Never changed; a mistaken one is withdrawn."""

    __tablename__ = "mentor_meeting"
    __table_args__ = (
        belongs_to("mentor_assignment", "assignment_id"),
        belongs_to("employee", "mentor_id"),
        belongs_to("employee", "mentee_id"),
        belongs_to("employee", "noted_by_id"),
        one_of("state", MeetingState),
        CheckConstraint("duration_seconds BETWEEN 60 AND 86400", name="duration_seconds"),
        Index("ix_mentor_meeting_assignment", "organisation_id", "assignment_id", "met_at", "id"),
    )

    assignment_id: Mapped[UUID]
    mentor_id: Mapped[UUID]
    mentee_id: Mapped[UUID]
    noted_by_id: Mapped[UUID]
    met_at: Mapped[datetime]
    duration_seconds: Mapped[int | None]
    next_planned_at: Mapped[datetime | None]
    state: Mapped[MeetingState] = mapped_column(Text, default=MeetingState.recorded)
    withdrawn_at: Mapped[datetime | None]
