"""Members of what platforms send: named without regard to case, numbers as texts, times as each platform writes them.

What cannot be read is returned as it is, so that the canonical form refuses it and says where it stood.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from app.errors import BadRequest, Fault, Unprocessable
from app.intake.adapter import Delivery, Unreadable
from app.intake.canonical import Refused
from app.intake.privacy import holds_phone
from app.intake.twilio_signature import MOST_FIELDS, fields_of, is_form
from app.schemas.call_event import MOST_AT_ONCE
from app.strict_request import parse_json

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIGITS = re.compile(r"[0-9]{1,16}")
ISO = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")
# Seconds until the year 5138, milliseconds from the year 1973 on: which of the two a platform sent is plain.
FIRST_MILLISECOND = 10**11
LONGEST = 200

NOT_AN_EVENT = Refused((Fault("/", "not_an_event", "Must be an event of this format, as a JSON object."),))
NOT_STORABLE = Refused((Fault("/", "invalid_text", "Is null, or a text in it has a NUL or half of a surrogate pair."),))


def items_of(body: bytes) -> list[Any]:
    """Return the items of a JSON body: of a list each, else the one. Raise Unreadable for what is neither.

    An item whose text could not be kept is None.
    """
    try:
        parsed = parse_json(body, by_item=True)
    except Unprocessable:
        return [None]
    except BadRequest:
        raise Unreadable("not_json", "The body is not JSON in UTF-8, without repeated names.") from None
    if isinstance(parsed, dict):
        return [parsed]
    if not isinstance(parsed, list):
        raise Unreadable("not_an_event", "The body is neither an event nor a list of events.")
    if len(parsed) > MOST_AT_ONCE:
        raise Unreadable("too_many", f"A delivery holds {MOST_AT_ONCE} events at most.")
    return parsed


def items_in(delivery: Delivery) -> list[Any]:
    """Return the items of a JSON body, or a form as the one item that it is. Raise Unreadable for what is neither."""
    if not is_form(delivery):
        return items_of(delivery.body)
    fields = form_of(delivery)
    return [None if any("\x00" in text for pair in fields.items() for text in pair) else fields]


def form_of(delivery: Delivery) -> dict[str, str]:
    """Return the fields of a form. Raise Unreadable for what is none."""
    try:
        return dict(fields_of(delivery.body))
    except ValueError:
        raise Unreadable("not_a_form", f"The body is no form in UTF-8 with {MOST_FIELDS} fields at most.") from None


def lowered(value: Any) -> dict[str, Any]:
    """Return an object's members by their names in lower case; of anything else, none."""
    return {name.lower(): member for name, member in value.items()} if isinstance(value, dict) else {}


def first(members: Mapping[str, Any], *names: str) -> Any:
    """Return the first of some members that is there and not null."""
    return next((members[name] for name in names if members.get(name) is not None), None)


def word(value: Any) -> str:
    """Return a text as codes are compared: trimmed, in lower case; of anything else, nothing."""
    return value.strip().lower() if isinstance(value, str) else ""


def said(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that say something: not those that are null, or objects in which nothing is said."""
    return {name: value for name, value in members.items() if value is not None and value != {}}


def seconds(value: Any) -> Any:
    """Return a number of seconds, also one that is written as text, as a whole one, rounded half up."""
    return _scaled(value, 1)


def seconds_of_milliseconds(value: Any) -> Any:
    """Return a number of milliseconds in whole seconds, rounded half up."""
    return _scaled(value, 1000)


def _scaled(value: Any, unit: int) -> Any:
    if isinstance(value, str) and DIGITS.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        return value
    return math.floor(value / unit + 0.5) if isinstance(value, float) else (2 * value + unit) // (2 * unit)


def instant(value: Any) -> Any:
    """Return a time as RFC 3339 writes it, from that, from RFC 5322, or from seconds or milliseconds since 1970."""
    if isinstance(value, str) and DIGITS.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**13:
        unit = "milliseconds" if value >= FIRST_MILLISECOND else "seconds"
        return (EPOCH + timedelta(**{unit: value})).isoformat()
    if isinstance(value, str) and not ISO.match(value) and len(value) < LONGEST:
        try:
            return parsedate_to_datetime(value).isoformat()
        except (ValueError, OverflowError):
            return value
    return value


def moment(value: Any) -> datetime | None:
    """Return a time to reckon with; None where it is none."""
    try:
        found = datetime.fromisoformat(instant(value))
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


def earlier(value: Any, by: Any) -> str | None:
    """Return the time that lies ``by`` seconds before another; None where either is not known."""
    at = moment(value)
    if at is None or isinstance(by, bool) or not isinstance(by, int) or not 0 <= by < 10**8:
        return None
    try:
        return (at - timedelta(seconds=by)).isoformat()
    except OverflowError:  # before the first year
        return None


def between(start: Any, end: Any) -> int | None:
    """Return the whole seconds between two times, rounded half up; None where they are not known, or run backwards."""
    began, ended = moment(start), moment(end)
    if began is None or ended is None or ended < began:
        return None
    return math.floor((ended - began).total_seconds() + 0.5)


def derived_id(*parts: Any) -> str:
    """Return an id for an event that has none of its own: the same whenever the same is sent again."""
    return hashlib.sha256("|".join(str(part) for part in parts).encode(errors="replace")).hexdigest()


def id_of(value: Any) -> str | None:
    """Return the id of an event that is dropped, so that its sender can find it; None where it might say more."""
    return value if isinstance(value, str) and len(value) <= LONGEST and not holds_phone(value) else None


def attribute(attributes: Any, name: Any) -> Any:
    """Return the one attribute that the site named for its disposition, by its name or its path with dots.

    Nothing else of the attributes is ever looked at: they may hold anything about anybody.
    """
    if not isinstance(name, str) or not name.strip() or not isinstance(attributes, dict):
        return None
    here = lowered(attributes)
    wanted = name.strip().lower()
    found = here.get(wanted)
    head, dot, rest = wanted.partition(".")
    if found is None and dot:
        found = attribute(here.get(head), rest)
    if isinstance(found, dict | list | bool):
        return None
    return str(found).strip() or None if found is not None else None
