"""Who may do what: what comes of coaching sessions (notes, actions, feedback), and calendar feeds."""

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.sql.expression import exists

from app.models import CalendarFeed, SessionAction, SessionFeedback, SessionNote, SessionNoteCopy
from app.models.coaching_session import Answer, CoachingSession, SessionAttendee
from app.policy.rule import Models, Policy, rule
from app.relations import ANYONE, ME, ORGANISATION, PROGRAMME_LEAD, SELF, Relation


def takes_part(session_id: Any) -> ColumnElement[bool]:
    """Return whether the caller coaches that session, or is invited to it and has not declined."""
    coached = CoachingSession.__table__.alias("session_coached")
    invited = SessionAttendee.__table__.alias("session_attended")
    return or_(
        exists(
            select(1).where(
                coached.c.organisation_id == ORGANISATION, coached.c.id == session_id, coached.c.coach_id == ME
            )
        ),
        exists(
            select(1).where(
                invited.c.organisation_id == ORGANISATION,
                invited.c.session_id == session_id,
                invited.c.employee_id == ME,
                invited.c.removed_at.is_(None),
                invited.c.answer != Answer.declined,
            )
        ),
    )


def _shared_with_me() -> ColumnElement[bool]:
    """Return whether a note is shared, and was written while the caller took part: each reader has a copy."""
    copy = SessionNoteCopy.__table__.alias("copy_of_mine")
    mine = exists(
        select(1).where(
            copy.c.organisation_id == ORGANISATION,
            copy.c.note_id == SessionNote.__table__.c.id,
            copy.c.employee_id == ME,
        )
    )
    return and_(SessionNote.__table__.c.visibility == "shared_with_attendees", mine)


NOTE_READER = Relation("session_participant", lambda _author: takes_part(SessionNote.__table__.c.session_id))
ACTION_PARTICIPANT = Relation("session_participant", lambda _doer: takes_part(SessionAction.__table__.c.session_id))
COACH_OF_FEEDBACK = Relation("coach_of_feedback", lambda _giver: SessionFeedback.__table__.c.coach_id == ME)

OPEN = {"open": "open"}

POLICY: Policy = {
    # Who leads a person sees when they are coached, never what is noted, agreed or said of it; nor does any client.
    ("session_note", "read"): rule(None, SELF, NOTE_READER, others_see=_shared_with_me),
    ("session_note", "create"): rule(None, NOTE_READER),
    ("session_note", "update"): rule(None, SELF, moves={"written": "written"}),
    ("session_note", "withdraw"): rule(None, SELF, moves={"written": "withdrawn"}),
    ("session_action", "read"): rule(None, SELF, ACTION_PARTICIPANT),
    ("session_action", "create"): rule(None, ACTION_PARTICIPANT),
    ("session_action", "update"): rule(None, SELF, ACTION_PARTICIPANT, moves=OPEN),
    ("session_action", "complete"): rule(None, SELF, ACTION_PARTICIPANT, moves={"open": "done"}),
    ("session_action", "drop"): rule(None, SELF, ACTION_PARTICIPANT, moves={"open": "dropped"}),
    ("session_action", "reopen"): rule(None, SELF, ACTION_PARTICIPANT, moves={"done": "open", "dropped": "open"}),
    ("session_action", "make_goal"): rule(None, SELF, moves=OPEN),
    ("session_feedback", "read"): rule(None, SELF, COACH_OF_FEEDBACK),
    ("session_feedback", "create"): rule(None, ANYONE),
    ("session_feedback", "update"): rule(None, SELF),
    ("session_feedback", "count"): rule(None, PROGRAMME_LEAD),
    ("calendar_feed", "read"): rule(None, SELF),
    ("calendar_feed", "create"): rule(None, ANYONE),
    ("calendar_feed", "update"): rule(None, SELF, moves={"active": "active"}),
    ("calendar_feed", "rotate"): rule(None, SELF, moves={"active": "active"}),
    ("calendar_feed", "revoke"): rule(None, SELF, moves={"active": "revoked"}),
}

MODELS: Models = {
    "session_note": (SessionNote, SessionNote.__table__.c.author_id),
    "session_action": (SessionAction, SessionAction.__table__.c.employee_id),
    "session_feedback": (SessionFeedback, SessionFeedback.__table__.c.employee_id),
    "calendar_feed": (CalendarFeed, CalendarFeed.__table__.c.employee_id),
}
