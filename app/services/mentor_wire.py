"""What a process that matches is sent, as plain data: the terms, mentees and mentors."""

from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import UUID

from app.services.mentor_fit import STARTING_WEIGHTS, Interval, Mentee, Mentor, Weights

SETS = frozenset({"pillars", "languages", "covered"})


@dataclass(frozen=True, slots=True)
class Terms:
    """What a matching is to go by."""

    weights: Weights = STARTING_WEIGHTS
    first: Literal["total_fit", "most_mentees"] = "total_fit"
    needs_language: bool = True
    needs_pillar: bool = False
    least_score: int = 0


def plain(record: Mentee | Mentor | Terms) -> dict[str, Any]:
    """Return a record as JSON can hold it."""
    return {name: _plain(getattr(record, name)) for name in record.__slots__}


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return value.hex
        case frozenset():
            return sorted(map(_plain, value))
        case Weights():
            return asdict(value)
    return value


def read_terms(plain: dict[str, Any]) -> Terms:
    """Return terms that were sent."""
    return Terms(**{**plain, "weights": Weights(**plain["weights"])})


def read_mentee(plain: dict[str, Any]) -> Mentee:
    """Return a mentee that was sent."""
    values = _read(plain)
    paired_with = frozenset(map(UUID, plain["paired_with"]))
    manager_id = UUID(plain["manager_id"]) if plain["manager_id"] else None
    return Mentee(**{**values, "paired_with": paired_with, "manager_id": manager_id})


def read_mentor(plain: dict[str, Any]) -> Mentor:
    """Return a mentor that was sent."""
    return Mentor(**_read(plain))


def _read(plain: dict[str, Any]) -> dict[str, Any]:
    values = {name: frozenset(value) if name in SETS else value for name, value in plain.items()}
    area = plain["service_area_id"]
    return values | {
        "id": UUID(plain["id"]),
        "service_area_id": UUID(area) if area else None,
        "hours": tuple(Interval(*interval) for interval in plain["hours"]),
    }
