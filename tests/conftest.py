"""A migrated PostgreSQL for the whole run, the application on it, and a fresh organisation for each test."""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from app import embedded, migrate
from app.database import Database, make_engine
from app.live import stream as streams
from app.main import create_app
from app.settings import Settings
from tests import databases
from tests.world import World

# httpx asks for it with every request, and a search for what is not installed takes longer than what follows it.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # None: known to be missing

# Whoever reads an answer to its end is not to wait for an hour. The tests of streams set it back.
streams.OPEN_SECONDS = 0.0

# Set in each of several processes that share the work: `pytest -n 2`.
IS_ONE_OF_SEVERAL = "PYTEST_XDIST_WORKER" in os.environ
WAITS = ("pool_timeout_seconds", "lock_timeout_seconds", "statement_timeout_seconds")


def pytest_sessionstart() -> None:
    """Let the collector, which `tests/__init__.py` has stopped, look at nothing of what was imported, ever."""
    gc.freeze()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "master.key").write_bytes(bytes(range(32)))  # the same in every run: a database may outlive it
    return folder


@pytest.fixture(scope="session")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[migrate.Urls]:
    """Where the migrated database is. Each of several processes has one of its own, since it sees its organisations."""
    with database_server(tmp_path_factory.getbasetemp()) as found:
        superuser = databases.superuser_of(found)
        own = asyncio.run(databases.create_beside(superuser, found)) if IS_ONE_OF_SEVERAL else found
        try:
            asyncio.run(migrate.migrate(own))
            yield own
        finally:
            if own is not found:
                asyncio.run(databases.drop(superuser, own))


@pytest.fixture(scope="session")
def superuser_url(urls: migrate.Urls) -> str:
    """The URL of somebody who may create databases and roles."""
    return databases.superuser_of(urls)


@pytest.fixture(scope="session")
async def template(superuser_url: str, urls: migrate.Urls) -> AsyncIterator[migrate.Urls]:
    """A migrated database that nobody is on, to be copied: a tenth of the time that the migrations take."""
    found = await databases.create_beside(superuser_url, urls)
    await migrate.migrate(found)
    yield found
    await databases.drop(superuser_url, found)


@pytest.fixture
async def migrated(superuser_url: str, template: migrate.Urls) -> AsyncIterator[migrate.Urls]:
    """A database of the test's own, at this version and without a row."""
    found = await databases.create_beside(superuser_url, template, copy=True)
    yield found
    await databases.drop(superuser_url, found)


@contextmanager
def database_server(folder: Path) -> Iterator[migrate.Urls]:
    """BALLAST_TEST_DATABASE_URL when set, else an embedded server of this run, which its processes share."""
    if given := os.environ.get("BALLAST_TEST_DATABASE_URL"):
        found = migrate.urls_of(Settings(database_url=SecretStr(given)))
        assert found is not None
        yield found
        return
    shared = (folder.parent if IS_ONE_OF_SEVERAL else folder) / "server"
    with embedded.start(shared, exclusive=False, durable=False) as server:
        yield asyncio.run(migrate.prepare_embedded(server.url))


@pytest.fixture(scope="session")
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir, worker="off")


@pytest.fixture(scope="session")
async def database(urls: migrate.Urls, settings: Settings) -> AsyncIterator[Database]:
    """With more patience than in production: that the machine is busy is no fault of the code."""
    patient = settings.model_copy(update=dict.fromkeys(WAITS, 20))
    database = Database(make_engine(urls.application, patient, role=urls.application_role))
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def app(database: Database, settings: Settings) -> FastAPI:
    return create_app(settings, database)


@pytest.fixture
async def world(app: FastAPI, database: Database) -> AsyncIterator[World]:
    """A fresh organisation with the cast."""
    world = await World(app, database).build()
    yield world
    await world.close()


@pytest.fixture
async def elsewhere(app: FastAPI, database: Database) -> AsyncIterator[World]:
    """Another organisation, with a cast of its own."""
    world = await World(app, database).build()
    yield world
    await world.close()


@pytest.fixture
async def client(world: World) -> httpx.AsyncClient:
    """A machine caller of the organisation with every scope."""
    return await world.client()


@pytest.fixture
def amira(world: World) -> httpx.AsyncClient:
    """Answers calls."""
    return world.person("amira")


@pytest.fixture
def theo(world: World) -> httpx.AsyncClient:
    """Leads Amira's team."""
    return world.person("theo")


@pytest.fixture
def grace(world: World) -> httpx.AsyncClient:
    """Mentors."""
    return world.person("grace")


@pytest.fixture
def noor(world: World) -> httpx.AsyncClient:
    """Leads the programme."""
    return world.person("noor")


@pytest.fixture
def hana(world: World) -> httpx.AsyncClient:
    """Administers HR."""
    return world.person("hana")


@pytest.fixture
async def mallory(elsewhere: World) -> httpx.AsyncClient:
    """A machine caller of another organisation, with every scope."""
    return await elsewhere.client()


@pytest.fixture
def stranger(world: World) -> httpx.AsyncClient:
    """Has no token."""
    return world.http()
