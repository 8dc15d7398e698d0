"""Where to turn to now: the numbers that come with every referral, and stand on the page for everyone."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.auth import Caller
from app.database import execute
from app.models import EapProvider, EapService
from app.models.eap_provider import EapStatus
from app.relations import ORGANISATION

PROVIDER, SERVICE = EapProvider.__table__, EapService.__table__
PROVIDERS = (
    select(PROVIDER)
    .where(PROVIDER.c.organisation_id == ORGANISATION, PROVIDER.c.status == EapStatus.active)
    .order_by(PROVIDER.c.name, PROVIDER.c.id)
)
SERVICES = (
    select(SERVICE)
    .where(SERVICE.c.organisation_id == ORGANISATION, SERVICE.c.status == EapStatus.active)
    .order_by(SERVICE.c.crisis_line.desc(), SERVICE.c.name, SERVICE.c.id)
)
NO_SERVICE = {"crisis_line": False, "always_open": False}


def directory(session: Session, caller: Caller) -> list[tuple[Any, list[Any]]]:
    """Return the active providers with their active services, crisis lines first."""
    values = {"organisation_id": caller.organisation_id}
    providers, services = execute(session, PROVIDERS, values).all(), execute(session, SERVICES, values).all()
    return [(provider, [each for each in services if each.provider_id == provider.id]) for provider in providers]


def help_contacts(session: Session, caller: Caller) -> list[dict[str, Any]]:
    """Return every number of an active provider, those of crisis lines first."""
    found = list(_numbers(directory(session, caller)))
    return sorted(found, key=lambda contact: not contact["crisis_line"])


def _numbers(providers: list[tuple[Any, list[Any]]]) -> Iterator[dict[str, Any]]:
    for provider, services in providers:
        for service in services:
            about = {"crisis_line": service.crisis_line, "always_open": service.always_open}
            yield from ({"name": f"{provider.name}: {service.name}", **phone, **about} for phone in service.phones)
        yield from ({"name": provider.name, **phone, **NO_SERVICE} for phone in provider.phones)
