#!/usr/bin/env python3
"""Bring the people of an HR extract (a CSV file) into Ballast, over HTTP alone.

    export BALLAST_URL=http://127.0.0.1:8000 BALLAST_KEY=blst_live_...
    python examples/sync_employees.py employees.csv --dry-run
    python examples/sync_employees.py employees.csv

The key's client needs the scope employees:write. Every row is an upsert by employee number, so there is no state to
keep: after an interruption, or tomorrow with a newer file, start it again. Who is as the file says is not touched.
"""

import argparse
import csv
import json
import os
import random
import re
import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

COLUMNS = ["Employee_Name", "EmpID", "Position", "Department", "ManagerName", "ManagerID"]
COLUMNS += ["DateofHire", "DateofTermination", "EmploymentStatus"]
COUNTS = ("created", "updated", "unchanged", "rejected", "missing_count")
ATTEMPTS = 8
PASSING = (429, 502, 503, 504)  # and whatever comes with Retry-After


class Stop(Exception):
    """Ends the program with one sentence for the person at the terminal."""


# The file


@dataclass
class Row:
    """One person of the extract, tidied. Manager and user name are found by looking at the other rows."""

    number: str
    given_name: str
    initials: str
    family_name: str
    manager_number: str
    manager_name: str
    fields: dict[str, Any]
    manager: str | None = None
    user_name: str = ""

    @property
    def display_name(self) -> str:
        return " ".join(filter(None, (self.given_name, self.initials, self.family_name)))

    def person(self) -> dict[str, Any]:
        """Return the row as an item of the batch.

        A manager who is not found is not sent: absent keeps whom somebody may have set by hand.
        """
        names = {"given_name": self.given_name or None, "family_name": self.family_name or None}
        who = {"external_id": self.number, "user_name": self.user_name, "display_name": self.display_name}
        manager = {"manager_external_id": self.manager} if self.manager or not self.manager_name else {}
        return who | names | self.fields | manager


@dataclass
class Extract:
    """The people of a file, what of it could not be read, and how their managers were found."""

    name: str
    rows: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    managers: dict[str, str] = field(default_factory=dict)
    managers_not_found: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, Any]:
        active = sum(row.fields["active"] for row in self.rows)
        return {
            "people": len(self.rows),
            "active": active,
            "left": len(self.rows) - active,
            "managers": len(self.managers.keys() | self.managers_not_found.keys()),
            "managers_found": dict(Counter(self.managers.values())),
            "managers_not_found": dict(self.managers_not_found.most_common()),
        }


def read_extract(path: Path) -> Extract:
    """Read a file. A row that cannot be read is a fault with its line number; it stops no other."""
    extract = Extract(path.name)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise Stop(f"{path} has no column {', '.join(lacking)}.")
            for record in reader:
                try:
                    extract.rows.append(row_of({name: " ".join(record[name].split()) for name in COLUMNS}))
                except ValueError as error:
                    extract.faults.append(f"line {reader.line_num}: {error}")
    except (OSError, UnicodeError, csv.Error) as error:
        raise Stop(f"{path} cannot be read: {error}.") from error
    name_users(extract.rows)
    find_managers(extract)
    return extract


def row_of(record: Mapping[str, str]) -> Row:
    """Return one record of the file as a row. Raise ValueError, in words for a person, where it makes no sense."""
    number = record["EmpID"]
    family_name, _, given = (part.strip() for part in record["Employee_Name"].partition(","))
    names = given.split()
    initials = names.pop() if len(names) > 1 and re.fullmatch(r"\w\.?", names[-1]) else ""
    if not number or not (family_name or names):
        raise ValueError("a person needs an EmpID and an Employee_Name")
    left_on = day(record["DateofTermination"])
    fields = {
        "employee_number": number,
        "title": record["Position"] or None,
        "department": record["Department"] or None,
        "service_area": record["Department"] or None,
        "employment_status": record["EmploymentStatus"] or None,
        "hired_on": day(record["DateofHire"]),
        "left_on": left_on,
        "active": left_on is None,
    }
    return Row(number, " ".join(names), initials, family_name, record["ManagerID"], record["ManagerName"], fields)


def day(text: str) -> str | None:
    """Return a date written m/d/yyyy as yyyy-mm-dd; an empty cell is no date."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%m/%d/%Y").date().isoformat()  # noqa: DTZ007  # a day, not a moment
    except ValueError:
        raise ValueError("a date is not of the form m/d/yyyy") from None


def name_users(rows: Sequence[Row]) -> None:
    """Give everyone a user name such as ada.lovelace. Of namesakes, the lowest number has it plain.

    So it stays the same when another of that name joins later.
    """
    taken: set[str] = set()
    for row in sorted(rows, key=lambda row: (len(row.number), row.number)):
        parts = (slug(row.given_name.partition(" ")[0]), slug(row.family_name))
        name = ".".join(filter(None, parts)) or row.number
        row.user_name = f"{name}.{row.number}" if name in taken else name
        taken.add(row.user_name)


def slug(text: str) -> str:
    """Return a name in small letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[\s-]+", "-", re.sub(r"[^a-z0-9\s-]", "", plain)).strip("-")


def find_managers(extract: Extract) -> None:
    """Find each manager by number; else by name; else by name without initials and punctuation. Never by a guess."""
    numbers = {row.number for row in extract.rows}
    by_name, by_likeness = index(extract.rows, str.casefold), index(extract.rows, likeness)
    for row in extract.rows:
        name = row.manager_name
        ways = {
            "number": [row.manager_number] if row.manager_number in numbers else [],
            "name": by_name[name.casefold()],
            "likeness": by_likeness[likeness(name)],
        }
        for way, who in ways.items():
            if len(who) == 1 and who[0] != row.number:
                row.manager, extract.managers[name] = who[0], way
                break
        else:
            extract.managers_not_found.update([name] if name else [])


def likeness(name: str) -> str:
    """Return a name without initials and punctuation: Brandon R. LeBlanc is like Brandon LeBlanc."""
    words = re.sub(r"[^\w\s-]", "", name.casefold()).split()
    return " ".join(word for word in words if len(word) > 1)


def index(rows: Sequence[Row], normal: Callable[[str], str]) -> defaultdict[str, list[str]]:
    """Return the numbers of the people who have a name, for each normalised name."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[normal(row.display_name)].append(row.number)
    return found


# The service


class Service:
    """Ballast over HTTP: it waits and tries again when the service is busy, restarting or out of reach."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        self.run = uuid4().hex

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post a body and return the answer. Its Idempotency-Key makes all attempts of this run one request.

        The key holds the run: the same content a day later is another request, compared with what is true then.
        """
        content = json.dumps(body).encode()
        key = sha256(f"{self.run} {path} ".encode() + content).hexdigest()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        why = ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self.http.post(path, content=content, headers=headers)
            except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise Stop(f"{self.http.base_url} is not the URL of a service.") from error
            except httpx.TransportError as error:
                why, asked = f"{self.http.base_url} cannot be reached ({type(error).__name__}).", ""
            else:
                if response.is_success:
                    return response.json()
                why, asked = reason(response), response.headers.get("Retry-After", "")
                if response.status_code not in PASSING and not asked:
                    raise Stop(why)
            if attempt < ATTEMPTS:
                pause(attempt, asked, why)
        raise Stop(f"{why} Given up after {ATTEMPTS} attempts. Start again later: what is done stays done.")


def pause(attempt: int, asked: str, why: str) -> None:
    """Wait as long as the service asks for, else longer each time, and say so."""
    wait = min(30.0, 2.0**attempt / 4) * random.uniform(0.5, 1)  # noqa: S311  # spreads the callers, hides nothing
    wait = float(asked) if asked.isdecimal() else wait
    print(f"{why} Trying again in {wait:.1f} s.", file=sys.stderr)
    time.sleep(wait)


def reason(response: httpx.Response) -> str:
    """Return in one line why a request was refused."""
    try:
        problem = response.json()
        faults = [f"{fault['pointer']}: {fault['detail']}" for fault in problem.get("errors", ())]
        return " ".join([f"{response.status_code} {problem['code']}: {problem['detail']}", *faults])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{response.status_code} from {response.url}: is this Ballast?"


def show_progress(done: int, total: int) -> None:
    """Draw a bar on a terminal; keep silent in a log."""
    if sys.stderr.isatty():
        filled = round(40 * done / max(total, 1))
        bar = "█" * filled + "░" * (40 - filled)
        print(f"\r{bar} {done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)


# The program


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line and of the environment."""
    parser = argparse.ArgumentParser(description="Bring the people of an HR extract (CSV) into Ballast.")
    parser.add_argument("file", type=Path, metavar="FILE", help=f"a CSV file with the columns {', '.join(COLUMNS)}")
    parser.add_argument("--url", default=os.environ.get("BALLAST_URL", "http://127.0.0.1:8000"), help="or BALLAST_URL")
    parser.add_argument("--key", default=os.environ.get("BALLAST_KEY"), help="a client key; better in BALLAST_KEY")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    parser.add_argument("--complete", action="store_true", help="the file is everyone: say who is missing from it")
    parser.add_argument("--deactivate-missing", action="store_true", help="with --complete: and deactivate them")
    parser.add_argument("--batch-size", type=int, default=1000, metavar="N", help="people in a request, up to 1000")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    options = parser.parse_args(arguments)
    if not options.key:
        parser.error("say who is calling, by --key or BALLAST_KEY")
    if options.deactivate_missing and not options.complete:
        parser.error("--deactivate-missing goes with --complete")
    if not 1 <= options.batch_size <= 1000:
        parser.error("--batch-size is 1 to 1000")
    return options


def cut(rows: Sequence[Row], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Cut the people into batches. In a complete sync each speaks of one range of numbers, together of all."""
    people = [row.person() for row in sorted(rows, key=lambda row: row.number)]
    pieces = [people[start : start + options.batch_size] for start in range(0, len(people), options.batch_size)]
    batches: list[dict[str, Any]] = [{"dry_run": options.dry_run, "employees": piece} for piece in pieces]
    if options.complete:
        for batch, before in zip(batches[1:], pieces, strict=False):
            batch["after"] = before[-1]["external_id"]
        for batch, piece in zip(batches[:-1], pieces, strict=False):
            batch["through"] = piece[-1]["external_id"]
        for batch in batches:
            batch |= {"mode": "complete", "deactivate_missing": options.deactivate_missing}
    return batches


def summary(figures: Mapping[str, Any], extract: Extract, dry_run: bool) -> Iterator[str]:
    """Yield what was done, and then everything that a person should look at."""
    would = "would be " if dry_run else ""
    yield f"{extract.name}: {figures['people']} people, {figures['active']} active, {figures['left']} have left."
    counts = ", ".join(f"{figures[name]} {would}{name}" for name in COUNTS[:4])
    yield f"In Ballast: {counts}."
    words = {"number": "by number", "name": "by name", "likeness": "by name without initials and punctuation"}
    ways = ", ".join(f"{count} {words[way]}" for way, count in figures["managers_found"].items())
    yield f"Managers: {len(extract.managers)} of {figures['managers']} found{f' ({ways})' if ways else ''}."
    if extract.managers_not_found:
        names = ", ".join(f"{name} ({count} people)" for name, count in extract.managers_not_found.most_common())
        yield f"Managers not found in the file, whose people are left without one: {names}."
    for fault in extract.faults:
        yield f"Not read: {fault}."
    for item in figures["rejections"]:
        yield f"Rejected: {item['external_id']}: {'; '.join(f['pointer'] + ': ' + f['detail'] for f in item['errors'])}"
    if figures["missing_count"]:
        some = ", ".join(person["external_id"] for person in figures["missing"][:20])
        yield f"Active in Ballast, but not in the file: {figures['missing_count']} people ({some})."


def sync(options: argparse.Namespace) -> int:
    """Sync the file and print the summary. The exit status is 0 when everyone in it got through."""
    extract = read_extract(options.file)
    service, batches = Service(options.url, options.key), cut(extract.rows, options)
    totals, rejections, missing = Counter(dict.fromkeys(COUNTS, 0)), [], []
    for number, batch in enumerate(batches, 1):
        answer = service.post("/v1/employees/batch", batch)
        totals.update({name: answer[name] for name in COUNTS})
        rejections += [item for item in answer["results"] if item["status"] == "rejected"]
        missing += answer["missing"]
        show_progress(number, len(batches))
    figures = {**totals, **extract.figures(), "rejections": rejections, "missing": missing, "faults": extract.faults}
    print(json.dumps(figures) if options.json else "\n".join(summary(figures, extract, options.dry_run)))
    return 1 if rejections or extract.faults else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    try:
        return sync(parse(arguments))
    except Stop as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Start it again: what is done stays done.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
