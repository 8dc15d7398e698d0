"""Examples of work patterns, mentors and pairs for the conventions: see `examples_of_resources`."""

from collections.abc import Callable, Mapping, MutableMapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from app import clock
from app.models import MentorAssignment, MentorMeeting, MentorProfile, WorkPattern
from tests.world import World

PAIR = "/v1/mentor-assignments/{assignment_id}"
EXAMPLES: dict[str, dict[str, str]] = {
    "/v1/mentor-profiles/{profile_id}": {"profile_id": "mentor_profile"},
    PAIR: {"assignment_id": "mentor_assignment"},
    f"{PAIR}/accept": {"assignment_id": "proposed_pair"},
    f"{PAIR}/decline": {"assignment_id": "proposed_pair"},
    f"{PAIR}/resume": {"assignment_id": "paused_pair"},
    f"{PAIR}/meetings/{{meeting_id}}": {"assignment_id": "mentor_assignment", "meeting_id": "mentor_meeting"},
}
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "create_mentor_profile": lambda ids: {"employee_id": str(ids["theo"]), "pillars": ["own_pillar_1"]},
    "update_mentor_profile": lambda _: {"pillars": ["own_pillar_1"]},
    "propose_mentor_assignment": lambda ids: {
        "mentor_id": str(ids["ines"]),
        "mentee_id": str(ids["amira"]),
        "focus_pillars": ["own_pillar_1"],
        "ends_on": None,
    },
    "record_mentor_meeting": lambda _: {"met_at": None, "next_planned_at": None},
}
# Who has a profile in which example: nobody can have two.
MENTORS = {1: ("ines", "jonas", "grace"), 2: ("hana",), 3: ("noor",)}
PATTERNS = {1: "amira", 2: "theo", 3: "grace"}
TERMS = {"agreed_cadence_days": 14, "later_cadence_days": 30, "planned_sessions": 6, "starting_values": []}


def make_mentors(world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make mentors, and pairs of Amira's: one proposed, one active with meetings, one paused; later closed ones."""
    now, people = clock.now(), world.people
    hours = [{"weekday": 1, "starts_at": "14:00", "ends_at": "22:00"}]
    make(WorkPattern, employee_id=people[PATTERNS[number]], languages=["en"], hours=hours)
    for name in MENTORS[number]:
        make(
            MentorProfile,
            employee_id=people[name],
            pillars=["relationships"],
            capacity=2,
            languages=["en"],
            accepting=True,
            starting_values=[],
        )
    pair = {
        **TERMS,
        "mentee_id": people["amira"],
        "requested_by_id": people["amira"],
        "kind": "ongoing",
        "reasons": [],
        "meetings_held": 0,
    }
    agreed = {"mentee_agreed_at": now, "mentor_agreed_at": now, "activated_at": now, "starts_on": date(2026, 1, 1)}
    due = {"meeting_due_at": now + timedelta(days=14), "due_at": now + timedelta(days=14)}
    if number > 1:
        closed = {**pair, **agreed, "state": "completed", "closed_at": now}
        make(MentorAssignment, **closed, mentor_id=people["grace"], focus_pillars=["relationships"])
        return
    made["proposed_pair"] = make(
        MentorAssignment,
        **{**pair, "requested_by_id": people["jonas"]},
        mentor_id=people["jonas"],
        focus_pillars=["relationships"],
        state="proposed",
        mentor_agreed_at=now,
        answer_due_at=now + timedelta(days=14),
        due_at=now + timedelta(days=14),
    )
    paused = {"state": "paused", "paused_at": now, "paused_because": "asked", "focus_pillars": ["inner_drive"]}
    made["paused_pair"] = make(MentorAssignment, **pair, **agreed, **paused, mentor_id=people["noor"])
    active = {"state": "active", "focus_pillars": ["physical_health"], **due}
    pair_id = make(MentorAssignment, **pair, **agreed, **active, mentor_id=people["grace"])
    both = {"mentor_id": people["grace"], "mentee_id": people["amira"], "noted_by_id": people["amira"]}
    for _ in range(2):
        make(MentorMeeting, assignment_id=pair_id, **both, met_at=now, duration_seconds=2700)
    made["mentor_assignment"] = pair_id
