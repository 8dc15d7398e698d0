"""When a person works, where on the clock, and in which languages they like to talk."""

from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from app.models.base import Base, Owned, Versioned, belongs_to


class WorkPattern(Owned, Versioned, Base):
    """One person's usual week. Without a row they have the default one: see ``services/work_pattern.py``.

    ``hours`` holds ``{"weekday": 1 to 7 from Monday, "starts_at": "09:00", "ends_at": "17:00"}`` in local time; an end
    not after its start lies on the next day. No ``time_zone`` means the employee's own, else the organisation's.
    """

    __tablename__ = "work_pattern"
    __table_args__ = (
        belongs_to("employee", "employee_id"),
        UniqueConstraint("organisation_id", "employee_id"),
    )

    employee_id: Mapped[UUID]
    time_zone: Mapped[str | None]
    languages: Mapped[list[str]]
    hours: Mapped[list[dict[str, Any]]]
