"""Recorded deliveries of the platforms, written from their documentation, with what must never be kept of them."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from app.intake.adapter import Delivery, Dropped, Item, SourceSettings
from app.intake.canonical import Refused, Taken
from app.intake.readers import reader_of
from app.models.call_event import SourceKind

FOLDER = Path(__file__).parent / "platforms"
SOURCE = UUID("0192f0c1-2b3c-7d4e-8f50-617283940a1b")
RECEIVED_AT = datetime(2026, 3, 4, 10, 10, tzinfo=UTC)
URL = "https://ballast.example/v1/intake/0192f0c1-0000-7000-8000-000000000001/0192f0c1-2b3c-7d4e-8f50-617283940a1b"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"

# Who the caller is, what they said, and what of the agent is not theirs to be known by: in the recordings, and nowhere
# in what becomes of them.
PERSONAL = [
    "4155550142",
    "555-0142",
    "2079460958",
    "Okafor",
    "Whitcombe",
    "OKAFOR",
    "Rosalind",
    "ROSALIND",
    "Threatened",
    "shouted",
    "GB-4477-1820",
    "haddad",
    "Haddad",
    "callers.example",
    "9c8b7a69",
    "recordings",
    "FRANCISCO",
]


@dataclass(frozen=True, slots=True)
class Recording:
    """One delivery of a platform: to which kind of source, with which options, and how its body is written."""

    name: str
    kind: str
    title: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = JSON

    @property
    def payload(self) -> Any:
        """Return what the platform sends: JSON, or a form's fields."""
        return json.loads((FOLDER / f"{self.name}.json").read_text(encoding="utf-8"))

    @property
    def body(self) -> bytes:
        if self.media_type == FORM:
            return urlencode(self.payload).encode()
        return json.dumps(self.payload).encode()

    @property
    def source(self) -> SourceSettings:
        return SourceSettings(SOURCE, self.kind, self.options)

    def delivery(self, payload: Any = None, url: str = URL, **headers: str) -> Delivery:
        """Return the delivery, or one of another payload."""
        if payload is None:
            body = self.body
        else:
            body = (urlencode(payload) if self.media_type == FORM else json.dumps(payload)).encode()
        sent = {"content-type": self.media_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return Delivery([(k.encode(), v.encode()) for k, v in sent.items()], body, url, "POST", RECEIVED_AT)

    def with_options(self, **options: Any) -> "Recording":
        return dataclasses.replace(self, options=options)


CONNECT_OPTIONS = {"disposition_attribute": "wrapUpCode"}
TWILIO_OPTIONS = {"disposition_attribute": "conversations.outcome"}
ZENDESK_OPTIONS = {
    "only": [
        {"pointer": "/type", "values": ["zen:event-type:ticket.status_changed"]},
        {"pointer": "/event/current", "values": ["SOLVED"]},
        {"pointer": "/detail/via/channel", "values": ["voice"]},
    ],
    "members": {
        "event_id": {"pointer": "/id"},
        "contact_id": {"pointer": "/detail/id"},
        "platform": {"constant": "zendesk"},
        "agent": {"ref": {"pointer": "/detail/assignee_id"}},
        "queue": {"ref": {"pointer": "/detail/group_id"}},
        "channel": {"pointer": "/detail/via/channel"},
        "started_at": {"pointer": "/detail/created_at"},
        "ended_at": {"pointer": "/time"},
        "as_of": {"pointer": "/time"},
        "markers": [
            {"pointer": "/detail/tags", "values": {"abusive_caller": "abuse", "threat": "threat"}, "origin": "agent"}
        ],
    },
}
SALESFORCE_OPTIONS = {
    "members": {
        "contact_id": {"pointer": "/VendorCallKey"},
        "platform": {"constant": "salesforce"},
        "agent": {"ref": {"pointer": "/UserId"}},
        "queue": {"name": {"pointer": "/QueueName"}},
        "channel": {"constant": "voice"},
        "direction": {"pointer": "/CallType"},
        "started_at": {"pointer": "/CallStartDateTime"},
        "answered_at": {"pointer": "/CallAcceptDateTime"},
        "ended_at": {"pointer": "/CallEndDateTime"},
        "disposition": {"code": {"pointer": "/Wrap_Up_Code__c"}},
        "as_of": {"pointer": "/LastModifiedDate"},
    }
}
DYNAMICS_OPTIONS = {
    "members": {
        "contact_id": {"pointer": "/msdyn_ocliveworkitemid"},
        "platform": {"constant": "dynamics_365"},
        "agent": {"ref": {"pointer": "/_msdyn_activeagentid_value"}},
        "queue": {"ref": {"pointer": "/_msdyn_cdsqueueid_value"}},
        "direction": {"pointer": "/msdyn_isoutbound", "values": {"true": "outbound", "false": "inbound"}},
        "started_at": {"pointer": "/msdyn_createdon"},
        "answered_at": {"pointer": "/msdyn_startedon"},
        "ended_at": {"pointer": "/msdyn_wrapupinitiatedon"},
        "wrapup_ended_at": {"pointer": "/msdyn_closedon"},
        "durations": {"talk_s": {"pointer": "/msdyn_conversationtalktimeinseconds"}},
        "disposition": {"code": {"pointer": "/cr_wrapupcode"}},
    }
}
FIVE9_OPTIONS = {
    "members": {
        "contact_id": {"pointer": "/call.call_id"},
        "root_contact_id": {"pointer": "/call.session_id"},
        "platform": {"constant": "five9"},
        "agent": {"ref": {"pointer": "/agent.id"}},
        "queue": {"ref": {"pointer": "/call.skill_id"}, "name": {"pointer": "/call.skill_name"}},
        "channel": {"constant": "voice"},
        "started_at": {"pointer": "/call.start_timestamp", "zone": "America/Los_Angeles"},
        "ended_at": {"pointer": "/call.end_timestamp", "zone": "America/Los_Angeles"},
        "durations": {
            "queue_s": {"pointer": "/call.queue_time"},
            "hold_s": {"pointer": "/call.hold_time"},
            "wrapup_s": {"pointer": "/call.wrapup_time"},
        },
        "disposition": {"code": {"pointer": "/call.disposition_name"}},
    }
}
RECORDINGS = {
    each.name: each
    for each in (
        Recording(
            "amazon_connect_disconnected", "eventbridge", "Amazon Connect: a contact is disconnected", CONNECT_OPTIONS
        ),
        Recording("amazon_connect_completed", "eventbridge", "Amazon Connect: a contact is completed", CONNECT_OPTIONS),
        Recording("amazon_connect_record", "eventbridge", "Amazon Connect: a contact record", CONNECT_OPTIONS),
        Recording(
            "amazon_connect_rule_match", "eventbridge", "Amazon Connect: a rule matched after the call", CONNECT_OPTIONS
        ),
        Recording(
            "amazon_connect_realtime_rule_match",
            "eventbridge",
            "Amazon Connect: a rule matched during the call",
            CONNECT_OPTIONS,
        ),
        Recording("genesys_user_end", "eventbridge", "Genesys Cloud: an agent's session ended"),
        Recording("genesys_acw", "eventbridge", "Genesys Cloud: an agent wrapped up"),
        Recording(
            "genesys_customer_end",
            "eventbridge",
            "Genesys Cloud: the customer's session ended (dropped: it names no agent)",
        ),
        Recording("twilio_event_stream", "twilio", "Twilio: a batch of Event Streams", TWILIO_OPTIONS),
        Recording("twilio_task_callback", "twilio", "Twilio: a callback of TaskRouter", TWILIO_OPTIONS, FORM),
        Recording(
            "twilio_voice_callback",
            "twilio",
            "Twilio: a callback of a call (dropped: it names no worker)",
            TWILIO_OPTIONS,
            FORM,
        ),
        Recording("zendesk_ticket_solved", "mapping", "Zendesk: a ticket of a call is solved", ZENDESK_OPTIONS),
        Recording("salesforce_voice_call", "mapping", "Salesforce: a flow sends a voice call", SALESFORCE_OPTIONS),
        Recording(
            "five9_disposition", "mapping", "Five9: a disposition is set (times as an example)", FIVE9_OPTIONS, FORM
        ),
        Recording("dynamics_conversation", "mapping", "Dynamics 365: a flow sends a conversation", DYNAMICS_OPTIONS),
    )
}


def read(recording: Recording, payload: Any) -> list[Item]:
    """Return what a payload becomes at a recording's source."""
    return reader_of(SourceKind(recording.kind))(recording.delivery(payload), recording.source)


def one(recording: Recording, payload: Any) -> Item:
    (item,) = read(recording, payload)
    return item


def taken(recording: Recording, payload: Any) -> dict[str, Any]:
    """Return what the one item of a payload says, which is taken."""
    item = one(recording, payload)
    assert isinstance(item, Taken), item
    return item.event.model_dump(mode="json", exclude_none=True)


def dropped(recording: Recording, payload: Any) -> str:
    """Return why the one item of a payload is dropped."""
    item = one(recording, payload)
    assert isinstance(item, Dropped), item
    return item.reason


def refused(recording: Recording, payload: Any) -> dict[str, str]:
    """Return where the one item of a payload is wrong, and how."""
    item = one(recording, payload)
    assert isinstance(item, Refused), item
    return {fault.pointer: fault.code for fault in item.faults}


def changed(payload: Any, *path: str, to: Any) -> Any:
    """Return a payload with another value at a path; None takes it away."""
    copy = json.loads(json.dumps(payload))
    here = copy
    for name in path[:-1]:
        here = here[name]
    if to is None:
        here.pop(path[-1])
    else:
        here[path[-1]] = to
    return copy


def spelled(value: Any, how: Callable[[str], str]) -> Any:
    """Return a payload with all its names in another case."""
    if isinstance(value, dict):
        return {how(name): spelled(member, how) for name, member in value.items()}
    return [spelled(member, how) for member in value] if isinstance(value, list) else value
