"""An HR extract and a quarter of calls: the real ones where they lie beside the repository, and made-up ones."""

import csv
import random
from dataclasses import dataclass
from pathlib import Path

REAL = Path(__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Input:
    """Two files, and what is known of them from looking at them."""

    employees: Path
    calls: Path
    people: int
    active: int
    managers: int
    found_by_name: int
    found_by_likeness: int
    not_found: dict[str, int]
    agents: dict[str, int]

    @property
    def call_count(self) -> int:
        return sum(self.agents.values())


def real(_: Path) -> Input:
    """The files that nobody here wrote."""
    return Input(
        employees=REAL / "employees.csv",
        calls=REAL / "calls.csv",
        people=311,
        active=207,
        managers=21,
        found_by_name=15,
        found_by_likeness=1,  # Brandon R. LeBlanc, in the list without the full stop
        not_found={
            "Michael Albert": 22,
            "Webster Butler": 21,
            "David Stanley": 21,
            "Alex Sweetwater": 9,
            "Board of Directors": 2,
        },
        agents={
            "Jim": 666,
            "Martha": 638,
            "Diane": 633,
            "Dan": 633,
            "Becky": 631,
            "Greg": 624,
            "Joe": 593,
            "Stewart": 582,
        },
    )


def synthetic(folder: Path) -> Input:
    """Files of the same form: stray blanks, a byte-order mark, empty cells, managers by name."""
    people = [
        ("Marsh,  Ruth  L", "Operations Manager", "", "", ""),
        ("O'Dea, Niall ", "Team Lead", "Ruth L. Marsh", "4", ""),
        *((f"Worker{place:02}, Sam", "Adviser", "Niall O'Dea", "5", "") for place in range(1, 31)),
        *((f"Leaver{place:02}, Kim", "Adviser", "Pat Gone", "6", "3/4/2020") for place in range(1, 11)),
    ]
    columns = "Employee_Name EmpID Position Department ManagerName ManagerID DateofHire DateofTermination"
    with (folder / "employees.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*columns.split(), "EmploymentStatus", "State"])
        for number, (name, position, manager, manager_number, left) in enumerate(people, 500):
            status = "Voluntarily Terminated" if left else "Active"
            row = [name, number, position, "Advice", manager, manager_number, "7/5/2011", left, status, "MA"]
            writer.writerow(row)
    agents = {"Una": 260, "Vic": 220, "Wyn": 200}
    _write_calls(folder / "calls.csv", agents)
    return Input(
        employees=folder / "employees.csv",
        calls=folder / "calls.csv",
        people=42,
        active=32,
        managers=3,
        found_by_name=1,
        found_by_likeness=1,
        not_found={"Pat Gone": 10},
        agents=agents,
    )


def _write_calls(path: Path, agents: dict[str, int]) -> None:
    columns = ["Call Id", "Agent", "Date", "Time", "Topic", "Answered (Y/N)", "Resolved"]
    columns += ["Speed of answer in seconds", "AvgTalkDuration", "Satisfaction rating"]
    chance = random.Random(1)
    turns = [agent for agent, count in agents.items() for _ in range(count)]
    chance.shuffle(turns)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for place, agent in enumerate(turns):
            day, minutes = divmod(place, 80)
            at = [f"2021-01-{day + 1:02}", f"{9 + minutes // 10}:{minutes % 10 * 6:02}:07"]
            answer = ["N", "N", "", "", ""] if place % 9 == 0 else ["Y", "YN"[place % 5 == 0], "20", "0:05:20", "3"]
            writer.writerow([f"S{place:04}", agent, *at, "Repairs", *answer])
