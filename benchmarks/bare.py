"""The bare insert of call events: two statements over arrays, nothing checked, nothing evaluated."""

from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

RECEIPTS = """
INSERT INTO call_event_receipt (organisation_id, source_id, event_id, call_event_id)
SELECT $1, $2, u.* FROM unnest($3::text[], $4::uuid[]) AS u ON CONFLICT DO NOTHING
"""
EVENTS = """
INSERT INTO call_event (organisation_id, source_id, as_of_event_id, id, contact_id, agent_ref, agent_key, queue_ref,
    channel, direction, started_at, ended_at, as_of, talk_seconds, hold_seconds, result, ended_by, disposition_code)
SELECT $1, $2, u.* FROM unnest($3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::integer[], $15::integer[],
    $16::text[], $17::text[], $18::text[]) AS u
ON CONFLICT DO NOTHING
"""


def columns(organisation_id: UUID, source_id: UUID, events: list[dict[str, Any]]) -> list[Any]:
    """Return the events as one array a column, after the organisation and the source."""
    ended = [datetime.fromisoformat(event["ended_at"]) for event in events]
    agents = [event["agent"]["ref"] for event in events]
    return [
        organisation_id,
        source_id,
        [event["event_id"] for event in events],
        [uuid7() for _ in events],
        [event["contact_id"] for event in events],
        agents,
        agents,
        [event["queue"]["ref"] for event in events],
        [event["channel"] for event in events],
        [event["direction"] for event in events],
        [datetime.fromisoformat(event["started_at"]) for event in events],
        ended,
        ended,
        [event["durations"]["talk_s"] for event in events],
        [event["durations"]["hold_s"] for event in events],
        [event["result"] for event in events],
        [event["ended_by"] for event in events],
        [event["disposition"]["code"] for event in events],
    ]


async def insert(connection: Any, values: list[Any]) -> None:
    """Insert the receipts and the events."""
    await connection.execute(RECEIPTS, *values[:4])
    await connection.execute(EVENTS, *values)
