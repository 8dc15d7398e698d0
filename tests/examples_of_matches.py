"""Examples of matchings for the conventions: see `examples_of_resources`."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any
from uuid import UUID

from app import clock
from app.models import MentorMatch, MentorMatchPair, MentorMatchUnmatched
from app.services.mentor_fit import STARTING_WEIGHTS
from tests.world import World

MATCH = "/v1/mentor-matches/{match_id}"
EXAMPLES: dict[str, dict[str, str]] = {
    MATCH: {"match_id": "mentor_match"},
    f"{MATCH}/cancel": {"match_id": "queued_match"},
}
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "request_mentor_match": lambda ids: {
        "mentee_ids": [str(ids["amira"])],
        "team_id": None,
        "service_area_id": None,
        "pillar": "relationships",
    },
}
WEIGHTS = {name: getattr(STARTING_WEIGHTS, name) for name in STARTING_WEIGHTS.__slots__}
# Who has a profile in which example, and two whom they do not mentor yet.
PAIRS = {1: ("ines", "theo", "hana"), 2: ("hana", "theo", "jonas"), 3: ("noor", "theo", "jonas")}


def make_matches(world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make a matching that waits, and one that is done, with two pairs and two for whom there is nobody."""
    asked = {
        "requested_by_id": world.people["noor"],
        "team_id": world.team_id,
        "pillar": "relationships",
        "first": "total_fit",
        "require_shared_language": True,
        "require_shared_pillar": False,
        "least_score": 0,
        "weights": WEIGHTS,
        "mentee_count": 4,
        "attempts": 0,
        "confirmed_count": 0,
    }
    made["queued_match"] = make(MentorMatch, **asked, state="queued", progress=0, mentee_ids=[world.people["amira"]])
    done = {"state": "succeeded", "progress": 100, "finished_at": clock.now()}
    counts = {"mentor_count": 1, "pair_count": 2, "unmatched_count": 2, "total_fit": 61}
    match_id = make(MentorMatch, **asked, **done, **counts)
    mentor, *mentees = PAIRS[number]
    reason = {"code": "focus_pillar", "points": 20, "detail": "Mentors on the pillar asked for: relationships."}
    for score, mentee in enumerate(mentees, 30):
        people = {"mentor_id": world.people[mentor], "mentee_id": world.people[mentee]}
        make(
            MentorMatchPair, match_id=match_id, **people, score=score, reasons=[reason], focus_pillars=["relationships"]
        )
    for mentee in ("amira", "grace"):
        why = {"code": "places_taken", "detail": "No place is left.", "obstacles": {"places_taken": 1}}
        make(MentorMatchUnmatched, match_id=match_id, mentee_id=world.people[mentee], **why)
