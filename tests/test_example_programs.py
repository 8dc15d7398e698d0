"""What the example programs do when the file is untidy or the service is busy: against a stub of the service."""

import ast
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
HEADER = "Employee_Name,EmpID,Position,Department,ManagerName,ManagerID,DateofHire,DateofTermination,EmploymentStatus\n"
CALLS = (
    "Call Id,Agent,Date,Time,Topic,Answered (Y/N),Resolved,Speed of answer in seconds,AvgTalkDuration,"
    "Satisfaction rating\n"
)
Answer = httpx.Response | httpx.HTTPError


@pytest.fixture
def sync(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of examples/sync_employees.py."""
    yield from _module("sync_employees", monkeypatch)


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of examples/replay_calls.py."""
    yield from _module("replay_calls", monkeypatch)


def _module(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setenv("BALLAST_URL", "http://ballast.test")
    monkeypatch.setenv("BALLAST_KEY", "blst_live_x")
    yield __import__(name)
    sys.modules.pop(name)


class Stub:
    """A service that answers every batch as created, after a number of other answers, and remembers the requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType, first: Sequence[Answer] = ()) -> None:
        self.first, self.requests, self.waits = list(first), list[httpx.Request](), list[float]()
        client, transport = httpx.Client, httpx.MockTransport(self.answer)
        monkeypatch.setattr(module.httpx, "Client", lambda **options: client(transport=transport, **options))
        monkeypatch.setattr(module.time, "sleep", self.waits.append)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.first:
            other = self.first.pop(0)
            if isinstance(other, httpx.HTTPError):
                raise other
            return other
        count = len(json.loads(request.content)["employees"])
        counts = {"created": count, "updated": 0, "unchanged": 0, "rejected": 0, "missing_count": 0}
        return httpx.Response(200, json={**counts, "results": [], "missing": []})

    @property
    def people(self) -> list[dict[str, Any]]:
        return [person for request in self.requests for person in json.loads(request.content)["employees"]]


def people_file(folder: Path, *lines: str) -> str:
    path = folder / "people.csv"
    path.write_text("\ufeff" + HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


ADA = '"Lovelace, Ada  K ",7,Engineer ,Engines,Charles Babbage,99,7/5/2011,,Active'
CHARLES = '"Babbage,  Charles",12,Director,Engines,,,1/2/2003,,Active'


class TestPrograms:
    @pytest.mark.parametrize("name", ["sync_employees", "replay_calls"])
    def test_stand_alone(self, name: str) -> None:
        tree = ast.parse((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))

        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"httpx"}


class TestReadingPeople:
    def test_tidies_names_dates_and_places(
        self, sync: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        stub = Stub(monkeypatch, sync)

        assert sync.main([people_file(tmp_path, ADA, CHARLES)]) == 0

        charles, ada = stub.people
        assert ada == {
            "external_id": "7",
            "employee_number": "7",
            "user_name": "ada.lovelace",
            "display_name": "Ada K Lovelace",
            "given_name": "Ada",
            "family_name": "Lovelace",
            "title": "Engineer",
            "department": "Engines",
            "service_area": "Engines",
            "employment_status": "Active",
            "hired_on": "2011-07-05",
            "left_on": None,
            "active": True,
            "manager_external_id": "12",
        }
        assert charles["manager_external_id"] is None

    def test_who_has_left_is_inactive(self, sync: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        stub = Stub(monkeypatch, sync)

        sync.main([people_file(tmp_path, ADA.replace(",,Active", ",9/24/2012,Terminated for Cause"))])

        assert (stub.people[0]["active"], stub.people[0]["left_on"]) == (False, "2012-09-24")

    def test_namesakes_get_their_number_and_the_first_keeps_the_plain_name(
        self, sync: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        stub = Stub(monkeypatch, sync)

        sync.main([people_file(tmp_path, ADA.replace(",7,", ",10,"), ADA)])

        names = {person["external_id"]: person["user_name"] for person in stub.people}
        assert names == {"7": "ada.lovelace", "10": "ada.lovelace.10"}

    def test_a_manager_whose_name_two_people_have_is_not_guessed(
        self, sync: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stub = Stub(monkeypatch, sync)

        sync.main([people_file(tmp_path, ADA, CHARLES, CHARLES.replace(",12,", ",13,"))])

        assert "manager_external_id" not in next(person for person in stub.people if person["external_id"] == "7")
        assert "Charles Babbage (1 people)" in capsys.readouterr().out

    def test_a_row_that_cannot_be_read_stops_no_other(
        self, sync: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stub = Stub(monkeypatch, sync)

        status = sync.main([people_file(tmp_path, ADA.replace("7/5/2011", "5 July"), CHARLES)])

        assert status == 1
        assert [person["external_id"] for person in stub.people] == ["12"]
        assert "line 2: a date is not of the form m/d/yyyy" in capsys.readouterr().out

    def test_a_file_of_another_form_is_refused_in_one_sentence(
        self, sync: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "people.csv").write_text("Name,Number\nAda,7\n", encoding="utf-8")

        assert sync.main([str(tmp_path / "people.csv")]) == 1
        assert "has no column Employee_Name, EmpID" in capsys.readouterr().err

    def test_a_complete_sync_cuts_the_numbers_into_ranges_without_a_gap(
        self, sync: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        stub = Stub(monkeypatch, sync)

        lines = [ADA.replace(",7,", f",{number},") for number in (5, 30, 4, 200, 1)]
        sync.main([people_file(tmp_path, *lines), "--complete", "--batch-size", "2"])

        batches = [json.loads(request.content) for request in stub.requests]
        assert [batch["mode"] for batch in batches] == ["complete"] * 3
        assert [(batch.get("after"), batch.get("through")) for batch in batches] == [
            (None, "200"),
            ("200", "4"),
            ("4", None),
        ]


class TestSending:
    def test_waits_as_long_as_it_is_told_and_repeats_the_same_request(
        self, sync: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        busy: list[Answer] = [
            httpx.Response(429, headers={"Retry-After": "7"}, json={"code": "rate_limited", "detail": "Wait."}),
            httpx.Response(503, headers={"Retry-After": "1"}, json={"code": "busy", "detail": "Wait."}),
            httpx.ConnectError("refused"),
        ]
        stub = Stub(monkeypatch, sync, busy)

        assert sync.main([people_file(tmp_path, ADA)]) == 0

        assert stub.waits[:2] == [7.0, 1.0]
        assert 0 < stub.waits[2] <= 30
        assert len({request.content for request in stub.requests}) == 1
        assert len({request.headers["Idempotency-Key"] for request in stub.requests}) == 1

    def test_another_run_is_another_request(
        self, sync: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        stub = Stub(monkeypatch, sync)

        for _ in range(2):
            sync.main([people_file(tmp_path, ADA)])

        first, second = stub.requests
        assert first.content == second.content
        assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]

    def test_a_refused_key_is_said_in_one_sentence(
        self, sync: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        problem = {"code": "unauthenticated", "detail": "A valid client key or access token is needed."}
        stub = Stub(monkeypatch, sync, [httpx.Response(401, json=problem)])

        assert sync.main([people_file(tmp_path, ADA)]) == 1

        assert len(stub.requests) == 1
        assert capsys.readouterr().err == "401 unauthenticated: A valid client key or access token is needed.\n"

    def test_gives_up_in_the_end(
        self, sync: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stub = Stub(monkeypatch, sync, [httpx.ConnectError("refused")] * 20)

        assert sync.main([people_file(tmp_path, ADA)]) == 1

        assert len(stub.requests) == 8
        assert "cannot be reached" in capsys.readouterr().err


class TestReadingCalls:
    def test_an_answered_call_has_its_times_in_the_zone_of_the_file(self, replay: ModuleType, tmp_path: Path) -> None:
        export = read_calls(replay, tmp_path, "ID1,Diane,2021-07-01,9:12:58,Contract related,Y,N,109,1:02:23,3")

        assert export.events == [
            {
                "event_id": "ID1",
                "contact_id": "ID1",
                "agent": {"ref": "Diane"},
                "channel": "voice",
                "direction": "inbound",
                "started_at": "2021-07-01T09:12:58+02:00",
                "queue": {"ref": "Contract related", "name": "Contract related"},
                "answered_at": "2021-07-01T09:14:47+02:00",
                "ended_at": "2021-07-01T10:17:10+02:00",
                "durations": {"queue_s": 109, "talk_s": 3743},
                "result": "answered",
                "disposition": {"code": "unresolved"},
            }
        ]

    def test_an_unanswered_call_was_abandoned_and_is_nobodys_unresolved_one(
        self, replay: ModuleType, tmp_path: Path
    ) -> None:
        (event,) = read_calls(replay, tmp_path, "ID6,Stewart,2021-01-01,10:00:29,Streaming,N,N,,,").events

        assert event["result"] == "abandoned"
        assert event["ended_at"] == event["started_at"]
        assert not {"disposition", "durations", "answered_at"} & event.keys()

    def test_the_customers_mark_for_the_agent_is_left_where_it_is(self, replay: ModuleType, tmp_path: Path) -> None:
        one, other = (
            read_calls(replay, tmp_path, f"ID1,Diane,2021-01-01,9:12:58,Streaming,Y,Y,109,0:02:23,{mark}").events
            for mark in (1, 5)
        )

        assert one == other

    @pytest.mark.parametrize(
        "line",
        [
            ",Diane,2021-01-01,9:12:58,Streaming,Y,Y,109,0:02:23,3",
            "ID1,,2021-01-01,9:12:58,Streaming,Y,Y,109,0:02:23,3",
            "ID1,Diane,1 January,9:12:58,Streaming,Y,Y,109,0:02:23,3",
            "ID1,Diane,2021-01-01,9:12:58,Streaming,Y,Y,soon,0:02:23,3",
            "ID1,Diane,2021-01-01,9:12:58,Streaming,Y,Y,109,,3",
        ],
    )
    def test_a_row_that_cannot_be_read_is_named_by_its_line(
        self, replay: ModuleType, tmp_path: Path, line: str
    ) -> None:
        export = read_calls(replay, tmp_path, line, "ID2,Diane,2021-01-01,9:12:58,Streaming,Y,Y,109,0:02:23,3")

        assert [event["event_id"] for event in export.events] == ["ID2"]
        assert [fault.partition(":")[0] for fault in export.faults] == ["line 2"]


def read_calls(replay: ModuleType, folder: Path, *lines: str) -> Any:
    path = folder / "calls.csv"
    path.write_text("\ufeff" + CALLS + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return replay.read_export(path, replay.ZoneInfo("Europe/Zurich"))
