"""An organisation (the tenant), and the small directory that sign-in and the worker read without being one."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Versioned, new_id, now, one_of

PURPOSE = (
    "Ballast counts hard calls so that people are offered a break, a debrief or a word with a mentor in time. "
    "Everyone sees all that is kept about them first. It is never used for appraisal or discipline."
)


class OrganisationState(StrEnum):
    """Whether anyone can sign in."""

    active = "active"
    closed = "closed"


class Organisation(Versioned, Base):
    """A tenant and its settings. Everything else belongs to exactly one."""

    __tablename__ = "organisation"
    __table_args__ = (CheckConstraint("minimum_group_size >= 5", name="minimum_group_size"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str]
    name: Mapped[str]
    time_zone: Mapped[str] = mapped_column(default="UTC")
    monitoring_purpose: Mapped[str] = mapped_column(default=PURPOSE)
    minimum_group_size: Mapped[int] = mapped_column(default=5)
    team_prompt_signals: Mapped[int] = mapped_column(default=3)
    team_prompt_days: Mapped[int] = mapped_column(default=14)
    public_eap_directory: Mapped[bool] = mapped_column(default=True, server_default=text("true"))


class DirectoryEntry(Base):
    """One line about an organisation, readable before the tenant is known: nothing personal, no row-level security."""

    __tablename__ = "organisation_directory"
    __table_args__ = (
        one_of("state", OrganisationState),
        Index("ix_organisation_directory_due_at", "due_at", postgresql_where=text("state = 'active'")),
        Index("ix_organisation_directory_deliver_at", "deliver_at", postgresql_where=text("state = 'active'")),
    )

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    state: Mapped[OrganisationState] = mapped_column(Text, default=OrganisationState.active)
    due_at: Mapped[datetime] = mapped_column(default=now, server_default=text("now()"))
    deliver_at: Mapped[datetime | None]  # when a webhook is to be delivered next. Null: none is pending
