"""How many sessions were held: what the programme lead sees of them, naming nobody."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import TIMESTAMP, bindparam, func, select
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.database import execute
from app.models import CoachingSession, Organisation, SessionAttendee
from app.models.coaching_session import SessionKind, SessionState
from app.relations import ORGANISATION

SESSION, ATTENDED = CoachingSession.__table__, SessionAttendee.__table__
MONTHS = 12
HELD = (
    select(
        SESSION.c.kind,
        func.count(SESSION.c.id.distinct()).label("sessions"),
        func.count(ATTENDED.c.employee_id.distinct()).label("people"),
    )
    .select_from(
        SESSION.join(
            ATTENDED,
            (ATTENDED.c.organisation_id == SESSION.c.organisation_id) & (ATTENDED.c.session_id == SESSION.c.id),
        )
    )
    .where(
        SESSION.c.organisation_id == ORGANISATION,
        SESSION.c.state.in_((SessionState.completed, SessionState.acknowledged)),
        SESSION.c.starts_at >= bindparam("since", type_=TIMESTAMP(timezone=True)),
        SESSION.c.starts_at < bindparam("before", type_=TIMESTAMP(timezone=True)),
        ATTENDED.c.attended.is_(True),
    )
    .group_by(SESSION.c.kind)
)


def read(session: Session, caller: Caller) -> Mapping[str, Any]:
    """Return how many sessions of each kind were held in the twelve months that ended last, and for how many people.

    A kind with too few people is null in both. There is no total to take the others from, and whole months alone are
    counted, so that two readings on two days differ by nothing that happened in between.
    """
    organisation = session.get_one(Organisation, caller.organisation_id)
    zone, least = ZoneInfo(organisation.time_zone), organisation.minimum_group_size
    end = clock.now().astimezone(zone).date().replace(day=1)
    start = end.replace(year=end.year - MONTHS // 12)
    values = {"organisation_id": caller.organisation_id, "since": _at(start, zone), "before": _at(end, zone)}
    found = {row.kind: (row.sessions, row.people) for row in execute(session, HELD, values)}
    return {
        "minimum_group_size": least,
        "starts_on": start,
        "ends_on": end - timedelta(days=1),
        "kinds": [_shown(kind, *found.get(kind, (0, 0)), least) for kind in SessionKind],
    }


def _at(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _shown(kind: str, sessions: int, people: int, least: int) -> Mapping[str, Any]:
    tells = people == 0 or people >= least
    return {"kind": kind, "sessions": sessions if tells else None, "people": people if tells else None}
