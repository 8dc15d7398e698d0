"""What becomes of the sessions of those who leave: called off where they coach, without them where they are invited."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, delete, func, or_, select
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.models import CoachingSession, SessionAttendee, SessionBooking, SessionSeries
from app.models.coaching_session import SeriesState, SessionState
from app.reasons import Sentence
from app.services import coaching_session as sessions
from app.services import session_lifecycle as lifecycle
from app.services import session_planning as planning
from app.services import session_roster as roster

COACH_LEFT = Sentence("The coach has left the organisation.")
ATTENDEES_LEFT = Sentence("Everybody who was invited has left.")
LEFT = Sentence("Left the organisation.")
_THESE = select(func.unnest(bindparam("ids", type_=ARRAY(Uuid()))))
THEIR_SERIES = (
    select(SessionSeries)
    .where(
        SessionSeries.organisation_id == bindparam("tenant"),
        SessionSeries.coach_id.in_(_THESE),
        SessionSeries.state == SeriesState.active,
    )
    .order_by(SessionSeries.id)
    .with_for_update()
)
_INVITED = select(SessionAttendee.session_id).where(
    SessionAttendee.organisation_id == bindparam("tenant"),
    SessionAttendee.employee_id.in_(_THESE),
    SessionAttendee.removed_at.is_(None),
)
# What is asked for or still to come with any of them, locked in the order of the ids.
THEIR_OPEN_SESSIONS = (
    select(CoachingSession)
    .where(
        CoachingSession.organisation_id == bindparam("tenant"),
        or_(CoachingSession.coach_id.in_(_THESE), CoachingSession.id.in_(_INVITED)),
        or_(
            CoachingSession.state == SessionState.requested,
            (CoachingSession.state == SessionState.scheduled) & (CoachingSession.starts_at > bindparam("now")),
        ),
    )
    .order_by(CoachingSession.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
ENDED_AS = {SessionState.requested: SessionState.declined, SessionState.scheduled: SessionState.cancelled}


def leave(session: Session, caller: Caller, employee_ids: Collection[UUID]) -> None:
    """Call off what these people were to coach, and take them off what they were invited to; each with a reason.

    What has begun or was held stays as it is. Their rows have to be held.
    """
    values = {"tenant": caller.organisation_id, "ids": list(employee_ids), "now": clock.now()}
    series = session.execute(THEIR_SERIES, values).scalars().all()
    for row in session.execute(THEIR_OPEN_SESSIONS, values).scalars().all():
        attendees = roster.of(session, caller, [row.id])
        staying = [each for each in attendees if each.employee_id not in employee_ids]
        if row.coach_id in employee_ids or not staying:
            reason = COACH_LEFT if row.coach_id in employee_ids else ATTENDEES_LEFT
            lifecycle.close(session, caller, row, ENDED_AS[SessionState(row.state)], reason)
        else:
            gone = [each for each in attendees if each.employee_id in employee_ids]
            _take_off(session, caller, row, gone, staying)
    for each in series:
        each.state = SeriesState.ended
        events.record(session, caller, "session_series.cancelled", each, details={"reason": COACH_LEFT})


def _take_off(
    session: Session,
    caller: Caller,
    row: CoachingSession,
    gone: Sequence[SessionAttendee],
    staying: Sequence[SessionAttendee],
) -> None:
    ids = sessions.ids_of(gone)
    for each in gone:
        each.removed_at = clock.now()
    row.updated_at = clock.now()
    session.execute(
        delete(SessionBooking).where(
            SessionBooking.organisation_id == caller.organisation_id,
            SessionBooking.session_id == row.id,
            SessionBooking.employee_id.in_(ids),
        )
    )
    details = {**planning.people_details([], ids), "reason": LEFT}
    sessions.record(session, caller, row, "people_changed", sessions.ids_of(staying), details)
