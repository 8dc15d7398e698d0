"""What happened on the days of the demo organisation: calls came in, and people answered what they were offered.

The services do the work, with the clock standing where it stood then.
"""

import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.demo import calls as demo_calls
from app.demo.people import Person
from app.intake import canonical
from app.models import CallEvent, SupportPrompt
from app.models.call_event import FlagKind
from app.models.client import Role
from app.schemas.call_flag import CallFlagCreate
from app.schemas.source import SourceCreate
from app.services import call_event_intake as intake
from app.services import call_flag as flags
from app.services import source as sources
from app.services import support_prompt as prompts

FATES = ("done", "accepted", "declined", "left")
# How the programme lead answers when asked about the work of a team: the last ones are still open.
TEAM_FATES = ("done", "declined", "accepted")
# Calls that somebody calls hard themself: whose, how many days ago, and in what way.
FLAGGED = (
    ("amira", 9, FlagKind.aimed_at_me),
    ("amira", 3, None),
    ("grace", 5, FlagKind.distressing),
)
# An item that holds what no call event may hold: it is refused, and can be read back.
TOO_MUCH = {"event_id": "note-1", "contact_id": "note-1", "agent": {"ref": "H241"}, "notes": "Asked for a call back."}


@dataclass
class Days:
    """The organisation, and who acts in it."""

    session: Session
    contact_centre: Caller
    people: Sequence[Person]
    ids: Mapping[str, UUID]
    chance: random.Random
    team_prompts: int = 0

    def live(self) -> None:
        """Let every day pass, up to now."""
        now = clock.now()
        moments = demo_calls.deliveries(now)
        with clock.standing_at(moments[0] - timedelta(days=2)):
            source_id = self._make_source()
        waiting = demo_calls.calls(self.people, now, self.chance)
        for moment, calls in groupby(waiting, key=lambda call: moments[bisect_left(moments, call.ended_at)]):
            raw = [call.event(source_id) for call in calls]
            if moment == moments[-2]:
                raw.append({**TOO_MUCH, "source_id": str(source_id), "ended_at": moment.isoformat()})
            with clock.standing_at(moment):
                intake.receive(self.session, self.contact_centre, map(canonical.read, raw))
                prompts.expire(self.session, self._system, moment)
            if moment < now:
                self._answer(moment)
                self._flag(moment, now)

    @property
    def _system(self) -> Caller:
        return Caller(self.contact_centre.organisation_id, "system", None)

    def _make_source(self) -> UUID:
        mappings = [{"kind": "disposition", "code": c, "outcomes": each} for c, each in demo_calls.MAPPING.items()]
        data = {"name": "Switchboard", "description": "The telephone system.", "outcome_mappings": mappings}
        made = sources.create(self.session, self.contact_centre, SourceCreate.model_validate(data), public_url="")
        source_id: UUID = made["id"]
        return source_id

    def _answer(self, moment: datetime) -> None:
        """Answer what was just offered, in the order of the people's numbers."""
        table = SupportPrompt.__table__
        offered = self.session.execute(
            select(table.c.id, table.c.employee_id, table.c.kind, table.c.expires_at).where(
                table.c.organisation_id == self.contact_centre.organisation_id,
                table.c.offered_at == moment,
                table.c.state == "offered",
            )
        ).all()
        people = {self.ids[person.number]: person for person in self.people}
        lead = next(person for person in self.people if person.user_name == "noor")
        named = [(people.get(row.employee_id, lead), row) for row in offered]
        for person, row in sorted(named, key=lambda pair: (pair[0].number, pair[1].kind)):
            if row.employee_id is None:
                fate = TEAM_FATES[self.team_prompts] if self.team_prompts < len(TEAM_FATES) else "left"
                self.team_prompts += 1
            else:
                fate = self.chance.choices(FATES, person.area.answers if person.area else (1, 1, 1, 1))[0]
            at = moment + timedelta(minutes=self.chance.randint(1, 9))
            if fate != "left" and at < row.expires_at:
                self._give(self._caller(person), row.id, fate, at)

    def _give(self, caller: Caller, prompt_id: UUID, fate: str, at: datetime) -> None:
        """Give an answer, and do what was accepted some minutes later."""
        with clock.standing_at(at):
            prompts.answer(self.session, caller, prompt_id, "decline" if fate == "declined" else "accept")
        if fate == "done":
            with clock.standing_at(at + timedelta(minutes=20)):
                prompts.answer(self.session, caller, prompt_id, "complete")

    def _flag(self, moment: datetime, now: datetime) -> None:
        """Let people call their last call a hard one, a moment after it was delivered."""
        for name, days, kind in FLAGGED:
            if now - moment == timedelta(days=days):
                caller = self._caller(next(person for person in self.people if person.user_name == name))
                mine = (CallEvent.organisation_id == caller.organisation_id, CallEvent.employee_id == caller.id)
                last = select(CallEvent.id).where(*mine).order_by(CallEvent.ended_at.desc()).limit(1)
                with clock.standing_at(moment + timedelta(minutes=2)):
                    data = CallFlagCreate(call_event_id=self.session.scalar(last), kind=kind)
                    flags.create(self.session, caller, data)

    def _caller(self, person: Person) -> Caller:
        roles = frozenset({Role.programme_lead}) if person.user_name == "noor" else frozenset()
        return Caller(self.contact_centre.organisation_id, "person", self.ids[person.number], roles=roles)
