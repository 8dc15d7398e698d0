"""Who talks with whom in the demo organisation: held, due, asked for, called off, and every other week.

The services do the work, with the clock standing where it stood then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.models import Goal, SupportPrompt
from app.models.client import Role
from app.models.coaching_session import SessionKind
from app.models.goal import GoalState
from app.models.strain import PromptState
from app.schemas.base import Reason
from app.schemas.coaching_session import DebriefCreate, InvitationAnswer, Schedule, SessionCreate
from app.schemas.session_series import SeriesCreate
from app.services import coaching_session as sessions
from app.services import session_lifecycle as lifecycle
from app.services import session_planning as planning
from app.services import session_series as series

COACH, TEAM_LEAD, WHOSE = "jonas", "theo", "amira"
ZONE = "Europe/London"


def make(session: Session, organisation_id: UUID, ids: Mapping[str, UUID], others: Sequence[str]) -> None:
    """Let Jonas coach Amira and others. ``ids`` are the people's, by their user names."""
    Coaching(session, organisation_id, ids, clock.now()).live(others)


@dataclass
class Coaching:
    """The organisation, its people by their user names, and the present."""

    session: Session
    organisation_id: UUID
    ids: Mapping[str, UUID]
    now: datetime

    def live(self, others: Sequence[str]) -> None:
        """Let the past weeks pass, and plan the next."""
        held = self._asked_and_held(days=16)
        with clock.standing_at(self.now - timedelta(days=15)):
            self._do(lifecycle.acknowledge, WHOSE, held)
        self._asked_and_held(days=2)
        self._group(others[:3])
        with clock.standing_at(self.now - timedelta(hours=3)):
            self._series()
            off = self._plan(COACH, SessionKind.peer, "Night shifts", (others[3],), days=3, hour=15)
            self._do(lifecycle.cancel, COACH, off, Reason(reason="The late shift was moved."))
            self._do(sessions.create, others[1], SessionCreate(subject="Who has half an hour?"))
            self._debrief()

    def _asked_and_held(self, days: int) -> UUID:
        """Amira asks, Jonas agrees, and they meet; the session speaks of a goal of hers."""
        with clock.standing_at(self.now - timedelta(days=days + 3)):
            wanted = SessionCreate(
                subject="Leaving on time",
                agenda="What the evenings are like, and what to hand over earlier.",
                pillars=["physical_health"],
                coach_id=self.ids[COACH],
                goal_ids=self._goals(),
            )
            session_id: UUID = self._do(sessions.create, WHOSE, wanted)["id"]
            self._do(planning.schedule, COACH, session_id, Schedule(**self._times(3, 16)))
        with clock.standing_at(self.now - timedelta(days=days - 1)):
            self._do(lifecycle.complete, COACH, session_id)
        return session_id

    def _group(self, names: Sequence[str]) -> None:
        """Plan a session of several that nobody has said was held: it is overdue."""
        with clock.standing_at(self.now - timedelta(days=4)):
            made = self._plan(COACH, SessionKind.group, "After the storm week", names, days=3, hour=11)
            self._do(planning.answer, names[0], made, InvitationAnswer(answer="accepted"))
            self._do(planning.answer, names[1], made, InvitationAnswer(answer="declined", note="I am on leave."))

    def _series(self) -> None:
        data = SeriesCreate.model_validate(
            {
                "kind": "one_to_one",
                "subject": "Every other week",
                "attendee_ids": [self.ids[WHOSE]],
                "starts_at": self._times(5, 10)["starts_at"],
                "duration_seconds": 2700,
                "time_zone": ZONE,
                "rrule": "FREQ=WEEKLY;INTERVAL=2;COUNT=4",
            }
        )
        self._do(series.create, COACH, data)

    def _debrief(self) -> None:
        """Out of a prompt that somebody has accepted, where there is one."""
        query = select(SupportPrompt.id, SupportPrompt.employee_id).where(
            SupportPrompt.organisation_id == self.organisation_id,
            SupportPrompt.state == PromptState.accepted,
            SupportPrompt.employee_id.is_not(None),
        )
        found = self.session.execute(query.order_by(SupportPrompt.id.desc()).limit(1)).one_or_none()
        if found is not None:
            theirs = Caller(self.organisation_id, "person", found.employee_id)
            sessions.request_debrief(self.session, theirs, found.id, DebriefCreate(coach_id=self.ids[COACH]))

    def _plan(self, who: str, kind: SessionKind, subject: str, names: Sequence[str], days: int, hour: int) -> UUID:
        named = [self.ids[name] for name in names]
        times = self._times(days, hour)
        data = SessionCreate(kind=kind, subject=subject, coach_id=self.ids[who], attendee_ids=named, **times)
        identifier: UUID = self._do(sessions.create, who, data)["id"]
        return identifier

    def _times(self, days: int, hour: int) -> dict[str, Any]:
        day = (clock.now() + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)
        return {"starts_at": day, "ends_at": day + timedelta(minutes=45), "time_zone": ZONE}

    def _goals(self) -> list[UUID]:
        query = select(Goal.id).where(
            Goal.organisation_id == self.organisation_id,
            Goal.employee_id == self.ids[WHOSE],
            Goal.state == GoalState.active,
            ~Goal.private,
        )
        return list(self.session.execute(query.order_by(Goal.id).limit(1)).scalars())

    def _do(self, work: Callable[..., Any], name: str, *arguments: Any) -> Any:
        roles = frozenset({Role.coach}) if name == COACH else frozenset()
        caller = Caller(self.organisation_id, "person", self.ids[name], roles=roles)
        return work(self.session, caller, *arguments)
