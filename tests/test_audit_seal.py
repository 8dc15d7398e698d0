"""The audit as it stands in the database: sealed by the worker, anchored outside, and found out when changed."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app import anchoring, audit_chain, audit_command, clock, duties, events, launch, migrate
from app.anchoring import Anchoring
from app.audit_chain import Proof
from app.auth import Caller
from app.errors import sqlstate
from app.models import Employee
from app.outgoing.rules import Rules, UrlNotAllowed
from app.services import audit_seal as seals
from app.settings import Settings
from app.wakeup import Wakeup
from app.worker import WHEN_DUE, Worker
from tests.receiver import Receiver, answer
from tests.world import World

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def work(world: World) -> Worker:
    return Worker(world.database, Wakeup(), 0.05)


async def write(world: World, many: int = 10) -> None:
    """Let the service write entries, as changes do."""

    def record(session: Any) -> None:
        caller = Caller(world.id, "person", world.people["hana"], request_id="request-1")
        amira = session.get_one(Employee, (world.id, world.people["amira"]))
        for number in range(many):
            why = "She asked for it." if number % 2 else None
            details = {"fields": ["title", "locale"], "äö": number, "reason": why}
            events.record(session, caller, "employee.updated", amira, details=details)
        events.record_read(session, caller, "review", amira.id, amira.id, "line_manager")

    await world.run(record)


async def seal(world: World, work: Worker) -> None:
    await work.attend(world.id, WHEN_DUE)


async def verify(world: World, *anchors: audit_chain.Anchor) -> Proof:
    proof: Proof = await world.run(lambda session: seals.verify(session, world.id, [], anchors))
    return proof


@asynccontextmanager
async def as_superuser(urls: migrate.Urls) -> AsyncIterator[Any]:
    """Whoever owns the database can do anything to it: here, to pass by its trigger."""
    engine = create_async_engine(urls.owner)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER numbered_once"))
        try:
            yield connection
        finally:
            await connection.execute(text("ALTER TABLE audit_entry ENABLE TRIGGER numbered_once"))
    await engine.dispose()


class TestSeal:
    async def test_covers_every_entry_that_has_its_number(self, world: World, work: Worker) -> None:
        await write(world)
        await seal(world, work)
        await write(world)
        await seal(world, work)

        proof = await verify(world)
        numbers = await world.run(lambda s: s.execute(text("SELECT count(*), max(number) FROM audit_entry")).one())
        assert (proof.fault, proof.seals, proof.unsealed) == (None, 2, 0)
        assert (proof.entries, proof.entries) == tuple(numbers)

    async def test_is_done_by_any_number_of_workers_at_once(self, world: World) -> None:
        workers = [Worker(world.database, Wakeup(), 1) for _ in range(4)]
        for _ in range(3):
            await write(world)
            await asyncio.gather(*(each.attend(world.id, WHEN_DUE) for each in workers))
        await seal(world, workers[0])

        assert ((await verify(world)).fault, (await verify(world)).unsealed) == (None, 0)

    async def test_goes_on_batch_after_batch(self, world: World, work: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(seals, "AT_ONCE", 4)
        monkeypatch.setattr(seals, "PAGE", 10)
        await write(world, 12)
        await seal(world, work)

        proof = await verify(world)
        assert (proof.fault, proof.unsealed) == (None, 0)
        assert proof.seals == -(-proof.entries // 4)

    async def test_says_how_late_it_came(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """So long could an entry be changed without a trace: the lag is in the metrics."""
        await seal(world, Worker(world.database, Wakeup(), 1))
        monkeypatch.setattr(clock, "now", lambda: NOON)
        await write(world, 1)
        caller = Caller(world.id, "system", None)
        await world.run(lambda session: duties.number(session, caller, NOON))

        done = await world.run(lambda session: duties.seal(session, caller, NOON + timedelta(seconds=90)))

        assert (done.late, done.more) == (90, False)

    async def test_counts_what_has_no_seal_yet(self, world: World, work: Worker) -> None:
        await write(world)
        await work.attend(world.id, {"number": duties.number})

        proof = await verify(world)
        assert (proof.fault, proof.entries) == (None, 0)
        assert proof.unsealed >= 11


class TestApplicationRole:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_entry SET action = 'nothing.happened'",
            "UPDATE audit_entry SET number = number + 1",
            "UPDATE audit_entry SET number = NULL",
            "UPDATE audit_entry SET access_right = NULL",
            "DELETE FROM audit_entry",
            "UPDATE audit_seal SET head = head",
            "DELETE FROM audit_seal",
            "UPDATE audit_anchor SET anchored_at = now()",
            "DELETE FROM audit_anchor",
        ],
    )
    async def test_can_only_insert(self, world: World, work: Worker, statement: str) -> None:
        await write(world, 1)
        await seal(world, work)

        with pytest.raises(DBAPIError) as refused:
            await world.run(lambda session: session.execute(text(statement)))

        assert sqlstate(refused.value) == "42501"


class TestTampering:
    @pytest.mark.parametrize(
        ("statement", "first_bad"),
        [
            ("UPDATE audit_entry SET actor_id = NULL WHERE number = 5", 5),
            ("UPDATE audit_entry SET recorded_at = recorded_at - interval '1 microsecond' WHERE number = 5", 5),
            ("UPDATE audit_entry SET details = details || '{\"fields\": []}' WHERE number = 5", 5),
            ("UPDATE audit_entry SET access_right = NULL WHERE access_right IS NOT NULL AND number <= 15", 12),
            ("UPDATE audit_entry SET reason = NULL WHERE number = 7", 7),
            ("UPDATE audit_entry SET reason = set_byte(reason, 9, 255 - get_byte(reason, 9)) WHERE number = 7", 7),
            ("DELETE FROM audit_entry WHERE number = 5", 5),
            ("DELETE FROM audit_entry WHERE number >= 9", 9),
            ("UPDATE audit_entry SET number = 1000 WHERE number = 5", 5),
            ("UPDATE audit_entry SET number = NULL WHERE number = 5", 5),
            (
                (
                    "UPDATE audit_entry SET number = 5000 WHERE number = 4;"
                    "UPDATE audit_entry SET number = 4 WHERE number = 5;"
                    "UPDATE audit_entry SET number = 5 WHERE number = 5000"
                ),
                4,
            ),
            ("UPDATE audit_seal SET digests = set_byte(digests, 0, 255 - get_byte(digests, 0))", 1),
            ("UPDATE audit_seal SET sealed_at = sealed_at + interval '1 second'", 1),
            ("DELETE FROM audit_seal WHERE number = 1", 1),
        ],
    )
    async def test_by_who_owns_the_database_is_found(
        self, world: World, work: Worker, urls: migrate.Urls, statement: str, first_bad: int
    ) -> None:
        for _ in range(2):
            await write(world)
            await seal(world, work)
        assert (await verify(world)).fault is None

        async with as_superuser(urls) as owner:
            for part in statement.split(";"):
                where = " AND " if "WHERE" in part else " WHERE "
                result = await owner.execute(text(f"{part}{where}organisation_id = :id"), {"id": world.id})
                assert result.rowcount

        fault = (await verify(world)).fault
        assert fault is not None
        assert fault.number == first_bad

    async def test_that_cuts_off_the_end_is_found_by_the_anchor(
        self, world: World, work: Worker, urls: migrate.Urls, tmp_path: Path
    ) -> None:
        anchored = Anchoring(world.database, tmp_path / "heads.jsonl", None, 60)
        await write(world)
        await seal(world, work)
        whole = (await verify(world)).entries
        await write(world)
        await seal(world, work)
        await anchored.anchor(anchoring.FILE)

        async with as_superuser(urls) as owner:
            for part in (
                "DELETE FROM audit_entry WHERE number > :last",
                "DELETE FROM audit_seal WHERE last_number > :last",
                "UPDATE feed_counter SET value = :last WHERE feed = 'audit'",
            ):
                await owner.execute(text(f"{part} AND organisation_id = :id"), {"id": world.id, "last": whole})

        heads = [head for whose, head, _ in anchoring.read(tmp_path / "heads.jsonl") if whose == world.id]
        assert (await verify(world)).fault is None, "nothing in the database shows it"
        fault = (await verify(world, *heads)).fault
        assert fault is not None
        assert fault.number == whole + 1

    async def test_of_what_is_not_sealed_yet_does_not_stop_the_sealing(
        self, world: World, work: Worker, urls: migrate.Urls
    ) -> None:
        await write(world)
        await work.attend(world.id, {"number": duties.number})
        async with as_superuser(urls) as owner:
            removed = text("DELETE FROM audit_entry WHERE number = 3 AND organisation_id = :id")
            await owner.execute(removed, {"id": world.id})
        await seal(world, work)

        fault = (await verify(world)).fault
        assert fault == audit_chain.Fault(3, "it was removed before it was sealed")


class TestAnchor:
    async def test_is_a_line_that_anybody_can_check(self, world: World, work: Worker, tmp_path: Path) -> None:
        file = tmp_path / "outside" / "heads.jsonl"
        anchored = Anchoring(world.database, file, None, 60)
        await write(world)
        await seal(world, work)

        for _ in range(2):
            await anchored.anchor(anchoring.FILE)

        (line,) = (
            each for each in map(json.loads, file.read_text().splitlines()) if each["organisation_id"] == str(world.id)
        )
        sealed_at = datetime.fromisoformat(line["sealed_at"])
        message = audit_chain.signed_part(
            world.id, line["seal"], line["last_number"], sealed_at, bytes.fromhex(line["head"])
        )
        assert audit_chain.is_signed(bytes.fromhex(line["public_key"]), bytes.fromhex(line["signature"]), message)
        assert line["last_number"] == (await verify(world)).entries
        assert stat.S_IMODE(file.stat().st_mode) & 0o007 == 0

    async def test_is_posted_too_and_again_after_a_failure(
        self, world: World, work: Worker, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await write(world)
        await seal(world, work)
        answers = ["500 Internal Server Error", "307 Temporary Redirect", "200 OK"]
        monkeypatch.setattr(anchoring, "_organisations", lambda _: [world.id])

        async def say(*_: Any) -> bytes:
            return answer(answers.pop(0), Location="/elsewhere")

        async with Receiver(say) as receiver:
            rules = Rules.for_operator(settings)
            anchored = Anchoring(world.database, None, receiver.url, 60, rules)
            for _ in range(2):
                with pytest.raises(anchoring.NotKept):
                    await anchored.anchor(anchoring.URL)
            for _ in range(2):
                await anchored.anchor(anchoring.URL)

            posted = [json.loads(each.body)["organisation_id"] for each in receiver.received]
            assert posted == [str(world.id)] * 3
            await write(world)
            await seal(world, work)
            with pytest.raises(UrlNotAllowed):  # the guard of all that leaves
                await replace(anchored, rules=replace(rules, networks=())).anchor(anchoring.URL)
            assert len(receiver.received) == 3

    def test_goes_nowhere_without_encryption(self) -> None:
        with pytest.raises(ValueError, match="https"):
            Settings(audit_anchor_url="http://anchors.example/heads")  # type: ignore[arg-type]  # as the environment has it

    async def test_is_not_written_where_no_place_is_set(self, world: World, settings: Settings) -> None:
        await asyncio.wait_for(Anchoring.of(world.database, settings).run(), 20)


class TestCommand:
    @pytest.fixture(autouse=True)
    def here(self, world: World, urls: migrate.Urls, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        @contextmanager
        def ground(_: Settings) -> Any:
            yield launch.Ground(urls, is_embedded=False)

        monkeypatch.setattr(launch, "ground", ground)
        monkeypatch.setattr(launch, "read_settings", lambda: settings)

    async def test_says_that_the_audit_is_whole_or_where_it_is_not(
        self, world: World, work: Worker, urls: migrate.Urls, tmp_path: Path
    ) -> None:
        file = tmp_path / "heads.jsonl"
        await write(world)
        await seal(world, work)
        await Anchoring(world.database, file, None, 60).anchor(anchoring.FILE)

        (whole,) = await asyncio.to_thread(audit_command.verify, world.slug, file, [])
        async with as_superuser(urls) as owner:
            edit = text("UPDATE audit_entry SET action = 'x' WHERE number = 7 AND organisation_id = :id")
            await owner.execute(edit, {"id": world.id})
        (edited,) = await asyncio.to_thread(audit_command.verify, world.slug, file, [])

        assert (whole["result"], whole["first_bad_entry"], whole["unsealed_entries"]) == ("whole", None, 0)
        assert (edited["result"], edited["first_bad_entry"]) == ("not whole", 7)

    async def test_refuses_what_is_no_file_of_heads(self, world: World, tmp_path: Path) -> None:
        (tmp_path / "heads.jsonl").write_text('{"seal": "one"}\n')

        unusable: list[tuple[str, Path | None, list[str]]] = [
            (world.slug, tmp_path / "heads.jsonl", []),
            ("nobody", None, []),
            (world.slug, None, ["ab"]),
        ]
        for arguments in unusable:
            with pytest.raises(launch.StartError):
                await asyncio.to_thread(audit_command.verify, *arguments)

    async def test_shows_the_public_keys(self) -> None:
        (key,) = audit_command.public_keys()

        assert (len(key["public_key"]), key["in_use"]) == (64, True)
