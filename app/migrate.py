"""Creates what a database lacks: the roles, the schema, the practice library. Safe to run twice, and twice at once."""

import inspect
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.settings import Settings, get_settings

OLDEST = 150000
APP_ROLE = "ballast_app"
LOCK = 0x62616C6C617374  # "ballast"


class DatabaseError(Exception):
    """The database cannot be used as it is; the message is one sentence for an operator."""


@dataclass(frozen=True)
class Urls:
    """Where the database is: for its owner, who migrates, and for the application, which owns nothing."""

    owner: str
    application: str
    application_role: str | None = None


@cache
def script_directory() -> ScriptDirectory:
    """Return the migrations, read once: inside the package of an installed wheel, beside it in a checkout."""
    return ScriptDirectory.from_config(_config())


def _config(**attributes: Any) -> Config:
    package = Path(__file__).parent
    inside = package / "_alembic"
    scripts = inside if inside.is_dir() else package.parent / "alembic"
    config = Config(attributes=attributes)
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def urls_of(settings: Settings) -> Urls | None:
    """Return the URLs of the settings, or None where the embedded server is wanted."""
    if settings.database_url is None:
        return None
    application = _asyncpg(settings.database_url.get_secret_value())
    if settings.owner_database_url is not None:
        owner = settings.owner_database_url.get_secret_value()
        return Urls(_asyncpg(owner, "BALLAST_OWNER_DATABASE_URL"), application)
    return Urls(application, application, None if settings.is_production else APP_ROLE)


def _asyncpg(url: str, name: str = "BALLAST_DATABASE_URL") -> str:
    """Return a URL as the driver wants it: under its name, with libpq's ``sslmode`` under its own."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseError(f"{name} is not a database URL (postgresql://user:password@host/name).") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise DatabaseError(f"{name} is not a PostgreSQL URL: Ballast runs on PostgreSQL only.")
    query = {"ssl" if key == "sslmode" else key: value for key, value in parsed.query.items()}
    if unknown := sorted(query.keys() - inspect.signature(asyncpg.connect).parameters.keys()):
        raise DatabaseError(f"{name} has the parameter {unknown[0]}, which the driver does not know.")
    return parsed.set(drivername="postgresql+asyncpg", query=query).render_as_string(hide_password=False)


def owner_engine(url: str | None = None) -> AsyncEngine:
    """Return an engine for the owner: one connection, long statements allowed."""
    if url is None:
        urls = urls_of(get_settings())
        if urls is None:
            raise DatabaseError(
                "Set BALLAST_OWNER_DATABASE_URL to run alembic by hand; `ballast migrate` needs nothing."
            )
        url = urls.owner
    return create_async_engine(
        url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": 5, "server_settings": {"jit": "off"}}
    )


async def migrate(urls: Urls) -> tuple[str | None, str]:
    """Bring the database to this code's schema and return the revisions before and after. Raise DatabaseError."""
    engine = owner_engine(urls.owner)
    try:
        async with engine.connect() as connection:
            await _require_version(connection)
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            await connection.commit()
            try:
                before = await connection.run_sync(_upgrade, _login_of(urls))
                await connection.commit()
            finally:
                await connection.rollback()
                await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
                await connection.commit()
    except (DBAPIError, OSError) as error:
        raise DatabaseError(_reason(error)) from error
    finally:
        await engine.dispose()
    return before, head()


def _reason(error: Exception) -> str:
    state = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
    if state.startswith("28"):
        return "The database refuses the user or password of the URL."
    if state == "3D000":
        return "The database of the URL does not exist: create it first (createdb)."
    if state == "42501":
        return (
            "The owner's role may not do that: BALLAST_OWNER_DATABASE_URL must own the database, and may create roles"
            " unless they are there."
        )
    if isinstance(error, OSError) or not state or state.startswith("08"):
        return "The database cannot be reached: is the server up, and is the URL right?"
    return f"The database refused the migration (SQLSTATE {state})."


def _login_of(urls: Urls) -> str | None:
    if urls.application_role is not None:
        return None
    return make_url(urls.application).username


async def _require_version(connection: Any) -> None:
    number = int((await connection.execute(text("SHOW server_version_num"))).scalar_one())
    if number < OLDEST:
        raise DatabaseError(f"PostgreSQL {number // 10000} is too old: Ballast needs {OLDEST // 10000} or newer.")


def head() -> str:
    """Return the newest revision that this code knows."""
    return str(script_directory().get_current_head())


def revision_of(connection: Connection) -> str | None:
    """Return the revision that a database stands at."""
    return MigrationContext.configure(connection).get_current_revision()


def require_known(revision: str | None) -> None:
    """Raise DatabaseError for a database that a newer version of the code has migrated."""
    if revision is None:
        return
    try:
        script_directory().get_revision(revision)
    except CommandError:
        raise DatabaseError(
            f"The database is ahead of this code (revision {revision}): run the version that migrated it."
        ) from None


def _upgrade(connection: Connection, login: str | None) -> str | None:
    before = revision_of(connection)
    require_known(before)
    _ensure_role(connection, login)
    connection.commit()
    if before != head():
        command.upgrade(_config(connection=connection), "head")
    from app.services.library import refresh_everywhere  # noqa: PLC0415 - only a migrated database has its tables

    refresh_everywhere(connection)
    return before


def _ensure_role(connection: Connection, login: str | None) -> None:
    """Create the role that holds the application's rights, and make the application's login a member."""
    connection.execute(
        text(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN"
            f" CREATE ROLE {APP_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS; END IF;"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    )
    if (
        login is not None
        and not connection.execute(
            text("SELECT pg_has_role(:login, :role, 'member')"), {"login": login, "role": APP_ROLE}
        ).scalar_one()
    ):
        quoted = connection.dialect.identifier_preparer.quote(login)
        connection.execute(text(f"GRANT {APP_ROLE} TO {quoted}"))


async def prepare_embedded(superuser_url: str) -> Urls:
    """Create the roles and the database of an embedded server where they are missing, and return their URLs."""
    engine = create_async_engine(superuser_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for role, options in {
                "ballast_owner": "LOGIN CREATEROLE",
                APP_ROLE: "NOLOGIN",
                "ballast": f"LOGIN IN ROLE {APP_ROLE}",
            }.items():
                await connection.execute(
                    text(
                        f"DO $$ BEGIN CREATE ROLE {role} {options};"
                        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
                    )
                )
            found = await connection.execute(text("SELECT 1 FROM pg_database WHERE datname = 'ballast'"))
            if found.first() is None:
                try:
                    await connection.execute(text("CREATE DATABASE ballast OWNER ballast_owner"))
                except DBAPIError as error:
                    if getattr(error.orig, "sqlstate", "") not in ("42P04", "23505"):
                        raise
    finally:
        await engine.dispose()
    url = make_url(superuser_url).set(database="ballast")
    return Urls(
        url.set(username="ballast_owner").render_as_string(hide_password=False),
        url.set(username="ballast").render_as_string(hide_password=False),
    )


async def check(engine: AsyncEngine, settings: Settings) -> None:
    """Refuse to serve on a database that is too old, behind, ahead, or, in production, entered with too many rights."""
    try:
        async with engine.connect() as connection:
            await _require_version(connection)
            revision = await connection.run_sync(revision_of)
            rights = (await connection.execute(text(RIGHTS))).one()
    except (DBAPIError, OSError) as error:
        raise DatabaseError(_reason(error)) from error
    require_known(revision)
    if revision != head():
        raise DatabaseError("The database is not migrated to this version: run `ballast migrate` first.")
    if settings.is_production and any(rights):
        which = next(name for name, held in rights._mapping.items() if held)
        raise DatabaseError(f"BALLAST_DATABASE_URL names a role that {which.replace('_', ' ')}: use one that does not.")


RIGHTS = """
SELECT bool_or(r.rolsuper) AS is_superuser, bool_or(r.rolbypassrls) AS bypasses_row_level_security,
       EXISTS (SELECT FROM pg_tables t
               WHERE t.schemaname = 'public' AND pg_has_role(session_user, t.tableowner, 'member')) AS owns_the_tables
FROM pg_roles r WHERE r.rolname IN (session_user, current_user)
"""
