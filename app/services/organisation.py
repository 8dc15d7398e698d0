"""Organisations: making one, and its settings."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.database import set_tenant
from app.models import DirectoryEntry, FeedCounter, Organisation, ScimSettings
from app.models.base import new_id
from app.schemas.organisation import OrganisationUpdate
from app.services import default_rules, library
from app.services import retention_rule as retention_rules


def create(session: Session, name: str, slug: str) -> Organisation:
    """Make an organisation with the library of practices and the default strain rules. A taken slug is a conflict."""
    organisation_id = new_id()
    set_tenant(session, organisation_id)
    caller = Caller(organisation_id, "system", None)
    organisation = Organisation(id=organisation_id, name=name, slug=slug)
    session.add_all(
        [
            DirectoryEntry(organisation_id=organisation_id, slug=slug),
            organisation,
            FeedCounter(organisation_id=organisation_id, feed=queries.AUDIT_FEED),
            FeedCounter(organisation_id=organisation_id, feed="events"),
            FeedCounter(organisation_id=organisation_id, feed="provider_events"),
            ScimSettings(organisation_id=organisation_id),
        ]
    )
    session.flush()
    connection = session.connection()
    library.give(connection, organisation_id)
    default_rules.give(connection, organisation_id)
    retention_rules.give(connection, organisation_id)
    events.record(session, caller, "organisation.created", organisation)
    return organisation


def read(session: Session, caller: Caller) -> Mapping[str, Any]:
    """Return the caller's organisation."""
    return queries.read(session, caller, "organisation", caller.organisation_id)


def update(session: Session, caller: Caller, data: OrganisationUpdate) -> Mapping[str, Any]:
    """Change the settings of the caller's organisation."""
    caller.target_id = caller.organisation_id
    organisation = queries.get_allowed(session, caller, Organisation, caller.organisation_id, "update")
    given = data.given()
    for name, value in given.items():
        setattr(organisation, name, value)
    if session.is_modified(organisation):
        events.record(session, caller, "organisation.updated", organisation, details={"fields": sorted(given)})
    return read(session, caller)


def find(session: Session, slug: str) -> UUID | None:
    """Return the id of the organisation with this slug, or None."""
    return session.scalar(select(DirectoryEntry.organisation_id).where(DirectoryEntry.slug == slug))
