"""The demo's second source: Zendesk, which delivers to an address of its own, and one item that could not be taken."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.intake import mapping
from app.intake.adapter import SourceSettings
from app.models.call_event import SourceKind
from app.models.source_intake import CredentialKind
from app.schemas.source import SourceCreate
from app.schemas.source_intake import SourceCredentialCreate
from app.services import source as sources
from app.services import source_credential as credentials
from app.services import source_delivery as deliveries

NAME = "Zendesk"
DECLARATION: Mapping[str, Any] = {
    "only": [{"pointer": "/type", "values": ["call_ended"]}],
    "members": {
        "event_id": {"pointer": "/event"},
        "contact_id": {"pointer": "/ticket/id"},
        "platform": {"constant": "zendesk"},
        "agent": {"ref": {"pointer": "/agent/email"}},
        "queue": {"name": {"pointer": "/ticket/group"}},
        "channel": {"pointer": "/ticket/via", "values": {"Phone call": "voice"}, "otherwise": "other"},
        "ended_at": {"pointer": "/ended"},
        "disposition": {"code": {"pointer": "/ticket/disposition"}},
    },
}


def make(session: Session, caller: Caller, agent: str) -> UUID:
    """Make the source with a credential, and let it deliver: a call of ``agent`` yesterday, and one without its end."""
    yesterday = clock.now() - timedelta(days=1)
    mappings = [{"kind": "disposition", "code": "solved", "outcomes": ["resolved"]}]
    told = {"name": NAME, "kind": "mapping", "options": DECLARATION, "outcome_mappings": mappings}
    made = sources.create(session, caller, SourceCreate.model_validate(told), public_url="")
    bearer = SourceCredentialCreate(kind=CredentialKind.bearer, name="Webhook of the service desk")
    credentials.create(session, caller, made["id"], bearer)
    ticket = {"group": "Legal advice line", "via": "Phone call", "disposition": "solved"}
    call = {"type": "call_ended", "agent": {"email": agent}, "ended": yesterday.isoformat()}
    body = [
        {**call, "event": "z-1", "ticket": {**ticket, "id": 4201}},
        {**call, "event": "z-2", "ticket": {**ticket, "id": 4202}, "ended": "yesterday"},
    ]
    sender = deliveries.Sender(caller.organisation_id, SourceSettings(made["id"], SourceKind.mapping, DECLARATION))
    items = mapping.read(deliveries.arrived((), json.dumps(body).encode(), ""), sender.settings)
    deliveries.receive(session, sender, items, None)
    return UUID(str(made["id"]))
