"""CloudEvents 1.0 over HTTP: structured, binary and batched. The event's data is the canonical event's."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

from app.errors import Fault
from app.intake import canonical
from app.intake.adapter import Delivery, Item, SourceSettings
from app.intake.canonical import Form, Refused, Taken
from app.intake.members import items_of

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
REQUIRED = ("specversion", "id", "source", "type")
OWN = ("source_id", "event_id")
PREFIX = b"ce-"

SOURCE = re.compile(
    r"(?:https?://[^?#]*)?/(?:v1/)?sources/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/?", re.IGNORECASE
)
LONGEST = 2000
IN_BODY = Form("/data", {"source_id": "/source", "event_id": "/id"})
IN_HEADERS = Form("", {"source_id": "header:ce-source", "event_id": "header:ce-id"})
TEXT = "Must be a text that is not empty."


def is_binary(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether headers carry the attributes of a CloudEvent, so that the body is its data alone."""
    return any(name in (b"ce-specversion", b"ce-id", b"ce-source", b"ce-type") for name, _ in headers)


def read(delivery: Delivery, source: SourceSettings) -> list[Item]:
    """Return what a source of CloudEvents delivers, in any of the three modes. The address says which source it is.

    Raise Unreadable for a body that is no JSON, or not what the mode says.
    """
    media_type = (delivery.header(b"content-type") or b"").partition(b";")[0].strip().lower().decode("latin-1")
    headers = [(name.lower(), value) for name, value in delivery.headers]
    raws = items_of(delivery.body)
    if media_type not in (STRUCTURED, BATCHED) and is_binary(headers):
        return [read_binary(headers, raws[0] if len(raws) == 1 else raws, source.source_id)]
    return [read_structured(raw, source.source_id) for raw in raws]


def read_structured(raw: Any, source_id: UUID | None = None) -> Taken | Refused:
    """Return one CloudEvent in JSON as a canonical event, or refused. Without a source, the event says which it is."""
    if not isinstance(raw, dict):
        return Refused((Fault("/", "not_an_event", "Must be a CloudEvent as a JSON object."),))
    faults = []
    if "data_base64" in raw:
        faults.append(Fault("/data_base64", "unknown_field", "Send the data as JSON, in data."))
    return _read(raw, raw.get("data"), IN_BODY, "/", faults, source_id)


def read_binary(headers: Iterable[tuple[bytes, bytes]], data: Any, source_id: UUID | None = None) -> Taken | Refused:
    """Return a CloudEvent whose attributes are headers and whose data is the body as a canonical event, or refused."""
    attributes: dict[str, Any] = {}
    faults = []
    for name, value in headers:
        if name.startswith(PREFIX):
            attribute = name.removeprefix(PREFIX).decode("latin-1")
            try:
                attributes[attribute] = decoded(value)
            except ValueError:
                faults.append(Fault(f"header:ce-{_known(attribute)}", "invalid_text", "Not UTF-8, percent-encoded."))
    return _read(attributes, data, IN_HEADERS, "header:ce-", faults, source_id)


def decoded(value: bytes) -> str:
    """Return a header's value: unquoted, then percent-decoded once. Raise ValueError where that is not UTF-8 text."""
    if len(value) >= 2 and value.startswith(b'"') and value.endswith(b'"'):
        value = re.sub(rb"\\(.)", rb"\1", value[1:-1])
    text = unquote_to_bytes(value).decode("utf-8")
    if "\x00" in text:
        raise ValueError("NUL")
    return text


def _known(attribute: str) -> str:
    return attribute if attribute in (*REQUIRED, "subject", "time", "dataschema") else "-"


def _read(
    attributes: Mapping[str, Any], data: Any, form: Form, at: str, faults: list[Fault], source_id: UUID | None
) -> Taken | Refused:
    faults += _faults_of(attributes, at)
    members = dict(data) if isinstance(data, dict) else {}
    if data is not None and not isinstance(data, dict):
        faults.append(Fault(form.prefix or "/", "not_an_event", "The data must be a JSON object."))
    for name in OWN:
        if members.pop(name, None) is not None:
            faults.append(Fault(f"{form.prefix}/{name}", "unknown_field", "The CloudEvent's own attribute says it."))
    source, event_id = attributes.get("source"), attributes.get("id")
    found = SOURCE.fullmatch(source[:LONGEST]) if isinstance(source, str) else None
    if source_id is not None:
        members["source_id"] = str(source_id)
        event_id = _told_apart(source, event_id, is_ours=found is not None)
    elif found is not None:
        members["source_id"] = found.group(1)
    elif isinstance(source, str) and source.strip():
        faults.append(Fault(form.names["source_id"], "unknown_source", "Must be /v1/sources/ and the id of a source."))
    if isinstance(event_id, str) and event_id:
        members["event_id"] = event_id
    filled = _fill(members, attributes)
    item = canonical.read(
        members, Form(form.prefix, {**form.names, **{name: at + filled[name] for name in filled}}), faults
    )
    return _without_repetition(item) if isinstance(item, Refused) else item


def _told_apart(source: Any, event_id: Any, *, is_ours: bool) -> Any:
    """Return an event's id, made unique beyond its own source: CloudEvents are the same by source and id together."""
    if is_ours or not isinstance(source, str) or not isinstance(event_id, str) or not event_id:
        return event_id
    return f"{event_id}@{hashlib.sha256(source.encode(errors='replace')).hexdigest()[:12]}"


def _faults_of(attributes: Mapping[str, Any], at: str) -> list[Fault]:
    faults = []
    for name in REQUIRED:
        value = attributes.get(name)
        if value is None:
            faults.append(Fault(at + name, "missing", "A CloudEvent has this attribute."))
        elif not isinstance(value, str) or not value.strip():
            faults.append(Fault(at + name, "string_type", TEXT))
        elif name == "specversion" and value != "1.0":
            faults.append(Fault(at + name, "unknown_version", "Only CloudEvents 1.0 are read."))
    optional = [name for name in ("subject", "time") if not isinstance(attributes.get(name), str | None)]
    return [*faults, *(Fault(at + name, "string_type", TEXT) for name in optional)]


def _fill(members: dict[str, Any], attributes: Mapping[str, Any]) -> dict[str, str]:
    """Take from the envelope what the data leaves out, and return which attribute each member came from."""
    filled = {}
    for name, attribute in (("contact_id", "subject"), ("ended_at", "time"), ("as_of", "time")):
        value = attributes.get(attribute)
        if members.get(name) is None and isinstance(value, str):
            members[name], filled[name] = value, attribute
    return filled


def _without_repetition(refused: Refused) -> Refused:
    """Return it without the faults that an attribute's own fault has said already."""
    seen: dict[str, Fault] = {}
    for fault in refused.faults:
        seen.setdefault(fault.pointer, fault)
    return Refused(tuple(seen.values()), refused.payload)
