"""The `ballast` command, run in the process of the tests as in an operator's terminal."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import cli, launch, migrate, settings, telemetry

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@dataclass
class Result:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def made(self) -> Any:
        """What it printed as JSON, which is all that it printed."""
        assert (self.status, self.err) == (0, ""), self.err
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The one sentence with which it was refused."""
        assert (self.status, self.out) == (1, "")
        (line,) = self.err.splitlines()
        return line.removeprefix("ballast: ")


def operators_terminal(
    urls: migrate.Urls, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    """The variables of an operator's terminal, on the database of the tests."""
    for name, value in {
        "BALLAST_DATABASE_URL": urls.application,
        "BALLAST_OWNER_DATABASE_URL": urls.owner,
        "BALLAST_DATA_DIR": str(data_dir),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(launch, "stop_like_ctrl_c", lambda: None)
    monkeypatch.setattr(telemetry, "configure_logging", lambda _: None)
    settings.get_settings.cache_clear()
    yield monkeypatch
    settings.get_settings.cache_clear()


def runner(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command, in this process."""

    def run(*arguments: str, **variables: str) -> Result:
        for name, value in variables.items():
            environment.setenv(name, value)
        settings.get_settings.cache_clear()
        environment.setattr(sys, "argv", ["ballast", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return Result(int(left.value.code or 0), out, err)

    return run


Run = Callable[..., Result]


async def beside(ballast: Run, *arguments: str) -> Result:
    """Run a command while the loop of the tests goes on."""
    return await asyncio.to_thread(ballast, *arguments)
