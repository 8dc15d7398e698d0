"""Strain rules, the signals that they raise, and the prompts that offer support."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Owned, Versioned, belongs_to, now, one_of


class PromptKind(StrEnum):
    """What is offered."""

    take_break = "break"
    debrief = "debrief"
    mentor = "mentor"
    practice = "practice"
    team_review = "team_review"


class Basis(StrEnum):
    """What kind of ground a rule's values stand on."""

    judgement = "judgement"
    evidence = "evidence"
    guidance = "guidance"


class SignalState(StrEnum):
    """Whether a signal still follows from what happened."""

    raised = "raised"
    superseded = "superseded"


class PromptState(StrEnum):
    """What became of an offer."""

    offered = "offered"
    accepted = "accepted"
    done = "done"
    declined = "declined"
    expired = "expired"
    superseded = "superseded"


class StrainRule(Owned, Versioned, Base):
    """When exposure is too much, and what is offered then. Every default is a labelled starting point.

    A deleted rule is retired: gone from every answer, and still the ground of the signals that it raised.
    """

    __tablename__ = "strain_rule"
    __table_args__ = (
        UniqueConstraint("organisation_id", "name_key"),
        one_of("prompt_kind", PromptKind),
        one_of("basis_label", Basis),
        CheckConstraint("hard_severity BETWEEN 1 AND 10", name="hard_severity"),
        CheckConstraint("cooldown_seconds >= 0", name="cooldown"),
        CheckConstraint("prompt_expires_seconds > 0", name="prompt_expiry"),
    )

    key: Mapped[str | None]
    name: Mapped[str]
    name_key: Mapped[str]
    description: Mapped[str]
    basis: Mapped[str]
    basis_label: Mapped[Basis] = mapped_column(Text, default=Basis.judgement, server_default=text("'judgement'"))
    enabled: Mapped[bool] = mapped_column(default=True)
    condition: Mapped[dict[str, Any]]
    severity: Mapped[dict[str, Any]]
    hard_severity: Mapped[int]
    cooldown_seconds: Mapped[int]
    service_area_ids: Mapped[list[UUID]] = mapped_column(default=list)
    prompt_kind: Mapped[PromptKind] = mapped_column(Text)
    prompt_minutes: Mapped[int | None]
    prompt_expires_seconds: Mapped[int]
    prompt_pillar: Mapped[str | None]
    retired_at: Mapped[datetime | None]


class StrainSignal(Owned, Versioned, Base):
    """That exposure was too much: the rule as it was, the window, the count and the events behind it."""

    __tablename__ = "strain_signal"
    __table_args__ = (
        belongs_to("strain_rule", "rule_id"),
        belongs_to("employee", "employee_id"),
        one_of("state", SignalState),
        Index(
            "uq_strain_signal_live",
            "organisation_id",
            "employee_id",
            "triggered_at",
            "rule_id",
            unique=True,
            postgresql_where=text("state = 'raised'"),
        ),
        Index("ix_strain_signal_triggered_at", "organisation_id", "triggered_at"),
    )

    rule_id: Mapped[UUID]
    rule_version: Mapped[int]
    rule: Mapped[dict[str, Any]]
    employee_id: Mapped[UUID]
    triggered_at: Mapped[datetime]
    window_from: Mapped[datetime]
    window_to: Mapped[datetime]
    measure: Mapped[float]
    threshold: Mapped[float]
    explanation: Mapped[str]
    call_event_ids: Mapped[list[UUID]]
    call_flag_ids: Mapped[list[UUID]]
    private: Mapped[bool]
    state: Mapped[SignalState] = mapped_column(Text, default=SignalState.raised)
    superseded_at: Mapped[datetime | None]


class SupportPrompt(Owned, Versioned, Base):
    """What was offered to a person (or, about a team, to the programme lead), and what the answer was."""

    __tablename__ = "support_prompt"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("team", "team_id"),
        belongs_to("strain_signal", "signal_id"),
        belongs_to("practice", "practice_id"),
        one_of("kind", PromptKind),
        one_of("state", PromptState),
        CheckConstraint("(employee_id IS NULL) <> (team_id IS NULL)", name="addressee"),
        Index("ix_support_prompt_employee", "organisation_id", "employee_id", "offered_at"),
        Index("ix_support_prompt_signal", "organisation_id", "signal_id"),
        Index("ix_support_prompt_open", "organisation_id", "employee_id", postgresql_where=text("state = 'offered'")),
        Index(
            "ix_support_prompt_expiry",
            "organisation_id",
            "expires_at",
            postgresql_where=text("state = 'offered'"),
        ),
        Index(
            "uq_support_prompt_team_open",
            "organisation_id",
            "team_id",
            unique=True,
            postgresql_where=text("team_id IS NOT NULL AND state = 'offered'"),
        ),
    )

    employee_id: Mapped[UUID | None]
    team_id: Mapped[UUID | None]
    signal_id: Mapped[UUID | None]
    practice_id: Mapped[UUID | None]
    kind: Mapped[PromptKind] = mapped_column(Text)
    message: Mapped[str]
    minutes: Mapped[int | None]
    private: Mapped[bool] = mapped_column(default=False)
    offered_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    state: Mapped[PromptState] = mapped_column(Text, default=PromptState.offered)
    answered_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
