"""Databases beside the one that the tests were given, on the same server: each is dropped by whoever made it."""

from dataclasses import replace
from typing import Any

from sqlalchemy import make_url, text
from uuid_utils.compat import uuid7

from app import migrate
from app.migrate import Urls


def moved(url: str, **to: Any) -> str:
    return make_url(url).set(**to).render_as_string(hide_password=False)


def superuser_of(urls: Urls) -> str:
    """Return the URL of somebody who may create databases and roles."""
    if urls.application_role:
        return moved(urls.owner, database="postgres")
    return moved(urls.owner, username="postgres", database="postgres")


async def as_superuser(url: str, *statements: str) -> None:
    engine = migrate.owner_engine(url).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


async def create_beside(superuser_url: str, urls: Urls, *, copy: bool = False) -> Urls:
    """Make a database for the same roles and return its URLs: an empty one, or a copy of one that nobody is on."""
    name, owner = f"ballast_test_{uuid7().hex}", make_url(urls.owner).username
    template = f"TEMPLATE {make_url(urls.owner).database}" if copy else ""
    await as_superuser(superuser_url, f'CREATE DATABASE {name} OWNER "{owner}" {template}')
    return replace(urls, owner=moved(urls.owner, database=name), application=moved(urls.application, database=name))


async def drop(superuser_url: str, urls: Urls) -> None:
    await as_superuser(superuser_url, f"DROP DATABASE {make_url(urls.owner).database} WITH (FORCE)")
