"""The story of examples/programme_story.py is true."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from starlette.testclient import TestClient

from app import migrate
from app.database import Database, make_engine
from app.main import create_app
from app.settings import Settings
from tests.world import World


class Persona:
    """The example's HTTP client, on the application in this process."""

    def __init__(self, server: TestClient, headers: dict[str, str]) -> None:
        self.server, self.headers = server, headers

    def request(self, method: str, path: str, **options: Any) -> Any:
        headers = {**self.headers, **(options.pop("headers", None) or {})}
        return self.server.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)


@pytest.fixture
def server(urls: migrate.Urls, settings: Settings) -> Iterator[TestClient]:
    database = Database(make_engine(urls.application, settings, role=urls.application_role))
    with TestClient(create_app(settings, database)) as server:
        yield server


def test_story_is_so_and_can_be_told_twice(
    server: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    portal = server.portal
    assert isinstance(portal, BlockingPortal)
    app: Any = server.app
    world = World(app, app.state.database)
    portal.call(world.build)
    for name, person in {"EMPLOYEE": "amira", "MANAGER": "theo", "MENTOR": "grace", "COACH": "jonas"}.items():
        monkeypatch.setenv(name, world.token(person))
    monkeypatch.setenv("BALLAST_KEY", portal.call(world.key))
    monkeypatch.setenv("BALLAST_URL", "http://testserver")
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "examples")
    story = importlib.import_module("programme_story")
    monkeypatch.setattr(story.httpx, "Client", lambda **options: Persona(server, options["headers"]))
    for _ in range(2):
        code = story.main()
        said = capsys.readouterr()
        assert said.err == ""
        assert code == 0
        assert said.out.endswith("All of it is so.\n")
        assert len(said.out.splitlines()) == 20
