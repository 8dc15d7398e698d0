"""Master keys: rotated under load with no failed read, proven at the start, and missed without a loss."""

import asyncio
import base64
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app import master_keys, migrate, texts
from app.crypto import MasterKeyError, Vault
from app.database import Database, make_engine
from app.launch import Ground
from app.main import create_app
from app.server import _work, prepare
from app.settings import Settings
from app.webhooks import keys as webhook_keys
from tests.test_conventions_access import assert_problem
from tests.test_person_key import COLUMN, NEW, OLD, WORDS, WRONG, caller_of, write
from tests.world import World


def with_keys(settings: Settings, *keys: bytes) -> Settings:
    return settings.model_copy(
        update={"master_keys": tuple(SecretStr(base64.b64encode(key).decode()) for key in keys), "pool_size": 4}
    )


def served_with(urls: migrate.Urls, settings: Settings, world: World, *keys: bytes) -> World:
    """Return the same organisation as a process with these master keys serves it."""
    given = with_keys(settings, *keys)
    database = Database(make_engine(urls.application, given, role=urls.application_role))
    app = create_app(given, database)
    app.state.authenticator = world.app.state.authenticator
    return World(app, database, id=world.id, people=world.people)


class TestRotation:
    """On a database of its own: a rotation goes over all organisations."""

    @pytest.fixture
    async def before(self, migrated: migrate.Urls, settings: Settings) -> AsyncIterator[World]:
        """An organisation of a service that knows the old key alone."""
        given = with_keys(settings, OLD)
        database = Database(make_engine(migrated.application, given, role=migrated.application_role))
        world = await World(create_app(given, database), database).build()
        yield world
        await world.close()
        await database.close()

    async def test_under_load_no_read_fails_and_the_old_key_can_go(
        self, migrated: migrate.Urls, before: World, settings: Settings
    ) -> None:
        people = ("amira", "theo", "grace", "jonas")
        records = {name: await write(before, name) for name in people}
        many = [await before.hire(f"robin-{number}") for number in range(25)]
        for person in many:
            await before.run(texts.seal, caller_of(before), person, COLUMN, uuid4(), WORDS)
        lagging, ahead = (
            served_with(migrated, settings, before, OLD, NEW),
            served_with(migrated, settings, before, NEW, OLD),
        )
        patch = pytest.MonkeyPatch()
        patch.setattr(master_keys, "BATCH", 3)
        patch.setattr(master_keys, "NEXT", master_keys.NEXT.limit(3))
        answers: list[int] = []
        over = asyncio.Event()

        async def read_on(where: World, name: str) -> None:
            caller = where.person(name)
            while not over.is_set() or len(answers) < 40:
                response = await caller.get(f"/v1/thought-records/{records[name]}")
                assert (response.status_code, response.json()["situation"]) == (200, WORDS), response.text
                answers.append(response.status_code)

        readers = [asyncio.create_task(read_on(*each)) for each in zip((lagging, ahead) * 2, people, strict=True)]
        await asyncio.sleep(0.05)
        rotation = await master_keys.rotate(ahead.database)
        late = await write(lagging, "noor")  # wrapped under the old key, after the rotation
        over.set()
        await asyncio.gather(*readers)
        patch.undo()

        assert (rotation.rewrapped, rotation.left) == (29, 0)
        assert rotation.free == [Vault([OLD]).current.hex()]
        uses = {use.place: use.data_keys for use in await master_keys.status(ahead.database)}
        assert uses == {"first": 29, "also set": 1}
        alone = served_with(migrated, settings, before, NEW)
        with pytest.raises(MasterKeyError, match="BALLAST_MASTER_KEYS does not hold the master key"):
            await alone.database.run(master_keys.require)
        assert (await master_keys.rotate(ahead.database)).rewrapped == 1
        await alone.database.run(master_keys.require)
        for name, record in {**records, "noor": late}.items():
            response = await alone.person(name).get(f"/v1/thought-records/{record}")
            assert response.json()["situation"] == WORDS
        for world in (lagging, ahead, alone):
            await world.close()
            await world.database.close()

    async def test_a_wrong_master_key_stops_the_start(
        self, migrated: migrate.Urls, before: World, settings: Settings
    ) -> None:
        """Before anything is served, with the name of the setting; the right one starts, also beside a new one."""
        for keys in ((OLD,), (NEW, OLD), (OLD, NEW)):
            await self.require(migrated, settings, before, *keys)
        for keys in ((WRONG,), (WRONG, NEW)):
            with pytest.raises(MasterKeyError, match=r"^BALLAST_MASTER_KEYS does not hold the master key [0-9a-f]{8}"):
                await self.require(migrated, settings, before, *keys)

        for start in (
            lambda given: prepare(given, Ground(migrated, is_embedded=False), "http://127.0.0.1:1"),
            lambda given: _work(given, Ground(migrated, is_embedded=False)),
        ):
            with pytest.raises(MasterKeyError, match="BALLAST_MASTER_KEYS"):
                await asyncio.wait_for(start(with_keys(settings, NEW)), 20)

    async def require(self, migrated: migrate.Urls, settings: Settings, world: World, *keys: bytes) -> None:
        there = served_with(migrated, settings, world, *keys)
        try:
            await there.database.run(master_keys.require)
        finally:
            await there.database.close()

    async def test_a_damaged_key_is_left_and_told(
        self, migrated: migrate.Urls, before: World, settings: Settings
    ) -> None:
        await write(before, "amira")
        record = await write(before, "theo")
        spoil = text("UPDATE keys.person_key SET wrapped = substring(wrapped, 1, 20) WHERE id = :id")
        await before.run(lambda session: session.execute(spoil, {"id": before.people["amira"]}))
        after = served_with(migrated, settings, before, NEW, OLD)

        rotation = await master_keys.rotate(after.database)

        assert (rotation.rewrapped, rotation.left, rotation.free) == (1, 1, [])
        assert (await after.person("theo").get(f"/v1/thought-records/{record}")).json()["situation"] == WORDS
        await after.close()
        await after.database.close()

    async def test_secrets_that_we_sign_with_move_too(
        self, migrated: migrate.Urls, before: World, settings: Settings
    ) -> None:
        client = await before.client()
        body = {"url": "https://hooks.example.com/", "event_types": ["*"]}
        made = (await client.post("/v1/webhook-endpoints", json=body)).json()
        rotated = await client.post(f"/v1/webhook-endpoints/{made['id']}/rotate-secret")
        assert rotated.status_code == 200, rotated.text
        ahead = served_with(migrated, settings, before, NEW, OLD)

        rotation = await master_keys.rotate(ahead.database)

        assert (rotation.rewrapped, rotation.left, rotation.free) == (2, 0, [Vault([OLD]).current.hex()])
        kept = text("SELECT keys, previous_keys FROM webhook_endpoint")
        row = await before.run(lambda session: session.execute(kept).one())
        opened = [
            webhook_keys.open_keys(Vault([NEW]), before.id, UUID(made["id"]), sealed)
            for sealed in (row.keys, row.previous_keys)
        ]
        assert [keys.secret_text for keys in opened] == [rotated.json()["secret"], made["secret"]]
        assert (await master_keys.rotate(ahead.database)).rewrapped == 0
        await ahead.close()
        await ahead.database.close()

    async def test_what_was_answered_under_a_key_that_is_gone_is_not_done_again(
        self, migrated: migrate.Urls, before: World, settings: Settings
    ) -> None:
        headers, body = {"Idempotency-Key": "once"}, {"name": "Legal line"}
        key = await before.key()
        assert (await before.http(key).post("/v1/service-areas", json=body, headers=headers)).status_code == 201
        listed = await before.http(key).get("/v1/service-areas")
        await master_keys.rotate((both := served_with(migrated, settings, before, NEW, OLD)).database)
        assert (await both.http(key).post("/v1/service-areas", json=body, headers=headers)).status_code == 201
        after = served_with(migrated, settings, before, NEW)

        again = await after.http(key).post("/v1/service-areas", json=body, headers=headers)
        page = await after.http(key).get(f"/v1/service-areas?modified_since={listed.json()['next_watermark']}")

        assert_problem(again, 409, "answer_gone")
        assert_problem(page, 400, "invalid_watermark")
        assert len((await after.http(key).get("/v1/service-areas")).json()["data"]) == 1
        for world in (both, after):
            await world.close()
            await world.database.close()
