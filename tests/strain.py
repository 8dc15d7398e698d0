"""Calls, flags and signals for the tests of strain: rows made directly, then followed as the intake follows them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app.auth import Caller
from app.models import CallEvent, Source, StrainRule, StrainSignal, Team, TeamMember
from app.models.base import folded
from app.services import strain
from tests.world import World

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
HARD, EASY = ("abusive",), ("resolved",)


def ago(minutes: float) -> datetime:
    """Return a moment so many minutes before the tests' now."""
    return NOW - timedelta(minutes=minutes)


@dataclass(frozen=True)
class Told:
    """What a source says of one call."""

    employee_id: UUID
    ended_at: datetime
    outcomes: Sequence[str] = HARD
    contact_id: str = ""
    talk_seconds: int | None = None
    as_of: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)


def told(employee_id: UUID, minutes_ago: float, outcomes: Sequence[str] = HARD, **values: Any) -> Told:
    """Return a call that ended so many minutes ago."""
    return Told(employee_id, ago(minutes_ago), outcomes, **{"contact_id": uuid7().hex, **values})


def system(world: World) -> Caller:
    return Caller(world.id, "system", None)


async def source(world: World) -> UUID:
    """Return the world's source of calls, made on first use."""

    def make(session: Session) -> UUID:
        found = session.scalar(select(Source.id).where(Source.organisation_id == world.id, Source.name_key == "calls"))
        if found is None:
            row = Source(organisation_id=world.id, name="Calls", name_key="calls")
            session.add(row)
            session.flush()
            found = row.id
        return found

    return UUID(str(await world.run(make)))


def row_of(world: World, source_id: UUID, call: Told) -> CallEvent:
    """Return a new row of a call."""
    return CallEvent(
        organisation_id=world.id,
        source_id=source_id,
        contact_id=call.contact_id,
        agent_ref=str(call.employee_id),
        agent_key=str(call.employee_id),
        employee_id=call.employee_id,
        ended_at=call.ended_at,
        outcomes=list(call.outcomes),
        talk_seconds=call.talk_seconds,
        as_of=NOW + timedelta(seconds=call.as_of),
        as_of_event_id=uuid7().hex,
        **call.fields,
    )


def take_in(
    session: Session,
    world: World,
    source_id: UUID,
    calls: Iterable[Told],
    *,
    bounded: bool = False,
    then: Callable[[], None] = lambda: None,
) -> None:
    """Insert or update calls, then follow: what the intake does with one batch. ``then`` is called between the two."""
    first: dict[UUID, datetime] = {}
    last: dict[UUID, datetime] = {}
    for call in calls:
        moments = [call.ended_at]
        row = session.scalar(
            select(CallEvent).where(
                CallEvent.organisation_id == world.id,
                CallEvent.source_id == source_id,
                CallEvent.contact_id == call.contact_id,
                CallEvent.agent_key == str(call.employee_id),
            )
        )
        as_of = NOW + timedelta(seconds=call.as_of)
        values = {"ended_at": call.ended_at, "outcomes": list(call.outcomes), "talk_seconds": call.talk_seconds}
        if row is None:
            session.add(row_of(world, source_id, call))
        elif row.as_of < as_of:
            moments.append(row.ended_at)
            for name, value in {**values, "as_of": as_of}.items():
                setattr(row, name, value)
        else:
            continue
        first[call.employee_id] = min(*moments, first.get(call.employee_id, call.ended_at), call.ended_at)
        last[call.employee_id] = max(*moments, last.get(call.employee_id, call.ended_at), call.ended_at)
        session.flush()
    then()
    strain.follow(session, system(world), first, last if bounded else None)


async def post(world: World, *calls: Told, bounded: bool = False) -> None:
    """Take in calls in one batch."""
    source_id = await source(world)
    await world.run(lambda session: take_in(session, world, source_id, calls, bounded=bounded))


async def change(world: World, call: Told, **values: Any) -> None:
    """Change a call directly (``voided_at``, ``disputed_at`` …), then follow."""
    source_id = await source(world)

    def work(session: Session) -> None:
        session.execute(
            update(CallEvent)
            .where(
                CallEvent.organisation_id == world.id,
                CallEvent.source_id == source_id,
                CallEvent.contact_id == call.contact_id,
            )
            .values(**values)
        )
        strain.follow(session, system(world), {call.employee_id: call.ended_at})

    await world.run(work)


async def event_id(world: World, call: Told) -> UUID:
    query = select(CallEvent.id).where(CallEvent.organisation_id == world.id, CallEvent.contact_id == call.contact_id)
    return UUID(str(await world.run(lambda session: session.scalar(query))))


RULE: dict[str, Any] = {
    "name": "Two in an hour",
    "description": "Two hard calls within an hour.",
    "condition": {"kind": "hard_call_count", "count": 2, "window_seconds": 3600},
    "cooldown_seconds": 7200,
    "prompt": {"kind": "break", "minutes": 5, "expires_seconds": 1800},
}


async def only(world: World, *rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Leave the organisation with these rules alone, and return them. A rule is given by what it differs in."""

    def disable(session: Session) -> None:
        session.execute(update(StrainRule).where(StrainRule.organisation_id == world.id).values(enabled=False))

    await world.run(disable)
    lead, made = world.person("noor"), []
    for number, rule in enumerate(rules or ({},)):
        answer = await lead.post("/v1/strain-rules", json={**RULE, "name": f"Rule {number} {uuid7().hex}", **rule})
        assert answer.status_code == 201, answer.text
        made.append(answer.json())
    return made


async def team_of(world: World, size: int, **fields: Any) -> list[UUID]:
    """Make a team of new people, led by Theo, and return them."""
    people = [await world.hire(f"agent-{uuid7().hex[-10:]}") for _ in range(size)]

    def make(session: Session) -> None:
        name = f"Team {uuid7().hex}"
        lead = world.people["theo"]
        team = Team(organisation_id=world.id, name=name, name_key=folded(name), **{"lead_id": lead, **fields})
        session.add(team)
        session.flush()
        session.add_all(TeamMember(organisation_id=world.id, team_id=team.id, employee_id=person) for person in people)

    await world.run(make)
    return people


async def live(world: World, *people: UUID, private: bool | None = None) -> list[tuple[Any, ...]]:
    """Return what the live signals say, without ids of their own: comparable between histories."""

    def find(session: Session) -> list[tuple[Any, ...]]:
        query = select(StrainSignal).where(StrainSignal.organisation_id == world.id, StrainSignal.state == "raised")
        if people:
            query = query.where(StrainSignal.employee_id.in_(people))
        if private is not None:
            query = query.where(StrainSignal.private == private)
        found = []
        for signal in session.scalars(query):
            ids = select(CallEvent.id, CallEvent.contact_id).where(
                CallEvent.organisation_id == world.id, CallEvent.id.in_(signal.call_event_ids)
            )
            contacts = {row.id: row.contact_id for row in session.execute(ids)}
            found.append(
                (
                    str(signal.rule_id),
                    people.index(signal.employee_id) if people else str(signal.employee_id),
                    signal.triggered_at,
                    signal.window_from,
                    signal.measure,
                    signal.threshold,
                    tuple(contacts[one] for one in signal.call_event_ids),
                    len(signal.call_flag_ids),
                    signal.private,
                )
            )
        return sorted(found, key=str)

    return list(await world.run(find))


async def signals(caller: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    answer = await caller.get("/v1/strain-signals", params=filters)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])
