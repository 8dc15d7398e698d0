"""What mentoring starts with where nobody says otherwise: labelled values, each with its basis."""

import tomllib
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import Any

from sqlalchemy.orm import Session

from app.auth import Caller
from app.schemas.mentor_profile import StartingValueOf

PROFILE, PAIR = "mentor_profile", "mentor_assignment"


@cache
def _values() -> dict[tuple[str, str], StartingValueOf]:
    with (files("app") / "library" / "mentoring.toml").open("rb") as file:
        entries = tomllib.load(file)["value"]
    return {(entry["of"], entry["field"]): StartingValueOf.model_validate(entry) for entry in entries}


def value(resource: str, field: str) -> int:
    """Return the starting value of a field."""
    return _values()[resource, field].value


def described(resource: str, fields: Collection[str]) -> list[StartingValueOf]:
    """Return the starting values of these fields with their basis: of those that nobody chose."""
    return [_values()[resource, field] for field in fields]


def list_(_session: Session, _caller: Caller) -> dict[str, Any]:
    """Return all of them."""
    return {"data": list(_values().values())}
