"""What comes of a matching: pairs with their reasons, and why some are in none. Pure, and as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.services.mentor_fit import Fit, Mentee, Mentor, focus

# Why nobody: of all mentors the one who came nearest failed because of this. From far to near, as the obstacles.
UNMATCHED = {
    "no_mentors": "There is no mentor.",
    "self_mentoring": "The only mentor is the person themself.",
    "person_inactive": "The person has left the organisation.",
    "line_manager": "Besides the person's line manager there is no mentor.",
    "pair_already_open": "The person is a pair with every mentor who could be theirs already.",
    "focus_already_covered": "The person has a mentor on all of these pillars already.",
    "mentor_not_accepting": "No mentor who could be theirs takes anybody on at present.",
    "mentor_at_capacity": "No mentor who could be theirs has a free place.",
    "no_shared_language": "No mentor with a free place speaks a language that the person stated.",
    "no_shared_pillar": "No mentor with a free place mentors on what the person wants to grow in.",
    "below_least_score": "No mentor with a free place reaches the score that was asked for.",
    "places_taken": "The places of all mentors who would suit go to others in the best proposal for all together.",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A mentor who is proposed for a mentee."""

    mentee: Mentee
    mentor: Mentor
    fit: Fit

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "mentee_id": self.mentee.id.hex,
            "mentor_id": self.mentor.id.hex,
            "score": self.fit.score,
            "reasons": [reason._asdict() for reason in self.fit.reasons],
            "focus_pillars": list(focus(self.mentee, self.mentor)),
        }


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A mentee for whom nobody is proposed, and how many mentors each obstacle kept away."""

    mentee: Mentee
    obstacles: Mapping[str, int]

    @property
    def code(self) -> str:
        """Why: what kept the nearest mentor away."""
        return next((code for code in reversed(UNMATCHED) if code in self.obstacles), "no_mentors")

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "mentee_id": self.mentee.id.hex,
            "code": self.code,
            "detail": UNMATCHED[self.code],
            "obstacles": dict(self.obstacles),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a matching, in the order of the mentees' ids."""

    pairs: Sequence[Pair]
    unmatched: Sequence[Unmatched]

    @property
    def total_fit(self) -> int:
        """The sum of the scores."""
        return sum(pair.fit.score for pair in self.pairs)
