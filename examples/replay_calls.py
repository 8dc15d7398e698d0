#!/usr/bin/env python3
"""Replay the calls of a contact centre's export (a CSV file) into Ballast, over HTTP alone.

    export BALLAST_URL=http://127.0.0.1:8000 BALLAST_KEY=blst_live_...
    python examples/replay_calls.py calls.csv --source-name 'Calls CSV'
    python examples/replay_calls.py calls.csv --source-name 'Calls CSV' --alias Diane=10026 --alias Jim=10196

The key's client needs the scopes sources:write, sources:read, call-events:write and call-events:read; for --alias also
employees:write and employees:read; to count signals, strain:read. The call id is the event id, which the service takes
in once and no more. So there is no state to keep: after an interruption start it again, and nothing counts twice.
"""

import argparse
import csv
import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx

COLUMNS = ["Call Id", "Agent", "Date", "Time", "Topic", "Answered (Y/N)", "Resolved"]
COLUMNS += ["Speed of answer in seconds", "AvgTalkDuration"]
COUNTS = ("created", "updated", "duplicate", "refused")
MAPPING = {"resolved": ["resolved"], "unresolved": ["unresolved"]}
ATTEMPTS = 8
PASSING = (429, 502, 503, 504)  # and whatever comes with Retry-After


class Stop(Exception):
    """Ends the program with one sentence for the person at the terminal."""


# The file


@dataclass
class Export:
    """The calls of a file, as events in the service's canonical form, and what of it could not be read."""

    name: str
    events: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def agents(self) -> Counter[str]:
        return Counter(event["agent"]["ref"] for event in self.events)

    def contacts(self) -> set[str]:
        return {event["contact_id"] for event in self.events}


def read_export(path: Path, zone: ZoneInfo) -> Export:
    """Read a file. A row that cannot be read is a fault with its line number; it stops no other."""
    export = Export(path.name)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise Stop(f"{path} has no column {', '.join(lacking)}.")
            for record in reader:
                try:
                    export.events.append(event_of({name: record[name].strip() for name in COLUMNS}, zone))
                except ValueError as error:
                    export.faults.append(f"line {reader.line_num}: {error}")
    except (OSError, UnicodeError, csv.Error) as error:
        raise Stop(f"{path} cannot be read: {error}.") from error
    return export


def event_of(record: Mapping[str, str], zone: ZoneInfo) -> dict[str, Any]:
    """Return one record as a call event. Raise ValueError, in words for a person, where it makes no sense.

    A call that nobody answered was abandoned: it has no talk time, and whether it was resolved is nobody's doing. The
    satisfaction rating is the customer's mark for the agent: it is left where it is, since exposure is no appraisal.
    """
    if not record["Call Id"] or not record["Agent"]:
        raise ValueError("a call needs a Call Id and an Agent")
    started = moment(record["Date"], record["Time"], zone)
    event = {
        "event_id": record["Call Id"],
        "contact_id": record["Call Id"],
        "agent": {"ref": record["Agent"]},
        "channel": "voice",
        "direction": "inbound",
        "started_at": started.isoformat(),
    }
    if record["Topic"]:
        event["queue"] = {"ref": record["Topic"], "name": record["Topic"]}
    if record["Answered (Y/N)"] != "Y":
        return event | {"ended_at": event["started_at"], "result": "abandoned"}
    queued, talked = seconds(record["Speed of answer in seconds"]), seconds(record["AvgTalkDuration"])
    answered = started + timedelta(seconds=queued)
    return event | {
        "answered_at": answered.isoformat(),
        "ended_at": (answered + timedelta(seconds=talked)).isoformat(),
        "durations": {"queue_s": queued, "talk_s": talked},
        "result": "answered",
        "disposition": {"code": "resolved" if record["Resolved"] == "Y" else "unresolved"},
    }


def moment(day: str, clock: str, zone: ZoneInfo) -> datetime:
    """Return a date and a wall-clock time as a moment in a time zone."""
    try:
        return datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
    except ValueError:
        raise ValueError("Date is not yyyy-mm-dd or Time not h:mm:ss") from None


def seconds(text: str) -> int:
    """Return a duration written as seconds or as h:mm:ss."""
    if not re.fullmatch(r"\d+(:\d\d:\d\d)?", text):
        raise ValueError("a duration is neither seconds nor h:mm:ss")
    hours, minutes, rest = map(int, text.split(":")) if ":" in text else (0, 0, int(text))
    return hours * 3600 + minutes * 60 + rest


# The service


class Service:
    """Ballast over HTTP: it waits and tries again when the service is busy, restarting or out of reach."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        self.run = uuid4().hex

    def get(self, path: str, **query: str) -> Any:
        """Return what is at a path."""
        return self.send("GET", path, params=query).json()

    def walk(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield every item of a list, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(path, limit="200", **query, **({"cursor": cursor} if cursor else {}))
            yield from page["data"]
            cursor = page["next_cursor"]

    def post(self, path: str, body: Any, method: str = "POST") -> Any:
        """Send a body and return the answer. The Idempotency-Key makes all attempts of this run one request.

        The key holds the run: the same content a day later is another request, compared with what is true then.
        """
        content = json.dumps(body).encode()
        key = sha256(f"{self.run} {path} ".encode() + content).hexdigest()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self.send(method, path, content=content, headers=headers).json()

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request until it is answered for good. Raise Stop for a refusal, or when patience ends."""
        why = ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self.http.request(method, path, **options)
            except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise Stop(f"{self.http.base_url} is not the URL of a service.") from error
            except httpx.TransportError as error:
                why, asked = f"{self.http.base_url} cannot be reached ({type(error).__name__}).", ""
            else:
                if response.is_success:
                    return response
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
    parser = argparse.ArgumentParser(description="Replay the calls of a contact centre's export (CSV) into Ballast.")
    parser.add_argument("file", type=Path, metavar="FILE", help=f"a CSV file with the columns {', '.join(COLUMNS)}")
    parser.add_argument("--url", default=os.environ.get("BALLAST_URL", "http://127.0.0.1:8000"), help="or BALLAST_URL")
    parser.add_argument("--key", default=os.environ.get("BALLAST_KEY"), help="a client key; better in BALLAST_KEY")
    parser.add_argument("--source-name", default="Calls CSV", metavar="NAME", help="the source; made where it is new")
    parser.add_argument("--time-zone", default="UTC", metavar="ZONE", help="of the times in the file (Europe/Zurich)")
    parser.add_argument(
        "--alias",
        action="append",
        default=[],
        metavar="AGENT=EMPLOYEE",
        help="who an agent of the file is, by external id or id; repeat for more",
    )
    parser.add_argument("--alias-file", type=Path, metavar="FILE", help="the same, one a line; # begins a comment")
    parser.add_argument("--batch-size", type=int, default=500, metavar="N", help="calls in a request, up to 1000")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    options = parser.parse_args(arguments)
    if not options.key:
        parser.error("say who is calling, by --key or BALLAST_KEY")
    if not 1 <= options.batch_size <= 1000:
        parser.error("--batch-size is 1 to 1000")
    try:
        options.zone = ZoneInfo(options.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        parser.error("--time-zone is a name of the IANA database, such as Europe/Zurich")
    try:
        lines = options.alias_file.read_text(encoding="utf-8").splitlines() if options.alias_file else []
    except (OSError, UnicodeError) as error:
        parser.error(f"--alias-file cannot be read: {error}")
    pairs = [line.partition("=") for line in [*lines, *options.alias] if line.partition("#")[0].strip()]
    options.aliases = {agent.strip(): employee.strip() for agent, _, employee in pairs}
    if not all(agent and employee for agent, employee in options.aliases.items()):
        parser.error("an alias is AGENT=EMPLOYEE")
    return options


def find_source(service: Service, name: str) -> str:
    """Return the id of the source with this name, made where it is new, with its codes mapped."""
    mappings = [{"kind": "disposition", "code": code, "outcomes": outcomes} for code, outcomes in MAPPING.items()]
    for source in service.walk("/v1/sources"):
        if source["name"].casefold() == name.casefold():
            service.post(f"/v1/sources/{source['id']}/outcome-mappings/batch", {"mappings": mappings})
            return str(source["id"])
    made = service.post("/v1/sources", {"name": name, "outcome_mappings": mappings})
    return str(made["id"])


def send(service: Service, source_id: str, export: Export, size: int) -> tuple[Counter[str], list[str]]:
    """Send every call and return how many of each status came back, and why some were refused."""
    totals, refusals = Counter(dict.fromkeys(COUNTS, 0)), []
    for start in range(0, len(export.events), size):
        batch = [{**event, "source_id": source_id} for event in export.events[start : start + size]]
        answer = service.post("/v1/call-events/batch", {"events": batch})
        totals.update({name: answer[name] for name in COUNTS})
        for result in answer["results"]:
            if result["status"] == "refused":
                why = "; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in result["errors"])
                refusals.append(f"{batch[result['index']]['event_id']}: {why}")
        show_progress(start + len(batch), len(export.events))
    return totals, refusals


def add_aliases(service: Service, source_id: str, aliases: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
    """Say who each agent is, where that is not said yet; yield agent, person and how many calls were attached."""
    for agent, wanted in aliases.items():
        person = find_person(service, wanted)
        path = f"/v1/employees/{person['id']}/agent-aliases"
        if any(alias["agent_ref"] == agent and alias["source_id"] == source_id for alias in service.walk(path)):
            yield agent, person["display_name"], 0
        else:
            made = service.post(path, {"agent_ref": agent, "source_id": source_id})
            yield agent, person["display_name"], made["attached_call_events"]


def find_person(service: Service, wanted: str) -> dict[str, Any]:
    """Return an employee by external id or id. Raise Stop where there is none."""
    for person in service.walk("/v1/employees", external_id=wanted):
        return person
    try:
        person = service.get(f"/v1/employees/{UUID(wanted)}")
    except ValueError:
        raise Stop(f"There is no employee with the external id {wanted}.") from None
    return dict(person)


def count_signals(service: Service) -> int | None:
    """Return how many strain signals stand in the organisation, or None where the key may not read them."""
    try:
        return sum(1 for _ in service.walk("/v1/strain-signals", state="raised"))
    except Stop as error:
        if str(error).startswith("403"):
            return None
        raise


def compare(service: Service, source_id: str, export: Export) -> dict[str, Any]:
    """Return what Ballast holds of this source, seen from outside: which calls, and which of them are nobody's."""
    held, unmatched = set(), Counter[str]()
    for call in service.walk("/v1/call-events", source_id=source_id):
        held.add(call["contact_id"])
        if call["employee_id"] is None:
            unmatched[call["agent"]["ref"]] += 1
    lost = sorted(export.contacts() - held)
    return {"held": len(held), "lost": lost, "unmatched": dict(unmatched.most_common())}


def summary(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was done, and then everything that a person should look at."""
    agents = ", ".join(f"{agent} ({count:,})" for agent, count in figures["agents"].items())
    yield f"{figures['file']}: {figures['calls']:,} calls of {len(figures['agents'])} agents: {agents}."
    yield f"Sent: {', '.join(f'{figures[name]:,} {name}' for name in COUNTS)}; {figures['rate']:,} calls a second."
    lost = figures["lost"]
    yield f"Ballast holds {figures['held']:,} calls of this source: {f'{len(lost)} LOST' if lost else 'none lost'}."
    for agent, person, attached in figures["aliases"]:
        yield f"{agent} is {person}: {attached:,} calls attached."
    if figures["unmatched"]:
        names = ", ".join(f"{agent} ({count:,})" for agent, count in figures["unmatched"].items())
        yield f"Unmatched: {sum(figures['unmatched'].values()):,} calls of agents whom nobody knows: {names}."
        yield "They are kept. Say who the agents are, with --alias AGENT=EMPLOYEE, and their calls are attached."
    else:
        yield "Unmatched: none."
    if figures["signals"] is not None:
        yield f"Strain signals: {figures['signals']:,}, of which {figures['new_signals']:,} are new."
    yield from (f"Not read: {fault}." for fault in figures["faults"])
    yield from figures["refusals"]
    if lost:
        yield f"Lost: {', '.join(lost[:20])}."


def replay(options: argparse.Namespace) -> int:
    """Replay the file and print the summary. The exit status is 0 when every call of it is in Ballast."""
    export = read_export(options.file, options.zone)
    service = Service(options.url, options.key)
    signals, source_id = count_signals(service), find_source(service, options.source_name)
    started = time.monotonic()
    totals, refusals = send(service, source_id, export, options.batch_size)
    rate = round(len(export.events) / max(time.monotonic() - started, 0.001))
    aliases = list(add_aliases(service, source_id, options.aliases))
    after = count_signals(service) if signals is not None else None
    figures = {
        "file": export.name,
        "calls": len(export.events),
        "agents": dict(export.agents().most_common()),
        **totals,
        "rate": rate,
        **compare(service, source_id, export),
        "aliases": aliases,
        "signals": after,
        "new_signals": None if after is None or signals is None else after - signals,
        "faults": export.faults,
        "refusals": [f"Refused: {each}" for each in refusals],
    }
    print(json.dumps(figures) if options.json else "\n".join(summary(figures)))
    return 1 if figures["lost"] or refusals or export.faults else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    try:
        return replay(parse(arguments))
    except Stop as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Start it again: what is done stays done, and nothing counts twice.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
