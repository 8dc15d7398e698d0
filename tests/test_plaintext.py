"""What people wrote for themselves stands nowhere as they wrote it: a word through every sealed field is looked for in
the database and its files, its write-ahead log included, in logs, traces, metrics, entries, events and refusals.
"""

import logging
import mmap
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from sqlalchemy import LargeBinary, text

from app import migrate
from app.database import Database, make_engine
from app.main import create_app
from app.models import Base
from app.settings import Settings
from app.telemetry import JsonLines, exposition
from tests.canaries import PLANTERS, PREFIX, Planting
from tests.world import World

# Columns of bytes that hold no words of a person: hashes, signatures, keys and names of keys.
NO_WORDS = {
    "audit_seal.digests",
    "audit_seal.head",
    "audit_seal.public_key",
    "audit_seal.signature",
    "calendar_feed.digest",
    "client_key.digest",
    "idempotent_answer.fingerprint",
    "keys.master_key.id",
    "keys.master_key.proof",
    "keys.person_key.key_id",
    "keys.person_key.wrapped",
    "source_credential.digest",
}
SEALED = {
    f"{table.fullname}.{column.name}"
    for table in Base.metadata.tables.values()
    for column in table.c
    if isinstance(column.type, LargeBinary)
} - NO_WORDS


class Span(trace.NonRecordingSpan):
    """Keeps what is said of a request."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.said = said

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: Any) -> None:
        self.said.append(f"{key}={value}")

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.said.append(f"{dict(attributes)}")

    def update_name(self, name: str) -> None:
        self.said.append(name)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        self.said.append(f"{name} {attributes}")

    def record_exception(self, exception: BaseException, attributes: Any = None, *_: Any, **__: Any) -> None:
        self.said.append(f"{exception!r} {attributes}")

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.said.append(f"{getattr(status, 'description', status)} {description}")


class Tracer(trace.NoOpTracer):
    def __init__(self, said: list[str]) -> None:
        self.said = said

    def start_span(self, name: str, *_: Any, **options: Any) -> Span:
        self.said.append(f"{name} {options.get('attributes')}")
        return Span(self.said)


class Traces(trace.TracerProvider):
    """Keeps what every span of the application holds."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        return Tracer(self.said)


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Return what every logger of the process writes, at its loudest, as it would stand in the log."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root, level = logging.getLogger(), logging.getLogger().level
    quiet = [logging.getLogger(name) for name in ("httpx", "httpcore", "asyncio")]  # the test's own client
    for logger in quiet:
        logger.propagate = False
    engine = logging.getLogger("sqlalchemy.engine")
    loud = engine.level
    engine.setLevel(logging.DEBUG)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)
    engine.setLevel(loud)
    for logger in quiet:
        logger.propagate = True


@pytest.fixture
async def planted(
    urls: migrate.Urls, settings: Settings, log: StringIO
) -> AsyncIterator[tuple[Planting, World, str, list[str]]]:
    """Plant a word in every sealed field, on an application that logs and traces all it can."""
    database = Database(make_engine(urls.application, settings, role=urls.application_role))
    app = create_app(settings.model_copy(update={"telemetry": True}), database)
    traces = Traces()
    app._telemetry["tracer_provider"] = traces
    world = await World(app, database).build()
    planting = Planting(world)
    for plant in PLANTERS:
        await plant(planting)
    yield planting, world, log.getvalue(), traces.said
    await world.close()
    await database.close()


def forms(word: str) -> list[str]:
    """Return a word as it could stand in a dump: as it is, and in hexadecimal."""
    return [word, word.encode().hex()]


async def everything(url: str) -> str:
    """Return every row of every table, as text."""
    engine = migrate.owner_engine(url)
    async with engine.connect() as connection:
        rows = []
        for table in Base.metadata.tables:
            found = await connection.execute(text(f"SELECT t::text FROM {table} t"))
            rows += [f"{table} {row[0]}" for row in found]
    await engine.dispose()
    return "\n".join(rows)


def words_in(content: mmap.mmap, words: list[str]) -> Iterator[str]:
    """Yield the words that stand somewhere: what all of them begin with is looked for, which is quick."""
    for start in {form.encode() for form in forms(PREFIX)}:
        at = content.find(start)
        while at >= 0:
            yield from (word for word in words if content[at : at + len(word)] == word.encode())
            at = content.find(start, at + 1)


def standing_in(folder: Path, words: list[str]) -> dict[str, str]:
    """Return which of the words stand in a file of the folder, and in which.

    A server that others use too removes files of theirs meanwhile: what is gone holds nothing.
    """
    found: dict[str, str] = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):
                if path.is_symlink() or path.stat().st_size == 0:
                    continue
                with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    found.update(dict.fromkeys(words_in(content, words), str(path)))
    return found


async def test_every_sealed_column_is_planted(planted: tuple[Planting, World, str, list[str]]) -> None:
    """A new column of bytes is either planted, or named above as one that holds no words."""
    planting, world, _, _ = planted
    empty = []
    for column in sorted(SEALED):
        table, _, name = column.rpartition(".")
        query = text(f"SELECT count({name}) FROM {table} WHERE organisation_id = :id")
        if not await world.run(lambda session, q=query: session.execute(q, {"id": world.id}).scalar_one()):
            empty.append(column)

    assert empty == []
    assert len(planting.words) >= 9


async def test_no_log_trace_metric_or_refusal_repeats_a_word(planted: tuple[Planting, World, str, list[str]]) -> None:
    planting, world, logged, traced = planted
    assert "ballast.access" in logged
    assert "INSERT INTO thought_record" in logged
    assert any("/v1/thought-records" in said for said in traced)
    assert {answer.status_code for answer in planting.answers} >= {200, 201, 400, 401, 404, 412, 422}

    elsewhere = logged + "\n".join(traced) + exposition().decode()
    for place, word in planting.words.items():
        for form in forms(word):
            assert form not in elsewhere, place
        for answer in planting.answers:
            assert answer.status_code < 400 or word not in answer.text, (place, answer.text)
    for place in ("audit_entry", "outgoing_event"):
        query = text(f"SELECT string_agg(t::text, ' ') FROM {place} t WHERE organisation_id = :id")
        told = await world.run(lambda session, q=query: session.execute(q, {"id": world.id}).scalar_one())
        assert told is None or not [word for word in planting.words.values() if word in told]


async def test_no_table_and_no_file_of_the_database_holds_a_word(
    planted: tuple[Planting, World, str, list[str]],
    urls: migrate.Urls,
    superuser_url: str,
) -> None:
    """The files of the embedded server, after a checkpoint; of a server elsewhere all that SQL can show of its tables.

    Words that are kept plain, a plan's title and purpose, are found by the same search.
    """
    planting, _, _, _ = planted
    plain = {"title": planting.word("a plain title"), "purpose": planting.word("a plain purpose")}
    period = {"starts_on": "2100-01-01", "ends_on": "2100-06-30"}
    made = await planting.world.person("amira").post("/v1/development-plans", json={**period, **plain})
    assert made.status_code == 201, made.text
    sealed = [form for word in planting.words.values() if word not in plain.values() for form in forms(word)]
    assert len(sealed) >= 18

    dump = await everything(urls.owner)
    assert [word for word in plain.values() if word not in dump] == []
    assert [word for word in sealed if word in dump] == []

    words, elsewhere = [*sealed, *plain.values()], "BALLAST_TEST_DATABASE_URL" in os.environ
    engine = migrate.owner_engine(superuser_url).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        files = Path((await connection.execute(text("SHOW data_directory"))).scalar_one())
        for statement in ("SET synchronous_commit = on", "SELECT pg_logical_emit_message(true, '', '')"):
            await connection.execute(text(statement))  # its commit brings all that was logged before into the files
        assert elsewhere or set(standing_in(files / "pg_wal", words)) == set(plain.values())
        await connection.execute(text("CHECKPOINT"))  # after which the files of the log can be used anew
        assert elsewhere or set(standing_in(files, words)) == set(plain.values())
    await engine.dispose()
