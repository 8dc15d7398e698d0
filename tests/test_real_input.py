"""The two example programs against a running service: an HR extract and a quarter of calls, over HTTP alone."""

import csv
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real_files import REAL, Input, real, synthetic
from tests.running import ROOT, Service, serving

# The calls of these files are resolved or not, and nothing worse; the default rules ask for more than they hold.
RULE = {
    "name": "A third of the calls unresolved",
    "description": "A third of at least five calls within four hours could not be resolved.",
    "condition": {"kind": "unresolved_share", "share": 0.3, "minimum_calls": 5, "window_seconds": 14400},
    "prompt": {"kind": "practice", "expires_seconds": 3600, "pillar": "future_focus"},
}


# The synthetic files stand in where the real ones are not there; beside them they are a second run of the same.
INPUTS = [real, pytest.param(synthetic, marks=pytest.mark.slow)] if REAL.is_dir() else [synthetic]


@pytest.fixture(scope="module", params=INPUTS, ids=["real", "synthetic"][-len(INPUTS) :])
def given(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Input:
    """The files that are fed in."""
    found: Input = request.param(tmp_path_factory.mktemp("input"))
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The running service."""
    with serving(tmp_path_factory.mktemp("service")) as running:
        yield running


class TestEmployees:
    def test_everyone_arrives_and_a_second_run_changes_nothing(self, service: Service, given: Input) -> None:
        organisation = service.organisation()

        tried = organisation.run("sync_employees", given.employees, "--dry-run")
        assert tried["created"] == given.people
        assert organisation.walk("/v1/employees") == []

        first = organisation.run("sync_employees", given.employees)
        assert (first["created"], first["rejected"], first["faults"]) == (given.people, 0, [])
        before, trail = organisation.versions("/v1/employees"), organisation.trail()
        assert len(before) == given.people

        second = organisation.run("sync_employees", given.employees)
        assert (second["created"], second["updated"], second["unchanged"]) == (0, 0, given.people)
        assert organisation.versions("/v1/employees") == before
        assert organisation.trail() == trail

    def test_leavers_are_inactive_and_managers_are_found_by_name(self, service: Service, given: Input) -> None:
        organisation = service.organisation()

        done = organisation.run("sync_employees", given.employees, "--batch-size", "100")

        found = {"name": given.found_by_name, "likeness": given.found_by_likeness}
        assert (done["active"], done["managers"], done["managers_found"]) == (given.active, given.managers, found)
        assert done["managers_not_found"] == given.not_found
        people = organisation.walk("/v1/employees")
        assert len([person for person in people if person["active"]]) == given.active
        assert len({person["user_name"] for person in people}) == given.people
        assert _managers(people) == _managers_in(given)
        assert not [person for person in people if person["manager_external_id"]]

    def test_a_complete_sync_deactivates_who_is_missing_when_asked(self, service: Service, given: Input) -> None:
        organisation = service.organisation()
        organisation.run("sync_employees", given.employees)
        shorter = given.employees.with_name(f"{given.people}.csv")
        if given.employees.is_relative_to(REAL):
            shorter = Path(service.environment["BALLAST_DATA_DIR"]).with_name("shorter.csv")
        _, *lines = given.employees.read_text(encoding="utf-8").splitlines(keepends=True)
        active = next(line for line in lines if ",Active," in line)
        shorter.write_text(given.employees.read_text(encoding="utf-8").replace(active, ""), encoding="utf-8")

        said = organisation.run("sync_employees", shorter, "--complete", "--batch-size", "50")
        assert said["missing_count"] == 1
        assert len(organisation.walk("/v1/employees", active="true")) == given.active

        organisation.run("sync_employees", shorter, "--complete", "--deactivate-missing", "--batch-size", "50")
        assert len(organisation.walk("/v1/employees", active="true")) == given.active - 1


def _managers(people: list[Any]) -> Counter[str]:
    """Return how many people each manager has, by the manager's number."""
    numbers = {person["id"]: person["external_id"] for person in people}
    return Counter(numbers[person["manager_id"]] for person in people if person["manager_id"])


def _managers_in(given: Input) -> Counter[str]:
    """Return the same from the file alone, by first and last word of the names."""
    with given.employees.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = {}
    for row in rows:
        family_name, first_names = row["Employee_Name"].split(",")
        numbers[f"{first_names.split()[0]} {family_name.strip()}"] = row["EmpID"]
    managers = [(words[0], words[-1]) for row in rows if (words := row["ManagerName"].split())]
    return Counter(numbers[" ".join(words)] for words in managers if " ".join(words) in numbers)


class TestCalls:
    def test_none_is_lost_and_a_second_run_changes_nothing(self, service: Service, given: Input) -> None:
        organisation = service.organisation()
        organisation.run("sync_employees", given.employees)

        first = organisation.run("replay_calls", given.calls)
        assert (first["created"], first["refused"], first["faults"]) == (given.call_count, 0, [])
        assert (first["held"], first["lost"]) == (given.call_count, [])
        assert first["unmatched"] == given.agents
        before, trail = organisation.versions("/v1/call-events"), organisation.trail()
        assert len(before) == given.call_count

        second = organisation.run("replay_calls", given.calls)
        assert (second["created"], second["duplicate"]) == (0, given.call_count)
        assert organisation.versions("/v1/call-events") == before
        assert organisation.trail() == trail

    def test_an_alias_attaches_the_calls_of_an_agent_and_signals_follow(self, service: Service, given: Input) -> None:
        organisation = service.organisation()
        organisation.post("/v1/strain-rules", RULE)
        organisation.run("sync_employees", given.employees)
        unknown = organisation.run("replay_calls", given.calls)
        people = [person for person in organisation.walk("/v1/employees") if person["active"]]
        pairs = dict(zip(given.agents, people, strict=False))
        aliases = [
            word
            for place, (agent, person) in enumerate(pairs.items())
            for word in ("--alias", f"{agent}={person['id' if place % 2 else 'external_id']}")
        ]

        done = organisation.run("replay_calls", given.calls, *aliases)

        assert unknown["signals"] == 0
        assert {agent: attached for agent, _, attached in done["aliases"]} == given.agents
        assert done["unmatched"] == {}
        assert done["new_signals"] > 0
        attached = Counter(call["employee_id"] for call in organisation.walk("/v1/call-events"))
        assert attached == {person["id"]: given.agents[agent] for agent, person in pairs.items()}
        before, trail = organisation.versions("/v1/call-events"), organisation.trail()
        again = organisation.run("replay_calls", given.calls, *aliases)
        assert (again["duplicate"], again["new_signals"]) == (given.call_count, 0)
        assert [attached for _, _, attached in again["aliases"]] == [0] * len(given.agents)
        assert organisation.versions("/v1/call-events") == before
        assert organisation.trail() == trail

    def test_one_that_was_killed_is_taken_up_by_starting_it_again(self, service: Service, given: Input) -> None:
        organisation = service.organisation()
        command = organisation.command("replay_calls", given.calls, "--batch-size", "5")
        process = subprocess.Popen(command, env=organisation.environment())
        while process.poll() is None and not organisation.has_any("/v1/call-events"):
            time.sleep(0.01)
        process.kill()
        process.wait()
        came = len(organisation.walk("/v1/call-events"))

        done = organisation.run("replay_calls", given.calls)

        assert 0 < came < given.call_count
        assert done["created"] + done["duplicate"] == given.call_count
        assert came <= done["duplicate"] <= came + 5, "one batch may have been under way when they were counted"
        assert (done["held"], done["lost"]) == (given.call_count, [])


class TestGettingStarted:
    def test_every_command_of_the_page_works_as_it_stands(self, service: Service, tmp_path: Path) -> None:
        page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
        commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))

        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", commands.replace("http://127.0.0.1:8000", service.url)],
            cwd=service.checkout(tmp_path),
            env=service.environment | {"PATH": f"{tmp_path}:{service.environment['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stdout + done.stderr
        assert "3 unchanged" in done.stdout
        assert "3 calls of agents whom nobody knows: Diane (3)" in done.stdout
        assert "Diane is Diane M Sato: 3 calls attached." in done.stdout
        assert '"kind": "threat"' in done.stdout
        states = re.findall(r'"state": "(\w+)"', done.stdout)
        assert states[-3:] == ["accepted", "done", "offered"]
