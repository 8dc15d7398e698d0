"""When people have time together: within everybody's working hours, outside everybody's sessions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.errors import Fault, Unprocessable
from app.services import session_booking as bookings
from app.services import session_roster as roster
from app.services import work_pattern as work_patterns
from app.services.work_pattern import Hours, Pattern

Span = tuple[datetime, datetime]

STEP = timedelta(minutes=15)
WEEK, WINDOW = timedelta(days=7), timedelta(days=31)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def find(
    session: Session,
    caller: Caller,
    people: Sequence[UUID] | None,
    starts_after: datetime | None,
    ends_before: datetime | None,
    length: timedelta,
    limit: int,
) -> Mapping[str, Any]:
    """Return times of this length at which all these people work and are free, each quarter of an hour.

    Of what fills somebody's time nothing is told. Raise Unprocessable for people whom the caller may not name in a
    session, and for a window that is empty or longer than 31 days.
    """
    window = _window(starts_after, ends_before)
    asked = people if people is not None else [caller.employee_id] if caller.employee_id is not None else []
    named = {f"?employee_id.{index}": each for index, each in enumerate(dict.fromkeys(asked))}
    roster.require_known(session, caller, named)
    wanted = list(named.values())
    patterns = work_patterns.of(session, caller, wanted)
    common = [window] if wanted else []
    for each in wanted:
        common = both(common, working(patterns[each], window))
    taken = bookings.busy(session, caller, wanted, *window)
    free = without(common, ((row.starts_at, row.ends_at) for row in taken))
    found: list[Mapping[str, datetime]] = []
    for start in starts(free, length):
        if len(found) == limit:
            return {"slots": found, "more": True}
        found.append({"starts_at": start, "ends_at": start + length})
    return {"slots": found, "more": False}


def _window(starts_after: datetime | None, ends_before: datetime | None) -> Span:
    start = starts_after or clock.now()
    end = ends_before or start + WEEK
    if not timedelta() < end - start <= WINDOW:
        detail = f"Must lie after starts_after, by at most {WINDOW.days} days."
        raise Unprocessable(faults=[Fault("?ends_before", "invalid", detail)])
    return start, end


def working(pattern: Pattern, window: Span) -> list[Span]:
    """Return when one person works within a window, as instants, in order and apart.

    Hours are read on the clock of the person's zone: a shift over a clock change is an hour longer or shorter. A time
    that a change skips is read with the offset before the change, one that comes twice is the earlier.
    """
    zone = ZoneInfo(pattern.time_zone)
    first, last = (moment.astimezone(zone).date() for moment in window)
    days = (first + DAY * number for number in range(-1, (last - first).days + 1))
    shifts = (_shift(day, hours, zone) for day in days for hours in pattern.hours if hours.weekday == day.isoweekday())
    return both([window], joined(shifts))


def _shift(day: date, hours: Hours, zone: ZoneInfo) -> Span:
    last = day if hours.ends_at > hours.starts_at else day + DAY
    start = datetime.combine(day, hours.starts_at, zone).astimezone(UTC)
    return start, datetime.combine(last, hours.ends_at, zone).astimezone(UTC)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that touch or overlap made one, empty ones left out."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def both(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return what is in both of two lists of spans, each in order and apart."""
    found, i, j = [], 0, 0
    while i < len(some) and j < len(others):
        start, end = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if start < end:
            found.append((start, end))
        if some[i][1] <= others[j][1]:
            i += 1
        else:
            j += 1
    return found


def without(spans: Sequence[Span], gone: Iterable[Span]) -> list[Span]:
    """Return spans (in order and apart) with others cut out of them."""
    found = list(spans)
    for start, end in joined(gone):
        found = [
            piece
            for span in found
            for piece in ((span[0], min(span[1], start)), (max(span[0], end), span[1]))
            if piece[0] < piece[1]
        ]
    return found


def starts(free: Sequence[Span], length: timedelta) -> Iterator[datetime]:
    """Yield each quarter of an hour at which something of this length fits into free time."""
    for start, end in free:
        moment = EPOCH + -(-(start - EPOCH) // STEP) * STEP
        while moment + length <= end:
            yield moment
            moment += STEP
