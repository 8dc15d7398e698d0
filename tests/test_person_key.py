"""The words of a person open for that person's key, in the place where they were sealed, and nowhere else."""

import asyncio
import json
import logging
from dataclasses import replace
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import migrate, texts
from app.auth import Caller
from app.crypto import Vault
from app.database import Database, make_engine, set_tenant
from app.envelope import Damaged, DataKey, Place
from app.settings import Settings
from tests.test_conventions_access import assert_problem
from tests.world import World

WORDS = "Grüße: I could not sleep. 🌊"
OLD, NEW, WRONG = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
COLUMN = "thought_record.content"


def caller_of(world: World) -> Caller:
    return Caller(world.id, "system", None)


async def seal(world: World, who: str, column: str, row_id: UUID, words: str = WORDS) -> bytes:
    return bytes(await world.run(texts.seal, caller_of(world), world.people[who], column, row_id, words))


async def reveal(world: World, who: str, column: str, row_id: UUID, sealed: bytes) -> str:
    return str(await world.run(texts.reveal, caller_of(world), world.people[who], column, row_id, sealed))


async def wrapped(world: World) -> list[tuple[UUID, bytes | None]]:
    query = text("SELECT id, wrapped FROM keys.person_key WHERE organisation_id = :id ORDER BY id")
    return [tuple(row) for row in await world.run(lambda session: session.execute(query, {"id": world.id}).all())]


class TestPlaces:
    async def test_any_two_swapped_are_found_out(self, world: World, elsewhere: World) -> None:
        """Over organisations, people, columns and rows: all pairs."""
        rows = uuid4(), uuid4()
        places = [
            (where, who, column, row)
            for where in (world, elsewhere)
            for who in ("amira", "theo")
            for column in (COLUMN, "review.self_part")
            for row in rows
        ]
        sealed = [await seal(*place, words=f"{number}") for number, place in enumerate(places)]

        for number, place in enumerate(places):
            assert await reveal(*place, sealed[number]) == f"{number}"
        for one, other in permutations(range(len(places)), 2):
            with pytest.raises(texts.Unreadable):
                await reveal(*places[one], sealed[other])

    def test_no_two_places_look_alike(self) -> None:
        """Also not when bytes move from one part into the next: each part goes with its length."""
        one, other = uuid4(), uuid4()
        bound = {
            Place(one, other, column, row).bound()
            for column, row in (("ab", b"c"), ("a", b"bc"), ("abc", b""), ("", b"abc"), ("ab", b"\x00\x01c"))
        }
        assert len(bound) == 5

    def test_every_part_of_a_place_counts_alone(self) -> None:
        """Each difference would be found out by itself, were all the others, the key too, the same."""
        place, key = Place(uuid4(), uuid4(), COLUMN, uuid4()), DataKey.make()
        changes: list[dict[str, Any]] = [{name: uuid4()} for name in ("organisation_id", "person_id", "row_id")]
        for change in (*changes, {"column": "thought_record.contents"}):
            with pytest.raises(Damaged):
                key.open(replace(place, **change), key.seal(place, b"words"))

    async def test_the_same_words_never_look_the_same_nor_like_themselves(self, world: World) -> None:
        row = uuid4()
        first, second = await seal(world, "amira", COLUMN, row), await seal(world, "amira", COLUMN, row)

        assert first != second
        assert WORDS.encode() not in first
        assert len(first) == len(WORDS.encode()) + 37
        assert first[:1] == b"\x01"


class TestDamage:
    async def test_no_changed_bit_and_no_cut_gives_another_text(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nor an error of ours: it reads as unreadable, and the operator is told where, without a word of it."""
        row = uuid4()
        sealed = await seal(world, "amira", COLUMN, row)
        damaged = [bytes(b ^ (1 if i == at else 0) for i, b in enumerate(sealed)) for at in range(len(sealed))]
        damaged += [sealed[:length] for length in range(len(sealed))]
        damaged += [sealed + b"\x00", b"", b"\x01", b"\x02" + sealed[1:]]

        wanted = [(world.people["amira"], COLUMN, row, each) for each in damaged]
        with caplog.at_level(logging.ERROR, "ballast.texts"):
            found = await world.run(texts.reveal_many, caller_of(world), wanted)

        assert found == [None] * len(damaged)
        assert len(caplog.records) == len(damaged)
        assert {record.__dict__["column"] for record in caplog.records} == {COLUMN}
        assert "sleep" not in caplog.text

    async def test_a_key_put_in_anothers_place_opens_nothing(self, world: World) -> None:
        row = uuid4()
        hers = await seal(world, "amira", COLUMN, row)
        await seal(world, "theo", COLUMN, row)
        move = text(
            "UPDATE keys.person_key SET wrapped = other.wrapped, key_id = other.key_id FROM keys.person_key other"
            " WHERE keys.person_key.id = :theo AND other.id = :amira"
        )
        names = {name: world.people[name] for name in ("theo", "amira")}
        await world.run(lambda session: session.execute(move, names))

        with pytest.raises(texts.Unreadable):
            await reveal(world, "theo", COLUMN, row, hers)
        assert await reveal(world, "amira", COLUMN, row, hers) == WORDS


class TestKeys:
    async def test_two_first_uses_at_once_make_one_key(self, world: World) -> None:
        rows = [uuid4() for _ in range(6)]

        sealed = await asyncio.gather(*(seal(world, "amira", COLUMN, row) for row in rows))

        assert len(await wrapped(world)) == 1
        for row, each in zip(rows, sealed, strict=True):
            assert await reveal(world, "amira", COLUMN, row, each) == WORDS

    async def test_stand_wrapped_in_a_schema_of_their_own(self, world: World) -> None:
        await seal(world, "amira", COLUMN, uuid4())

        ((person, key),) = await wrapped(world)

        assert person == world.people["amira"]
        assert key is not None
        assert len(key) == 4 + 12 + 32 + 16

    async def test_many_people_cost_one_statement(self, world: World, database: Database) -> None:
        wanted = [
            (world.people[name], COLUMN, row, await seal(world, name, COLUMN, row))
            for name, row in ((name, uuid4()) for name in world.people)
        ]
        from sqlalchemy import event  # noqa: PLC0415

        said: list[str] = []

        def note(_c: Any, _u: Any, statement: str, *_: Any) -> None:
            said.append(statement)

        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        try:
            found = await world.run(texts.reveal_many, caller_of(world), wanted)
        finally:
            event.remove(database.engine.sync_engine, "before_cursor_execute", note)

        assert found == [WORDS] * len(world.people)
        assert len([statement for statement in said if "person_key" in statement]) == 1

    async def test_destroyed_is_destroyed_for_good_and_for_one_person_alone(self, world: World) -> None:
        row = uuid4()
        hers, his = await seal(world, "amira", COLUMN, row), await seal(world, "theo", COLUMN, row)

        await world.run(texts.destroy_key, caller_of(world), world.people["amira"])

        for _ in range(2):
            with pytest.raises(texts.Unreadable):
                await reveal(world, "amira", COLUMN, row, hers)
            with pytest.raises(texts.Unreadable):
                await seal(world, "amira", COLUMN, uuid4())
            await world.run(texts.destroy_key, caller_of(world), world.people["amira"])
        assert await reveal(world, "theo", COLUMN, row, his) == WORDS
        assert (world.people["amira"], None) in await wrapped(world)

    async def test_one_destroyed_before_it_was_is_never_made(self, world: World) -> None:
        await world.run(texts.destroy_key, caller_of(world), world.people["amira"])

        with pytest.raises(texts.Unreadable):
            await seal(world, "amira", COLUMN, uuid4())

    async def test_without_its_master_key_a_text_is_busy_not_gone(
        self, world: World, urls: migrate.Urls, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A process that was given too few keys loses nothing, and says so to its operator."""
        row = uuid4()
        sealed = await seal(world, "amira", COLUMN, row)
        engine = make_engine(urls.application, settings, role=urls.application_role)
        lacking = World(world.app, Database(engine, lambda: Vault([WRONG])), id=world.id, people=world.people)

        with pytest.raises(texts.Unavailable):
            await reveal(lacking, "amira", COLUMN, row, sealed)
        with pytest.raises(texts.Unavailable):
            await seal(lacking, "theo", COLUMN, row)

        assert "BALLAST_MASTER_KEYS" in caplog.text
        await engine.dispose()


def test_a_data_key_opens_only_what_is_its_own() -> None:
    here, person, place = uuid4(), uuid4(), Place(uuid4(), uuid4(), COLUMN, uuid4())
    one, other, vault = DataKey.make(), DataKey.make(), Vault([OLD])
    sealed = one.seal(place, b"words")

    assert one.open(place, sealed) == b"words"
    assert str(one.raw) not in repr(one)
    with pytest.raises(Damaged):
        other.open(place, sealed)
    with pytest.raises(Damaged):
        DataKey(one.id, other.raw).open(place, sealed)
    kept = one.wrapped(vault, here, person)
    assert DataKey.unwrap(vault, here, person, one.id, kept) == one
    for where, whose, key_id in ((uuid4(), person, one.id), (here, uuid4(), one.id), (here, person, other.id)):
        with pytest.raises(Damaged):
            DataKey.unwrap(vault, where, whose, key_id, kept)


async def write(world: World, who: str) -> str:
    response = await world.person(who).post("/v1/thought-records", json={"situation": WORDS})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


class TestStoredAnswers:
    async def test_of_a_person_are_under_that_persons_key(self, world: World, amira: httpx.AsyncClient) -> None:
        request: dict[str, Any] = {"json": {"situation": WORDS}, "headers": {"Idempotency-Key": "once"}}
        first = await amira.post("/v1/thought-records", **request)
        again = await amira.post("/v1/thought-records", **request)
        assert (first.status_code, again.content) == (201, first.content)
        query = text("SELECT body, key_digest FROM idempotent_answer WHERE organisation_id = :id")
        ((body, digest),) = await world.run(lambda session: session.execute(query, {"id": world.id}).all())
        place = (world.people["amira"], "idempotent_answer.body", digest, body)
        assert await world.run(texts.reveal_bytes, caller_of(world), *place) == first.content

        await world.run(texts.destroy_key, caller_of(world), world.people["amira"])

        assert_problem(await amira.post("/v1/thought-records", **request), 409, "answer_gone")

    async def test_of_before_people_had_keys_are_still_given(self, world: World, amira: httpx.AsyncClient) -> None:
        request: dict[str, Any] = {"json": {"situation": WORDS}, "headers": {"Idempotency-Key": "once"}}
        first = await amira.post("/v1/thought-records", **request)
        vault: Vault = world.app.state.vault
        old = vault.seal("idempotent-answer", world.id, first.content)
        change = text("UPDATE idempotent_answer SET body = :body WHERE organisation_id = :id")
        await world.run(lambda session: session.execute(change, {"body": old, "id": world.id}))

        again = await amira.post("/v1/thought-records", **request)

        assert (again.status_code, again.content) == (201, first.content)


class TestUnreadable:
    async def test_an_erased_persons_text_is_null_and_says_so(self, world: World, amira: httpx.AsyncClient) -> None:
        record = await write(world, "amira")

        await world.run(texts.destroy_key, caller_of(world), world.people["amira"])

        response = await amira.get(f"/v1/thought-records/{record}")
        body = response.json()
        assert response.status_code == 200
        assert (body["situation"], body["distortions"], body["unreadable"]) == (None, [], True)
        assert (await amira.get("/v1/thought-records")).json()["data"] == [body]
        change: dict[str, Any] = {"json": {"feeling": "calm"}, "headers": {"If-Match": "*"}}
        assert_problem(await amira.patch(f"/v1/thought-records/{record}", **change), 409, "text_unreadable")
        assert_problem(await amira.post("/v1/thought-records", json={"situation": "More."}), 409, "text_unreadable")
        assert (await amira.delete(f"/v1/thought-records/{record}", headers={"If-Match": "*"})).status_code == 204

    async def test_a_damaged_text_is_null_too(self, world: World, amira: httpx.AsyncClient) -> None:
        record, other = await write(world, "amira"), await write(world, "amira")

        def swap(session: Session) -> None:
            """Put each content into the other's row, as somebody with the database's rights could."""
            set_tenant(session, world.id)
            both = {row.id: row.content for row in session.execute(text("SELECT id, content FROM thought_record"))}
            one, two = both
            for row_id, content in ((one, both[two]), (two, both[one])):
                change = text("UPDATE thought_record SET content = :content WHERE id = :id")
                session.execute(change, {"content": content, "id": row_id})

        await world.run(swap)

        for each in (record, other):
            response = await amira.get(f"/v1/thought-records/{each}")
            assert (response.status_code, response.json()["unreadable"]) == (200, True)
            assert WORDS not in json.dumps(response.json(), ensure_ascii=False)
