"""People who come back after they left, with the clocks of retention at the start."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import and_, update
from sqlalchemy.orm import Session

from app.auth import Caller
from app.models import Employee

TABLE: Any = Employee.__table__


def come_back(session: Session, caller: Caller, employee_ids: Collection[UUID]) -> None:
    """Begin anew to keep what these people make. One who was erased does not come back: the table refuses it."""
    theirs = and_(TABLE.c.organisation_id == caller.organisation_id, TABLE.c.id.in_(employee_ids))
    forgotten = update(TABLE).where(theirs, TABLE.c.forgotten != [])
    session.execute(forgotten.values(forgotten=[], updated_at=TABLE.c.updated_at))
