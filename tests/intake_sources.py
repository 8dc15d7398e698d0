"""Sources with an address of their own for the tests of intake: made, given a credential, delivered to."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock
from app.models import Base
from tests.calls import MAPPINGS
from tests.examples_of_intake import ZENDESK
from tests.world import World

PUBLIC = "http://127.0.0.1:8000"
CLOUD_EVENT = {"Content-Type": "application/cloudevents+json"}
OPTIONS: dict[str, dict[str, Any]] = {"mapping": ZENDESK}


@dataclass
class Platform:
    """What delivers to one source, with one credential."""

    http: httpx.AsyncClient
    source: dict[str, Any]
    headers: dict[str, str]

    @property
    def id(self) -> str:
        return str(self.source["id"])

    @property
    def url(self) -> str:
        return str(urlsplit(self.source["intake_url"]).path)

    async def send(self, body: Any, **headers: str) -> httpx.Response:
        """Deliver JSON, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(
            self.url, content=content, headers={"Content-Type": "application/json", **self.headers, **headers}
        )

    async def deliver(self, body: Any, **headers: str) -> dict[str, Any]:
        """Deliver what is taken in, and return what became of it."""
        response = await self.send(body, **headers)
        assert response.status_code == 202, response.text
        found: dict[str, Any] = response.json()
        return found


async def make_intake(admin: httpx.AsyncClient, kind: str = "mapping", **fields: Any) -> dict[str, Any]:
    """Make a source with an address of its own and two mapped codes."""
    told = {"name": kind.title(), "kind": kind, "options": OPTIONS.get(kind, {}), "outcome_mappings": MAPPINGS}
    response = await admin.post("/v1/sources", json={**told, **fields})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def add_credential(admin: httpx.AsyncClient, source_id: str, **fields: Any) -> dict[str, Any]:
    """Give a source a credential and return it, with its secret."""
    response = await admin.post(f"/v1/sources/{source_id}/credentials", json={"kind": "bearer", **fields})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def platform(
    admin: httpx.AsyncClient, stranger: httpx.AsyncClient, kind: str = "mapping", **fields: Any
) -> Platform:
    """Make a source with a bearer credential, and return what delivers to it."""
    source = await make_intake(admin, kind, **fields)
    credential = await add_credential(admin, source["id"])
    return Platform(stranger, source, {"Authorization": f"Bearer {credential['secret']}"})


def ticket(number: int | str = 1, **fields: Any) -> dict[str, Any]:
    """Return what a trigger of Zendesk's sends at the end of a call that Amira took, an hour ago."""
    ended = (clock.now() - timedelta(hours=1)).replace(tzinfo=None, microsecond=0)
    told: dict[str, Any] = {
        "type": "call_ended",
        "event": f"event-{number}",
        "ended": f"{ended}",
        "talk_ms": "183500",
        "agent": {"email": "amira"},  # the cast has no addresses to be found by
    }
    about = {"id": 4200 + number if isinstance(number, int) else number, "group": "Legal line", "via": "Phone call"}
    return told | {"ticket": {**about, "disposition": "ABUSE", "tags": "vip abusive_caller"}} | fields


def canonical(source_id: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a structured CloudEvent about a call that Amira took."""
    ended_at = (clock.now() - timedelta(hours=1)).isoformat()
    data = {"contact_id": f"contact-{number}", "agent": {"ref": "amira"}, "ended_at": ended_at, **fields}
    return {"specversion": "1.0", "id": f"event-{number}", "source": "urn:pbx:1", "type": "call.ended", "data": data}


def signed(secret: str, body: bytes, *, stamp: str = "", algorithm: str = "sha256") -> bytes:
    """Return the HMAC of a body with what is signed before it."""
    return hmac.digest(secret.encode(), stamp.encode() + body, algorithm)


def base64_of(mac: bytes) -> str:
    return base64.b64encode(mac).decode()


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def twilio_headers(token: str, url: str, fields: dict[str, str]) -> dict[str, str]:
    """Return the signature of a form, as Twilio's documentation has it."""
    told = url + "".join(name + fields[name] for name in sorted(fields))
    return {"X-Twilio-Signature": base64.b64encode(hmac.digest(token.encode(), told.encode(), hashlib.sha1)).decode()}


async def rows(world: World) -> dict[str, int]:
    """Return how many rows each table has of the organisation."""

    def read(session: Session) -> dict[str, int]:
        tables = [name for name, table in Base.metadata.tables.items() if "organisation_id" in table.c]
        query = "SELECT count(*) FROM {} WHERE organisation_id = :id"
        return {name: int(session.scalar(text(query.format(name)), {"id": world.id}) or 0) for name in tables}

    found: dict[str, int] = await world.run(read)
    return found


async def everything(world: World) -> str:
    """Return every row of the organisation, as text."""

    def read(session: Session) -> str:
        found = [session.execute(text(f"SELECT t::text FROM {name} t")).scalars() for name in Base.metadata.tables]
        return "\n".join(str(row) for rows in found for row in rows)

    return str(await world.run(read))
