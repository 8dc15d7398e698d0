"""Any JSON or form, read by a declaration: where each member of a call event stands, and what raw values mean. Pure.

A declaration holds JSON Pointers and tables, no patterns and no code: what it costs is bounded by its size.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

from app.intake import canonical
from app.intake.adapter import Delivery, Dropped, Item, SourceSettings, Unreadable
from app.intake.canonical import Form
from app.intake.members import NOT_AN_EVENT, NOT_STORABLE, items_in
from app.models.base import folded
from app.schemas.call_event import MOST_AT_ONCE, Channel, Direction, EndedBy, Result
from app.schemas.source_options import MappingOptions

UNWANTED = Dropped("not_wanted", "The declaration's `only` asks for something else.")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"s": 1.0, "ms": 0.001, "min": 60.0}
LARGEST = 2**53
LONGEST_VALUE = 400
MOST_MARKERS = 32
ABSENT = object()

Declared = Mapping[str, Any]


def read(delivery: Delivery, source: SourceSettings) -> list[Item]:
    """Return what one delivery holds by the source's declaration. Raise Unreadable for what is none."""
    declared = prepared(source.options)
    return [_read(raw, declared, source) for raw in _items(delivery, declared)]


def prepared(options: Declared) -> dict[str, Any]:
    """Return a declaration with its defaults, and with its tables as values are looked up in them."""
    declared: dict[str, Any] = MappingOptions.model_validate(options).model_dump(exclude_none=True)
    for rule in _rules(declared):
        values = rule.get("values")
        if isinstance(values, dict):
            rule["values"] = {folded(raw): meant for raw, meant in values.items()}
        elif values is not None:
            rule["values"] = {folded(raw) for raw in values}
    return declared


def unused(delivery: Delivery, options: Declared) -> list[str]:
    """Return the pointers of what a delivery holds and no rule reads, a hundred at most. Raises as ``read`` does."""
    declared = prepared(options)
    used = {rule["pointer"] for rule in _rules(declared)}
    many = "items" in declared or delivery.body.lstrip().startswith(b"[")
    found = []
    for index, item in enumerate(_items(delivery, declared)):
        place = f"{declared.get('items', '')}/{index}" if many else ""
        unread = (p for p in leaves(item) if not any(p == each or p.startswith(f"{each}/") for each in used))
        found += [place + pointer for pointer in unread]
    return found[:100]


def _rules(declared: Any) -> Iterator[dict[str, Any]]:
    if isinstance(declared, dict):
        if "pointer" in declared:
            yield declared
        else:
            for member in declared.values():
                yield from _rules(member)
    elif isinstance(declared, list):
        for member in declared:
            yield from _rules(member)


def leaves(value: Any, pointer: str = "", depth: int = 8) -> Iterator[str]:
    """Yield the pointer of every place of a JSON value that holds no further ones."""
    if isinstance(value, dict) and value and depth:
        for name, member in value.items():
            yield from leaves(member, f"{pointer}/{escaped(name)}", depth - 1)
    elif isinstance(value, list) and value and depth:
        for index, member in enumerate(value[:100]):
            yield from leaves(member, f"{pointer}/{index}", depth - 1)
    else:
        yield pointer


def escaped(name: str) -> str:
    """Return a member's name as a step of a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _items(delivery: Delivery, declared: Declared) -> list[Any]:
    items = items_in(delivery)
    if "items" not in declared:
        return items
    if len(items) != 1:
        raise Unreadable("not_an_object", "The body must be one JSON object, in which the list of items stands.")
    found = at(items[0], declared["items"])
    if not isinstance(found, list):
        raise Unreadable("no_items", "There is no list where the declaration says that the items stand.")
    if len(found) > MOST_AT_ONCE:
        raise Unreadable("too_many", f"A delivery holds {MOST_AT_ONCE} events at most.")
    return found


def at(value: Any, pointer: str) -> Any:
    """Return what stands at a JSON Pointer (RFC 6901), or ABSENT. A null says nothing: it is absent too."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name, ABSENT)
        elif isinstance(value, list) and name.isdecimal() and name.isascii() and (name == "0" or name[0] != "0"):
            value = value[int(name)] if len(name) < 7 and int(name) < len(value) else ABSENT
        else:
            return ABSENT
    return ABSENT if value is None else value


def _read(raw: Any, declared: Declared, source: SourceSettings) -> Item:
    if raw is None:
        return NOT_STORABLE
    if not isinstance(raw, dict | list):
        return NOT_AN_EVENT
    for condition in declared.get("only", ()):
        if not any(folded(value) in condition["values"] for value in _texts(at(raw, condition["pointer"]), None)):
            return UNWANTED
    stood: dict[str, str] = {}
    wanted: Declared = declared["members"]
    members = _members(raw, wanted, stood)
    if "markers" in wanted:
        members["markers"] = [each for rule in wanted["markers"] for each in _markers(raw, rule)][:MOST_MARKERS]
    if "sentiment" in members:
        members["sentiment"]["subject"] = "customer"
    if "disposition" in members and "code" not in members["disposition"]:
        del members["disposition"]  # a label without its code says nothing
    if "event_id" not in wanted:
        told = json.dumps(members, sort_keys=True, default=str)
        members["event_id"] = hashlib.sha256(told.encode(errors="replace")).hexdigest()
    return canonical.read({"source_id": str(source.source_id), **members}, Form("", stood))


def _members(raw: Any, declared: Declared, stood: dict[str, str], prefix: str = "") -> dict[str, Any]:
    """Return what the item says of the members that are declared; ``stood`` learns where each comes from."""
    found: dict[str, Any] = {}
    for name, rule in declared.items():
        path = f"{prefix}{name}"
        if isinstance(rule, list):
            continue  # of markers, each rule makes several
        if "pointer" not in rule and "constant" not in rule:
            inner = _members(raw, rule, stood, f"{path}.")
            if inner:
                found[name] = inner
            continue
        if "pointer" in rule:
            stood[path] = rule["pointer"] or "/"
        value = at(raw, rule["pointer"]) if "pointer" in rule else rule["constant"]
        value = _value(name, value, rule) if value is not ABSENT else rule.get("otherwise", ABSENT)
        if value is not ABSENT:
            found[name] = value
    return found


def _value(name: str, value: Any, rule: Declared) -> Any:
    if "format" in rule:
        return _time(value, rule)
    if "unit" in rule:
        return _seconds(value, UNITS[rule["unit"]])
    if "lowest" in rule:
        return _score(value, rule["lowest"], rule["highest"])
    text = _text(value)
    if text is None:
        return value  # which the canonical form refuses, and says where it stood
    if not text.strip():
        return ABSENT
    if name in CHOICES:
        return _choice(name, text, rule)
    return rule["values"].get(folded(text), text) if "values" in rule else text


CHOICES: Mapping[str, frozenset[str]] = {
    "channel": frozenset(get_args(Channel)),
    "direction": frozenset(get_args(Direction)),
    "result": frozenset(get_args(Result)),
    "ended_by": frozenset(get_args(EndedBy)),
}


def _choice(name: str, text: str, rule: Declared) -> Any:
    key, table = folded(text), rule.get("values", {})
    return table.get(key, key if key in CHOICES[name] else rule.get("otherwise", ABSENT))


def _text(value: Any) -> str | None:
    """Return a scalar as text: numbers as they are written, true and false as such."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value) if abs(value) < LARGEST * 1e6 else None
    return value if isinstance(value, str) else None


def _texts(value: Any, separator: str | None) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if separator is not None:
        values = [part for each in values for part in (each.split(separator) if isinstance(each, str) else [each])]
    found = (_text(each) for each in values[:MOST_AT_ONCE])
    return [text for text in found if text is not None and text.strip() and len(text) <= LONGEST_VALUE]


def _markers(raw: Any, rule: Declared) -> Iterator[dict[str, Any]]:
    told = {"origin": rule["origin"]} if "origin" in rule else {}
    for text in dict.fromkeys(_texts(at(raw, rule["pointer"]), rule.get("separator"))):
        if "values" not in rule:
            if folded(text) != "false":
                yield {"kind": rule["kind"], "rule": text, **told}
        elif folded(text) in rule["values"]:
            yield {"kind": rule["values"][folded(text)], **told}


def _time(value: Any, rule: Declared) -> Any:
    """Return a time in RFC 3339; what cannot be read is returned as it is, to be refused."""
    if rule["format"] == "iso":
        return _zoned(value, rule.get("zone"))
    number = _number(value)
    if number is None:
        return value
    seconds = number / 1000 if rule["format"] == "epoch_ms" else number
    return (EPOCH + timedelta(seconds=seconds)).isoformat() if 0 <= seconds < 10**10 else value


def _zoned(value: Any, zone: str | None) -> Any:
    if zone is None or not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return value
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))).isoformat()


def _number(value: Any) -> float | None:
    if isinstance(value, str) and len(value) <= 32:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        return None
    return value


def _seconds(value: Any, unit: float) -> Any:
    number = _number(value)
    return value if number is None else math.floor(number * unit + 0.5)


def _score(value: Any, lowest: float, highest: float) -> Any:
    number = _number(value)
    if number is None:
        return value
    return round(-1 + 2 * (number - lowest) / (highest - lowest), 4)
