"""A person synced from HR, and the names that call platforms know them by."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, Versioned, belongs_to


class Employee(Owned, Versioned, Base):
    """A person synced from HR. Deactivated when they leave, never deleted by a sync."""

    __tablename__ = "employee"
    __table_args__ = (
        belongs_to("employee", "manager_id"),
        belongs_to("service_area", "service_area_id"),
        UniqueConstraint("organisation_id", "external_id"),
        UniqueConstraint("organisation_id", "user_name_key"),
        CheckConstraint("manager_id <> id", name="own_manager"),
        Index("ix_employee_manager", "organisation_id", "manager_id"),
        Index("ix_employee_service_area", "organisation_id", "service_area_id"),
        Index("ix_employee_email_key", "organisation_id", "email_key"),
        Index("ix_employee_number", "organisation_id", "employee_number"),
        CheckConstraint(
            "erased_at IS NULL OR (NOT active AND user_name LIKE 'erased-%' AND external_id IS NULL AND email IS NULL"
            " AND given_name IS NULL AND family_name IS NULL AND display_name LIKE 'Erased person %')",
            name="erased",
        ),
        Index(
            "ix_employee_left",
            "organisation_id",
            "deactivated_at",
            postgresql_where=text("NOT active AND erased_at IS NULL"),
        ),
        Index("ix_employee_emails", "organisation_id", postgresql_where=text("emails IS NOT NULL")),
        Index(
            "ix_employee_manager_awaited",
            "organisation_id",
            "manager_external_id",
            postgresql_where=text("manager_external_id IS NOT NULL"),
        ),
    )

    external_id: Mapped[str | None]
    user_name: Mapped[str]
    user_name_key: Mapped[str]
    employee_number: Mapped[str | None]
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    display_name: Mapped[str]
    email: Mapped[str | None]
    email_key: Mapped[str | None]
    title: Mapped[str | None]
    department: Mapped[str | None]
    division: Mapped[str | None]
    cost_center: Mapped[str | None]
    organization: Mapped[str | None]
    employment_status: Mapped[str | None]
    locale: Mapped[str | None]
    time_zone: Mapped[str | None]
    hired_on: Mapped[date | None]
    left_on: Mapped[date | None]
    manager_id: Mapped[UUID | None]
    manager_external_id: Mapped[str | None]
    service_area_id: Mapped[UUID | None]
    active: Mapped[bool] = mapped_column(default=True)
    deactivated_at: Mapped[datetime | None]
    prompts_paused_until: Mapped[datetime | None]
    # Set by SCIM alone. The addresses, where they are more than one at work; which columns a provider sets; which of
    # those that are never null it left unassigned; since when the person is deleted in the provider's eyes.
    emails: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    scim_owned: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'::text[]"))
    scim_absent: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'::text[]"))
    scim_hidden_at: Mapped[datetime | None]
    # Since when only a pseudonym is left, and the classes of data whose time after the person left is over.
    erased_at: Mapped[datetime | None]
    forgotten: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'::text[]"))


class AgentAlias(Owned, Dated, Base):
    """The name that a call platform (one source, or any) uses for an employee."""

    __tablename__ = "agent_alias"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        belongs_to("source", "source_id"),
        UniqueConstraint("organisation_id", "agent_key", "source_id", postgresql_nulls_not_distinct=True),
        Index("ix_agent_alias_employee", "organisation_id", "employee_id"),
    )

    employee_id: Mapped[UUID]
    source_id: Mapped[UUID | None]
    agent_ref: Mapped[str]
    agent_key: Mapped[str]
