"""The signatures of webhooks, as receivers verify them: with the ``standardwebhooks`` package, and by ed25519."""

import base64
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.webhooks import keys as webhook_keys
from app.webhooks.keys import WebhookKeys
from app.webhooks.signature import Signer

BODY = '{"type":"goal.created","data":{"id":"1","title":"Überblick"}}'.encode()
OLD, NEW = webhook_keys.make(), webhook_keys.make()
MESSAGE_ID = str(uuid4())


def headers(*keys: WebhookKeys, at: float | None = None, body: bytes = BODY) -> dict[str, str]:
    return Signer(keys).headers(MESSAGE_ID, int(time.time() if at is None else at), body)


def is_proven(public_text: str, signed: dict[str, str], body: bytes) -> bool:
    """Return whether a `v1a` signature is one of this public key: the part that the package has not."""
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_text.removeprefix("whpk_")))
    content = f"{signed['webhook-id']}.{signed['webhook-timestamp']}.".encode() + body
    for each in signed["webhook-signature"].split(" "):
        version, _, signature = each.partition(",")
        if version == "v1a":
            try:
                public.verify(base64.b64decode(signature), content)
            except InvalidSignature:
                continue
            return True
    return False


class TestSignature:
    def test_is_taken_by_the_package_and_proven_by_the_public_key(self) -> None:
        signed = headers(NEW)
        assert Webhook(NEW.secret_text).verify(BODY, signed)["data"]["title"] == "Überblick"
        assert is_proven(NEW.public_text, signed, BODY)
        assert [each.partition(",")[0] for each in signed["webhook-signature"].split(" ")] == ["v1", "v1a"]
        assert set(signed) == {"webhook-id", "webhook-timestamp", "webhook-signature"}

    def test_is_the_same_that_the_package_makes(self) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        made = Webhook(NEW.secret_text).sign(MESSAGE_ID, now, BODY.decode())
        assert headers(NEW, at=now.timestamp())["webhook-signature"].split(" ")[0] == made

    def test_of_both_keys_is_there_while_they_are_rotated(self) -> None:
        signed = headers(NEW, OLD)
        for keys in (OLD, NEW):
            Webhook(keys.secret_text).verify(BODY, signed)
            assert is_proven(keys.public_text, signed, BODY)
        afterwards = headers(NEW)
        with pytest.raises(WebhookVerificationError):
            Webhook(OLD.secret_text).verify(BODY, afterwards)
        assert not is_proven(OLD.public_text, afterwards, BODY)

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "body", "secret"])
    def test_does_not_fit_anything_else(self, name: str) -> None:
        signed, body, keys = headers(NEW), BODY, NEW
        if name == "body":
            body = BODY.replace(b"created", b"deleted")
        elif name == "secret":
            keys = OLD
        else:
            changed = {"webhook-id": str(uuid4()), "webhook-timestamp": str(int(time.time()) - 1)}
            signed[name] = changed[name]
        with pytest.raises(WebhookVerificationError):
            Webhook(keys.secret_text).verify(body, signed)
        assert not is_proven(keys.public_text, signed, body)

    def test_is_refused_when_it_is_old(self) -> None:
        for seconds in (-400, 400):
            with pytest.raises(WebhookVerificationError, match="too"):
                Webhook(NEW.secret_text).verify(BODY, headers(NEW, at=time.time() + seconds))
        Webhook(NEW.secret_text).verify(BODY, headers(NEW, at=time.time() - 200))
