"""Sources of call events: whose they are, and the codes of theirs that mean nothing yet."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Fault, Unprocessable
from app.models import Client, Source, UnmappedCode
from app.models.base import folded
from app.models.call_event import SourceKind
from app.policy.calls import CALL_EVENTS_WRITE
from app.problems import MOST_FAULTS, fault_of
from app.schemas.source import SourceCreate, SourceUpdate
from app.schemas.source_options import OPTIONS
from app.services import outcome_mapping as mappings
from app.services.refused_call_event import merged
from app.services.source_delivery import address, has_address

TABLE, CODES = Source.__table__, UnmappedCode.__table__
SOURCES = queries.Listing(
    "source",
    sorts={"id": TABLE.c.id, "name": TABLE.c.name_key},
    filters={"active": TABLE.c.active == bindparam("active")},
)
UNMAPPED = queries.Listing(
    "unmapped_code",
    sorts={"id": CODES.c.id, "count": CODES.c.count, "last_seen_at": CODES.c.last_seen_at},
    filters={"source_id": CODES.c.source_id == bindparam("source_id"), "kind": CODES.c.kind == bindparam("kind")},
    default_sort="-count",
    syncs=False,
)


def list_(
    session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any], public_url: str
) -> Mapping[str, Any]:
    """Return a page of the sources that the caller may know of."""
    page = queries.paginate(session, caller, SOURCES, paging, filters)
    return {**page, "data": [_shown(row, public_url) for row in page["data"]]}


def read(session: Session, caller: Caller, source_id: UUID, public_url: str) -> Mapping[str, Any]:
    """Return one source."""
    return _shown(queries.read(session, caller, "source", source_id), public_url)


def _shown(row: Mapping[str, Any], public_url: str) -> dict[str, Any]:
    """Return a source with its address, which is known by its ids alone."""
    url = address(public_url, row["organisation_id"], row["id"]) if has_address(row["kind"]) else None
    return {**row, "intake_url": url}


def create(session: Session, caller: Caller, data: SourceCreate, public_url: str) -> Mapping[str, Any]:
    """Make a source with its mappings.

    Raise Conflict for a name that is taken, Unprocessable for another's client, or for options that its kind lacks.
    """
    given = data.given()
    options = _checked(data.kind, data.options)
    if "client_id" in given:
        _require_grantable(session, caller, given["client_id"])
    source = Source(
        organisation_id=caller.organisation_id,
        name=data.name,
        name_key=folded(data.name),
        description=data.description,
        client_id=given.get("client_id", caller.client_id if _posts(caller) else None),
        kind=data.kind,
        options=options,
        silent_after_seconds=data.silent_after_seconds,
    )
    session.add(source)
    events.record(session, caller, "source.created", source)
    done = mappings.put(session, caller, source.id, list(enumerate(data.outcome_mappings)))
    repeated = [index for index, result in done.results.items() if result["status"] == "rejected"]
    if repeated:
        code, detail = mappings.REPEATED.code, mappings.REPEATED.detail
        raise Unprocessable(faults=[Fault(f"/outcome_mappings/{index}/code", code, detail) for index in repeated])
    return read(session, caller, source.id, public_url)


def update(session: Session, caller: Caller, source_id: UUID, data: SourceUpdate, public_url: str) -> Mapping[str, Any]:
    """Change a source; its options are merged. Refuses what ``create`` refuses."""
    source = queries.get_allowed(session, caller, Source, source_id, "update")
    given = data.given()
    if "client_id" in given:
        _require_grantable(session, caller, given["client_id"])
    if "name" in given:
        given["name_key"] = folded(given["name"])
    if "options" in given:
        patch = given["options"]
        given["options"] = _checked(source.kind, merged(source.options, patch, depth=8) if patch is not None else {})
    for name, value in given.items():
        setattr(source, name, value)
    if session.is_modified(source):
        events.record(session, caller, "source.updated", source, details={"fields": sorted(data.given())})
    return read(session, caller, source_id, public_url)


def _checked(kind: SourceKind, options: Any) -> dict[str, Any]:
    """Return options of a source as they were given, where they are such of its kind. Raise Unprocessable, with why."""
    try:
        OPTIONS[SourceKind(kind)].validate_python(options)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[:MOST_FAULTS]
        faults = [fault_of({**each, "loc": ("body", *each["loc"])}, prefix="/options") for each in wrong]
        raise Unprocessable(faults=faults) from None
    return dict(options)


def list_unmapped(
    session: Session, caller: Caller, paging: queries.Paging, source_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of a source's codes that mean nothing yet, the most frequent first."""
    queries.read(session, caller, "source", source_id)
    return queries.paginate(session, caller, UNMAPPED, paging, {**filters, "source_id": source_id})


def _posts(caller: Caller) -> bool:
    return caller.kind == "client" and CALL_EVENTS_WRITE in caller.scopes


def _require_grantable(session: Session, caller: Caller, client_id: UUID | None) -> None:
    """Raise Unprocessable for a client that is not there, or, to one that posts events itself, not its own."""
    if client_id is None or client_id == caller.client_id:
        return
    if _posts(caller):
        raise Unprocessable(faults=[Fault("/client_id", "unknown_reference", "There is no such row.")])
    queries.get_owned(session, caller, Client, client_id, "/client_id")
