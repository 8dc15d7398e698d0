"""Series of sessions: made by a rule, each occurrence a session of its own, the rest changed or called off at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.errors import Fault, Forbidden, Unprocessable
from app.models import CoachingSession, SessionAttendee, SessionSeries
from app.models.base import new_id
from app.models.coaching_session import Answer, SeriesState, SessionState
from app.schemas.base import Day
from app.schemas.session_series import SeriesCancel, SeriesCreate
from app.services import coaching_session as sessions
from app.services import recurrence
from app.services import session_booking as bookings
from app.services.practice import require_pillars
from app.services.session_booking import Booking

TABLE = SessionSeries.__table__
LISTING = queries.Listing(
    "session_series",
    sorts={"id": TABLE.c.id, "starts_at": TABLE.c.starts_at},
    filters={
        "coach_id": TABLE.c.coach_id == bindparam("coach_id"),
        "state": TABLE.c.state == bindparam("state"),
    },
)
OF_SESSIONS = ("kind", "subject", "agenda", "pillars", "location", "meeting_url")


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the series in which the caller takes part."""
    return queries.paginate(session, caller, LISTING, paging, filters)


def read(session: Session, caller: Caller, series_id: UUID) -> Mapping[str, Any]:
    """Return one series."""
    session.flush()
    return queries.read(session, caller, "session_series", series_id)


def create(session: Session, caller: Caller, data: SeriesCreate) -> Mapping[str, Any]:
    """Make a series and its sessions, all of them or none.

    Raise Unprocessable for a rule that is not taken, Conflict ``double_booked`` with each date at which somebody is not
    free; ``skip_conflicts`` leaves those dates out instead.
    """
    coach_id = _coach_of(caller, data)
    require_pillars(session, caller, data.pillars)
    sessions.require_people(session, caller, data.kind, coach_id, data.attendee_ids, data.attendee_ids)
    zone = data.time_zone or sessions.zone_of(session, caller, coach_id)
    rule, found = _expanded(data, zone)
    people = frozenset((coach_id, *data.attendee_ids))
    bookings.require_active(bookings.hold(session, caller, people))
    wanted = [Booking(new_id(), start, start + _length(data.duration_seconds), people) for start in found]
    skipped = _not_free(session, caller, wanted) if data.skip_conflicts else []
    kept = [each for each in wanted if each.starts_at not in skipped] or wanted
    series = _series(caller, data, coach_id, zone, rule, kept[-1].starts_at)
    session.add(series)
    session.flush()
    _add_sessions(session, caller, series, data, kept)
    bookings.occupy(session, caller, kept, tell_when=True)
    details = {"state": series.state, "sessions": len(kept), "skipped": len(skipped)}
    events.record(session, caller, "session_series.created", series, details=details)
    return {**read(session, caller, series.id), "skipped": skipped}


def _series(
    caller: Caller, data: SeriesCreate, coach_id: UUID, zone: str, rule: recurrence.Rule, until_at: datetime
) -> SessionSeries:
    return SessionSeries(
        organisation_id=caller.organisation_id,
        id=new_id(),
        coach_id=coach_id,
        requested_by_id=caller.employee_id,
        rrule=rule.text(),
        time_zone=zone,
        until_at=until_at,
        state=SeriesState.active,
        **data.model_dump(include={"kind", "subject", "starts_at", "duration_seconds"}),
    )


def _coach_of(caller: Caller, data: SeriesCreate) -> UUID:
    coach_id = data.coach_id or caller.employee_id
    if coach_id is None:
        raise Unprocessable(faults=[Fault("/coach_id", "missing", "A client has to say who coaches.")])
    if caller.kind == "person" and coach_id != caller.employee_id:
        raise Forbidden("not_allowed", "A series is set up by who coaches it. Ask for single sessions.")
    return coach_id


def _expanded(data: SeriesCreate, zone: str) -> tuple[recurrence.Rule, list[datetime]]:
    sessions.require_reach(data.starts_at)
    try:
        rule = recurrence.parse(data.rrule, ZoneInfo(zone))
        return rule, recurrence.expand(rule, data.starts_at, ZoneInfo(zone))
    except recurrence.NoRule as refused:
        raise Unprocessable(faults=[Fault("/rrule", "invalid_rule", str(refused))]) from None


def _not_free(session: Session, caller: Caller, wanted: Sequence[Booking]) -> list[datetime]:
    return sorted({start for start, _ in bookings.clashes(session, caller, wanted)})


def _length(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)


def _add_sessions(
    session: Session, caller: Caller, series: SessionSeries, data: SeriesCreate, wanted: Sequence[Booking]
) -> None:
    common = {
        **data.model_dump(include=set(OF_SESSIONS)),
        "organisation_id": caller.organisation_id,
        "coach_id": series.coach_id,
        "requested_by_id": caller.employee_id,
        "state": SessionState.scheduled,
        "time_zone": series.time_zone,
        "series_id": series.id,
        "scheduled_at": clock.now(),
        "sequence": 0,
    }
    rows = [
        {"id": each.session_id, "starts_at": each.starts_at, "ends_at": each.ends_at, "occurrence_at": each.starts_at}
        for each in wanted
    ]
    session.execute(insert(CoachingSession), [{**common, **row} for row in rows])
    invited = {"organisation_id": caller.organisation_id, "answer": Answer.needs_action}
    attending = [(each.session_id, person) for each in wanted for person in data.attendee_ids]
    session.execute(
        insert(SessionAttendee),
        [{**invited, "id": new_id(), "session_id": each, "employee_id": person} for each, person in attending],
    )
    subject = data.attendee_ids[0] if len(data.attendee_ids) == 1 else None
    made = [(each.session_id, 1, subject, {"state": SessionState.scheduled}) for each in wanted]
    record_all(session, caller, "scheduled", made, SessionState.scheduled)


def record_all(
    session: Session,
    caller: Caller,
    verb: str,
    changed: Sequence[tuple[UUID, int, UUID | None, Mapping[str, Any]]],
    state: SessionState,
) -> None:
    """Write down one change of many sessions: of each its id, its version, whom it is about, and the details."""
    changes = [
        events.Change(f"coaching_session.{verb}", row_id, version, subject, details, state=state)
        for row_id, version, subject, details in changed
    ]
    events.record_changes(session, caller, "coaching_session", changes)


def cancel(session: Session, caller: Caller, series_id: UUID, data: SeriesCancel | None = None) -> Mapping[str, Any]:
    """Call off what is still to come of a series, from a day on. What was held stays."""
    data = data or SeriesCancel()
    series = queries.get_allowed(session, caller, SessionSeries, series_id, "cancel")
    gone = rest_of(session, caller, series, data.starting_on)
    for row in gone:
        row.state, row.closed_at, row.reason = SessionState.cancelled, clock.now(), data.reason
        row.sequence += 1
    bookings.free(session, caller, [row.id for row in gone])
    details = {"from": SessionState.scheduled, "state": SessionState.cancelled, **reason_of(data.reason)}
    changed = [(row.id, row.version, None, details) for row in gone]
    record_all(session, caller, "cancelled", changed, SessionState.cancelled)
    shorten(session, caller, series, {row.id for row in gone})
    events.record(
        session,
        caller,
        "session_series.cancelled",
        series,
        details={"state": series.state, "sessions": len(gone), **reason_of(data.reason)},
    )
    return read(session, caller, series_id)


def rest_of(session: Session, caller: Caller, series: SessionSeries, starting_on: Day | None) -> list[CoachingSession]:
    """Return the sessions of a series that are still to come, from a day of its zone on, locked in their ids' order."""
    begin = clock.now()
    if starting_on is not None:
        begin = max(begin, datetime.combine(starting_on, time(), ZoneInfo(series.time_zone)))
    query = select(CoachingSession).where(
        CoachingSession.organisation_id == caller.organisation_id,
        CoachingSession.series_id == series.id,
        CoachingSession.state == SessionState.scheduled,
        CoachingSession.starts_at >= begin,
    )
    locked = query.order_by(CoachingSession.id).with_for_update().execution_options(populate_existing=True)
    return list(session.execute(locked).scalars())


def shorten(session: Session, caller: Caller, series: SessionSeries, gone: set[UUID]) -> None:
    """Let a series end with what is left of it; without anything still to come it has ended."""
    query = select(CoachingSession.id, CoachingSession.occurrence_at, CoachingSession.state).where(
        CoachingSession.organisation_id == caller.organisation_id, CoachingSession.series_id == series.id
    )
    left = [row for row in session.execute(query) if row.id not in gone and row.state != SessionState.cancelled]
    if left:
        series.until_at = max(row.occurrence_at for row in left)
        rule = recurrence.parse(series.rrule, ZoneInfo(series.time_zone))
        series.rrule = rule.ending(series.until_at)
    if not any(row.state == SessionState.scheduled for row in left):
        series.state = SeriesState.ended
    series.updated_at = clock.now()


def reason_of(reason: str | None) -> dict[str, str]:
    """Return a given reason as a detail of the history."""
    return {"reason": reason} if reason is not None else {}
