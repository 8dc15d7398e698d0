"""The `ballast` command: what it prints, its exit statuses, and its one sentence when it refuses."""

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from app import clock, migrate
from app.models import Employee
from app.models.client import Role
from app.policy import SCOPES
from tests.commands import KEY, Run, beside, operators_terminal, runner
from tests.examples_of_resources import furnish
from tests.test_worker import due_at, set_due
from tests.world import World, etag

environment = pytest.fixture(operators_terminal, name="environment")
ballast = pytest.fixture(runner, name="ballast")


COMMANDS = [
    "serve",
    "worker",
    "migrate",
    "demo",
    "openapi",
    "token",
    "organisation create",
    "client create",
    "client rotate",
    "client revoke",
    "client list",
    "role grant",
    "keys status",
    "keys rotate",
    "audit verify",
    "audit keys",
    "restore-check",
]


async def name_of(http: httpx.AsyncClient) -> int:
    return (await http.get("/v1/organisation")).status_code


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_teaches(self, ballast: Run, command: str) -> None:
        said = ballast(*command.split(), "--help")
        assert said.status == 0
        assert said.out.startswith(f"Usage: ballast {command} ")
        assert len(said.out.splitlines()) > 5

    def test_first_words_show_how_to_begin(self, ballast: Run) -> None:
        said = ballast("--help")
        assert said.status == 0
        for example in ("ballast serve\n", "ballast organisation create --name", "docs/operating.md"):
            assert example in said.out

    def test_knows_no_command_that_is_not_built(self, ballast: Run) -> None:
        said = ballast("--help").out.partition("Commands:")[2].split("\n")
        assert {line.split()[0] for line in said if line.strip()} == {c.split()[0] for c in COMMANDS}

    @pytest.mark.parametrize(
        "arguments",
        [
            ["nonsense"],
            ["serve", "--port", "x"],
            ["serve", "--port", "70000"],
            ["client", "create"],
            ["token", "--nope"],
        ],
    )
    def test_wrong_usage_is_2(self, ballast: Run, arguments: list[str]) -> None:
        said = ballast(*arguments)
        assert said.status == 2
        assert said.out == ""
        assert "Usage: " in said.err

    def test_version(self, ballast: Run) -> None:
        said = ballast("--version")
        assert said.status == 0
        assert said.out.startswith("ballast")


class TestOrganisation:
    def test_is_made_once(self, ballast: Run) -> None:
        slug = f"pier-{clock.now():%H%M%S%f}"
        made = ballast("organisation", "create", "--name", "Pier", "--slug", slug, "--json").made
        assert made == {"id": str(UUID(made["id"])), "slug": slug, "name": "Pier"}
        again = ballast("organisation", "create", "--name", "Pier", "--slug", slug)
        assert again.refusal == f"There is an organisation {slug} already."

    def test_is_shown_to_people_as_aligned_text(self, ballast: Run) -> None:
        slug = f"quay-{clock.now():%H%M%S%f}"
        said = ballast("organisation", "create", "--name", "Quay", "--slug", slug)
        assert said.status == 0
        assert [line.split("  ")[0].strip() for line in said.out.splitlines()] == ["id", "slug", "name"]

    @pytest.mark.parametrize("slug", ["", "x", "-x", "Harbour", "a_b", "a b", "ä1", "a" * 64])
    def test_slug_that_is_none(self, ballast: Run, slug: str) -> None:
        said = ballast("organisation", "create", "--name", "Pier", "--slug", slug)
        assert said.refusal == "A slug is 2 to 63 of a-z, 0-9 and -, and does not begin with -."

    @pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201])
    def test_name_that_is_none(self, ballast: Run, name: str) -> None:
        said = ballast("organisation", "create", "--name", name, "--slug", "nameless")
        assert said.refusal == "A name is 1 to 200 printable characters."


class TestClient:
    async def test_key_works_and_is_shown_once(self, ballast: Run, world: World) -> None:
        arguments = ("client", "create", "--organisation", world.slug, "--name", "HR", "--scope", "organisation:read")
        made = (await beside(ballast, *arguments, "--json")).made
        assert made.keys() == {"id", "key"}
        assert await name_of(world.http(made["key"])) == 200

        listed = await beside(ballast, "client", "list", "--organisation", world.slug)
        assert listed.out.splitlines()[0].split() == ["id", "name", "state", "scopes"]
        assert listed.out.splitlines()[1].split() == [made["id"], "HR", "live", "organisation:read"]
        assert made["key"][-6:] not in listed.out

        again = await beside(ballast, *arguments)
        assert again.refusal.startswith("There is one like it already")

    async def test_people_are_warned_to_keep_the_key(self, ballast: Run, world: World) -> None:
        said = await beside(
            ballast, "client", "create", "--organisation", world.slug, "--name", "x", "--scope", "audit:read"
        )
        assert "blst_live_" in said.out
        assert "shown this once" in said.out

    async def test_unknown_scope_is_refused_with_those_that_are_known(self, ballast: Run, world: World) -> None:
        said = await beside(
            ballast, "client", "create", "--organisation", world.slug, "--name", "x", "--scope", "everything"
        )
        assert said.refusal == f"There is no scope everything. Known: {', '.join(SCOPES)}."

    async def test_rotation_overlaps_or_does_not(self, ballast: Run, world: World) -> None:
        at = ("--organisation", world.slug)
        first = (
            await beside(ballast, "client", "create", *at, "--name", "x", "--scope", "organisation:read", "--json")
        ).made
        second = (await beside(ballast, "client", "rotate", *at, "--client", "x", "--json")).made
        assert second["id"] == first["id"]
        assert [await name_of(world.http(made["key"])) for made in (first, second)] == [200, 200]

        third = (
            await beside(ballast, "client", "rotate", *at, "--client", first["id"], "--overlap", "0", "--json")
        ).made
        assert [await name_of(world.http(made["key"])) for made in (first, second, third)] == [401, 401, 200]

    async def test_revoked_key_ends_with_the_next_request(self, ballast: Run, world: World) -> None:
        at = ("--organisation", world.slug)
        made = (
            await beside(ballast, "client", "create", *at, "--name", "x", "--scope", "organisation:read", "--json")
        ).made
        revoked = (await beside(ballast, "client", "revoke", *at, "--client", "x", "--json")).made
        assert revoked["state"] == "revoked"
        assert await name_of(world.http(made["key"])) == 401
        said = await beside(ballast, "client", "rotate", *at, "--client", "x")
        assert said.refusal == "The client is revoked for good: make a new one."

    async def test_absent_ones(self, ballast: Run, world: World) -> None:
        said = await beside(ballast, "client", "list", "--organisation", "nowhere-at-all")
        assert said.refusal.startswith("There is no organisation nowhere-at-all")
        said = await beside(ballast, "client", "revoke", "--organisation", world.slug, "--client", "nobody")
        assert said.refusal == "There is no client nobody in the organisation."
        assert (await beside(ballast, "client", "list", "--organisation", world.slug)).out == "None.\n"
        assert (await beside(ballast, "client", "list", "--organisation", world.slug, "--json")).made == []

    async def test_client_of_another_organisation_is_absent(self, ballast: Run, world: World, elsewhere: World) -> None:
        await elsewhere.key(name="theirs")
        said = await beside(ballast, "client", "revoke", "--organisation", world.slug, "--client", "theirs")
        assert said.refusal == "There is no client theirs in the organisation."

    async def test_what_it_wrote_is_due_for_the_worker(self, ballast: Run, world: World) -> None:
        await set_due(world, clock.now() + timedelta(hours=1))
        at = ("--organisation", world.slug)
        assert (await beside(ballast, "client", "create", *at, "--name", "x", "--scope", "audit:read")).status == 0
        assert await due_at(world) <= clock.now()


class TestRole:
    async def test_first_programme_lead(self, ballast: Run, world: World, amira: httpx.AsyncClient) -> None:
        at = ("--organisation", world.slug, "--person", "AMIRA")
        made = (await beside(ballast, "role", "grant", *at, "--role", "programme_lead", "--json")).made
        assert made == {"id": made["id"], "person": "amira", "role": "programme_lead", "state": "active"}
        before = await amira.get("/v1/organisation")
        changed = await amira.patch("/v1/organisation", json={"name": "Mine"}, headers=etag(before))
        assert changed.status_code == 200

        again = await beside(ballast, "role", "grant", *at, "--role", "programme_lead")
        assert again.refusal.startswith("There is one like it already")

    async def test_sensitive_one_waits(self, ballast: Run, world: World) -> None:
        at = ("--organisation", world.slug, "--person", "amira")
        assert (await beside(ballast, "role", "grant", *at, "--role", "auditor", "--json")).made["state"] == "pending"

    async def test_unknown_ones(self, ballast: Run, world: World) -> None:
        at = ("--organisation", world.slug)
        said = await beside(ballast, "role", "grant", *at, "--person", "amira", "--role", "king")
        assert said.refusal == f"There is no role king. Known: {', '.join(Role)}."
        said = await beside(ballast, "role", "grant", *at, "--person", "nobody", "--role", "coach")
        assert said.refusal == f"There is no active employee nobody in {world.slug}."


class TestToken:
    async def test_signs_a_person_in(self, ballast: Run, world: World) -> None:
        at = ("--organisation", world.slug, "--person", "amira")
        made = (await beside(ballast, "token", *at, "--json")).made
        assert made.keys() == {"access_token", "expires_in"}
        assert made["expires_in"] == 12 * 3600
        me = await world.http(made["access_token"]).get("/v1/me")
        assert me.status_code == 200
        bare = (await beside(ballast, "token", *at)).out.strip()
        assert await name_of(world.http(bare)) == 200

    async def test_signs_nobody_in_who_has_left(self, ballast: Run, world: World) -> None:
        def leave(session: Any) -> None:
            employee = session.scalar(select(Employee).where(Employee.id == world.people["amira"]))
            employee.active, employee.deactivated_at = False, clock.now()

        await world.run(leave)
        said = await beside(ballast, "token", "--organisation", world.slug, "--person", "amira")
        assert said.refusal == f"There is no active employee amira in {world.slug}."

    @pytest.mark.parametrize("arguments", [["token", "--organisation", "x", "--person", "y"], ["demo"]])
    def test_is_not_for_production(self, ballast: Run, arguments: list[str]) -> None:
        said = ballast(*arguments, BALLAST_ENVIRONMENT="production")
        assert said.refusal.endswith("for development only (BALLAST_ENVIRONMENT is production).")

    async def test_folder_that_cannot_be_used(self, ballast: Run, world: World, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        at = ("--organisation", world.slug, "--person", "amira")
        said = await asyncio.to_thread(ballast, "token", *at, BALLAST_DATA_DIR=str(tmp_path / "file" / "below"))
        assert said.refusal == f"{tmp_path}/file/below cannot be used: Not a directory."


class TestMigrate:
    def test_twice_is_once(self, ballast: Run) -> None:
        assert ballast("migrate").out == f"At {migrate.head()} already.\n"


class TestKeys:
    async def test_status_counts_what_stands_under_each_and_shows_no_key(
        self, ballast: Run, world: World, data_dir: Path
    ) -> None:
        await world.run(furnish, world)

        said = await beside(ballast, "keys", "status", "--json")

        uses = json.loads(said.out)
        assert uses[0]["place"] == "first"
        assert uses[0]["data_keys"] >= 1
        key = (data_dir / "master.key").read_bytes()
        assert not {key.hex(), base64.b64encode(key).decode()} & {use["key"] for use in uses}
        table = (await beside(ballast, "keys", "rotate", "--dry-run")).out.splitlines()
        assert table[0].split() == ["key", "place", "data", "keys", "stored", "answers"]
        assert table[1].split()[:2] == [uses[0]["key"], "first"]

    async def test_rotate_with_one_key_has_nothing_to_do(self, ballast: Run, world: World) -> None:
        await world.run(furnish, world)

        said = await beside(ballast, "keys", "rotate", "--json")

        assert json.loads(said.out)["rewrapped"] == 0

    async def test_need_the_key_that_is_in_use(self, ballast: Run, world: World) -> None:
        await world.run(furnish, world)

        said = await asyncio.to_thread(ballast, "keys", "rotate", BALLAST_MASTER_KEYS=KEY)

        assert said.refusal.startswith("BALLAST_MASTER_KEYS does not hold the master key")


class TestOpenapi:
    def test_needs_no_database_and_checks(self, ballast: Run, tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
        environment.chdir(tmp_path)
        environment.setenv("BALLAST_DATABASE_URL", "postgresql://nobody@nowhere.invalid/nothing")
        refusal = ballast("openapi", "--check").refusal
        assert refusal.startswith("openapi/openapi.json is not what the code describes")
        assert ballast("openapi").out == "Wrote openapi/openapi.json.\n"
        assert ballast("openapi", "--check").out == "openapi/openapi.json is current.\n"
