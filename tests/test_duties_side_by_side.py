"""Every duty of the worker, done twice at the same moment by workers of their own, is done once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app import clock
from app.auth import Caller
from app.database import Database, make_engine
from app.migrate import Urls
from app.models import AuditEntry, AuditSeal, OutgoingEvent, RefusedCallEvent, SupportPrompt, WebhookDelivery
from app.models.strain import PromptKind
from app.settings import Settings
from app.wakeup import Wakeup
from app.worker import REGULARLY, Duty, Worker
from tests.deliveries import make_endpoint
from tests.mentors import make_pair
from tests.plans import make_active, say
from tests.test_break_glass import ask
from tests.webhooks import happen
from tests.world import World

AHEAD = timedelta(days=40)
# What the worker says of each thing that this organisation has too long.
SAID = (
    "support_prompt.expired",
    "goal.lapsed",
    "mentor_assignment.flagged",
    "break_glass_request.expired",
    "source.silent",
)


@pytest.fixture
async def beside(world: World, urls: Urls, settings: Settings) -> AsyncIterator[Database]:
    """The same database, as another process sees it."""
    patient = settings.model_copy(update={"lock_timeout_seconds": 20, "pool_timeout_seconds": 20})
    database = Database(make_engine(urls.application, patient, role=urls.application_role), world.database.vault)
    yield database
    await database.close()


@pytest.fixture
async def overdue(world: World, client: httpx.AsyncClient, amira: httpx.AsyncClient, ines: httpx.AsyncClient) -> None:
    """Make something for every duty to do, once the time has passed."""
    for _ in range(2):
        await say(amira, await make_active(amira), 9)
    await make_pair(world)
    await ask(ines, world)
    made = await client.post("/v1/sources", json={"name": "Calls", "kind": "cloudevents"})
    assert made.status_code == 201, made.text
    await make_endpoint(world, "https://hooks.example.com/", "pillars:read")
    await happen(world, *(f"pillar-{number}" for number in range(20)))

    def add(session: Session) -> None:
        for _ in range(5):
            prompt = {"kind": PromptKind.take_break, "message": "A break?", "expires_at": clock.now()}
            session.add(SupportPrompt(organisation_id=world.id, employee_id=world.people["amira"], **prompt))
            session.add(RefusedCallEvent(organisation_id=world.id, payload={}, errors=[], created_at=clock.now()))
            moments = {"occurred_at": clock.now() - timedelta(days=60)}
            about = {"type": "old.one", "resource": "x", "resource_id": uuid7(), "data": {}}
            session.add(OutgoingEvent(organisation_id=world.id, **about, **moments))

    await world.run(add)
    await Worker(world.database, Wakeup(), 1).attend(world.id, REGULARLY)


@pytest.fixture
def ines(world: World) -> httpx.AsyncClient:
    """Coordinates the EAP."""
    return world.person("ines")


async def at_once(world: World, beside: Database, name: str, duty: Duty) -> None:
    """Do a duty four times at the same moment, without the lock that workers do it under.

    What the database then refuses, so that nothing of it is done, is as good as not begun.
    """

    def work(session: Session) -> None:
        session.execute(text("SELECT set_tenant(:id)"), {"id": world.id})
        duty(session, Caller(world.id, "system", None), clock.now())

    done = await asyncio.gather(
        *(database.run(work) for database in (world.database, beside) * 2), return_exceptions=True
    )
    assert [each for each in done if not isinstance(each, IntegrityError | None)] == [], name
    assert None in done, name


async def said(world: World) -> Counter[tuple[str, Any]]:
    """Return how often the worker said what of which row."""
    query = select(AuditEntry.action, AuditEntry.resource_id).where(
        AuditEntry.organisation_id == world.id, AuditEntry.actor_kind == "system", AuditEntry.action.in_(SAID)
    )
    return Counter(tuple(row) for row in await world.run(lambda session: session.execute(query).all()))


async def test_every_duty_is_done_once(
    world: World, beside: Database, overdue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = clock.now() + AHEAD
    monkeypatch.setattr(clock, "now", lambda: later)

    for _ in range(2):
        for name, duty in REGULARLY.items():
            await at_once(world, beside, name, duty)

    found = await said(world)
    assert {action for action, _ in found} == set(SAID)
    assert {each: times for each, times in found.items() if times > 1} == {}
    await in_good_order(world)


async def test_workers_side_by_side_leave_each_other_what_they_do(
    world: World, beside: Database, overdue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = clock.now() + AHEAD
    monkeypatch.setattr(clock, "now", lambda: later)
    workers = [Worker(database, Wakeup(), 1) for database in (world.database, beside)]

    for _ in range(3):
        await asyncio.gather(*(worker.attend(world.id, REGULARLY) for worker in workers))

    found = await said(world)
    assert {action for action, _ in found} == set(SAID)
    assert {each: times for each, times in found.items() if times > 1} == {}
    await in_good_order(world)


async def in_good_order(world: World) -> None:
    """See that numbers have no gap, deliveries no twin, seals no break, and that what is old has gone."""

    def look(session: Session) -> None:
        entries = select(AuditEntry.number).where(AuditEntry.organisation_id == world.id).order_by(AuditEntry.number)
        numbers = list(session.scalars(entries))
        assert numbers == list(range(1, len(numbers) + 1))
        kept = select(OutgoingEvent.type, OutgoingEvent.number).where(OutgoingEvent.organisation_id == world.id)
        events = session.execute(kept).all()
        assert len({number for _, number in events}) == len(events) >= 20
        assert "old.one" not in {name for name, _ in events}
        queued = list(
            session.scalars(select(WebhookDelivery.event_id).where(WebhookDelivery.organisation_id == world.id))
        )
        assert len(queued) == len(set(queued)) >= 20
        assert session.scalar(select(RefusedCallEvent).where(RefusedCallEvent.organisation_id == world.id)) is None
        assert session.scalar(select(AuditSeal).where(AuditSeal.organisation_id == world.id).limit(1)) is not None

    await world.run(look)
