"""The rest of a series made otherwise from a day on: its words at once, its times as a series of their own."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Conflict
from app.models import CoachingSession, SessionAttendee, SessionSeries
from app.models.base import new_id
from app.models.coaching_session import SeriesState, SessionState
from app.schemas.session_series import SeriesChange
from app.services import coaching_session as sessions
from app.services import recurrence
from app.services import session_booking as bookings
from app.services import session_planning as planning
from app.services import session_roster as roster
from app.services import session_series as series_
from app.services.session_roster import Taken

WORDS = ("subject", "agenda", "location", "meeting_url")


def change(session: Session, caller: Caller, series_id: UUID, data: SeriesChange) -> Mapping[str, Any]:
    """Change what is still to come of a series, from a day on; return the series that it belongs to from now on.

    Where times change, that is a new one, and the one before ends. An occurrence that was moved on its own keeps its
    time. Raise Conflict where nothing is left to change, and ``double_booked`` with each date at which somebody is not
    free: then nothing changes.
    """
    queries.read(session, caller, "session_series", series_id)
    active = bookings.hold(session, caller, _people_of(session, caller, series_id))
    series = queries.get_allowed(session, caller, SessionSeries, series_id, "change")
    rest = series_.rest_of(session, caller, series, data.starting_on)
    if not rest:
        raise Conflict("nothing_left", "Nothing of this series is still to come from that day on.")
    attendees = _attendees(session, caller, rest)
    taken = [Taken(row, attendees.get(row.id, []), active) for row in rest]
    if any(not roster.everyone(each.session.coach_id, each.attendees) <= active.keys() for each in taken):
        raise Conflict("changed_meanwhile", "Others take part since a moment ago. Read it again, then repeat.")
    words = {name: value for name in WORDS if (value := getattr(data, name)) is not None}
    for row in rest:
        row.sequence += any(getattr(row, name) != words[name] for name in words.keys() & sessions.WHERE)
        for name, value in words.items():
            setattr(row, name, value)
    moved = _move(session, caller, series, taken, data)
    holder = _split(session, caller, series, rest) if moved else series
    holder.subject = data.subject or holder.subject
    _record(session, caller, holder, taken, moved, words, data.reason)
    return series_.read(session, caller, holder.id)


def _people_of(session: Session, caller: Caller, series_id: UUID) -> set[UUID]:
    query = select(CoachingSession.id).where(
        CoachingSession.organisation_id == caller.organisation_id,
        CoachingSession.series_id == series_id,
        CoachingSession.state == SessionState.scheduled,
    )
    return roster.people_of(session, caller, list(session.execute(query).scalars()))


def _attendees(session: Session, caller: Caller, rest: Sequence[CoachingSession]) -> dict[UUID, list[SessionAttendee]]:
    found: dict[UUID, list[SessionAttendee]] = {}
    for each in roster.of(session, caller, [row.id for row in rest]):
        found.setdefault(each.session_id, []).append(each)
    return found


def _move(
    session: Session, caller: Caller, series: SessionSeries, taken: Sequence[Taken], data: SeriesChange
) -> dict[UUID, datetime]:
    """Move what was not moved on its own; return when each of those began before."""
    if data.start_time is None and data.duration_seconds is None:
        return {}
    zone, before = ZoneInfo(series.time_zone), {}
    regular = [each for each in taken if each.session.starts_at == each.session.occurrence_at]
    for each in regular:
        row = each.session
        start, end = cast(datetime, row.starts_at), cast(datetime, row.ends_at)
        length = timedelta(seconds=data.duration_seconds) if data.duration_seconds is not None else end - start
        begins = _at(start, data.start_time, zone)
        if (begins, begins + length) == (start, end):
            continue
        before[row.id] = start
        row.starts_at = row.occurrence_at = begins
        row.ends_at = begins + length
        row.sequence, row.reason = row.sequence + 1, data.reason
        planning.ask_again(caller, each)
    moved = [each for each in taken if each.session.id in before]
    if moved:
        sessions.require_reach(min(cast(datetime, each.session.starts_at) for each in moved))
        bookings.require_active({person: each.active[person] for each in moved for person in each.people})
        bookings.occupy(session, caller, [each.booking() for each in moved], tell_when=True)
    return before


def _at(start: datetime, start_time: str | None, zone: ZoneInfo) -> datetime:
    """Return an occurrence's start at another time of its own local day."""
    if start_time is None:
        return start
    return datetime.combine(start.astimezone(zone).date(), time.fromisoformat(start_time), zone).astimezone(UTC)


def _split(session: Session, caller: Caller, series: SessionSeries, rest: Sequence[CoachingSession]) -> SessionSeries:
    """Return a new series for the rest, where something of the old one comes before; else the same, begun anew."""
    holder = series
    if _has_earlier(session, caller, series, rest):
        copied = ("kind", "subject", "coach_id", "time_zone", "rrule", "starts_at", "until_at", "duration_seconds")
        holder = SessionSeries(
            organisation_id=caller.organisation_id,
            id=new_id(),
            requested_by_id=caller.employee_id,
            state=SeriesState.active,
            **{name: getattr(series, name) for name in copied},
        )
        session.add(holder)
        session.flush()
        for row in rest:
            row.series_id = holder.id
        session.flush()
        series_.shorten(session, caller, series, set())
        events.record(session, caller, "session_series.changed", series, details={"state": series.state})
    _tell_anew(holder, rest)
    return holder


def _has_earlier(session: Session, caller: Caller, series: SessionSeries, rest: Sequence[CoachingSession]) -> bool:
    query = select(CoachingSession.id).where(
        CoachingSession.organisation_id == caller.organisation_id,
        CoachingSession.series_id == series.id,
        CoachingSession.id.not_in([row.id for row in rest]),
        CoachingSession.state != SessionState.cancelled,
    )
    return session.execute(query.limit(1)).first() is not None


def _tell_anew(holder: SessionSeries, rest: Sequence[CoachingSession]) -> None:
    """Let a series say what these sessions of it do: when they begin and end, and how long they are."""
    starts = [cast(datetime, row.occurrence_at) for row in rest]
    regular = next((row for row in rest if row.starts_at == row.occurrence_at), rest[0])
    length = cast(datetime, regular.ends_at) - cast(datetime, regular.starts_at)
    holder.rrule = recurrence.parse(holder.rrule, ZoneInfo(holder.time_zone)).ending(max(starts))
    holder.starts_at, holder.until_at = min(starts), max(starts)
    holder.duration_seconds = int(length.total_seconds())


def _record(
    session: Session,
    caller: Caller,
    holder: SessionSeries,
    taken: Sequence[Taken],
    moved: Mapping[UUID, datetime],
    words: Mapping[str, Any],
    reason: str | None,
) -> None:
    session.flush()
    given = series_.reason_of(reason)
    changed = {"rescheduled": [], "updated": []}  # type: dict[str, list[Any]]
    for each in taken:
        row, people = each.session, sessions.ids_of(each.attendees)
        subject = people[0] if len(people) == 1 else None
        if row.id in moved:
            times = {"from": moved[row.id].isoformat(), "to": cast(datetime, row.starts_at).isoformat()}
            changed["rescheduled"].append((row.id, row.version, subject, {**times, **given}))
        elif words:
            changed["updated"].append((row.id, row.version, subject, {"fields": sorted(words), **given}))
    for verb, rows in changed.items():
        series_.record_all(session, caller, verb, rows, SessionState.scheduled)
    details = {"sessions": len(taken), "moved": len(moved), "fields": sorted(words), **given}
    events.record(session, caller, "session_series.changed", holder, details=details)
