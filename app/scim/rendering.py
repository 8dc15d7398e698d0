"""Resources straight from rows: the same JSON as the library's models give, a fifth of the work.

A row is what ``PERSON_COLUMNS`` or ``TEAM_COLUMNS`` select. A test compares both ways for every row.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from scim2_models import Resource, ResourceType

from app.models import Employee
from app.scim.columns import MEMBER, PERSON, TEAM
from app.scim.resources import CORE, ENTERPRISE, GROUP, GROUPS, USER, USERS

PERSON_COLUMNS = tuple(
    PERSON.c[name]
    for name in (
        *("id", "version", "created_at", "updated_at", "external_id", "user_name", "given_name", "family_name"),
        *("display_name", "title", "locale", "time_zone", "active", "email", "emails", "employee_number"),
        *("cost_center", "organization", "division", "department", "manager_id"),
        *("service_area_id", "scim_owned", "scim_absent"),
    )
)
TEAM_COLUMNS = tuple(
    TEAM.c[name]
    for name in (
        *("id", "version", "members_version", "created_at", "updated_at", "members_changed_at"),
        *("external_id", "name"),
    )
)
COLUMNS = {USER.id: PERSON_COLUMNS, GROUP.id: TEAM_COLUMNS}
MEMBER_COLUMNS = (MEMBER.c.team_id, MEMBER.c.employee_id, PERSON.c.display_name)
ENTERPRISE_NAMES = {
    "employeeNumber": "employee_number",
    "costCenter": "cost_center",
    "organization": "organization",
    "division": "division",
    "department": "department",
}


def row_of(employee: Employee) -> dict[str, Any]:
    """Return the row of a person who is in hand, as it would be read."""
    return {column.key: getattr(employee, column.key) for column in PERSON_COLUMNS}


def person(row: Any, base_url: str) -> dict[str, Any]:
    """Return a row of a person as the JSON object of a SCIM user."""
    enterprise = {name: value for name, column in ENTERPRISE_NAMES.items() if (value := row[column]) is not None}
    if row["manager_id"] is not None:
        enterprise["manager"] = _reference(row["manager_id"], base_url)
    shown: dict[str, Any] = {
        "schemas": [f"{CORE}User", ENTERPRISE] if enterprise else [f"{CORE}User"],
        "id": str(row["id"]),
        "externalId": row["external_id"],
        "userName": row["user_name"],
        "name": _without_nulls({"familyName": row["family_name"], "givenName": row["given_name"]}) or None,
        "displayName": None if "display_name" in row["scim_absent"] else row["display_name"],
        "title": row["title"],
        "locale": row["locale"],
        "timezone": row["time_zone"],
        "active": None if "active" in row["scim_absent"] else row["active"],
        "emails": emails_of(row) or None,
        ENTERPRISE: enterprise or None,
        "meta": _meta(row, "User", version_of(USER, row), row["updated_at"], f"{base_url}/Users"),
    }
    return _without_nulls(shown)


def team(row: Any, members: Sequence[Any] | None, base_url: str, *, named: bool = False) -> dict[str, Any]:
    """Return a row of a team as the JSON object of a SCIM group.

    ``members`` are rows of its members, None leaves them out. They are ``named`` only where that was asked for.
    """
    changed = max(row["updated_at"], row["members_changed_at"])
    shown: dict[str, Any] = {
        "schemas": [f"{CORE}Group"],
        "id": str(row["id"]),
        "externalId": row["external_id"],
        "displayName": row["name"],
        "members": [_member(each, base_url, named=named) for each in members or ()] or None,
        "meta": _meta(row, "Group", version_of(GROUP, row), changed, f"{base_url}/Groups"),
    }
    return _without_nulls(shown)


def version_of(kind: ResourceType, row: Any) -> str:
    """Return the entity tag of a row: a group's changes also with its members."""
    return f'W/"{row["version"]}"' if kind is USER else f'W/"{row["version"]}-{row["members_version"]}"'


def emails_of(row: Any) -> list[dict[str, Any]]:
    """Return a person's e-mail addresses; who was given but one has it as their work address."""
    if row["emails"] is not None:
        return list(row["emails"])
    return [] if row["email"] is None else [{"value": row["email"], "type": "work", "primary": True}]


def resource_of(kind: ResourceType, shown: Mapping[str, Any]) -> Resource[Any]:
    """Return the library's model of a rendered resource, without its location, for code that changes it."""
    model = USERS if kind is USER else GROUPS
    meta = {name: value for name, value in shown["meta"].items() if name != "location"}
    resource: Resource[Any] = model.model_validate({**shown, "meta": meta})
    return resource


def _reference(person_id: Any, base_url: str) -> dict[str, Any]:
    return {"value": str(person_id), "$ref": f"{base_url}/Users/{person_id}"}


def _member(row: Any, base_url: str, *, named: bool) -> dict[str, Any]:
    reference = _reference(row.employee_id, base_url)
    return {**reference, "display": row.display_name} if named else reference


def _meta(row: Any, kind: str, version: str, changed: datetime, place: str) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "created": _moment(row["created_at"]),
        "lastModified": _moment(max(changed, row["created_at"])),  # two clocks' readings for one new row
        "location": f"{place}/{row['id']}",
        "version": version,
    }


def _moment(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
