"""A matching of many mentees with mentors at once: what was asked for, and what came of it. It proposes, no more."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, Versioned, belongs_to
from app.models.job import Job, job_rules


class MentorMatch(Owned, Versioned, Job, Base):
    """A matching, as a job. ``mentee_ids`` is there until it has succeeded; then each is in a pair or unmatched.

    ``team_id`` and ``service_area_id`` say what was asked for. They are no references: a team can go, this stays.
    """

    __tablename__ = "mentor_match"
    __table_args__ = (
        belongs_to("employee", "requested_by_id"),
        CheckConstraint("first IN ('total_fit', 'most_mentees')", name="first"),
        CheckConstraint("least_score >= 0", name="least_score"),
        Index("ix_mentor_match_created_at", "organisation_id", "created_at"),
        *job_rules("mentor_match"),
    )

    requested_by_id: Mapped[UUID]
    team_id: Mapped[UUID | None]
    service_area_id: Mapped[UUID | None]
    mentee_ids: Mapped[list[UUID] | None]
    pillar: Mapped[str | None]
    first: Mapped[str]
    require_shared_language: Mapped[bool]
    require_shared_pillar: Mapped[bool]
    least_score: Mapped[int]
    weights: Mapped[dict[str, Any]]
    mentee_count: Mapped[int]
    mentor_count: Mapped[int | None]
    pair_count: Mapped[int | None]
    unmatched_count: Mapped[int | None]
    total_fit: Mapped[int | None]
    confirmed_count: Mapped[int] = mapped_column(default=0)


class MentorMatchPair(Owned, Dated, Base):
    """A mentor who is proposed for a mentee. ``assignment_id`` is what was made of it when it was confirmed."""

    __tablename__ = "mentor_match_pair"
    __table_args__ = (
        belongs_to("mentor_match", "match_id", ondelete="CASCADE"),
        belongs_to("employee", "mentee_id"),
        belongs_to("employee", "mentor_id"),
        belongs_to("mentor_assignment", "assignment_id"),
        UniqueConstraint("organisation_id", "match_id", "mentee_id"),
        CheckConstraint("mentor_id <> mentee_id", name="own_mentor"),
    )

    match_id: Mapped[UUID]
    mentee_id: Mapped[UUID]
    mentor_id: Mapped[UUID]
    score: Mapped[int]
    reasons: Mapped[list[dict[str, Any]]]
    focus_pillars: Mapped[list[str]]
    assignment_id: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None]


class MentorMatchUnmatched(Owned, Dated, Base):
    """A mentee for whom no mentor is proposed, and why. ``obstacles`` counts what stood between them and mentors."""

    __tablename__ = "mentor_match_unmatched"
    __table_args__ = (
        belongs_to("mentor_match", "match_id", ondelete="CASCADE"),
        belongs_to("employee", "mentee_id"),
        UniqueConstraint("organisation_id", "match_id", "mentee_id"),
    )

    match_id: Mapped[UUID]
    mentee_id: Mapped[UUID]
    code: Mapped[str]
    detail: Mapped[str]
    obstacles: Mapped[dict[str, Any]]
