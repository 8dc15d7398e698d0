"""Who may do what: thought records. Their author, and those with whom the author shares one; nobody else, ever."""

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.sql.expression import exists

from app.models import CoachingSession, MentorAssignment, SessionAttendee, ThoughtRecord, ThoughtShare
from app.models.coaching_session import Answer, SessionState
from app.models.mentor import TAKING_A_PLACE
from app.policy.rule import Models, Policy, rule
from app.relations import ANYONE, ME, ORGANISATION, SELF, Relation

RECORD = ThoughtRecord.__table__
COACHED = (SessionState.scheduled, SessionState.in_progress, SessionState.completed, SessionState.acknowledged)


def mentors_or_coaches(helper: Any, person: Any) -> ColumnElement[bool]:
    """Return whether ``helper`` mentors ``person`` now, or coaches them in a session that is planned or was held."""
    pair = MentorAssignment.__table__.alias("pair_of_author")
    held, invited = (
        CoachingSession.__table__.alias("session_of_author"),
        SessionAttendee.__table__.alias("author_in_it"),
    )
    same = and_(invited.c.organisation_id == held.c.organisation_id, invited.c.session_id == held.c.id)
    mentored = select(1).where(
        pair.c.organisation_id == ORGANISATION,
        pair.c.mentor_id == helper,
        pair.c.mentee_id == person,
        pair.c.state.in_(TAKING_A_PLACE),
    )
    coached = (
        select(1)
        .select_from(held.join(invited, same))
        .where(held.c.organisation_id == ORGANISATION, held.c.coach_id == helper, held.c.state.in_(COACHED))
        .where(invited.c.employee_id == person, invited.c.removed_at.is_(None), invited.c.answer != Answer.declined)
    )
    return or_(exists(mentored), exists(coached))


def _shared_with_me(author: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether the record is shared with the caller, who still mentors or coaches its author."""
    share = ThoughtShare.__table__.alias("share_with_me")
    shared = select(1).where(
        share.c.organisation_id == ORGANISATION, share.c.record_id == RECORD.c.id, share.c.shared_with_id == ME
    )
    return and_(exists(shared), mentors_or_coaches(ME, author))


SHARED_WITH = Relation("shared_with", _shared_with_me)

POLICY: Policy = {
    ("thought_record", "read"): rule(None, SELF, SHARED_WITH),
    ("thought_record", "create"): rule(None, ANYONE),
    ("thought_record", "update"): rule(None, SELF),
    ("thought_record", "delete"): rule(None, SELF),
    ("thought_record", "share"): rule(None, SELF),
    ("thought_share", "read"): rule(None, SELF),
    ("thought_share", "create"): rule(None, SELF),
    ("thought_share", "revoke"): rule(None, SELF),
}

MODELS: Models = {
    "thought_record": (ThoughtRecord, RECORD.c.employee_id),
    "thought_share": (ThoughtShare, ThoughtShare.__table__.c.employee_id),
}
