"""What `ballast serve` and `ballast demo` say to the person at the terminal."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, demo
from app.auth import TOKEN_SECONDS, DevelopmentIssuer
from app.database import set_tenant
from app.models import Source


@dataclass(frozen=True)
class Example:
    """One request that one kind of caller makes: a client by its name, or a person by their user name."""

    who: str
    does: str
    caller: str
    target: str
    body: Any = None


def _examples(source_id: UUID | None) -> list[Example]:
    calls = "/v1/call-events"
    return [
        Example("HR system", "reads the people that it keeps in sync", demo.HR_SYSTEM, "/v1/employees?limit=5"),
        Example("Contact-centre tool", "tells of a hard call of Amira's", demo.CONTACT_CENTRE, calls, _call(source_id))
        if source_id
        else Example("Contact-centre tool", "reads where calls come from", demo.CONTACT_CENTRE, "/v1/sources"),
        Example("Employee (Amira)", "reads what she was offered", demo.EMPLOYEE, "/v1/support-prompts?limit=5"),
        Example("Team lead (Theo)", "reads his people's open offers", demo.TEAM_LEAD, "/v1/support-prompts?limit=5"),
        Example("Programme lead (Noor)", "reads when it is too much", demo.PROGRAMME_LEAD, "/v1/strain-rules?limit=5"),
    ]


def _call(source_id: UUID) -> dict[str, Any]:
    """Return a hard call that ends now, under an id of its own; posted again it counts nothing twice."""
    now = clock.now().replace(microsecond=0)
    name = f"try-{now:%Y%m%d-%H%M%S}"
    return {
        "source_id": str(source_id),
        "event_id": name,
        "contact_id": name,
        "agent": {"ref": demo.EMPLOYEE},
        "ended_at": now.isoformat(),
        "result": "answered",
        "markers": [{"kind": "abuse", "origin": "agent"}],
    }


def welcome(url: str, facts: Sequence[tuple[str, str]], examples: str) -> str:
    """Return what is said when the service is about to answer."""
    width = max(len(name) for name, _ in facts)
    lines = [f"  {name:<{width}}  {fact}" for name, fact in facts]
    return "\n".join(["", f"Ballast answers on {url}", "", *lines, "", examples, "Stop it with Ctrl-C."])


def examples(session: Session, url: str, found: demo.Demo, data_dir: Path) -> str:
    """Return a command to paste for each kind of caller of the demo organisation, with fresh tokens."""
    issuer, organisation_id = DevelopmentIssuer.load(data_dir), UUID(found.organisation_id)
    set_tenant(session, organisation_id)
    source_id = session.scalar(select(Source.id).where(Source.organisation_id == organisation_id, Source.active))
    lines = [f"Try it, as each kind of caller (tokens last {TOKEN_SECONDS // 3600} hours):"]
    for example in _examples(source_id):
        key = found.keys.get(example.caller) or issuer.issue(organisation_id, example.caller)
        lines += ["", f"# {example.who}: {example.does}", _curl(url + example.target, key, example.body)]
    return "\n".join([*lines, ""])


def metrics(url: str, key: str) -> str:
    """Return a command to paste that reads the metrics."""
    return _curl(f"{url}/metrics", key, None)


def _curl(url: str, credential: str, body: Any) -> str:
    words = ["curl", "-sS", "-H", quote(f"Authorization: Bearer {credential}")]
    if body is not None:
        words += ["-H", quote("Content-Type: application/json"), "-d", quote(json.dumps(body))]
    return " ".join([*words, quote(url)])
