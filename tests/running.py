"""A running `ballast serve`, in a process and with a database of its own, and one organisation as a client sees it."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

import httpx
from sqlalchemy.orm import Session

from app import launch
from app.auth import Caller
from app.services import client as clients
from app.services import organisation as organisations
from app.settings import Settings

ROOT = Path(__file__).parents[1]
NO_SETTINGS: Mapping[str, str] = {}
SCOPES = "employees:read employees:write sources:read sources:write call-events:read call-events:write strain:read"
SCOPES += " strain:write audit:read"


@dataclass
class Service:
    """A running `ballast serve`, in a process and with a database of its own."""

    url: str
    environment: dict[str, str]
    organisations: int = field(default=0)

    def organisation(self) -> "Organisation":
        """Make an organisation and a client of it, as `ballast organisation create` and `ballast client create` do."""
        settings = Settings(data_dir=Path(self.environment["BALLAST_DATA_DIR"]))
        self.organisations += 1

        def make(session: Session) -> str:
            made = organisations.create(session, "Real input", f"real-input-{self.organisations}")
            return clients.create_client(session, Caller(made.id, "system", None), "Examples", SCOPES.split())[1]

        with launch.ground(settings) as ground:
            return Organisation(self, asyncio.run(launch.run_once(ground, settings, make)))

    def checkout(self, folder: Path) -> Path:
        """Make a folder in which the commands of the documentation run as in a checkout after `make run`."""
        (folder / "examples").symlink_to(ROOT / "examples")
        (folder / ".venv" / "bin").mkdir(parents=True)
        _script(folder / ".venv" / "bin" / "python", f'exec {quote(sys.executable)} "$@"')
        ballast = f'PYTHONPATH={quote(str(ROOT))} exec {quote(sys.executable)} -m app.cli "$@"'
        _script(folder / ".venv" / "bin" / "ballast", ballast)
        _script(folder / "curl", f'exec {quote(sys.executable)} {quote(str(ROOT / "tests" / "curl.py"))} "$@"')
        return folder


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


@dataclass
class Organisation:
    """An organisation of the running service, as one client sees it."""

    service: Service
    key: str

    def environment(self) -> dict[str, str]:
        return self.service.environment | {"BALLAST_URL": self.service.url, "BALLAST_KEY": self.key}

    def command(self, program: str, *arguments: object) -> list[str]:
        return [sys.executable, str(ROOT / "examples" / f"{program}.py"), *map(str, arguments)]

    def run(self, program: str, *arguments: object) -> Any:
        """Run an example program and return its summary."""
        command = self.command(program, *arguments, "--json")
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def post(self, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = httpx.post(self.service.url + path, json=body, headers=headers, timeout=60)
        assert answer.is_success, answer.text
        return answer.json()

    def has_any(self, path: str) -> bool:
        """Say whether a list has anything on it."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return bool(httpx.get(f"{self.service.url}{path}?limit=1", headers=headers, timeout=60).json()["data"])

    def walk(self, path: str, **query: str) -> list[Any]:
        """Return every item of a list."""
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/jsonl"}
        answer = httpx.get(self.service.url + path, params=query, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def versions(self, path: str) -> dict[str, int]:
        return {row["id"]: row["version"] for row in self.walk(path)}

    def trail(self) -> set[str]:
        """Return the ids of all audit entries."""
        return {entry["id"] for entry in self.walk("/v1/audit-entries")}


@contextmanager
def serving(folder: Path, settings: Mapping[str, str] = NO_SETTINGS, port: int = 0) -> Iterator[Service]:
    """Serve as an operator would, on a free port or this one, with the embedded database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BALLAST_")}
    environment = kept | {"BALLAST_DATA_DIR": str(folder / "data"), "BALLAST_LOG_LEVEL": "warning", **settings}
    with (folder / "log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            yield Service(_url_in(folder / "log", process), environment)
        finally:
            process.terminate()
            process.wait(60)


def _url_in(log: Path, process: "subprocess.Popen[bytes]") -> str:
    """Return the URL that the service says it answers on, once it says so."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        said = log.read_text(encoding="utf-8")
        if "Stop it with Ctrl-C" in said:
            return said.partition("Ballast answers on ")[2].split()[0]
        time.sleep(0.05)
    raise AssertionError(f"The service did not start:\n{log.read_text(encoding='utf-8')}")
