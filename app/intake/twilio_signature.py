"""Whether a request is Twilio's: its signature, over forms and over JSON, with an auth token or with a shared key.

A form is signed with its fields. Any other body is signed by its SHA-256, which the signed address carries as
``bodySHA256``: without it the signature would say nothing of the body, and the request is not taken for Twilio's.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

from app.intake.adapter import Delivery

SIGNATURE, SETTINGS = b"x-twilio-signature", b"x-twilio-webhooks-signature-settings"
SHA1, SHA256 = "HMAC_SHA1", "HMAC_SHA256"
DIGESTS = {SHA1: "sha1", SHA256: "sha256"}
FORM = b"application/x-www-form-urlencoded"
MOST_FIELDS = 500
PORTS = {"https": 443, "http": 80}

Fields = Sequence[tuple[str, str]]


def is_form(delivery: Delivery) -> bool:
    """Return whether a request says that its body is a form."""
    return (delivery.header(b"content-type") or b"").partition(b";")[0].strip().lower() == FORM


def fields_of(body: bytes) -> Fields:
    """Return the fields of a form in their order. Raise ValueError for what is not UTF-8, or for too many."""
    text = body.decode("utf-8")
    return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)


def signature(url: str, fields: Fields, key: str, algorithm: str = SHA1) -> str:
    """Return the signature of an address and a form's fields: Base64 of the HMAC of them all, fields by name.

    A value that a field has twice is signed once, as Twilio's own library does.
    """
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.digest(key.encode(), signed.encode(), DIGESTS[algorithm])).decode()


def is_genuine(delivery: Delivery, keys: Iterable[str]) -> bool:
    """Return whether one of the keys (auth tokens, shared keys) signed a request. Never raises."""
    given, algorithm = delivery.header(SIGNATURE), algorithm_of(delivery.header(SETTINGS))
    if given is None or algorithm not in DIGESTS:
        return False
    try:
        fields = fields_of(delivery.body) if is_form(delivery) else ()
        if not is_form(delivery) and not _covers(delivery):
            return False
        made = [signature(url, fields, key, algorithm) for key in keys for url in _spellings(delivery.url)]
    except ValueError:
        return False
    return sum(_equal(each, given) for each in made) > 0  # all are looked at: how long it takes says nothing


def algorithm_of(settings: bytes | None) -> str:
    """Return the algorithm that the header of the signature's settings names; where it names none, SHA-1."""
    for part in (settings or b"").decode("latin-1").split(","):
        name, _, value = part.partition("=")
        if name.strip().lower() == "algorithm" and value.strip():
            return value.strip().upper()
    return SHA1


def _covers(delivery: Delivery) -> bool:
    """Whether the address carries the body's hash: that of nothing may be left out with an empty body."""
    hashes = parse_qs(urlsplit(delivery.url).query).get("bodySHA256")
    if not hashes:
        return not delivery.body
    return _equal(hashlib.sha256(delivery.body).hexdigest(), hashes[0].lower().encode())


def _spellings(url: str) -> Iterator[str]:
    """Yield an address as it came, with its port and without: Twilio signs now one, now the other."""
    parts: SplitResult = urlsplit(url)
    credentials, at, place = parts.netloc.rpartition("@")
    port = parts.port or PORTS.get(parts.scheme)
    bare = place.removesuffix(f":{parts.port}") if parts.port else place.removesuffix(":")
    netlocs = [parts.netloc, credentials + at + bare, f"{credentials}{at}{bare}:{port}" if port else parts.netloc]
    yield from dict.fromkeys(_with_netloc(url, parts.netloc, netloc) for netloc in netlocs)


def _with_netloc(url: str, old: str, new: str) -> str:
    # By hand: putting the parts together again would drop an empty query, and with it the signature.
    return url.replace(f"//{old}", f"//{new}", 1)


def _equal(expected: str, given: bytes) -> bool:
    return hmac.compare_digest(expected.encode(), given)
