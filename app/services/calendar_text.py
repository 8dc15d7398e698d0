"""Coaching sessions as an iCalendar text (RFC 5545). The same rows give the same bytes.

Each session is one event of its own, those of a series too, with its times in UTC: a moved occurrence needs no
RECURRENCE-ID, and no event a VTIMEZONE.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import icalendar

from app.models.coaching_session import Answer, SessionState

# Counts what changes the bytes beside the rows: a client that holds an older form is then sent the new one.
FORM = f"1 {icalendar.__version__}"
WITHOUT_SUBJECT = "Coaching"
POLLED_EVERY = 15  # minutes
WEB_ADDRESS = re.compile(r"https?://[!-~]{1,2000}")
# RFC 5545 wants at least one component, and a person may have no session.
IN_UTC = b"""BEGIN:VTIMEZONE
TZID:UTC
BEGIN:STANDARD
DTSTART:19700101T000000
TZNAME:UTC
TZOFFSETFROM:+0000
TZOFFSETTO:+0000
END:STANDARD
END:VTIMEZONE
"""


def tag(rows: Sequence[Any], *, show_subject: bool) -> str:
    """Return the strong ETag of the text of these rows, without making the text."""
    told = repr((FORM, show_subject, [tuple(row) for row in rows]))
    return f'"{blake2b(told.encode(), digest_size=16).hexdigest()}"'


def render(rows: Sequence[Any], *, show_subject: bool) -> bytes:
    """Return the calendar of these sessions."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Ballast//Coaching sessions//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("x-wr-calname", WITHOUT_SUBJECT)
    calendar.add("refresh-interval", timedelta(minutes=POLLED_EVERY), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", f"PT{POLLED_EVERY}M")
    calendar.add_component(icalendar.Timezone.from_ical(IN_UTC))
    for row in rows:
        calendar.add_component(_event(row, show_subject=show_subject))
    text: bytes = calendar.to_ical()
    return text


def _event(row: Any, *, show_subject: bool) -> icalendar.Event:
    event = icalendar.Event()
    is_off = row.state == SessionState.cancelled or (not row.coaches and row.answer == Answer.declined)
    event.add("uid", f"{row.id}@ballast")
    event.add("sequence", row.sequence)
    for moment in ("dtstamp", "last-modified"):
        event.add(moment, row.changed_at.replace(microsecond=0))
    event.add("dtstart", row.starts_at)
    event.add("dtend", row.ends_at)
    event.add("status", _status(row, is_off=is_off))
    event.add("transp", "TRANSPARENT" if is_off else "OPAQUE")
    event.add("class", "PRIVATE")
    event.add("summary", plain(row.subject) if show_subject else WITHOUT_SUBJECT)
    if show_subject and row.location:
        event.add("location", plain(row.location))
    if show_subject and WEB_ADDRESS.fullmatch(row.meeting_url or ""):
        event.add("url", row.meeting_url)
    return event


def _status(row: Any, *, is_off: bool) -> str:
    if is_off:
        return "CANCELLED"
    return "CONFIRMED" if row.coaches or row.answer == Answer.accepted else "TENTATIVE"


def plain(text: str) -> str:
    """Return a text in one line: whatever some reader takes for the end of a line, or for a command, is a blank."""
    return "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in text)
