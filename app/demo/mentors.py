"""Who mentors whom in the demo organisation: one pair that meets, one that does not, and one that is asked.

The services do the work, with the clock standing where it stood then.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.schemas.mentor_assignment import AssignmentCreate, MeetingCreate
from app.schemas.mentor_profile import ProfileCreate
from app.schemas.work_pattern import WorkPatternPut
from app.services import mentor_assignment as pairs
from app.services import mentor_meeting as meetings
from app.services import mentor_profile as profiles
from app.services import mentor_rhythm as rhythm
from app.services import work_pattern as work_patterns

MENTORS: Mapping[str, dict[str, Any]] = {
    "grace": {
        "pillars": ["relationships", "emotional_wellbeing"],
        "languages": ["en", "ig"],
        "about": "Six years on the legal line. I listen first.",
    },
    "priya": {"pillars": ["future_focus", "inner_drive"], "capacity": 3, "about": "Ask me what comes after the phone."},
}
LATE = [{"weekday": day, "starts_at": "13:00", "ends_at": "21:00"} for day in range(1, 6)]


def make(session: Session, organisation_id: UUID, ids: Mapping[str, UUID], others: Sequence[str]) -> None:
    """Let Grace mentor Amira, and others each other. ``ids`` are the people's, by their user names."""
    Mentoring(session, organisation_id, ids, clock.now()).live(others)


@dataclass
class Mentoring:
    """The organisation, its people by their user names, and the present."""

    session: Session
    organisation_id: UUID
    ids: Mapping[str, UUID]
    now: datetime

    def live(self, others: Sequence[str]) -> None:
        """Let the past weeks pass."""
        first, second, *_ = others
        with self._ago(days=30):
            for name, offer in MENTORS.items():
                self._do(profiles.create, name, ProfileCreate.model_validate(offer))
            usual = WorkPatternPut.model_validate({"hours": LATE, "time_zone": "Europe/London"})
            self._do(work_patterns.put, "amira", self.ids["amira"], usual)
            amiras = self._pair("amira", "grace", "relationships")
            self._pair(first, "priya", "inner_drive")
        for days in (17, 3):
            with self._ago(days=days):
                self._do(meetings.record, "amira", amiras, MeetingCreate(duration_seconds=2700))
        with self._ago(days=2):
            self._ask(second, "grace", "emotional_wellbeing")
        rhythm.sweep(self.session, Caller(self.organisation_id, "system", None), self.now)

    def _ask(self, mentee: str, mentor: str, pillar: str) -> UUID:
        data = AssignmentCreate.model_validate({"mentor_id": self.ids[mentor], "focus_pillars": [pillar]})
        asked: UUID = self._do(pairs.propose, mentee, data)["id"]
        return asked

    def _pair(self, mentee: str, mentor: str, pillar: str) -> UUID:
        pair_id = self._ask(mentee, mentor, pillar)
        self._do(pairs.accept, mentor, pair_id)
        return pair_id

    def _do(self, work: Callable[..., Any], name: str, *arguments: Any) -> Any:
        return work(self.session, Caller(self.organisation_id, "person", self.ids[name]), *arguments)

    @contextmanager
    def _ago(self, *, days: int) -> Iterator[None]:
        with clock.standing_at(self.now - timedelta(days=days)):
            yield
