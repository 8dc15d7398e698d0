"""Machine callers with their keys, and the roles that people are granted."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, Versioned, belongs_to, one_of


class Client(Owned, Versioned, Base):
    """A machine caller: an HR system, a contact-centre tool, a front end's server."""

    __tablename__ = "client"
    __table_args__ = (UniqueConstraint("organisation_id", "name"),)

    name: Mapped[str]
    scopes: Mapped[list[str]]
    revoked_at: Mapped[datetime | None]


class ClientKey(Owned, Dated, Base):
    """One key of a client, by its SHA-256 alone. Several live at once, so that rotation overlaps."""

    __tablename__ = "client_key"
    __table_args__ = (
        belongs_to("client", "client_id"),
        UniqueConstraint("organisation_id", "digest"),
        Index("ix_client_key_client", "organisation_id", "client_id"),
        CheckConstraint("octet_length(digest) = 32", name="digest"),
    )

    client_id: Mapped[UUID]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    last_four: Mapped[str]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Role(StrEnum):
    """What a person may be in the programme, beside being an employee."""

    programme_lead = "programme_lead"
    hr_administrator = "hr_administrator"
    coach = "coach"
    eap_coordinator = "eap_coordinator"
    auditor = "auditor"
    data_protection_officer = "data_protection_officer"


class GrantState(StrEnum):
    """Where a grant stands."""

    pending = "pending"
    active = "active"
    revoked = "revoked"


class RoleGrant(Owned, Versioned, Base):
    """A role of one person. Sensitive ones are pending until a second person approves."""

    __tablename__ = "role_grant"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        one_of("role", Role),
        one_of("state", GrantState),
        Index(
            "uq_role_grant_open",
            "organisation_id",
            "employee_id",
            "role",
            unique=True,
            postgresql_where=text("state <> 'revoked'"),
        ),
    )

    employee_id: Mapped[UUID]
    role: Mapped[Role] = mapped_column(Text)
    state: Mapped[GrantState] = mapped_column(Text)
    granted_by: Mapped[str]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    reason: Mapped[str | None]
