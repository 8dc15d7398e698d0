"""Builders of coaching sessions for what comes of them: made directly, in any state."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock
from app.models.base import new_id
from app.models.coaching_session import Answer, CoachingSession, SessionAttendee
from tests.world import World


async def hold_session(world: World, *attendees: str, coach: str = "jonas", **fields: Any) -> UUID:
    """Make a session that is scheduled for tomorrow, but for what ``fields`` say otherwise, and return its id."""
    starts_at: datetime = fields.pop("starts_at", clock.now() + timedelta(days=1))
    answer = fields.pop("answer", Answer.accepted)
    values = {
        "kind": "one_to_one",
        "subject": "A calmer evening line",
        "coach_id": world.people[coach],
        "state": "scheduled",
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=45),
        "time_zone": "Europe/London",
        "scheduled_at": clock.now(),
        **fields,
    }

    def make(session: Session) -> UUID:
        row = CoachingSession(organisation_id=world.id, id=new_id(), **values)
        session.add(row)
        session.flush()
        for name in attendees or ("amira",):
            session.add(
                SessionAttendee(
                    organisation_id=world.id, session_id=row.id, employee_id=world.people[name], answer=answer
                )
            )
        return row.id

    return UUID(str(await world.run(make)))


async def alter(world: World, session_id: UUID, **fields: Any) -> None:
    """Change columns of a session."""

    def change(session: Session) -> None:
        row = session.get_one(CoachingSession, (world.id, session_id))
        for name, value in fields.items():
            setattr(row, name, value)

    await world.run(change)


async def alter_attendee(world: World, session_id: UUID, who: str, **fields: Any) -> None:
    """Change columns of somebody's attendance."""

    def change(session: Session) -> None:
        row = session.query(SessionAttendee).filter_by(session_id=session_id, employee_id=world.people[who]).one()
        for name, value in fields.items():
            setattr(row, name, value)

    await world.run(change)


async def rows(world: World, query: str, **values: Any) -> list[Any]:
    """Return what a statement finds in the organisation."""
    return list(await world.run(lambda session: session.execute(text(query), values).all()))


async def invite(world: World, session_id: UUID, who: str) -> None:
    """Add somebody to a session."""

    def add(session: Session) -> None:
        session.add(SessionAttendee(organisation_id=world.id, session_id=session_id, employee_id=world.people[who]))

    await world.run(add)
