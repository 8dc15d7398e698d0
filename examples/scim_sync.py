#!/usr/bin/env python3
"""Bring the people of an HR extract (a CSV file) and Ballast together over SCIM 2.0, as an identity provider would.

    export BALLAST_URL=http://127.0.0.1:8000 BALLAST_KEY=blst_live_...
    python examples/scim_sync.py employees.csv --dry-run
    python examples/scim_sync.py employees.csv

The key's client needs the scopes scim:read and scim:write. The program reads who is there, compares, and sends what
differs by Bulk: people first, then the departments as groups. A second run sends nothing.
"""

import argparse
import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

CORE = "urn:ietf:params:scim:schemas:core:2.0:"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0:"
AT_ONCE = 500


def read_file(path: Path) -> dict[str, dict[str, Any]]:
    """Return the people of the file as SCIM users, by their personnel number."""
    people = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            number = row["EmpID"].strip()
            family, _, given = (part.strip() for part in row["Employee_Name"].partition(","))
            people[number] = {
                "schemas": [f"{CORE}User", ENTERPRISE],
                "externalId": number,
                "userName": f"{number}@harbour.example",
                "displayName": " ".join(f"{given} {family}".split()),
                "name": {"givenName": " ".join(given.split()), "familyName": family},
                "title": row["Position"].strip(),
                "active": not row["DateofTermination"].strip(),
                ENTERPRISE: {"employeeNumber": number, "department": row["Department"].strip()},
            }
    return people


def read_all(client: httpx.Client, endpoint: str) -> Iterator[dict[str, Any]]:
    """Walk through all resources of an endpoint by cursor."""
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(endpoint, params={"cursor": cursor, "count": AT_ONCE}).raise_for_status().json()
        yield from page["Resources"]
        cursor = page.get("nextCursor")


def differs(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Return whether an attribute that the file speaks of is another in Ballast."""
    for name, value in wanted.items():
        if name == "schemas":
            continue
        if isinstance(value, dict):
            if differs(value, found.get(name, {})):
                return True
        elif found.get(name) != value:
            return True
    return False


def operations_for_people(file: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return what makes the directory hold the people of the file; who is not in it any more is deactivated."""
    for number, wanted in file.items():
        found = there.get(number)
        if found is None:
            yield {"method": "POST", "path": "/Users", "bulkId": number, "data": wanted}
        elif differs(wanted, found):
            values = {name: value for name, value in wanted.items() if name != "schemas"}
            yield patch(f"/Users/{found['id']}", {"op": "replace", "value": values})
    for number in there.keys() - file.keys():
        if there[number]["active"] and "@harbour.example" in there[number]["userName"]:
            yield patch(f"/Users/{there[number]['id']}", {"op": "replace", "path": "active", "value": False})


def operations_for_groups(
    file: Mapping[str, Any], ids: Mapping[str, str], groups: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Return what makes each department a group of its active people."""
    members: dict[str, set[str]] = {}
    for number, person in file.items():
        if person["active"]:
            members.setdefault(person[ENTERPRISE]["department"], set()).add(ids[number])
    for name, wanted in sorted(members.items()):
        group = groups.get(name)
        if group is None:
            data = {"schemas": [f"{CORE}Group"], "displayName": name, "members": values(wanted)}
            yield {"method": "POST", "path": "/Groups", "bulkId": name, "data": data}
            continue
        found = {member["value"] for member in group.get("members", [])}
        steps = []
        if wanted - found:
            steps.append({"op": "add", "path": "members", "value": values(wanted - found)})
        steps += [{"op": "remove", "path": f'members[value eq "{one}"]'} for one in sorted(found - wanted)]
        if steps:
            yield patch(f"/Groups/{group['id']}", *steps)


def values(ids: set[str]) -> list[dict[str, str]]:
    """Return ids as the members of a group."""
    return [{"value": one} for one in sorted(ids)]


def patch(path: str, *operations: dict[str, Any]) -> dict[str, Any]:
    """Return one PATCH of a bulk request."""
    data = {"schemas": [f"{MESSAGES}PatchOp"], "Operations": list(operations)}
    return {"method": "PATCH", "path": path, "data": data}


def send(client: httpx.Client, operations: list[dict[str, Any]], *, dry_run: bool) -> Counter[str]:
    """Send the operations by Bulk and return how many were made, changed and refused; say why."""
    counts: Counter[str] = Counter()
    for start in range(0, len(operations), AT_ONCE):
        part = operations[start : start + AT_ONCE]
        if dry_run:
            counts.update("would create" if each["method"] == "POST" else "would change" for each in part)
            continue
        answer = client.post("/Bulk", json={"schemas": [f"{MESSAGES}BulkRequest"], "Operations": part})
        for sent, result in zip(part, answer.raise_for_status().json()["Operations"], strict=True):
            if result["status"].startswith("2"):
                counts["created" if sent["method"] == "POST" else "changed"] += 1
            else:
                counts["refused"] += 1
                print(f"{sent['method']} {sent['path']}: {result['response']['detail']}", file=sys.stderr)
    return counts


def main() -> int:
    """Compare and send. Return 0, or 1 where something was refused."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")
    chosen = parser.parse_args()
    headers = {"Authorization": f"Bearer {os.environ['BALLAST_KEY']}", "Content-Type": "application/scim+json"}
    with httpx.Client(
        base_url=f"{os.environ['BALLAST_URL'].rstrip('/')}/scim/v2", headers=headers, timeout=60
    ) as client:
        file = read_file(chosen.file)
        there = {user["externalId"]: user for user in read_all(client, "/Users") if "externalId" in user}
        people = send(client, list(operations_for_people(file, there)), dry_run=chosen.dry_run)
        print(f"people: {dict(people) or 'as the file says'}")
        if chosen.dry_run:
            return 0
        ids = {user["externalId"]: user["id"] for user in read_all(client, "/Users") if "externalId" in user}
        groups = {group["displayName"]: group for group in read_all(client, "/Groups")}
        teams = send(client, list(operations_for_groups(file, ids, groups)), dry_run=False)
        print(f"groups: {dict(teams) or 'as the file says'}")
    return 1 if people["refused"] or teams["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
