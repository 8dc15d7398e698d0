"""How an organisation wants what its identity provider sends to be understood."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.database import execute
from app.models import ScimSettings
from app.relations import ORGANISATION
from app.schemas.scim_settings import ScimSettingsUpdate

TABLE = ScimSettings.__table__
FIND = select(TABLE).where(TABLE.c.organisation_id == ORGANISATION)
INFO = "scim_settings"


def of(session: Session, caller: Caller) -> Any:
    """Return the organisation's rules, read once in a transaction."""
    if INFO not in session.info:
        session.info[INFO] = execute(session, FIND, {"organisation_id": caller.organisation_id}).one()
    return session.info[INFO]


def keep(session: Session, settings: Any) -> None:
    """Keep the organisation's rules for this transaction, where they were read with something else."""
    session.info[INFO] = settings


def read(session: Session, caller: Caller) -> Mapping[str, Any]:
    """Return the organisation's rules."""
    return queries.read(session, caller, "scim_settings", of(session, caller).id)


def update(session: Session, caller: Caller, data: ScimSettingsUpdate) -> Mapping[str, Any]:
    """Change the rules. They hold for what the provider sends from now on."""
    caller.target_id = of(session, caller).id
    settings = queries.get_allowed(session, caller, ScimSettings, caller.target_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(settings, name) != value}
    for name, value in changed.items():
        setattr(settings, name, value)
    if changed:
        events.record(session, caller, "scim_settings.updated", settings, details={"fields": sorted(changed)})
    return read(session, caller)
