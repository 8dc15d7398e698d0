"""Who takes part in a coaching session: its coach, and the attendees who have not declined."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select, union
from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller
from app.database import execute
from app.errors import Forbidden
from app.models.coaching_session import Answer, CoachingSession, SessionAttendee
from app.relations import ORGANISATION

SESSION, ATTENDEE = CoachingSession.__table__, SessionAttendee.__table__
OF = bindparam("session", type_=Uuid())
PEOPLE = union(
    select(SESSION.c.coach_id.label("id")).where(
        SESSION.c.organisation_id == ORGANISATION, SESSION.c.id == OF, SESSION.c.coach_id.is_not(None)
    ),
    select(ATTENDEE.c.employee_id).where(
        ATTENDEE.c.organisation_id == ORGANISATION,
        ATTENDEE.c.session_id == OF,
        ATTENDEE.c.removed_at.is_(None),
        ATTENDEE.c.answer != Answer.declined,
    ),
)


def of(session: Session, caller: Caller, session_id: UUID) -> set[UUID]:
    """Return the people who take part in a session now."""
    values = {"organisation_id": caller.organisation_id, "session": session_id}
    session.flush()
    return set(execute(session, PEOPLE, values).scalars())


def require_part(session: Session, caller: Caller, session_id: UUID) -> Mapping[str, Any]:
    """Return the session. Raise NotFound for one not the caller's to know of, Forbidden for one without their part."""
    found = queries.read(session, caller, "coaching_session", session_id)
    if caller.employee_id not in of(session, caller, session_id):
        raise Forbidden("not_in_session", "This is for those who take part in the session.")
    return found
