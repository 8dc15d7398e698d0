"""What would become of a payload: read, matched and mapped as a delivery is, and not stored."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Refusal
from app.intake import mapping, privacy
from app.intake.adapter import Delivery, Dropped, Item, SourceSettings, Unreadable
from app.intake.canonical import Refused, Taken
from app.intake.members import form_of
from app.intake.readers import reader_of
from app.intake.twilio_signature import is_form
from app.models.call_event import SourceKind
from app.problems import NAME
from app.schemas.source_intake import DeliveryTest
from app.services import matching
from app.services.call_event_merge import said_by
from app.services.outcome import Codebook, keys_of
from app.services.source_delivery import address, arrived, has_address
from app.strict_request import parse_json

MOST_LEFT_OUT = 100
NOT_READ = "No rule of the declaration reads it."
RECEIVED = text(
    """
    SELECT event_id FROM call_event_receipt
    WHERE organisation_id = :organisation_id AND source_id = :source_id AND event_id = ANY(CAST(:event_ids AS text[]))
    """
)


def attempt(
    session: Session, caller: Caller, source_id: UUID, data: DeliveryTest, public_url: str
) -> Mapping[str, Any]:
    """Return what a payload would become. Raise Conflict for a source that has no address to deliver it to."""
    source = queries.read(session, caller, "source", source_id)
    if not has_address(source["kind"]):
        raise Conflict("no_address", "A source of kind api is posted to with a client key: it has no address.")
    delivery = _delivery(data, address(public_url, caller.organisation_id, source_id))
    settings = SourceSettings(source_id, source["kind"], source["options"])
    try:
        items = reader_of(SourceKind(source["kind"]))(delivery, settings)
    except Unreadable as error:
        return {"readable": False, "code": error.code, "detail": error.detail, "items": [], "left_out": []}
    shown = _shown(session, caller, source_id, items)
    kept = {text for item in shown for _, text in privacy.texts(item["event"])}
    left_out = [{"pointer": pointer, "reason": reason} for pointer, reason in _left_out(delivery, settings, kept)]
    return {"readable": True, "code": None, "detail": None, "items": shown, "left_out": left_out[:MOST_LEFT_OUT]}


def _delivery(data: DeliveryTest, url: str) -> Delivery:
    """Return the payload as it would arrive. JSON is what its kind usually is, unless a header says otherwise."""
    body = data.body.encode() if isinstance(data.body, str) else json.dumps(data.body).encode()
    headers = [(name.lower().encode(), value.encode()) for name, value in data.headers.items()]
    if not any(name == b"content-type" for name, _ in headers):
        headers.append((b"content-type", b"application/json"))
    return arrived(headers, body, f"{url}?{data.query}" if data.query else url)


def _shown(session: Session, caller: Caller, source_id: UUID, items: Sequence[Item]) -> list[dict[str, Any]]:
    taken = [item for item in items if isinstance(item, Taken)]
    said = {id(item): said_by(item.event).values for item in taken}
    people = matching.find(session, caller, [(source_id, item.event.agent.ref) for item in taken])
    book = Codebook()
    book.look_up(session, caller, ((source_id, key) for values in said.values() for key in keys_of(values)))
    values = {"organisation_id": caller.organisation_id, "source_id": source_id}
    event_ids = [item.event.event_id for item in taken]
    known = set(execute(session, RECEIVED, {**values, "event_ids": event_ids}).scalars())
    shown = []
    for index, item in enumerate(items):
        found = _nothing(index)
        if isinstance(item, Taken):
            found |= {
                "status": "taken",
                "event": item.event.model_dump(mode="json", exclude_none=True),
                "assumed": sorted(item.assumed),
                "outcomes": book.outcomes(source_id, said[id(item)]),
                "unmapped_codes": [code for _, _, code in book.unmapped(source_id, said[id(item)])],
                "employee_id": people.get((source_id, item.event.agent.ref)),
                "received_before": item.event.event_id in known,
            }
        elif isinstance(item, Refused):
            found |= {"status": "refused", "errors": [asdict(fault) for fault in item.faults]}
        elif isinstance(item, Dropped):
            found |= {"status": "dropped", "reason": item.reason, "detail": item.detail}
        shown.append(found)
    return shown


def _nothing(index: int) -> dict[str, Any]:
    absent = dict.fromkeys(("event", "employee_id", "received_before", "reason", "detail"))
    return {"index": index, **absent, "assumed": [], "outcomes": [], "unmapped_codes": [], "errors": []}


def _left_out(delivery: Delivery, settings: SourceSettings, kept: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield what of a payload is recognised as personal, then what no rule of a declaration reads.

    What turns up in an event was taken for what it is: the name of a queue is nobody's name.
    """
    try:
        body = form_of(delivery) if is_form(delivery) else parse_json(delivery.body, by_item=True)
    except (Refusal, Unreadable):
        return
    personal = dict(_personal(body, kept))
    yield from personal.items()
    if settings.kind == SourceKind.mapping:
        for pointer in mapping.unused(delivery, settings.options):
            if _named(pointer) not in personal:
                yield _named(pointer), NOT_READ


def _personal(value: Any, kept: Collection[str]) -> Iterator[tuple[str, str]]:
    for pointer, path, leaf in _leaves(value):
        if leaf is None or str(leaf) in kept:
            continue
        reason = privacy.reason_against(path) if path and isinstance(path[-1], str) else None
        if reason is None and isinstance(leaf, str) and privacy.holds_phone(leaf):
            reason = privacy.NUMBER
        if reason is not None:
            yield pointer, reason


def _leaves(value: Any, path: tuple[Any, ...] = (), depth: int = 8) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    inner: Any = ()
    if depth and isinstance(value, dict):
        inner = value.items()
    elif depth and isinstance(value, list):
        inner = enumerate(value[:100])
    if not inner:
        yield _named("".join(f"/{mapping.escaped(str(step))}" for step in path)), path, value
    for name, member in inner:
        yield from _leaves(member, (*path, name), depth - 1)


def _named(pointer: str) -> str:
    """Return a pointer without names that could be anything."""
    steps = pointer.split("/")[1:]
    return "".join(f"/{step if step.isdecimal() or NAME.fullmatch(step) else '-'}" for step in steps) or "/"
