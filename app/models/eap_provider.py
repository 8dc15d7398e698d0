"""The directory of Employee Assistance Programmes: providers, what each offers, and which client acts for which."""

from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, Versioned, belongs_to, one_of
from app.models.strain import Basis

DAY = 86_400
STARTING_POINT = (
    "Our own starting point, to be replaced by what the contract with the provider says. Danger to life is not a"
    " matter of urgency levels: for that there are the crisis lines."
)


class EapStatus(StrEnum):
    """Whether a provider or a service can be turned to (Open Referral HSDS 3.0)."""

    active = "active"
    inactive = "inactive"
    defunct = "defunct"
    temporarily_closed = "temporarily_closed"


class EapProvider(Owned, Versioned, Base):
    """Somebody outside the organisation who helps its people in confidence."""

    __tablename__ = "eap_provider"
    __table_args__ = (one_of("status", EapStatus), UniqueConstraint("organisation_id", "name_key"))

    name: Mapped[str]
    name_key: Mapped[str]
    description: Mapped[str | None]
    url: Mapped[str | None]
    phones: Mapped[list[dict[str, Any]]]
    status: Mapped[EapStatus] = mapped_column(Text, default=EapStatus.active)
    assured_on: Mapped[date | None]


class EapService(Owned, Versioned, Base):
    """One thing that a provider offers. The three times are until first contact, in seconds."""

    __tablename__ = "eap_service"
    __table_args__ = (
        belongs_to("eap_provider", "provider_id"),
        one_of("status", EapStatus),
        one_of("basis_label", Basis),
        CheckConstraint("sessions_included >= 0", name="sessions_included"),
        CheckConstraint("cardinality(channels) > 0", name="channels"),
        CheckConstraint(
            "0 < urgent_seconds AND urgent_seconds <= soon_seconds AND soon_seconds <= routine_seconds",
            name="first_contact",
        ),
        Index("ix_eap_service_provider", "organisation_id", "provider_id"),
    )

    provider_id: Mapped[UUID]
    name: Mapped[str]
    description: Mapped[str | None]
    channels: Mapped[list[str]]
    languages: Mapped[list[str]]
    always_open: Mapped[bool] = mapped_column(default=False)
    opening_hours: Mapped[list[dict[str, Any]]]
    time_zone: Mapped[str] = mapped_column(default="UTC")
    sessions_included: Mapped[int | None]
    confidentiality_statement: Mapped[str]
    eligibility: Mapped[str | None]
    crisis_line: Mapped[bool] = mapped_column(default=False)
    phones: Mapped[list[dict[str, Any]]]
    status: Mapped[EapStatus] = mapped_column(Text, default=EapStatus.active)
    assured_on: Mapped[date | None]
    routine_seconds: Mapped[int] = mapped_column(default=5 * DAY)
    soon_seconds: Mapped[int] = mapped_column(default=2 * DAY)
    urgent_seconds: Mapped[int] = mapped_column(default=DAY)
    basis: Mapped[str] = mapped_column(default=STARTING_POINT)
    basis_label: Mapped[Basis] = mapped_column(Text, default=Basis.judgement)


class EapProviderClient(Owned, Dated, Base):
    """That a client acts for one provider: it sees what was sent to that one and nothing else."""

    __tablename__ = "eap_provider_client"
    __table_args__ = (
        belongs_to("eap_provider", "provider_id"),
        belongs_to("client", "client_id"),
        UniqueConstraint("organisation_id", "client_id"),
        Index("ix_eap_provider_client_provider", "organisation_id", "provider_id"),
    )

    provider_id: Mapped[UUID]
    client_id: Mapped[UUID]
