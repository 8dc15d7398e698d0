"""The statements that take call events in: each works on a whole batch, by arrays, and is prepared once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text

from app import clock
from app.auth import Caller
from app.intake import canonical
from app.intake.canonical import Refused
from app.services.call_event_merge import COLUMNS, Said, stored_stamps
from app.services.outcome import array

IDENTITY = ("id", "source_id", "contact_id", "agent_key")
DERIVED = ("employee_id", "outcomes", "as_of", "as_of_event_id", "field_as_of")
KINDS = {
    "id": "uuid",
    "source_id": "uuid",
    "employee_id": "uuid",
    "as_of": "timestamptz",
    **{column: "timestamptz" for column in COLUMNS if column.endswith("_at")},
    **{column: "integer" for column in COLUMNS if column.endswith("_seconds")},
}
# Sent as text, since an array of arrays is a table in PostgreSQL, and JSON has no array of its own.
CAST = {"outcomes": "text[]", "markers": "jsonb", "sentiment": "jsonb", "field_as_of": "jsonb"}


def _arrays(columns: Sequence[str]) -> str:
    return ", ".join(f"CAST(:{column} AS {KINDS.get(column, 'text')}[])" for column in columns)


def _values(columns: Sequence[str]) -> list[str]:
    """Return what a row holds: what its array says of it, else what is said of all rows alike. See ``_spread``."""
    values = []
    for column in columns:
        value = f"u.{column}"
        if column not in IDENTITY:
            value = f"coalesce({value}, CAST(:all_{column} AS {KINDS.get(column, 'text')}))"
        values.append(f"CAST({value} AS {CAST[column]})" if column in CAST else value)
    return values


def _spread(columns: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return the parameters of columns: what is the same for all rows, often nothing, is sent once.

    unnest fills an empty array up with nulls, and the driver looks at each element of one: that is most of its work.
    """
    values: dict[str, Any] = {}
    for column, rows in columns.items():
        alike = rows.count(rows[0]) == len(rows)
        values[column], values[f"all_{column}"] = ([], rows[0]) if alike else (rows, None)
    return values


INSERTED = (*IDENTITY, *DERIVED, *COLUMNS)
UPDATED = ("id", *DERIVED, *COLUMNS)

SOURCES = text(
    """
    SELECT s.id, s.active FROM source AS s
    WHERE s.organisation_id = :organisation_id AND s.id = ANY(CAST(:source_ids AS uuid[]))
      AND (s.client_id IS NULL OR s.client_id = CAST(:client_id AS uuid) OR s.id = CAST(:own_source_id AS uuid))
    ORDER BY s.id FOR SHARE
    """
)
RECEIPTS = text(
    """
    WITH written AS (
        INSERT INTO call_event_receipt (organisation_id, source_id, event_id, call_event_id)
        SELECT CAST(:organisation_id AS uuid), u.*
        FROM unnest(CAST(:source_ids AS uuid[]), CAST(:event_ids AS text[]), CAST(:ids AS uuid[])) AS u
        ON CONFLICT DO NOTHING RETURNING 1
    )
    SELECT count(*) FROM written
    """
)
REPEATS = text(
    """
    SELECT r.source_id, r.event_id, r.call_event_id, c.employee_id IS NOT NULL AS matched
    FROM unnest(CAST(:source_ids AS uuid[]), CAST(:event_ids AS text[]), CAST(:ids AS uuid[]))
        AS u (source_id, event_id, id)
    JOIN call_event_receipt AS r
        ON r.organisation_id = :organisation_id AND r.source_id = u.source_id AND r.event_id = u.event_id
    LEFT JOIN call_event AS c ON c.organisation_id = r.organisation_id AND c.id = r.call_event_id
    WHERE r.call_event_id <> u.id
    """
)
INSERT = text(
    f"""
    WITH inserted AS (
        INSERT INTO call_event (organisation_id, created_at, updated_at, {", ".join(INSERTED)})
        SELECT CAST(:organisation_id AS uuid), CAST(:now AS timestamptz), CAST(:now AS timestamptz),
            {", ".join(_values(INSERTED))}
        FROM unnest({_arrays(INSERTED)}) AS u ({", ".join(INSERTED)})
        ON CONFLICT (organisation_id, source_id, contact_id, agent_key) DO NOTHING RETURNING 1
    )
    SELECT count(*) FROM inserted
    """  # noqa: S608  # put together from the names of columns
)
LOCK = text(
    f"""
    SELECT c.id, c.source_id, c.contact_id, c.agent_key, c.employee_id, c.as_of, c.as_of_event_id, c.field_as_of,
        c.voided_at, c.disputed_at, {", ".join(f"c.{column}" for column in COLUMNS)}
    FROM call_event AS c JOIN unnest(
        CAST(:source_ids AS uuid[]), CAST(:contact_ids AS text[]), CAST(:agent_keys AS text[])
    ) AS u (source_id, contact_id, agent_key)
        ON c.source_id = u.source_id AND c.contact_id = u.contact_id AND c.agent_key = u.agent_key
    WHERE c.organisation_id = :organisation_id
    ORDER BY c.source_id, c.contact_id, c.agent_key FOR UPDATE OF c
    """  # noqa: S608  # likewise
)
UPDATE = text(
    f"""
    UPDATE call_event AS c SET version = c.version + 1, updated_at = :now,
        {", ".join(f"{column} = {value}" for column, value in zip(UPDATED[1:], _values(UPDATED[1:]), strict=True))}
    FROM unnest({_arrays(UPDATED)}) AS u ({", ".join(UPDATED)})
    WHERE c.organisation_id = :organisation_id AND c.id = u.id
    """  # noqa: S608  # likewise
)
REDIRECT = text(
    """
    UPDATE call_event_receipt AS r SET call_event_id = u.id
    FROM unnest(CAST(:source_ids AS uuid[]), CAST(:event_ids AS text[]), CAST(:ids AS uuid[]))
        AS u (source_id, event_id, id)
    WHERE r.organisation_id = :organisation_id AND r.source_id = u.source_id AND r.event_id = u.event_id
    """
)
KEEP_REFUSED = text(
    """
    WITH given AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:source_ids AS uuid[]), CAST(:event_ids AS text[]), CAST(:payloads AS text[]),
            CAST(:errors AS text[]), CAST(:assumed AS text[])
        ) AS u (id, source_id, event_id, payload, errors, assumed)
    ), sent_again AS (
        DELETE FROM refused_call_event AS r USING given AS g
        WHERE r.organisation_id = :organisation_id AND r.client_id IS NOT DISTINCT FROM CAST(:client_id AS uuid)
          AND r.source_id = g.source_id AND r.event_id = g.event_id AND r.replayed_at IS NULL
    )
    INSERT INTO refused_call_event
        (organisation_id, id, client_id, source_id, event_id, payload, errors, assumed, created_at)
    SELECT CAST(:organisation_id AS uuid), g.id, CAST(:client_id AS uuid), g.source_id, g.event_id,
        CAST(g.payload AS jsonb), CAST(g.errors AS jsonb), CAST(g.assumed AS text[]), CAST(:now AS timestamptz)
    FROM given AS g
    """
)


class Subject(Protocol):
    """What the statements need to know of one call of an agent."""

    key: tuple[int, str, str]
    source_id: UUID
    id: UUID
    said: Said
    employee_id: UUID | None
    outcomes: list[str]
    stored: Mapping[str, Any] | None


def within(caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a statement with those that every statement has."""
    return {"organisation_id": caller.organisation_id, "now": clock.now(), **values}


def keys(subjects: Sequence[Subject]) -> dict[str, list[Any]]:
    """Return by which keys calls are found."""
    return {
        "source_ids": [each.source_id for each in subjects],
        "contact_ids": [each.key[1] for each in subjects],
        "agent_keys": [each.key[2] for each in subjects],
    }


def inserting(caller: Caller, subjects: Sequence[Subject]) -> dict[str, Any]:
    """Return the values of INSERT."""
    identity: dict[str, Any] = {
        "id": [each.id for each in subjects],
        "source_id": [each.source_id for each in subjects],
        "contact_id": [each.key[1] for each in subjects],
        "agent_key": [each.key[2] for each in subjects],
    }
    return within(caller, identity | _spread(_contents(subjects)))


def updating(caller: Caller, subjects: Sequence[Subject]) -> dict[str, Any]:
    """Return the values of UPDATE."""
    return within(caller, {"id": _stored_ids(subjects), **_spread(_contents(subjects))})


def receipting(caller: Caller, calls: Mapping[tuple[int, str], UUID]) -> dict[str, Any]:
    """Return the values of the statements about receipts, from the call of each source (its number) and event id."""
    sources = {number: UUID(int=number) for number in {number for number, _ in calls}}
    return within(
        caller,
        {
            "source_ids": [sources[number] for number, _ in calls],
            "event_ids": [event_id for _, event_id in calls],
            "ids": list(calls.values()),
        },
    )


def keeping(caller: Caller, kept: Mapping[UUID, Refused]) -> dict[str, Any]:
    """Return the values of KEEP_REFUSED, from refused items by the ids that they are kept under."""
    items = kept.values()
    values = {
        "client_id": caller.client_id,
        "ids": list(kept),
        "source_ids": [caller.source_id or canonical.source_of(each.payload) for each in items],
        "event_ids": [each.payload.get("event_id") for each in items],
        "payloads": [json.dumps(each.payload) for each in items],
        "errors": [json.dumps([asdict(fault) for fault in each.faults]) for each in items],
        "assumed": [array(sorted(each.assumed)) for each in items],
    }
    return within(caller, values)


def _stored_ids(subjects: Sequence[Subject]) -> list[UUID]:
    return [each.stored["id"] for each in subjects if each.stored is not None]


def _contents(subjects: Sequence[Subject]) -> dict[str, list[Any]]:
    contents = {column: [each.said.values[column] for each in subjects] for column in COLUMNS}
    for column in ("markers", "sentiment"):
        contents[column] = [None if value is None else json.dumps(value) for value in contents[column]]
    return contents | {
        "employee_id": [each.employee_id for each in subjects],
        "outcomes": [array(each.outcomes) for each in subjects],
        "as_of": [each.said.stamp[0] for each in subjects],
        "as_of_event_id": [each.said.stamp[1] for each in subjects],
        "field_as_of": [json.dumps(stored_stamps(each.said)) if each.said.older else None for each in subjects],
    }
