"""What every command does before its own work: read the settings, find the database, see that it can be used."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy.orm import Session

from app import crypto, embedded, migrate
from app.crypto import MasterKeyError
from app.database import Database, make_engine
from app.settings import Settings, get_settings

T = TypeVar("T")

PREFIX = "BALLAST_"
# Variables of ours that are no settings of the service: what tests, continuous integration and the examples read.
NOT_SETTINGS = ("BALLAST_TEST_", "BALLAST_CI_", "BALLAST_URL", "BALLAST_KEY")


class StartError(Exception):
    """Says in one sentence, for a person at a terminal, why a command cannot begin."""


REFUSALS = (StartError, embedded.EmbeddedError, migrate.DatabaseError, MasterKeyError)


def stop_signals() -> list[signal.Signals]:
    """Return the signals that ask for a clean stop: Ctrl-C, kill, and a closed terminal, unless under ``nohup``."""
    hangup = getattr(signal, "SIGHUP", None)
    heard = hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([hangup] if hangup is not None and heard else [])]


def stop_like_ctrl_c() -> None:
    """Make every signal that asks for a stop unwind the program as Ctrl-C does."""
    for number in stop_signals():
        signal.signal(number, signal.default_int_handler)


@contextmanager
def deaf() -> Iterator[None]:
    """Hear no request to stop: for the last steps of a stop that is under way."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def read_settings() -> Settings:
    """Return the settings of this process. Raise StartError naming each variable that is wrong, and why."""
    try:
        return get_settings()
    except ValidationError as error:
        faults = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
    except SettingsError as error:
        faults = [(str(error).partition('"')[2].partition('"')[0], "it is not JSON")]
    raise StartError(" ".join(_sentence(name, reason) for name, reason in faults))


def _sentence(name: str, message: str) -> str:
    """Return what is wrong with one variable; a rule about several says it itself."""
    return f"{_variable(name)} is not usable: {_reason(message)}." if name else f"{_reason(message)}."


def _variable(name: str) -> str:
    field, _, rest = name.partition(".")
    return f"{PREFIX}{field.upper()}{f' ({rest})' if rest else ''}"


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".").replace("Input should", "it should")


def unknown_variables() -> list[str]:
    """Return the names in the environment that look like settings but are none: most often a typing error."""
    ours = {name for name in os.environ if name.startswith(PREFIX) and not name.startswith(NOT_SETTINGS)}
    return sorted(ours - {PREFIX + name.upper() for name in Settings.model_fields})


@dataclass(frozen=True)
class Ground:
    """Where a command finds its database."""

    urls: migrate.Urls
    is_embedded: bool

    def database(self, settings: Settings) -> Database:
        """Return the application's door to it, with a pool of its own."""
        engine = make_engine(self.urls.application, settings, role=self.urls.application_role)
        return Database(engine, crypto.vault_of(settings))


@contextmanager
def ground(settings: Settings, *, exclusive: bool = False) -> Iterator[Ground]:
    """Find the database for as long as the block lasts: the one that is given, else the embedded one.

    ``exclusive`` is for the one service of a data directory. Raises EmbeddedError, DatabaseError.
    """
    urls = migrate.urls_of(settings)
    if urls is not None:
        yield Ground(urls, is_embedded=False)
        return
    server = embedded.start(settings.data_dir, exclusive=exclusive)
    try:
        yield Ground(asyncio.run(migrate.prepare_embedded(server.url)), is_embedded=True)
    finally:
        with deaf():
            server.stop()


async def run_once(ground: Ground, settings: Settings, work: Callable[[Session], T]) -> T:
    """Run ``work`` in one transaction of a database that can be used. The embedded one is migrated where it lags."""
    return await run_on(ground, settings, lambda database: database.run(work))


async def run_on(ground: Ground, settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Do ``work`` on a database that can be used, in transactions of its own. See ``run_once``."""
    if ground.is_embedded:
        await migrate.migrate(ground.urls)
    database = ground.database(settings)
    try:
        await migrate.check(database.engine, settings)
        return await work(database)
    finally:
        await database.close()
