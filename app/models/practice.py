"""Pillars of emotional resilience, and the practices that strengthen them."""

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned

ORIGINS = "origin IN ('ballast', 'organisation')"


class Pillar(Owned, Versioned, Base):
    """One of the five pillars of emotional resilience, or one that the organisation added."""

    __tablename__ = "pillar"
    __table_args__ = (UniqueConstraint("organisation_id", "key"), CheckConstraint(ORIGINS, name="origin"))

    key: Mapped[str]
    origin: Mapped[str] = mapped_column(default="organisation")
    hidden: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int] = mapped_column(default=100)
    name: Mapped[str]
    description: Mapped[str]
    source: Mapped[str | None]


class Practice(Owned, Versioned, Base):
    """A technique that strengthens one or more pillars, in our own words, with the text that it comes from."""

    __tablename__ = "practice"
    __table_args__ = (
        UniqueConstraint("organisation_id", "key"),
        CheckConstraint(ORIGINS, name="origin"),
        CheckConstraint("minutes BETWEEN 1 AND 480", name="minutes"),
        CheckConstraint("cardinality(pillars) > 0", name="pillars"),
        Index("ix_practice_pillars", "pillars", postgresql_using="gin"),
    )

    key: Mapped[str]
    origin: Mapped[str] = mapped_column(default="organisation")
    hidden: Mapped[bool] = mapped_column(default=False)
    name: Mapped[str]
    summary: Mapped[str]
    how_to: Mapped[str]
    minutes: Mapped[int]
    when_it_helps: Mapped[str]
    moment: Mapped[str] = mapped_column(default="any_time", server_default=text("'any_time'"))
    pillars: Mapped[list[str]]
    evidence: Mapped[str | None]
    caution: Mapped[str | None]
    source: Mapped[str | None]
