"""What recording a look costs, and how fast the audit is sealed and verified: ``python -m benchmarks.reads``.

The same request, ``GET`` of one review by who leads the person, with and without its entry, in turns, in one process,
on an embedded server that really waits for its disk.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import insert
from sqlalchemy.orm import Session

from app import clock, duties, embedded, migrate, reads
from app.auth import Caller, DevelopmentIssuer
from app.database import Database, make_engine, set_tenant
from app.main import create_app
from app.models import AuditEntry, DevelopmentPlan, Employee, Review
from app.models.base import new_id
from app.models.development_plan import PlanState
from app.models.review import ReviewKind, ReviewState, ShownWhen
from app.services import audit_seal as seals
from app.services import organisation as organisations
from app.settings import Settings

TURNS, REQUESTS, AT_ONCE, ENTRIES = 9, 150, 8, 20_000


def lay(session: Session) -> tuple[UUID, UUID, str]:
    """Make a leader, one of their people, and a review; return the organisation, the person and the review's path."""
    organisation_id = organisations.create(session, "Bench", f"bench-{time.time_ns()}").id
    lead, person, plan, review = (new_id() for _ in range(4))
    for row_id, name, manager in ((lead, "lead", None), (person, "person", lead)):
        about = {"user_name": name, "user_name_key": name, "display_name": name, "manager_id": manager}
        session.add(Employee(organisation_id=organisation_id, id=row_id, **about))
        session.flush()
    period = {"starts_on": date(2026, 1, 1), "ends_on": date(2026, 12, 31), "title": "Plan"}
    mine = {"organisation_id": organisation_id, "employee_id": person}
    session.add(DevelopmentPlan(id=plan, state=PlanState.active, **mine, **period))
    session.flush()
    kind = {"kind": ReviewKind.one_to_one, "shown_when": ShownWhen.each_shared, "state": ReviewState.open}
    session.add(Review(id=review, plan_id=plan, reviewer_id=lead, **mine, **kind))
    return organisation_id, person, f"/v1/development-plans/{plan}/reviews/{review}"


async def one_by_one(http: httpx.AsyncClient, path: str) -> None:
    for _ in range(REQUESTS):
        (await http.get(path)).raise_for_status()


async def side_by_side(http: httpx.AsyncClient, path: str) -> None:
    async def some() -> None:
        for _ in range(REQUESTS // AT_ONCE):
            (await http.get(path)).raise_for_status()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def ratio(work: Callable[[], Awaitable[None]]) -> float:
    """Return how long the work takes with recorded reads, as a multiple of without: the median of the turns."""
    recorded, found = reads.record_shown, []
    for turn in range(TURNS):
        seconds = {}
        for on in (True, False) if turn % 2 else (False, True):
            reads.record_shown = recorded if on else lambda *_: None
            started = time.perf_counter()
            await work()
            seconds[on] = time.perf_counter() - started
        found.append(seconds[True] / seconds[False])
    reads.record_shown = recorded
    return statistics.median(found)


async def seal(database: Database, organisation_id: UUID, person: UUID) -> tuple[float, float, float]:
    """Return entries a second: numbered, sealed, verified."""
    caller = Caller(organisation_id, "system", None)

    def within(work: Callable[..., Any]) -> Callable[[Session], Any]:
        def run(session: Session) -> Any:
            set_tenant(session, organisation_id)
            return work(session)

        return run

    async def until_done(duty: Any) -> float:
        started, more = time.perf_counter(), True
        while more:
            more = (await database.run(within(lambda session: duty(session, caller, clock.now())))).more
        return time.perf_counter() - started

    def fill(session: Session) -> None:
        about = {"organisation_id": organisation_id, "action": "review.read", "resource": "review"}
        about |= {"subject_id": person, "actor_kind": "person", "actor_id": person, "access_right": "line_manager"}
        entry = {**about, "resource_id": person, "request_id": str(new_id()), "details": {"fields": ["title"]}}
        session.execute(insert(AuditEntry), [dict(entry) for _ in range(ENTRIES)])

    await until_done(duties.number)
    await until_done(duties.seal)
    await database.run(within(fill))
    numbering, sealing = await until_done(duties.number), await until_done(duties.seal)
    started = time.perf_counter()
    proof = await database.run(within(lambda session: seals.verify(session, organisation_id)))
    assert proof.fault is None, proof.fault
    return ENTRIES / numbering, ENTRIES / sealing, proof.entries / (time.perf_counter() - started)


async def measure(urls: migrate.Urls, settings: Settings) -> None:
    await migrate.migrate(urls)
    database = Database(make_engine(urls.application, settings, role=urls.application_role))
    app = create_app(settings, database)
    organisation_id, person, path = await database.run(lay)
    token = DevelopmentIssuer.load(settings.data_dir).issue(organisation_id, "lead")
    transport, headers = httpx.ASGITransport(app), {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://bench", headers=headers) as http:
        await one_by_one(http, path)
        print(f"GET of a sensitive record, one by one:   {await ratio(lambda: one_by_one(http, path)):.2f} x")
        print(f"the same, {AT_ONCE} side by side:              {await ratio(lambda: side_by_side(http, path)):.2f} x")
    numbered, sealed, verified = await seal(database, organisation_id, person)
    print(f"entries a second: numbered {numbered:,.0f}, sealed {sealed:,.0f}, verified {verified:,.0f}")
    await database.close()


def main() -> None:
    """Measure on a server of its own."""
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(data_dir=Path(directory), worker="off", rate_limit_per_minute=10_000_000)
        server = embedded.start(settings.data_dir)
        try:
            asyncio.run(measure(asyncio.run(migrate.prepare_embedded(server.url)), settings))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
