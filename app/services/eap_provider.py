"""EAP providers: the directory that everyone reads, and that the programme lead keeps true."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, any_, bindparam, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import exists

from app import events, queries
from app.auth import Caller
from app.errors import Forbidden
from app.models import EapProvider, EapProviderClient, EapService
from app.models.base import folded
from app.relations import ORGANISATION
from app.schemas.eap_provider import ProviderCreate, ProviderUpdate

TABLE, SERVICE = EapProvider.__table__, EapService.__table__


def offers(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the providers with an active service of which that is true."""
    return exists(
        select(1).where(
            SERVICE.c.organisation_id == ORGANISATION,
            SERVICE.c.provider_id == TABLE.c.id,
            SERVICE.c.status == "active",
            condition,
        )
    )


PROVIDERS = queries.Listing(
    "eap_provider",
    sorts={"id": TABLE.c.id, "name": TABLE.c.name},
    filters={
        "status": TABLE.c.status == bindparam("status"),
        "channel": offers(bindparam("channel", type_=Text()) == any_(SERVICE.c.channels)),
        "language": offers(bindparam("language", type_=Text()) == any_(SERVICE.c.languages)),
        "crisis_line": offers(SERVICE.c.crisis_line == bindparam("crisis_line")),
    },
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the directory."""
    return queries.paginate(session, caller, PROVIDERS, paging, filters)


def read(session: Session, caller: Caller, provider_id: UUID) -> Mapping[str, Any]:
    """Return one provider."""
    return queries.read(session, caller, "eap_provider", provider_id)


def create(session: Session, caller: Caller, data: ProviderCreate) -> Mapping[str, Any]:
    """Add a provider. A name that is taken is a conflict."""
    require_own_directory(session, caller)
    values = data.model_dump()
    provider = EapProvider(organisation_id=caller.organisation_id, name_key=folded(data.name), **values)
    session.add(provider)
    events.record(session, caller, "eap_provider.created", provider)
    return read(session, caller, provider.id)


def update(session: Session, caller: Caller, provider_id: UUID, data: ProviderUpdate) -> Mapping[str, Any]:
    """Change a provider."""
    provider = queries.get_allowed(session, caller, EapProvider, provider_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(provider, name) != value}
    for name, value in changed.items():
        setattr(provider, name, value)
    provider.name_key = folded(provider.name)
    if changed:
        events.record(session, caller, "eap_provider.updated", provider, details={"fields": sorted(changed)})
    return read(session, caller, provider_id)


def require_own_directory(session: Session, caller: Caller) -> None:
    """Raise Forbidden for a client that acts for a provider: which others there are is not its to say."""
    bound = select(EapProviderClient.id).where(
        EapProviderClient.organisation_id == caller.organisation_id, EapProviderClient.client_id == caller.client_id
    )
    if caller.client_id is not None and session.scalar(bound) is not None:
        raise Forbidden("not_allowed", "A client of a provider cannot add providers.")
