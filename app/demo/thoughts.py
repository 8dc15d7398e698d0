"""A thought record of Amira's in the demo organisation: hers alone. The service makes it."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.schemas.thought_record import THOUGHT, ThoughtRecordCreate
from app.services import thought_record as records


def make(session: Session, organisation_id: UUID, amira: UUID) -> None:
    """Let Amira look again at yesterday's hard call."""
    with clock.standing_at(clock.now() - timedelta(days=1)):
        records.create(session, Caller(organisation_id, "person", amira), ThoughtRecordCreate(**THOUGHT))
