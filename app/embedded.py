"""The PostgreSQL that comes as a wheel, run under the data directory: for laptops, demos and tests.

Three lock files, which the kernel releases when a process dies, say who uses a data directory: ``instance.lock`` is its
one exclusive holder's, ``users.lock`` is shared by everyone who uses the server, and ``change.lock`` is held while
somebody comes or goes. Who comes to an empty house starts the server afresh; who leaves last stops it.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

from app.embedded_cluster import Cluster, EmbeddedError

if sys.platform != "win32":
    import fcntl

__all__ = ("EmbeddedError", "EmbeddedServer", "start")

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # a part of the socket's name; PGPORT must not change it
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",  # a DETAIL line would quote people's data
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass
class EmbeddedServer:
    """A running server and this process's hold on it; ``url`` is its superuser's."""

    url: str
    socket_dir: Path
    bin_path: Path
    _cluster: Cluster = field(repr=False)
    _users: IO[str] = field(repr=False)
    _instance: AbstractContextManager[object] = field(repr=False)

    def stop(self) -> None:
        """Let go of the server and, when nobody else uses it, shut it down in good order; may be called twice."""
        if not self._users.closed:
            with self._instance, _change(self._cluster.path.parent), self._users:
                if _try_lock(self._users):
                    self._cluster.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(data_dir: Path, *, exclusive: bool = True, durable: bool = True) -> EmbeddedServer:
    """Start the server of a data directory, or join the one that others run there, and hold it until ``stop``.

    ``exclusive`` is for the one service of a data directory and refuses a second; commands beside it join with
    ``exclusive=False``. ``durable=False`` is for tests: a crash of the machine loses data. Raises EmbeddedError.
    """
    if sys.platform == "win32":
        raise EmbeddedError(
            "The embedded PostgreSQL needs Linux or macOS: set BALLAST_DATABASE_URL to your own server."
        )
    try:
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        return _start(data_dir.resolve(), exclusive, SETTINGS if durable else SETTINGS | NOT_DURABLE)
    except OSError as error:
        reason = f"{error.strerror} ({error.filename})"
        raise EmbeddedError(f"The embedded PostgreSQL cannot run in {data_dir.absolute()}: {reason}.") from error


def _start(data_dir: Path, exclusive: bool, settings: Mapping[str, str]) -> EmbeddedServer:
    with ExitStack() as instance, _change(data_dir), ExitStack() as attempt:
        if exclusive:
            instance.enter_context(_claim(data_dir))
        cluster = Cluster(data_dir / "postgres")
        users = attempt.enter_context(_private(data_dir / "users.lock"))
        socket_dir = cluster.start(settings) if _try_lock(users) else cluster.join()
        fcntl.flock(users, fcntl.LOCK_SH)
        attempt.pop_all()
        url = f"postgresql+asyncpg://postgres@/postgres?host={quote(str(socket_dir))}"
        return EmbeddedServer(url, socket_dir, cluster.bin_path, cluster, users, instance.pop_all())


def _private(path: Path) -> IO[str]:
    """Open a file that only this account may open; a lock on a readable one would be anyone's to take."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "a+")


def _try_lock(file: IO[str]) -> bool:
    """Lock a file for this process alone, if nobody else holds a lock on it."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _change(data_dir: Path) -> Iterator[None]:
    """Wait until nobody else is coming or going, so that a start and a stop never cross."""
    with _private(data_dir / "change.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _claim(data_dir: Path) -> IO[str]:
    """Take the data directory for this process, and leave its number there for the message that a second one gets."""
    file = _private(data_dir / "instance.lock")
    if not _try_lock(file):
        with file:
            file.seek(0)
            raise EmbeddedError(
                f"Another ballast (process {file.read()}) already runs on the data directory {data_dir}: "
                "stop it, or set BALLAST_DATA_DIR to another folder."
            )
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
