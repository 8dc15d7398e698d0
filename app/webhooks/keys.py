"""The keys of a webhook endpoint: a shared secret and an ed25519 key, sealed together under the master keys."""

import base64
import secrets
from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.crypto import Vault

PURPOSE = "webhook-keys"
SECRET_BYTES = SEED_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class WebhookKeys:
    """What an endpoint's messages are signed with: ``secret`` for HMAC-SHA256, ``seed`` for ed25519, 32 bytes each."""

    secret: bytes
    seed: bytes

    @property
    def secret_text(self) -> str:
        """The shared secret as the receiver is shown it, once."""
        return "whsec_" + base64.b64encode(self.secret).decode()

    @property
    def public_text(self) -> str:
        """The public key as the receiver is shown it."""
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return "whpk_" + base64.b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def make() -> WebhookKeys:
    """Return new keys."""
    return WebhookKeys(secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SEED_BYTES))


def seal_keys(vault: Vault, organisation_id: UUID, endpoint_id: UUID, keys: WebhookKeys) -> bytes:
    """Return keys as they are stored; they open for this endpoint alone."""
    return vault.seal(PURPOSE, organisation_id, keys.secret + keys.seed, endpoint_id.bytes)


def open_keys(vault: Vault, organisation_id: UUID, endpoint_id: UUID, sealed: bytes) -> WebhookKeys:
    """Return an endpoint's keys. Raise ValueError for what was not sealed here, for it."""
    plain = vault.open(PURPOSE, organisation_id, sealed, endpoint_id.bytes)
    return WebhookKeys(plain[:SECRET_BYTES], plain[SECRET_BYTES:])
