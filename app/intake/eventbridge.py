"""What Amazon EventBridge delivers: one envelope, a list of them, or the records of a stream that a pipe forwards.

Inside are Amazon Connect's contact events, contact records and rule matches, or Genesys Cloud's conversation events.
"""

import base64
import binascii
from typing import Any

from app.errors import BadRequest, Fault, Unprocessable
from app.intake import connect, genesys
from app.intake.adapter import Delivery, Dropped, Item, SourceSettings
from app.intake.canonical import Refused
from app.intake.members import NOT_AN_EVENT, NOT_STORABLE, id_of, items_of, lowered, word
from app.strict_request import parse_json

OTHER = "It is neither an event of Amazon Connect nor one of Genesys Cloud."
UNDECODED = Refused((Fault("/data", "not_an_event", "Must be a JSON object, Base64 coded."),))


def read(delivery: Delivery, source: SourceSettings) -> list[Item]:
    """Return what one delivery holds, in its order. Raise Unreadable for a body that is no JSON object or list."""
    return [_read(raw, source) for raw in items_of(delivery.body)]


def _read(raw: Any, source: SourceSettings) -> Item:
    if raw is None:
        return NOT_STORABLE
    if not isinstance(raw, dict):
        return NOT_AN_EVENT
    envelope = lowered(raw)
    if word(envelope.get("eventsource")) == "aws:kinesis":
        return _of_stream(envelope.get("data"), source)
    if "detail-type" not in envelope and "detail" not in envelope:
        return connect.read_record(envelope, source) if connect.is_record(envelope) else NOT_AN_EVENT
    detail, kind, sender = lowered(envelope.get("detail")), word(envelope.get("detail-type")), envelope.get("source")
    if word(sender).startswith("aws.partner/genesys") or kind.startswith("v2.detail.events."):
        return genesys.read(envelope, detail, source)
    if connect.is_record(detail):
        return connect.read_record(detail, source)
    if word(sender) == "aws.connect":
        return connect.read(envelope, detail, source)
    return Dropped("other_event_type", OTHER, id_of(envelope.get("id")))


def _of_stream(data: Any, source: SourceSettings) -> Item:
    """Return the contact record that a record of a Kinesis stream carries."""
    try:
        record = lowered(parse_json(base64.b64decode(data, validate=True)))
    except (TypeError, ValueError, binascii.Error, BadRequest, Unprocessable):
        return UNDECODED
    return connect.read_record(record, source) if connect.is_record(record) else UNDECODED
