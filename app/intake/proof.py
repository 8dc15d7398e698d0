"""How a sender proves who it is: a secret that is compared, or a signature over what it sends. Pure.

Every credential is tried, and each comparison takes as long whether it fits or not.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.intake.adapter import Delivery
from app.intake.twilio_signature import is_genuine
from app.models.source_intake import CredentialKind

TOLERANCE = timedelta(minutes=5)
ZENDESK: Mapping[str, Any] = {
    "header": "X-Zendesk-Webhook-Signature",
    "algorithm": "sha256",
    "encoding": "base64",
    "prefix": "",
    "timestamp_header": "X-Zendesk-Webhook-Signature-Timestamp",
    "separator": "",
}


@dataclass(frozen=True, slots=True)
class Proof:
    """One credential as it is checked: ``digest`` of a secret that is compared, or the ``secret`` that signs."""

    id: UUID
    kind: CredentialKind
    settings: Mapping[str, Any]
    digest: bytes = b""
    secret: bytes = b""

    def holds(self, delivery: Delivery) -> bool:
        """Return whether this delivery proves to come from who holds the secret."""
        match self.kind:
            case CredentialKind.bearer:
                return self._equals(_authorization(delivery, b"bearer"))
            case CredentialKind.basic:
                return self._equals(_password(delivery, self.settings["user_name"]))
            case CredentialKind.header:
                return self._equals(delivery.header(self.settings["header"].lower().encode()))
            case CredentialKind.twilio:
                return is_genuine(delivery, [self.secret.decode()])
            case CredentialKind.zendesk:
                return _is_signed(delivery, self.secret, ZENDESK)
            case CredentialKind.hmac:
                return _is_signed(delivery, self.secret, self.settings)

    def _equals(self, given: bytes | None) -> bool:
        return hmac.compare_digest(hashlib.sha256(given or b"").digest(), self.digest) and given is not None


def _authorization(delivery: Delivery, wanted: bytes) -> bytes | None:
    scheme, _, rest = (delivery.header(b"authorization") or b"").partition(b" ")
    return rest.strip() if scheme.lower() == wanted else None


def _password(delivery: Delivery, user_name: str) -> bytes | None:
    """Return the password of HTTP Basic, where the user name is the right one."""
    try:
        name, colon, password = base64.b64decode(_authorization(delivery, b"basic") or b"", validate=True).partition(
            b":"
        )
    except binascii.Error:
        return None
    return password if hmac.compare_digest(name, user_name.encode()) and colon else None


def _is_signed(delivery: Delivery, secret: bytes, how: Mapping[str, Any]) -> bool:
    """Return whether the body, with its time before it where one is signed, bears the right signature, in time."""
    given = delivery.header(how["header"].lower().encode()) or b""
    stamp = delivery.header(how["timestamp_header"].lower().encode()) if how["timestamp_header"] else None
    before = stamp + how["separator"].encode() if stamp is not None else b""
    mac = hmac.digest(secret, before + delivery.body, how["algorithm"])
    expected = base64.b64encode(mac) if how["encoding"] == "base64" else mac.hex().encode()
    prefix = how["prefix"].encode()
    if how["encoding"] == "hex":
        given, prefix = given.lower(), prefix.lower()
    fits = hmac.compare_digest(prefix + expected, given)
    return fits and (not how["timestamp_header"] or _is_timely(stamp, delivery.received_at))


def _is_timely(stamp: bytes | None, now: datetime) -> bool:
    """Return whether a signed time, in RFC 3339 or in seconds or milliseconds since 1970, is about now."""
    text = (stamp or b"").decode("latin-1").strip()
    try:
        if text.isdecimal():
            seconds = int(text) / (1000 if len(text) > 11 else 1)
            signed = datetime.fromtimestamp(seconds, UTC)
        else:
            signed = datetime.fromisoformat(text)
        return abs(now - signed) <= TOLERANCE
    except (ValueError, OverflowError, OSError, TypeError):
        return False
