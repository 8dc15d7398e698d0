"""Examples of coaching sessions and series for the conventions: see `examples_of_resources`."""

from collections.abc import Callable, Mapping, MutableMapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.models import CoachingSession, SessionAttendee, SessionBooking, SessionLink, SessionSeries, SupportPrompt
from tests.world import World

SESSION, SERIES = "/v1/coaching-sessions/{session_id}", "/v1/coaching-series/{series_id}"
EXAMPLES: dict[str, dict[str, str]] = {
    SESSION: {"session_id": "coaching_session"},
    f"{SESSION}/schedule": {"session_id": "requested_session"},
    f"{SESSION}/decline": {"session_id": "requested_session"},
    f"{SESSION}/start": {"session_id": "due_session"},
    f"{SESSION}/complete": {"session_id": "due_session"},
    f"{SESSION}/mark-no-show": {"session_id": "due_session"},
    f"{SESSION}/acknowledge": {"session_id": "held_session"},
    f"{SESSION}/links/{{link_id}}": {"session_id": "coaching_session", "link_id": "session_link"},
    SERIES: {"series_id": "session_series"},
    "/v1/support-prompts/{prompt_id}/debrief": {"prompt_id": "accepted_prompt"},
}


def _times(days: int) -> dict[str, str]:
    start = clock.now() + timedelta(days=days)
    return {"starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}


def _people(ids: Mapping[str, UUID]) -> dict[str, Any]:
    return {"coach_id": str(ids["jonas"]), "attendee_ids": [str(ids["amira"])]}


MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "create_coaching_session": lambda ids: (
        {**_people(ids), **_times(300), "pillars": [], "goal_ids": []} | {"call_event_ids": [], "meeting_url": None}
    ),
    "update_coaching_session": lambda _: {"pillars": [], "meeting_url": None},
    "schedule_coaching_session": lambda ids: {"coach_id": str(ids["jonas"]), **_times(301)},
    "reschedule_coaching_session": lambda _: _times(302),
    "change_coaching_session_people": lambda ids: {
        "coach_id": str(ids["jonas"]),
        "add_ids": [str(ids["theo"])],
        "remove_ids": [],
    },
    "complete_coaching_session": lambda _: {"absent_ids": []},
    "create_session_link": lambda ids: {"goal_id": str(ids["active_goal"]), "call_event_id": None},
    "request_debrief": lambda ids: {"coach_id": None, **_times(303), "call_event_ids": [str(ids["call_event"])]},
    "create_coaching_series": lambda ids: {
        **_people(ids),
        "starts_at": _times(304)["starts_at"],
        "duration_seconds": 3600,
        "rrule": "FREQ=WEEKLY;COUNT=3",
        "pillars": [],
        "meeting_url": None,
    },
    "change_coaching_series": lambda _: {
        "starting_on": str(clock.now().date()),
        "start_time": "06:30",
        "duration_seconds": 1800,
        "meeting_url": None,
    },
    "cancel_coaching_series": lambda _: {"starting_on": str(clock.now().date())},
}


def make_coaching(session: Session, world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make a session in each of some states, of Jonas with Amira; a series, and a prompt that was accepted."""
    now, amira, jonas = clock.now(), world.people["amira"], world.people["jonas"]

    def meet(state: str, hours: float, **fields: Any) -> UUID:
        start = now + timedelta(hours=hours)
        values: dict[str, Any] = {
            "kind": "group",
            "subject": f"Session {number}",
            "coach_id": jonas,
            "requested_by_id": amira,
            "state": state,
            "starts_at": start,
            "ends_at": start + timedelta(hours=1),
            "time_zone": "Europe/Berlin",
            "scheduled_at": None if state == "requested" else now,
        }
        identifier: UUID = make(CoachingSession, **values, **fields)
        attended = {"attended": True} if state == "completed" else {}
        make(SessionAttendee, session_id=identifier, employee_id=amira, **attended)
        if state == "scheduled":
            for person in (amira, jonas):
                booking = {"employee_id": person, "starts_at": start, "ends_at": values["ends_at"]}
                session.add(SessionBooking(organisation_id=world.id, session_id=identifier, **booking))
            session.flush()
        return identifier

    apart = 400 * number
    made["requested_session"] = meet("requested", apart)
    made["due_session"] = meet("scheduled", -0.1 - 2 * number)
    made["held_session"] = meet("completed", -30 - 2 * number)
    first = now + timedelta(hours=apart + 10)
    series_id = make(
        SessionSeries,
        kind="one_to_one",
        subject=f"Series {number}",
        coach_id=jonas,
        requested_by_id=jonas,
        rrule="FREQ=WEEKLY;COUNT=2",
        starts_at=first,
        time_zone="Europe/Berlin",
        duration_seconds=3600,
        until_at=first,
        state="active",
    )
    meet("scheduled", apart + 10, series_id=series_id, occurrence_at=first)
    identifier = meet("scheduled", apart + 20)
    make(SessionLink, session_id=identifier, employee_id=amira, goal_id=made["goal"])
    make(SessionLink, session_id=identifier, employee_id=amira, call_event_id=made["call_event"])
    made["coaching_session"] = identifier
    offered = made["support_prompt"]
    made["accepted_prompt"] = make(
        SupportPrompt,
        employee_id=amira,
        signal_id=made["strain_signal"],
        kind="debrief",
        message="A word about it?",
        expires_at=now + timedelta(hours=1),
        state="accepted",
    )
    made["support_prompt"] = offered
