"""The mapping of a source: what each raw code means. Whatever changes it, past call events follow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import bindparam, select, tuple_
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Fault, NotFound
from app.events import Change
from app.models import OutcomeMapping, Source
from app.models.base import folded, new_id
from app.problems import fault_of
from app.schemas.source import OutcomeMappingBatch, OutcomeMappingCreate, OutcomeMappingUpdate
from app.services import outcome as derivation

STATUSES = ("created", "updated", "unchanged", "rejected")
REPEATED = Fault("/code", "repeated", "An earlier item is about the same code.")
TABLE = OutcomeMapping.__table__
MAPPINGS = queries.Listing(
    "outcome_mapping",
    sorts={"id": TABLE.c.id, "code": TABLE.c.code_key},
    filters={
        "source_id": TABLE.c.source_id == bindparam("source_id"),
        "kind": TABLE.c.kind == bindparam("kind"),
        "code": TABLE.c.code_key == bindparam("code"),
    },
    syncs=False,
)


def list_(
    session: Session, caller: Caller, paging: queries.Paging, source_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of a source's mappings."""
    queries.read(session, caller, "source", source_id)
    code = filters.get("code")
    filters = {**filters, "source_id": source_id, "code": folded(code) if code is not None else None}
    return queries.paginate(session, caller, MAPPINGS, paging, filters)


def read(session: Session, caller: Caller, source_id: UUID, mapping_id: UUID) -> Mapping[str, Any]:
    """Return one mapping of a source. Raise NotFound for another source's."""
    mapping = queries.read(session, caller, "outcome_mapping", mapping_id)
    if mapping["source_id"] != source_id:
        raise NotFound
    return mapping


def create(session: Session, caller: Caller, source_id: UUID, data: OutcomeMappingCreate) -> Mapping[str, Any]:
    """Say what a code means. Raise Conflict where that is said already."""
    _lock(session, caller, source_id)
    mapping = _new(caller, source_id, data)
    session.add(mapping)
    session.flush()
    _record(session, caller, source_id, [("created", mapping)])
    return read(session, caller, source_id, mapping.id)


def update(
    session: Session, caller: Caller, source_id: UUID, mapping_id: UUID, data: OutcomeMappingUpdate
) -> Mapping[str, Any]:
    """Change what a code means."""
    _lock(session, caller, source_id)
    mapping = _of(queries.get_allowed(session, caller, OutcomeMapping, mapping_id, "update"), source_id)
    given = data.given()
    if "outcomes" in given and given["outcomes"] != mapping.outcomes:
        mapping.outcomes = given["outcomes"]
        session.flush()
        _record(session, caller, source_id, [("updated", mapping)])
    return read(session, caller, source_id, mapping_id)


def delete(session: Session, caller: Caller, source_id: UUID, mapping_id: UUID) -> None:
    """Forget what a code means: it is unmapped again, and so are past call events."""
    _lock(session, caller, source_id)
    mapping = _of(queries.get_allowed(session, caller, OutcomeMapping, mapping_id, "delete"), source_id)
    session.delete(mapping)
    session.flush()
    _record(session, caller, source_id, [("deleted", mapping)])


def sync(session: Session, caller: Caller, source_id: UUID, data: OutcomeMappingBatch) -> Mapping[str, Any]:
    """Say what many codes mean, new or not, each on its own, with a result per item in order."""
    _lock(session, caller, source_id)
    read_items: list[tuple[int, OutcomeMappingCreate]] = []
    results: dict[int, dict[str, Any]] = {}
    for index, raw in enumerate(data.mappings):
        try:
            read_items.append((index, OutcomeMappingCreate.model_validate(raw)))
        except ValidationError as error:
            faults = [fault_of({**each, "loc": ("body", *each["loc"])}) for each in error.errors(include_input=False)]
            results[index] = _result(index, "rejected", None, faults[:20])
    done = put(session, caller, source_id, read_items)
    results |= done.results
    ordered = [results[index] for index in sorted(results)]
    counts = {status: sum(result["status"] == status for result in ordered) for status in STATUSES}
    return {**counts, "rederived_call_events": done.rederived, "results": ordered}


@dataclass
class Done:
    """What became of many mappings."""

    results: dict[int, dict[str, Any]] = field(default_factory=dict)
    rederived: int = 0


def put(session: Session, caller: Caller, source_id: UUID, items: Sequence[tuple[int, OutcomeMappingCreate]]) -> Done:
    """Write mappings by kind and code. Of two for one code the second is rejected."""
    done, seen = Done(), set[derivation.Code]()
    stored = _stored(session, caller, source_id, items)
    changed: list[tuple[str, OutcomeMapping]] = []
    for index, item in items:
        code = (str(item.kind), folded(item.code))
        if code in seen:
            done.results[index] = _result(index, "rejected", None, [REPEATED])
            continue
        seen.add(code)
        mapping, status = stored.get(code), "unchanged"
        if mapping is None:
            mapping, status = _new(caller, source_id, item), "created"
            session.add(mapping)
        elif mapping.outcomes != item.outcomes:
            mapping.outcomes, status = [str(outcome) for outcome in item.outcomes], "updated"
        done.results[index] = _result(index, status, mapping.id, [])
        if status != "unchanged":
            changed.append((status, mapping))
    session.flush()
    done.rederived = _record(session, caller, source_id, changed)
    return done


def _stored(
    session: Session, caller: Caller, source_id: UUID, items: Iterable[tuple[int, OutcomeMappingCreate]]
) -> dict[derivation.Code, OutcomeMapping]:
    keys = list({(str(item.kind), folded(item.code)) for _, item in items})
    query = select(OutcomeMapping).where(
        OutcomeMapping.organisation_id == caller.organisation_id,
        OutcomeMapping.source_id == source_id,
        tuple_(OutcomeMapping.kind, OutcomeMapping.code_key).in_(keys),
    )
    return {(str(each.kind), each.code_key): each for each in session.scalars(query)} if keys else {}


def _lock(session: Session, caller: Caller, source_id: UUID) -> None:
    """Hold intake of this source until the transaction ends. Raise NotFound where it is not the caller's."""
    queries.get_allowed(session, caller, Source, source_id, "update")


def _of(mapping: OutcomeMapping, source_id: UUID) -> OutcomeMapping:
    if mapping.source_id != source_id:
        raise NotFound
    return mapping


def _new(caller: Caller, source_id: UUID, item: OutcomeMappingCreate) -> OutcomeMapping:
    return OutcomeMapping(
        organisation_id=caller.organisation_id,
        id=new_id(),
        source_id=source_id,
        kind=item.kind,
        code=item.code,
        code_key=folded(item.code),
        outcomes=[str(outcome) for outcome in item.outcomes],
    )


def _record(session: Session, caller: Caller, source_id: UUID, changed: Sequence[tuple[str, OutcomeMapping]]) -> int:
    """Write what changed to the audit, let past call events follow, and return how many did."""
    if not changed:
        return 0
    changes = [
        Change(
            f"outcome_mapping.{verb}",
            mapping.id,
            mapping.version,
            details={"source_id": str(source_id), "kind": str(mapping.kind), "outcomes": list(mapping.outcomes)},
        )
        for verb, mapping in changed
    ]
    events.record_changes(session, caller, "outcome_mapping", changes)
    codes = {(str(mapping.kind), mapping.code_key): mapping.code for _, mapping in changed}
    return derivation.rederive(session, caller, source_id, codes)


def _result(index: int, status: str, mapping_id: UUID | None, faults: Sequence[Fault]) -> dict[str, Any]:
    return {"index": index, "status": status, "id": mapping_id, "errors": list(faults)}
