"""What others check: scim2-tester's whole suite, over HTTP, with the key of a client."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app import auth, migrate
from app.auth import Caller
from app.database import Database, make_engine
from app.main import create_app
from app.models.base import new_id
from app.services import client as clients
from app.services import organisation as organisations
from app.settings import Settings


@pytest.fixture(scope="module")
def server(urls: migrate.Urls, settings: Settings) -> Iterator[TestClient]:
    database = Database(make_engine(urls.application, settings, role=urls.application_role))
    with TestClient(create_app(settings, database), base_url="http://testserver/scim/v2") as server:
        assert server.portal is not None
        key = server.portal.call(database.run, _make_key)
        server.headers["Authorization"] = f"Bearer {key}"
        yield server


def _make_key(session: Session) -> str:
    slug = f"org-{new_id().hex[-12:]}"
    organisation_id = organisations.create(session, slug, slug).id
    operator = Caller(organisation_id, "system", None)
    _, key = clients.create_client(session, operator, "provider", ("scim:read", "scim:write"))
    assert auth.parse_key(key).organisation_id == organisation_id
    return key


def test_tester_finds_nothing_but_success(server: TestClient) -> None:
    results = check_server(SyncSCIMClient(server))
    assert len(results) > 80, "a broken discovery runs almost nothing"
    assert [(r.title, r.reason) for r in results if r.status is not Status.SUCCESS] == []


def test_example_brings_a_file_and_the_directory_together(
    server: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "examples")
    monkeypatch.setenv("BALLAST_URL", "http://testserver")
    monkeypatch.setenv("BALLAST_KEY", "in the client already")
    example = importlib.import_module("scim_sync")
    monkeypatch.setattr(example.httpx, "Client", lambda **_: nullcontext(server))
    file = tmp_path / "employees.csv"
    monkeypatch.setattr(sys, "argv", ["scim_sync.py", str(file)])

    def said(*rows: str) -> list[str]:
        file.write_text(
            "\n".join(["Employee_Name,EmpID,Position,Department,DateofTermination", *rows]), encoding="utf-8"
        )
        assert example.main() == 0
        return capsys.readouterr().out.splitlines()

    leo, mia, ann = (
        '"Marsh, Leo",1,Adviser,Legal,',
        '"Stone, Mia  K",2,Adviser,Debt,',
        '"Old, Ann",3,Adviser,Debt,1/1/2020',
    )
    assert said(leo, mia, ann) == ["people: {'created': 3}", "groups: {'created': 2}"]
    assert said(leo, mia, ann) == ["people: as the file says", "groups: as the file says"]
    moved = leo.replace("Legal", "Debt")
    assert said(moved, mia) == ["people: {'changed': 1}", "groups: {'changed': 1}"], "who had left already stays so"
    assert said(moved) == ["people: {'changed': 1}", "groups: {'changed': 1}"], "who is not in the file is deactivated"
