"""A migrated PostgreSQL for the whole run, the application on it, and a fresh organisation for each test."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from app import embedded, migrate
from app.database import Database, make_engine
from app.main import create_app
from app.settings import Settings
from tests.world import World


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def urls(data_dir: Path) -> Iterator[migrate.Urls]:
    """Where the database is: BALLAST_TEST_DATABASE_URL when set, else an embedded server of this run."""
    given = os.environ.get("BALLAST_TEST_DATABASE_URL")
    if given:
        found = migrate.urls_of(Settings(database_url=SecretStr(given)))
        assert found is not None
        asyncio.run(migrate.migrate(found))
        yield found
        return
    server = embedded.start(data_dir, durable=False)
    try:
        found = asyncio.run(migrate.prepare_embedded(server.url))
        asyncio.run(migrate.migrate(found))
        yield found
    finally:
        server.stop()


@pytest.fixture(scope="session")
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir, worker="off")


@pytest.fixture(scope="session")
async def database(urls: migrate.Urls, settings: Settings) -> AsyncIterator[Database]:
    database = Database(make_engine(urls.application, settings, role=urls.application_role))
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
