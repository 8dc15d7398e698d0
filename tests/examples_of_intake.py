"""Examples of sources with an address of their own, for the conventions: see `examples_of_resources`."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.models import RefusedCallEvent, Source, SourceCount, SourceCredential, SourceHealth
from app.models.base import new_id
from app.models.source_intake import COUNTED
from app.services.source_counts import stretch_of
from tests.world import World

SOURCE = "/v1/sources/{source_id}"
OF_SOURCE = {"source_id": "intake_source"}
EXAMPLES: dict[str, dict[str, str]] = {
    f"{SOURCE}/test": OF_SOURCE,
    f"{SOURCE}/credentials": OF_SOURCE,
    f"{SOURCE}/refused": OF_SOURCE,
    f"{SOURCE}/credentials/{{credential_id}}": {**OF_SOURCE, "credential_id": "source_credential"},
    f"{SOURCE}/refused/{{parked_id}}": {**OF_SOURCE, "parked_id": "parked_call_event"},
}
# What Zendesk's triggers can be told to send, and how it is read: the worked example of `docs/intake.md`.
ZENDESK: dict[str, Any] = {
    "only": [{"pointer": "/type", "values": ["call_ended"]}],
    "members": {
        "event_id": {"pointer": "/event"},
        "contact_id": {"pointer": "/ticket/id"},
        "platform": {"constant": "zendesk"},
        "agent": {"ref": {"pointer": "/agent/email"}},
        "queue": {"name": {"pointer": "/ticket/group"}},
        "channel": {"pointer": "/ticket/via", "values": {"Phone call": "voice", "Mail": "email"}, "otherwise": "other"},
        "ended_at": {"pointer": "/ended", "zone": "Europe/London"},
        "durations": {"talk_s": {"pointer": "/talk_ms", "unit": "ms"}},
        "disposition": {"code": {"pointer": "/ticket/disposition"}},
        "markers": [
            {
                "pointer": "/ticket/tags",
                "separator": " ",
                "values": {"abusive_caller": "abuse", "threat": "threat"},
                "origin": "agent",
            }
        ],
    },
}
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "create_source": lambda _: {"kind": "api", "options": {}},
    "update_source": lambda _: {"client_id": None, "options": {}},
    "create_source_credential": lambda _: {
        "kind": "hmac",
        "header": "X-Signature",
        "secret": "a-secret-of-the-platform",
        "user_name": None,
        "timestamp_header": "X-Signed-At",
        "expires_at": None,
    },
    "test_source": lambda _: {"headers": {}, "query": "", "body": "{}"},
}


def make_intake(session: Session, world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make a source of Zendesk's with credentials, items that could not be taken, counts and how it is."""
    now, ordinary = clock.now(), made["source"]
    source_id = make(Source, name=f"Zendesk {number}", name_key=f"zendesk {number}", kind="mapping", options=ZENDESK)
    for _ in range(2):
        make(
            SourceCredential,
            source_id=source_id,
            kind="bearer",
            settings={},
            digest=new_id().bytes * 2,
            last_four="abcd",
        )
    for place in range(2):
        payload = {
            "source_id": str(source_id),
            "event_id": f"parked-{number}-{place}",
            "contact_id": f"parked-{number}-{place}",
            "agent": {"ref": "amira"},
            "ended_at": now.isoformat(),
        }
        kept, refused = made["refused_call_event"], {"payload": payload, "errors": [], "source_id": source_id}
        made["parked_call_event"] = make(RefusedCallEvent, client_id=None, **refused)
        made["refused_call_event"] = kept
    began_at, mine = stretch_of(now), {"organisation_id": world.id, "source_id": source_id}
    counted = dict.fromkeys(COUNTED, 1)
    session.add(SourceCount(**mine, began_at=began_at, slot=0, last_received_at=now, **counted))
    session.add(SourceHealth(**mine, state="healthy", since=now, watched_since=now, last_received_at=now))
    made["intake_source"], made["source"] = source_id, ordinary
