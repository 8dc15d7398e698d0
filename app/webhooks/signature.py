"""Signs messages by Standard Webhooks 1.0: https://github.com/standard-webhooks/standard-webhooks, ``spec``.

A receiver verifies either signature: ``v1`` with the secret that it shares with us, or ``v1a`` with the public key.
While keys are rotated, each message carries those of the old keys, too.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.webhooks.keys import WebhookKeys


class Signer:
    """Signs with all keys of an endpoint, the newest first."""

    def __init__(self, keys: Iterable[WebhookKeys]) -> None:
        self._keys = [(each.secret, Ed25519PrivateKey.from_private_bytes(each.seed)) for each in keys]

    def headers(self, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """Return the headers of a message: its id (without a dot), the time of this attempt in seconds, signatures."""
        content = f"{message_id}.{timestamp}.".encode() + body
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(self._signatures(content)),
        }

    def _signatures(self, content: bytes) -> Iterable[str]:
        for secret, key in self._keys:
            yield f"v1,{_text(hmac.digest(secret, content, hashlib.sha256))}"
            yield f"v1a,{_text(key.sign(content))}"


def _text(signature: bytes) -> str:
    return base64.b64encode(signature).decode()
