"""The directory as a page to print: for everyone, without signing in, also after they have left the organisation."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.auth import UNSTORABLE, Caller
from app.database import set_tenant
from app.errors import NotFound
from app.models import DirectoryEntry, Organisation
from app.models.organisation import OrganisationState
from app.services import eap_contacts as contacts
from app.services import organisation as organisations

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h3 { font-size: 1rem; margin-bottom: 0; }
.number { font-weight: bold; white-space: nowrap; } .crisis { border-left: 0.3rem solid #a40000; padding-left: 0.8rem; }
dl { margin: 0.3rem 0; } dt { font-weight: bold; } dd { margin: 0 0 0.3rem; } section { break-inside: avoid; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
DAYS = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}


def render(session: Session, organisation: str) -> str:
    """Return the page of an organisation, by its slug or id. Raise NotFound where it has none for the public."""
    found = _find(session, organisation)
    set_tenant(session, found)
    about = session.get_one(Organisation, found)
    if not about.public_eap_directory:
        raise NotFound
    providers = contacts.directory(session, Caller(found, "system", None))
    title = escape(f"Confidential help: {about.name}")
    content = (
        "".join(part for provider in providers for part in _provider(*provider)) or "<p>Nothing is listed yet.</p>"
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="robots" content="noindex">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        "<p>You can turn to these without telling anyone. Nobody is told, and nothing is kept of who reads this page. "
        "If a life is in danger, call the emergency services.</p>\n"
        f"{content}</body>\n</html>\n"
    )


def _find(session: Session, organisation: str) -> UUID:
    if UNSTORABLE.search(organisation):
        raise NotFound
    found = organisations.find(session, organisation) or _id(organisation)
    is_open = select(DirectoryEntry.organisation_id).where(
        DirectoryEntry.organisation_id == found, DirectoryEntry.state == OrganisationState.active
    )
    if found is None or session.scalar(is_open) is None:
        raise NotFound
    return found


def _id(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def _provider(provider: Any, services: list[Any]) -> Iterator[str]:
    yield f"<section>\n<h2>{escape(provider.name)}</h2>\n"
    yield from _words(provider.description)
    yield from (_phone(phone) for phone in provider.phones)
    if provider.url is not None:
        yield f'<p><a href="{escape(provider.url)}" rel="noreferrer noopener">{escape(provider.url)}</a></p>\n'
    for service in services:
        yield from _service(service)
    if provider.assured_on is not None:
        yield f"<p>Checked on {provider.assured_on.isoformat()}.</p>\n"
    yield "</section>\n"


def _service(service: Any) -> Iterator[str]:
    yield f'<section class="{"crisis" if service.crisis_line else "service"}">\n<h3>{escape(service.name)}</h3>\n'
    yield from _words(service.description)
    yield from (_phone(phone) for phone in service.phones)
    sessions = None if service.sessions_included is None else f"{service.sessions_included} at no cost"
    facts = {
        "Open": "day and night" if service.always_open else "; ".join(map(_hours, service.opening_hours)),
        "How": ", ".join(channel.replace("_", " ") for channel in service.channels),
        "Languages": ", ".join(service.languages),
        "Sessions": sessions,
        "For": service.eligibility,
        "Confidentiality": service.confidentiality_statement,
    }
    rows = (f"<dt>{name}</dt><dd>{escape(words)}</dd>\n" for name, words in facts.items() if words)
    yield f"<dl>\n{''.join(rows)}</dl>\n</section>\n"


def _words(text: str | None) -> Iterator[str]:
    if text is not None:
        yield f"<p>{escape(text)}</p>\n"


def _phone(phone: Mapping[str, Any]) -> str:
    extension = f", extension {escape(phone['extension'])}" if phone["extension"] else ""
    what = "" if phone["kind"] == "voice" else f" ({escape(phone['kind'])})"
    description = f": {escape(phone['description'])}" if phone["description"] else ""
    return f'<p><span class="number">{escape(phone["number"])}</span>{extension}{what}{description}</p>\n'


def _hours(hours: Mapping[str, str]) -> str:
    """Return opening hours in words where they are weekly, and else the recurrence as it stands."""
    parts = dict(part.split("=", 1) for part in hours["rrule"].split(";"))
    span = f"{hours['opens_at']} to {hours['closes_at']}"
    if parts == {"FREQ": "DAILY"}:
        return f"every day {span}"
    days = parts.get("BYDAY", "").split(",")
    if parts.keys() == {"FREQ", "BYDAY"} and parts["FREQ"] == "WEEKLY" and all(day in DAYS for day in days):
        return f"{', '.join(DAYS[day] for day in days)} {span}"
    return f"{hours['rrule']} {span}"
