"""`ballast serve` as its operator meets it: a process, its output, its database and its end."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from app import embedded

ROOT = Path(__file__).parent.parent
WINDOWS = sys.platform == "win32"
SECOND_START_SECONDS = 5
PATIENCE_SECONDS = 60  # so that nothing hangs; a busy machine needs half of it for one command
LONG = {"LOCK_TIMEOUT_SECONDS": "600", "STATEMENT_TIMEOUT_SECONDS": "600", "SHUTDOWN_SECONDS": "300"}


class Service:
    """A running `ballast serve`: what it has said, and where it answers."""

    answers: tuple[httpx.Response, ...] = ()
    status: int | None = None

    def __init__(self, data_dir: Path, *options: str, **environment: str) -> None:
        self.data_dir, self.errors = data_dir, data_dir.parent / "stderr"
        self.started = time.monotonic()
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                command("serve", "--port", "0", *options),
                env=surroundings(data_dir, **environment),
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        with patience(self.process):
            self.said = "".join(self._welcome())
        found = re.search(r"http://127\.0\.0\.1:\d+", self.said)
        assert found, self.errors.read_text()
        self.url = found.group()
        self.seconds = time.monotonic() - self.started
        spent = psutil.Process(self.process.pid).cpu_times()
        self.cpu_seconds = spent.user + spent.system + spent.children_user + spent.children_system

    def _welcome(self) -> Iterator[str]:
        assert self.process.stdout
        for line in self.process.stdout:
            yield line
            if line.startswith("Stop it"):
                return

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The lines of standard error: every one of them is JSON."""
        return [json.loads(line) for line in self.errors.read_text().splitlines()]

    def requests(self) -> list[tuple[str, httpx.Request]]:
        """The commands to paste, as requests, each with the comment above it."""
        lines = self.said.splitlines()
        return [(lines[i - 1], as_request(line)) for i, line in enumerate(lines) if line.startswith("curl ")]

    def key(self, who: str) -> dict[str, str]:
        """The headers that one kind of caller sends."""
        (found,) = (request for comment, request in self.requests() if comment.startswith(f"# {who}"))
        return {"Authorization": found.headers["Authorization"]}

    def get(self, path: str, who: str | None = None) -> httpx.Response:
        return httpx.get(self.url + path, headers=self.key(who) if who else {}, timeout=PATIENCE_SECONDS)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        assert self.process.stdout
        try:
            return self.process.wait(PATIENCE_SECONDS)
        finally:
            self.process.stdout.close()


@contextmanager
def patience(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill a process that keeps a test waiting."""
    timer = threading.Timer(PATIENCE_SECONDS, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_overloaded() -> bool:
    """Whether others use this machine so much that a clock on the wall says nothing."""
    return os.getloadavg()[0] > (os.cpu_count() or 1)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", *arguments]


def surroundings(data_dir: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BALLAST_", "HOST", "PORT"))}
    return {**kept, "BALLAST_DATA_DIR": str(data_dir), **{f"BALLAST_{name}": value for name, value in settings.items()}}


def run(data_dir: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        check=False,
        env=surroundings(data_dir, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def send(request: httpx.Request) -> httpx.Response:
    with httpx.Client(timeout=PATIENCE_SECONDS) as client:
        return client.send(request)


def as_request(line: str) -> httpx.Request:
    words = shlex.split(line)
    headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
    body = words[words.index("-d") + 1] if "-d" in words else None
    return httpx.Request("POST" if body else "GET", words[-1], headers=headers, content=body)


@contextmanager
def serving(data_dir: Path, *options: str, **environment: str) -> Iterator[Service]:
    service = Service(data_dir, *options, **environment)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.wait()


def server_of(data_dir: Path) -> psutil.Process | None:
    """The embedded server that works on a data directory."""
    try:
        process = psutil.Process(int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
        return process if process.status() != psutil.STATUS_ZOMBIE else None
    except (FileNotFoundError, IndexError, psutil.NoSuchProcess):  # not there, still empty, or left behind
        return None


def sql(data_dir: Path, statement: str) -> str:
    """Run SQL as the superuser of the embedded server, which starts for it where it does not run."""
    with embedded.start(data_dir, exclusive=False) as found:
        words = [str(found.bin_path / "psql"), "-h", str(found.socket_dir), "-U", "postgres", "-Atqc", statement]
        return subprocess.run([*words, "ballast"], check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def locked_organisation(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold the lock of the organisation's row, so that changing it waits; let go when standard input closes."""
    with embedded.start(data_dir, exclusive=False) as found:
        words = [str(found.bin_path / "psql"), "-h", str(found.socket_dir), "-U", "postgres", "-Atq", "ballast"]
        pipe = subprocess.PIPE
        with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as holder:
            assert holder.stdin
            assert holder.stdout
            holder.stdin.write("BEGIN; SELECT 'held' FROM organisation FOR UPDATE;\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == "held\n"
            yield holder


def change_name(service: Service, name: str) -> httpx.Response:
    headers = {**service.key("Programme lead"), "If-Match": "*"}
    return httpx.patch(f"{service.url}/v1/organisation", json={"name": name}, headers=headers, timeout=PATIENCE_SECONDS)


def until_waiting(data_dir: Path) -> None:
    """Wait until a statement waits for the lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sql(data_dir, waiting) == "0":
        assert time.monotonic() < deadline


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence with which a command was refused."""
    assert result.returncode == 1
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("{")]
    (sentence,) = lines
    assert sentence.startswith("ballast: ")
    assert "Traceback" not in result.stderr
    return sentence.removeprefix("ballast: ")
