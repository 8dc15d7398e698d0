"""What came of the coaching sessions of the demo: notes, what was agreed, feedback, and a calendar.

The services do the work. Nobody can be given the address of the calendar: it is not kept.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.models import CoachingSession, SessionAttendee
from app.models.coaching_session import SessionState
from app.models.session_note import Visibility
from app.schemas.calendar_feed import FeedCreate
from app.schemas.session_action import SessionActionCreate, SessionActionGoal
from app.schemas.session_feedback import FeedbackCreate
from app.schemas.session_note import NoteCreate
from app.services import calendar_feed as feeds
from app.services import session_action as actions
from app.services import session_feedback as feedback
from app.services import session_note as notes

WHOSE, ADDRESS = "amira", "http://127.0.0.1:8000"


def make(session: Session, organisation_id: UUID, ids: Mapping[str, UUID]) -> None:
    """Let Amira and her coach look back on the last session that they held. ``ids`` are the people's, by user name."""
    held = _last_held(session, organisation_id, ids[WHOSE])
    hers = Caller(organisation_id, "person", ids[WHOSE])
    coachs = Caller(organisation_id, "person", held.coach_id)
    shared, private = Visibility.shared_with_attendees, Visibility.private_to_author
    notes.create(
        session, coachs, held.id, NoteCreate(text="Try the handover at half past eight, twice.", visibility=shared)
    )
    notes.create(session, hers, held.id, NoteCreate(text="It helped to say it out loud.", visibility=private))
    due_on = (clock.now() + timedelta(days=14)).date()
    agreed = SessionActionCreate(words="Hand over at half past eight, twice a week", due_on=due_on)
    action = actions.create(session, hers, held.id, agreed)
    actions.make_goal(session, hers, held.id, action["id"], SessionActionGoal(pillars=["physical_health"]))
    asked = actions.create(session, coachs, held.id, SessionActionCreate(words="Ask who plans the late shifts"))
    actions.move(session, coachs, held.id, asked["id"], "complete")
    feedback.create(session, hers, held.id, FeedbackCreate(rating=5, words="I could say what was on my mind."))
    feeds.create(session, hers, FeedCreate(name="My phone"), ADDRESS)


def _last_held(session: Session, organisation_id: UUID, employee_id: UUID) -> CoachingSession:
    attended = select(SessionAttendee.session_id).where(
        SessionAttendee.organisation_id == organisation_id,
        SessionAttendee.employee_id == employee_id,
        SessionAttendee.attended.is_(True),
    )
    query = (
        select(CoachingSession)
        .where(CoachingSession.organisation_id == organisation_id, CoachingSession.id.in_(attended))
        .where(CoachingSession.state.in_((SessionState.completed, SessionState.acknowledged)))
        .order_by(CoachingSession.starts_at.desc())
        .limit(1)
    )
    return session.execute(query).scalar_one()
