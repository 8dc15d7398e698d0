"""Examples of thought records and their shares for the conventions: see `examples_of_resources`."""

import json
from collections.abc import Callable, Mapping, MutableMapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock, texts
from app.auth import Caller
from app.models import CoachingSession, SessionAttendee, ThoughtRecord, ThoughtShare
from app.models.base import new_id
from app.schemas.thought_record import THOUGHT
from app.services.thought_record import SEALED_IN
from tests.world import World

RECORD = "/v1/thought-records/{record_id}"
EXAMPLES: dict[str, dict[str, str]] = {
    RECORD: {"record_id": "thought_record"},
    RECORD + "/shares/{share_id}": {"record_id": "thought_record", "share_id": "thought_share"},
}
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "create_thought_share": lambda ids: {"employee_id": str(ids["jonas"])},
}


def make_thoughts(session: Session, world: World, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make a thought record of Amira's, two shares of it, and a session in which Jonas coached her."""
    amira, row_id = world.people["amira"], new_id()
    sealed = texts.seal(session, Caller(world.id, "system", None), amira, SEALED_IN, row_id, json.dumps(THOUGHT))
    session.add(ThoughtRecord(organisation_id=world.id, id=row_id, employee_id=amira, content=sealed))
    session.flush()
    made["thought_record"] = row_id
    for name in ("theo", "ines"):
        make(ThoughtShare, employee_id=amira, record_id=row_id, shared_with_id=world.people[name])
    coach(session, world, "jonas", "amira")


def coach(session: Session, world: World, by: str, whom: str) -> UUID:
    """Make a session that was held, and return its id."""
    now, held = clock.now(), new_id()
    times = {"starts_at": now - timedelta(hours=2), "ends_at": now - timedelta(hours=1), "completed_at": now}
    said = {"kind": "one_to_one", "subject": "A word", "state": "completed", "time_zone": "UTC"}
    session.add(CoachingSession(organisation_id=world.id, id=held, coach_id=world.people[by], **said, **times))
    session.flush()
    session.add(SessionAttendee(organisation_id=world.id, session_id=held, employee_id=world.people[whom]))
    session.flush()
    return held
