"""What one event looks like on the wire: thin, the same in the feed, in every attempt and in a replay."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from app.models.webhook import MessageFormat

# Where the resource of an event can be read. One without a URL of its own is read with what it belongs to.
PATHS: Mapping[str, str] = {
    "employee": "employees",
    "team": "teams",
    "service_area": "service-areas",
    "pillar": "pillars",
    "practice": "practices",
    "source": "sources",
    "strain_rule": "strain-rules",
    "strain_signal": "strain-signals",
    "support_prompt": "support-prompts",
    "development_plan": "development-plans",
    "goal": "goals",
    "goal_template": "goal-templates",
    "coaching_session": "coaching-sessions",
    "session_series": "coaching-series",
    "mentor_profile": "mentor-profiles",
    "webhook_endpoint": "webhook-endpoints",
    "eap_case": "eap-cases",
}


def event_id(item: Mapping[str, Any]) -> str:
    """Return the id of an event, which is the ``webhook-id``: of a delivery its ``event_id``, else its own ``id``."""
    return str(item["event_id"] if "event_id" in item else item["id"])


def timestamp(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC, with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def thin_data(item: Mapping[str, Any], public_url: str) -> dict[str, Any]:
    """Return what an event says: the id and version of what it is about, its state and its URL, where it has one."""
    path, data = PATHS.get(str(item["type"]).rpartition(".")[0]), item["data"]
    return {
        "id": data["id"],
        "version": data["version"],
        "state": data.get("state"),
        "url": f"{public_url.rstrip('/')}/v1/{path}/{data['id']}" if path else None,
    }


def message(
    item: Mapping[str, Any], message_format: MessageFormat | str, public_url: str, organisation_id: UUID
) -> dict[str, Any]:
    """Return the body for an event or a delivery (``type``, ``occurred_at``, ``data``, and ``event_id`` or ``id``)."""
    data, moment = thin_data(item, public_url), timestamp(item["occurred_at"])
    if message_format == MessageFormat.standard:
        return {"type": item["type"], "timestamp": moment, "data": data}
    return {
        "specversion": "1.0",
        "id": event_id(item),
        "source": f"urn:ballast:organisation:{organisation_id}",
        "type": item["type"],
        "time": moment,
        "subject": data["id"],
        "datacontenttype": "application/json",
        "data": data,
    }


def body(item: Mapping[str, Any], message_format: MessageFormat | str, public_url: str, organisation_id: UUID) -> bytes:
    """Return that body as the bytes that are signed and sent: compact JSON in UTF-8."""
    return to_json(message(item, message_format, public_url, organisation_id))
