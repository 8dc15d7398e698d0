"""Runs the migrations on the connection that ``ballast migrate`` hands over, or on the owner's own URL."""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection

from app.migrate import owner_engine
from app.models import Base


def render_item(kind: str, item: Any, _autogen_context: Any) -> Any:
    """Write plain types, so that a migration imports nothing of the application."""
    if kind == "type":
        ours = item.__class__.__module__.startswith("sqlalchemy.dialects.postgresql")
        return f"postgresql.{item!r}" if ours else False
    return False


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Compare our schemas alone: the default one, and those that a table names."""
    return kind != "schema" or name is None or name in {table.schema for table in Base.metadata.tables.values()}


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_item=render_item,
        compare_type=True,
        include_schemas=True,
        include_name=include_name,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    engine = owner_engine()
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_online())
