"""Examples of what comes of coaching sessions, and of calendar feeds: see `examples_of_resources`."""

from collections.abc import Callable, Mapping, MutableMapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock, texts
from app.auth import Caller
from app.models import CalendarFeed, SessionAction, SessionFeedback, SessionNote, SessionNoteCopy
from app.models.base import new_id
from app.models.coaching_session import Answer, CoachingSession, SessionAttendee
from tests.world import World

SESSION = "/v1/coaching-sessions/{session_id}"
NOTED, RATED = {"session_id": "noted_session"}, {"session_id": "rated_session"}
EXAMPLES: dict[str, dict[str, str]] = {
    f"{SESSION}/notes": NOTED,
    f"{SESSION}/notes/{{note_id}}": {**NOTED, "note_id": "session_note"},
    f"{SESSION}/actions": NOTED,
    f"{SESSION}/actions/{{action_id}}": {**NOTED, "action_id": "session_action"},
    f"{SESSION}/actions/{{action_id}}/reopen": {**NOTED, "action_id": "done_action"},
    f"{SESSION}/feedback": RATED,
    f"{SESSION}/feedback/{{feedback_id}}": {**NOTED, "feedback_id": "session_feedback"},
    "/v1/calendar-feeds/{feed_id}": {"feed_id": "calendar_feed"},
    "/v1/calendars/{token}.ics": {"token": "calendar_feed"},
}
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "create_session_action": lambda ids: {"employee_id": str(ids["amira"])},
    "create_goal_from_session_action": lambda _: {"pillars": ["own_pillar_1"], "plan_id": None},
}


def make_session_notes(session: Session, world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make two sessions that are over: one that Amira attended, one that she coached; and what came of them."""
    caller, amira, now = Caller(world.id, "system", None), world.people["amira"], clock.now()
    before = {name: made[name] for name in ("coaching_session", "session_attendee") if name in made}
    for ago, name, coach in ((3, "noted_session", "jonas"), (2, "rated_session", "amira")):
        starts_at = now - timedelta(days=ago, hours=number)
        made[name] = make(
            CoachingSession,
            kind="one_to_one",
            subject=f"Handover {number}",
            coach_id=world.people[coach],
            state="completed",
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=30),
            time_zone="UTC",
            scheduled_at=starts_at,
            completed_at=now,
        )
        # Amira gives feedback on the session whose feedback she reads: no real one has a coach who attends it.
        make(SessionAttendee, session_id=made[name], employee_id=amira, answer=Answer.accepted, attended=True)
    for _ in range(2):
        note_id = make(SessionNote, session_id=made["noted_session"], author_id=amira, visibility="private_to_author")
        copy_id = new_id()
        sealed = texts.seal(session, caller, amira, "session_note_copy.sealed", copy_id, "Try it on Monday.")
        session.add(
            SessionNoteCopy(organisation_id=world.id, id=copy_id, note_id=note_id, employee_id=amira, sealed=sealed)
        )
        session.flush()
    agreed = {"session_id": made["noted_session"], "employee_id": amira, "agreed_by_id": amira}
    made["done_action"] = make(
        SessionAction, **agreed, words="Ask the night line", state="done", done_at=now, done_by_id=amira
    )
    make(SessionAction, **agreed, words="Agree the handover with the night line", due_on=date(2100, 1, 1))
    said = {"kind": "one_to_one", "rating": 4}
    for giver in ("grace", "theo"):
        make(
            SessionFeedback,
            session_id=made["rated_session"],
            employee_id=world.people[giver],
            coach_id=amira,
            **said,
        )
    make(SessionFeedback, session_id=made["noted_session"], employee_id=amira, coach_id=world.people["jonas"], **said)
    for name in ("My phone", "My desk"):
        make(CalendarFeed, employee_id=amira, name=name, digest=new_id().bytes * 2, last_four="abcd")
    made.update(before)
