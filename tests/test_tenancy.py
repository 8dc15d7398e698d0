"""Each organisation is alone: in the catalogue, behind row-level security, and behind the code's own filters."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from app import migrate
from app.database import Database, make_engine
from app.errors import sqlstate
from app.main import create_app
from app.models import Base
from app.settings import Settings
from tests.examples_of_resources import furnish
from tests.examples_of_rights import appoint
from tests.operations import Operation, every_operation
from tests.world import World

WITHOUT_A_TENANT = {"organisation_directory", "alembic_version", "keys.master_key"}
INSERT_ONLY = {"audit_entry", "audit_seal", "audit_anchor", "consent_text", "eap_consent", "eap_step", "erasure"}
TENANT_TABLES = sorted(set(Base.metadata.tables) - WITHOUT_A_TENANT)

TABLES = """
SELECT c.oid::regclass::text AS relname, c.relrowsecurity, c.relforcerowsecurity,
       (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) AS policies,
       (SELECT count(*) FROM pg_policy p
        WHERE p.polrelid = c.oid AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL AND p.polcmd = '*')
       AS whole_policies,
       (SELECT pg_get_expr(p.polqual, c.oid) FROM pg_policy p
        WHERE p.polrelid = c.oid AND p.polroles = '{0}') AS rule_for_everyone
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'keys') AND c.relkind IN ('r', 'p')
"""
UNIQUE = """
SELECT i.indrelid::regclass::text AS relname, i.indexrelid::regclass::text AS name,
       (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[0]) AS first
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'keys') AND i.indisunique
"""
FOREIGN = """
SELECT k.conrelid::regclass::text AS relname, k.conname AS name, k.confrelid::regclass::text AS target,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (n, i)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.i) AS columns,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (n, i)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.i) AS targets
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
WHERE n.nspname IN ('public', 'keys') AND k.contype = 'f' AND k.conparentid = 0
"""


async def rows(database: Database, query: str) -> list[Any]:
    return await database.run(lambda session: list(session.execute(text(query))))


@pytest.fixture
async def owner(urls: migrate.Urls, settings: Settings) -> AsyncIterator[Database]:
    """Run as the owner, whom row-level security lets see everything."""
    database = Database(make_engine(urls.owner, settings.model_copy(update={"pool_size": 2})))
    yield database
    await database.close()


class TestCatalogue:
    async def test_every_table_is_one_of_ours(self, database: Database) -> None:
        found = {row.relname for row in await rows(database, TABLES)}

        assert found == set(Base.metadata.tables) | {"alembic_version"}

    async def test_every_tenant_table_forces_row_level_security_both_ways(self, database: Database) -> None:
        for table in await rows(database, TABLES):
            if table.relname in WITHOUT_A_TENANT:
                continue
            assert (table.relrowsecurity, table.relforcerowsecurity) == (True, True), table.relname
            assert table.policies == table.whole_policies > 0, table.relname
            column = "id" if table.relname == "organisation" else "organisation_id"
            assert table.rule_for_everyone.startswith(f"({column} = "), table.relname
            assert "app.organisation_id" in table.rule_for_everyone

    async def test_every_unique_key_starts_with_the_organisation(self, database: Database) -> None:
        for key in await rows(database, UNIQUE):
            if key.relname not in WITHOUT_A_TENANT | {"organisation"}:
                assert key.first == "organisation_id", key.name

    async def test_every_foreign_key_is_composite_and_starts_with_the_organisation(self, database: Database) -> None:
        found = await rows(database, FOREIGN)

        assert found
        for key in found:
            assert len(key.columns) > 1, key.name
            assert (key.columns[0], key.targets[0]) == ("organisation_id", "organisation_id"), key.name

    async def test_the_application_role_owns_nothing_and_bypasses_nothing(self, database: Database) -> None:
        role = await rows(
            database,
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,"
            " EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) AS owns,"
            " EXISTS (SELECT FROM pg_class c WHERE c.relkind = 'r'"
            "         AND c.relnamespace IN ('public'::regnamespace, 'keys'::regnamespace)"
            "         AND has_table_privilege(r.oid, c.oid, 'TRUNCATE, REFERENCES, TRIGGER')) AS may_truncate,"
            " has_schema_privilege(r.oid, 'public', 'CREATE')"
            " OR has_schema_privilege(r.oid, 'keys', 'CREATE') AS may_create"
            " FROM pg_roles r WHERE rolname = current_user",
        )

        assert [tuple(row) for row in role] == [(False,) * 7]

    async def test_no_view_hides_the_reader_from_row_level_security(self, database: Database) -> None:
        assert await rows(database, "SELECT viewname FROM pg_views WHERE schemaname = 'public'") == []

    async def test_no_function_runs_with_the_rights_of_its_owner(self, database: Database) -> None:
        query = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        assert await rows(database, query) == []


class TestRows:
    async def test_without_a_tenant_there_are_none(self, world: World, owner: Database) -> None:
        await world.run(furnish, world)

        for table in TENANT_TABLES:
            assert await rows(world.database, f"SELECT count(*) FROM {table}") == [(0,)], table
            assert (await rows(owner, f"SELECT count(*) FROM {table}"))[0][0] > 0, table

    async def test_only_ones_own_can_be_seen_changed_and_removed(self, world: World, elsewhere: World) -> None:
        await elsewhere.run(furnish, elsewhere)

        def touch(session: Session, statement: str) -> int:
            return int(session.execute(text(statement), {"theirs": elsewhere.id}).rowcount)  # type: ignore[attr-defined]  # of DML

        for table in TENANT_TABLES:
            key = "id" if table == "organisation" else "organisation_id"
            statements = [f"SELECT 1 FROM {table} WHERE {key} = :theirs"]
            if table not in INSERT_ONLY:
                statements += [f"UPDATE {table} SET {key} = {key} WHERE {key} = :theirs"]
                statements += [f"DELETE FROM {table} WHERE {key} = :theirs"]
            assert [await world.run(touch, statement) for statement in statements] == [0] * len(statements), table

    async def test_a_row_cannot_be_written_into_another_organisation(self, world: World, elsewhere: World) -> None:
        def write(session: Session) -> None:
            insert = text("INSERT INTO feed_counter (organisation_id, feed, value) VALUES (:foreign, 'x', 0)")
            session.execute(insert, {"foreign": elsewhere.id})

        with pytest.raises(DBAPIError) as refused:
            await world.run(write)

        assert sqlstate(refused.value) == "42501"

    async def test_a_child_cannot_refer_to_another_organisations_row(
        self, world: World, elsewhere: World, owner: Database
    ) -> None:
        """For every foreign key, since PostgreSQL itself checks those without row-level security."""
        mine, theirs = await world.run(furnish, world), await elsewhere.run(furnish, elsewhere)
        keys = [key for key in await rows(world.database, FOREIGN) if len(key.columns) == 2]
        assert len(keys) > 10

        for key in keys:

            def refer(session: Session, key: Any = key) -> int:
                one = f"SELECT ctid FROM {key.relname} WHERE organisation_id = :mine LIMIT 1"
                statement = f"UPDATE {key.relname} SET {key.columns[1]} = :theirs WHERE ctid = ({one})"
                values = {"theirs": theirs[key.target], "mine": world.id}
                return int(session.execute(text(statement), values).rowcount)  # type: ignore[attr-defined]  # of DML

            with pytest.raises(IntegrityError) as refused:
                await (owner if key.relname in INSERT_ONLY else world).run(refer)
            assert sqlstate(refused.value) in ("23503", "23514"), key.name
        assert set(mine) == set(theirs)

    async def test_an_audit_entry_can_only_be_numbered(self, world: World) -> None:
        await world.run(furnish, world)
        numbering = "UPDATE audit_entry SET number = 7 WHERE id = (SELECT min(id::text)::uuid FROM audit_entry)"

        numbered = await world.run(lambda session: session.execute(text(numbering)).rowcount)

        assert numbered == 1
        columns = [column.name for column in Base.metadata.tables["audit_entry"].c if column.name != "number"]
        for forbidden in (
            "DELETE FROM audit_entry",
            "TRUNCATE audit_entry",
            *(f"UPDATE audit_entry SET {column} = {column}" for column in columns),
        ):
            with pytest.raises(DBAPIError) as refused:
                await world.run(lambda session, statement=forbidden: session.execute(text(statement)))
            assert sqlstate(refused.value) == "42501", forbidden

    async def test_the_tenant_does_not_outlive_its_transaction(self, world: World) -> None:
        await world.run(lambda session: session.execute(text("SELECT 1")))

        counts = [await rows(world.database, "SELECT count(*) FROM employee") for _ in range(8)]

        assert counts == [[(0,)]] * 8


# What the very client sent, was sent, or is told of: a third wall.
ONLY_ONES_OWN = {"/v1/call-events/refused", "/v1/eap-cases", "/v1/webhook-endpoints"}
OWN_FILTER = re.compile(r"\b(?:(?:\w+\.)?\w+\.organisation_id|organisation\.id) = (\$\d+)::UUID")


def without_the_codes_filter(database: Database) -> Callable[[], int]:
    """Take `organisation_id = :mine` out of every statement, and return how to learn how often that was done."""
    count = 0

    @event.listens_for(database.engine.sync_engine, "before_cursor_execute", retval=True)
    def rewrite(_c: Any, _u: Any, statement: str, parameters: Any, _x: Any, _m: Any) -> tuple[str, Any]:
        nonlocal count
        if statement.startswith("SELECT"):
            statement, hits = OWN_FILTER.subn(r"\1::UUID IS NOT NULL", statement)
            count += hits
        return statement, parameters

    return lambda: count


def reads() -> list[Operation]:
    return [o for o in every_operation() if o.method == "GET" and o.rule is not None and "{" not in o.path]


async def read_everything(app: FastAPI, world: World) -> dict[str, str]:
    """Return what every collection of the API shows to somebody of this organisation."""
    shown = {}
    here = World(app, world.database, id=world.id, people=world.people)
    for operation in reads():
        caller = await operation.caller(here)
        response = await caller.get(operation.path, params={"limit": 200} if operation.is_list else {})
        assert response.status_code == 200, (operation.path, response.text)
        shown[operation.path] = response.text
    await here.close()
    return shown


def leaked(shown: dict[str, str], foreign: set[UUID]) -> set[str]:
    return {path for path, body in shown.items() if any(str(identifier) in body for identifier in foreign)}


class TestTwoWalls:
    """Row-level security and the code's own filter each hold alone; with neither, the test would see it."""

    @pytest.fixture
    async def foreign(self, world: World, elsewhere: World) -> set[UUID]:
        await world.run(furnish, world)
        found = set((await elsewhere.run(furnish, elsewhere)).values())
        return found | set(elsewhere.people.values())

    @pytest.fixture
    async def unfiltered(self, urls: migrate.Urls, settings: Settings) -> AsyncIterator[Database]:
        database = Database(make_engine(urls.application, settings, role=urls.application_role))
        yield database
        await database.close()

    async def test_row_level_security_holds_without_the_codes_filter(
        self, world: World, foreign: set[UUID], unfiltered: Database, settings: Settings
    ) -> None:
        removed = without_the_codes_filter(unfiltered)

        shown = await read_everything(create_app(settings, unfiltered), world)

        assert leaked(shown, foreign) == set()
        assert removed() >= len(shown)

    async def test_the_codes_filter_holds_without_row_level_security(
        self, world: World, foreign: set[UUID], owner: Database, settings: Settings
    ) -> None:
        shown = await read_everything(create_app(settings, owner), world)

        assert leaked(shown, foreign) == set()
        assert (await rows(owner, "SELECT count(DISTINCT organisation_id) FROM employee"))[0][0] > 1

    async def test_without_both_the_leak_would_be_seen(
        self, world: World, foreign: set[UUID], owner: Database, settings: Settings
    ) -> None:
        without_the_codes_filter(owner)
        app = create_app(settings, owner)
        client = await World(app, world.database, id=world.id).client()

        for operation in reads():
            if operation.path in ONLY_ONES_OWN:
                continue
            if operation.is_list and operation.rule is not None and operation.rule.scope is not None:
                response = await client.get(operation.path, params={"limit": 200, "sort": "-id"})
                assert leaked({operation.path: response.text}, foreign), operation.path

    async def test_one_row_of_another_organisation_is_not_found_without_row_level_security(
        self, world: World, elsewhere: World, owner: Database, settings: Settings
    ) -> None:
        theirs = await elsewhere.run(furnish, elsewhere)
        await world.run(appoint, world)
        app = create_app(settings, owner)
        here = World(app, world.database, id=world.id, people=world.people)

        for operation in every_operation():
            if "{" in operation.path and operation.rule is not None:
                caller = await operation.caller(here)
                response = await caller.request(**operation.request(theirs))
                assert response.status_code == 404, (operation.name, response.text)
        await here.close()


async def test_a_key_of_one_organisation_does_not_open_another(world: World, elsewhere: World) -> None:
    key, other = await world.key(), await elsewhere.key()
    swapped = key[:10] + other[10:32] + key[32:]

    response = await world.http(swapped).get("/v1/organisation")

    assert response.status_code == httpx.codes.UNAUTHORIZED
