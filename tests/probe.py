"""An application on a small pool of its own, whose routes do whatever a test puts into them, on tables of their own."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import migrate
from app.call import Call
from app.database import Database, make_engine
from app.main import create_app
from app.routing import Route, allows, public
from app.settings import Settings

POOL = 3
DEADLOCK_SECONDS = 1  # PostgreSQL's default deadlock_timeout

# Beside the application's own tables: rows that are kept or not, and three ways in which a commit fails.
PROBE = """
CREATE SCHEMA probe;
CREATE TABLE probe.kept (value integer CONSTRAINT once UNIQUE DEFERRABLE INITIALLY DEFERRED, touched integer DEFAULT 0);
CREATE FUNCTION probe.fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.value = -1 THEN RAISE EXCEPTION 'canary'; END IF;
    IF NEW.value = -2 THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON probe.kept DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION probe.fail();
GRANT USAGE ON SCHEMA probe TO ballast_app;
GRANT ALL ON probe.kept TO ballast_app;
"""

Work = Callable[[Session], Any]


class Probe(BaseModel):
    value: int


router = APIRouter(prefix="/probe", tags=["Service"], route_class=Route)


@router.post("")
@public
async def run_probe(call: Call) -> Probe:
    """Run what the test put into the application."""
    return await call(call.app.state.work)  # type: ignore[no-any-return]


@router.post("/known")
@allows("organisation", "read")
async def run_probe_as_somebody(call: Call) -> Probe:
    """Run it as a caller who is known."""
    return await call(lambda session, _caller: call.app.state.work(session))  # type: ignore[no-any-return]


@router.get("/still")
@public
async def stand_still() -> Probe:
    """Answer without the database."""
    return Probe(value=0)


async def tables(urls: migrate.Urls) -> AsyncIterator[None]:
    """Make the tables of the tests in a schema of their own, and remove them afterwards."""
    owner = migrate.owner_engine(urls.owner)
    # A superuser's session (a server that is not ours) may only be ended by a superuser.
    definer = "ALTER FUNCTION probe.fail() SECURITY DEFINER;" if urls.application_role else ""
    async with owner.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute("DROP SCHEMA IF EXISTS probe CASCADE;" + PROBE + definer)
        yield
        await driver.execute("DROP SCHEMA probe CASCADE")
    await owner.dispose()


async def small_pool(urls: migrate.Urls, settings: Settings, probe: None) -> AsyncIterator[Database]:
    """A small pool of its own."""
    small = settings.model_copy(update={"pool_size": POOL, "statement_timeout_seconds": 3})
    database = Database(make_engine(urls.application, small, role=urls.application_role))
    yield database
    await database.close()


def application(own: Database, settings: Settings) -> FastAPI:
    app = create_app(settings, own)
    app.router.routes.extend(router.routes)
    return app


async def caller(probing: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(probing, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ballast.test") as client:
        yield client


def keep(value: int) -> Work:
    def work(session: Session) -> dict[str, int]:
        session.execute(text("INSERT INTO probe.kept (value) VALUES (:value)"), {"value": value})
        return {"value": value}

    return work


def sleep(seconds: float) -> Work:
    def work(session: Session) -> dict[str, int]:
        session.execute(text(f"SELECT pg_sleep({seconds})"))
        return {"value": 1}

    return work


async def kept(other: Database) -> list[int]:
    query = text("SELECT value FROM probe.kept ORDER BY value")
    return await other.run(lambda session: list(session.execute(query).scalars()))


async def emptied(probe: None, database: Database) -> None:
    await database.run(lambda session: session.execute(text("DELETE FROM probe.kept")))


PATIENCE_SECONDS = 20  # of a busy machine; what is seen to end would last for a minute
BUSY = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND state <> 'idle' AND query LIKE '%pg_sleep(%'"
    " AND pid <> pg_backend_pid()"
)


# Of the role that a connection takes on after it signed in, others do not show what they do.
AS_SIGNED_IN = text("SET LOCAL ROLE NONE")


def busy(session: Session) -> int:
    """Return how many statements of the tests sleep in the database."""
    session.execute(AS_SIGNED_IN)
    return int(session.execute(BUSY).scalar_one())


async def _comes_true(condition: Callable[[], Awaitable[bool]]) -> bool:
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        if await condition():
            return True
        await asyncio.sleep(0.02)
    return False


async def sleeping(count: int, other: Database) -> None:
    """Wait until so many statements of the tests sleep in the database."""

    async def all_asleep() -> bool:
        return await other.run(busy) == count

    assert await _comes_true(all_asleep)


async def becomes_clean(own: Database, other: Database) -> bool:
    """Whether the pool gets all its connections back and no statement of the tests runs any more."""

    async def clean() -> bool:
        running = await other.run(busy)
        return bool(running == 0 and own.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]  # of a QueuePool

    return await _comes_true(clean)
