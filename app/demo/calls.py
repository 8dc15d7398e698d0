"""Thirty days of calls in the demo organisation, up to now; the hard ones are spread unevenly over areas and people."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.demo.people import Person

DAYS = 30
SHIFT = timedelta(hours=7)
# What the switchboard's codes mean. CB, a callback, was forgotten: it shows as an unmapped code.
MAPPING = {
    "OK": ["resolved"],
    "OPEN": ["unresolved"],
    "UP": ["escalated"],
    "COMPL": ["complaint"],
    "NO": ["refusal_given"],
    "ABUSE": ["abusive"],
    "THREAT": ["threatening"],
    "UPSET": ["distressed_caller"],
    "RISK": ["safeguarding"],
}
ORDINARY = {"OK": 72, "OPEN": 12, "UP": 4, "COMPL": 4, "NO": 4, "CB": 4}
HARD = {"ABUSE": 50, "UPSET": 37, "RISK": 8, "THREAT": 5}
WEATHER = (0.6, 0.8, 1.0, 1.0, 1.3, 2.0)
AMIRA, AMIRAS_AREA, TEMP = "H201", "Legal advice line", "temp-3"


@dataclass(frozen=True)
class Call:
    """One call as the switchboard tells of it. Without a code, nobody answered it."""

    number: str
    agent: str
    queue: str
    started_at: datetime
    waited: int
    talked: int
    code: str | None

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(seconds=self.waited + (self.talked if self.code else 0))

    def event(self, source_id: UUID) -> dict[str, Any]:
        """Return it as an event in canonical form."""
        event: dict[str, Any] = {
            "source_id": str(source_id),
            "event_id": self.number,
            "contact_id": self.number,
            "agent": {"ref": self.agent},
            "queue": {"name": self.queue},
            "channel": "voice",
            "direction": "inbound",
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "result": "abandoned",
        }
        if self.code is not None:
            answered_at = self.started_at + timedelta(seconds=self.waited)
            event |= {"result": "answered", "answered_at": answered_at.isoformat(), "disposition": {"code": self.code}}
            event["durations"] = {"queue_s": self.waited, "talk_s": self.talked}
        return event


def deliveries(now: datetime) -> list[datetime]:
    """Return when the switchboard delivered: every third day at first, more often lately, and just now."""
    days = [*range(DAYS - 1, 10, -3), 9, 7, 5, 3]
    return [now - timedelta(days=day) for day in days] + [now - timedelta(hours=hour) for hour in (27, 24, 3, 0)]


def calls(people: Sequence[Person], now: datetime, chance: random.Random) -> list[Call]:
    """Return every call of every agent in the order of their ends, the last of them a moment ago."""
    made: list[Call] = []
    for day in range(DAYS - 1, -1, -1):
        weather = chance.choice(WEATHER)
        for place, person in enumerate(person for person in people if person.is_agent):
            if (day + place) % 7 < 5:
                made += _shift(person, now - timedelta(days=day), weather, chance)
    made += (_of_a_temp(now - timedelta(days=day, hours=2)) for day in range(1, DAYS, 3))
    made += _of_amira(now)
    return sorted(made, key=lambda call: (call.ended_at, call.number))


def _shift(person: Person, until: datetime, weather: float, chance: random.Random) -> Iterator[Call]:
    count = chance.randint(4, 5)
    room = SHIFT / count
    for index in range(count):
        begins = until - SHIFT + index * room + timedelta(seconds=chance.randrange(600))
        is_hard = chance.random() < min(0.7, person.hardness * weather)
        yield Call(
            number=f"{until:%y%m%d}-{person.number}-{index}",
            agent=person.number,
            queue=person.area.name if person.area else "",
            started_at=begins,
            waited=chance.randrange(5, 240),
            talked=chance.randrange(240, 2400 if is_hard else 1500),
            code=_code(is_hard, chance),
        )


def _code(is_hard: bool, chance: random.Random) -> str | None:
    codes = HARD if is_hard else ORDINARY
    if not is_hard and chance.random() < 0.04:
        return None
    return chance.choices(list(codes), list(codes.values()))[0]


def _of_a_temp(begins: datetime) -> Call:
    """Return a call of somebody whom nobody has told the service of: it is kept, unmatched."""
    return Call(f"{begins:%y%m%d}-temp", TEMP, "Housing", begins, 20, 300, "OK")


def _of_amira(now: datetime) -> Iterator[Call]:
    """Yield what whoever opens the demo finds Amira in: two hard calls, one after the other, a moment ago."""
    for index, code in enumerate(("ABUSE", "THREAT")):
        begins = now - timedelta(minutes=40 - 18 * index)
        yield Call(f"{begins:%y%m%d}-{AMIRA}-now-{index}", AMIRA, AMIRAS_AREA, begins, 30, 900, code)
