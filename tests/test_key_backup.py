"""Backups that treat the keys apart, as docs/operating.md says it: the commands there are the ones here."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import master_keys, migrate, texts
from app.auth import Caller
from app.crypto import MasterKeyError, vault_of
from app.database import Database, make_engine
from app.migrate import Urls
from app.settings import Settings
from tests.databases import as_superuser
from tests.test_migrations import (
    Programs,
    check,
    counts,
    new_database,
    owner,
    programs,
    run,
    served,
)
from tests.world import World

__all__ = ["owner", "programs"]  # fixtures

WORDS, COLUMN = "I could not sleep.", "thought_record.content"


@pytest.fixture
async def backup_role(superuser_url: str) -> AsyncIterator[str]:
    name, url = f"ballast_backup_{uuid4().hex[-8:]}", make_url(superuser_url)
    password = f" PASSWORD '{url.password}'" if url.password else ""
    create = f"CREATE ROLE {name} LOGIN BYPASSRLS{password}"
    await as_superuser(superuser_url, create, f"GRANT pg_read_all_data TO {name}")
    yield name
    await as_superuser(superuser_url, f"DROP ROLE {name}")


@pytest.fixture
async def ground(migrated: Urls, settings: Settings) -> AsyncIterator[World]:  # a fixture
    """A migrated database with an organisation that has a row in every table."""
    async with served(migrated, settings) as world:
        yield world


@pytest.mark.parametrize("keys_first", [True, False])
async def test_two_dumps_restored_are_the_whole(
    ground: World,
    migrated: Urls,  # a fixture, like those below
    owner: AsyncEngine,
    settings: Settings,
    superuser_url: str,
    programs: Programs,
    backup_role: str,
    tmp_path: Path,
    keys_first: bool,
) -> None:
    caller, row, person = Caller(ground.id, "system", None), uuid4(), ground.people["amira"]
    sealed = await ground.run(texts.seal, caller, person, COLUMN, row, WORDS)
    before, name = await counts(owner), str(make_url(migrated.owner).database)
    kinds = {"ballast.dump": "--exclude-schema=keys", "ballast-keys.dump": "--schema=keys"}
    for file, part in kinds.items():
        said = programs(
            "pg_dump", "--format=custom", part, f"--file={tmp_path / file}", username=backup_role, database=name
        )
        assert (said.returncode, said.stderr) == (0, "")

    async with new_database(superuser_url, migrated) as copy:
        to = make_url(copy.owner)
        for file in sorted(kinds, reverse=not keys_first):
            restored = programs(
                "pg_restore",
                "--exit-on-error",
                str(tmp_path / file),
                username=str(to.username),
                database=str(to.database),
            )
            assert (restored.returncode, restored.stderr) == (0, "")

        engine = migrate.owner_engine(copy.owner)
        assert await counts(engine) == before
        await run(engine, check)
        await engine.dispose()
        database = Database(make_engine(copy.application, settings, role=copy.application_role), vault_of(settings))
        await database.run(master_keys.require)
        there = World(ground.app, database, id=ground.id)
        assert await there.run(texts.reveal, caller, person, COLUMN, row, sealed) == WORDS
        await database.close()


async def test_the_dump_without_keys_has_none_and_does_not_serve(
    ground: World,
    migrated: Urls,
    settings: Settings,
    superuser_url: str,
    programs: Programs,
    backup_role: str,
    tmp_path: Path,
) -> None:
    file, name = tmp_path / "ballast.sql", str(make_url(migrated.owner).database)
    query = text("SELECT encode(wrapped, 'hex') FROM keys.person_key WHERE organisation_id = :id")
    wrapped = await ground.run(lambda session: session.execute(query, {"id": ground.id}).scalars().all())
    said = programs("pg_dump", "--exclude-schema=keys", f"--file={file}", username=backup_role, database=name)
    assert (said.returncode, said.stderr) == (0, "")
    assert str(ground.people["amira"]) in file.read_text()
    assert wrapped
    assert not [key for key in wrapped if key in file.read_text()]

    async with new_database(superuser_url, migrated) as copy:
        to = make_url(copy.owner)
        restored = programs(
            "psql", "--set=ON_ERROR_STOP=1", f"--file={file}", username=str(to.username), database=str(to.database)
        )
        assert restored.returncode == 0, restored.stderr
        database = Database(make_engine(copy.application, settings, role=copy.application_role), vault_of(settings))
        with pytest.raises(MasterKeyError, match="The schema keys is not in the database"):
            await database.run(master_keys.require)
        await database.close()
