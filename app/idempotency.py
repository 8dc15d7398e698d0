"""Idempotency-Key: the same request twice has one effect and one answer, for 24 hours."""

import json
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from app import clock, queries, texts
from app.auth import Caller
from app.crypto import Vault
from app.errors import BadRequest, Conflict, Unprocessable
from app.models import IdempotentAnswer
from app.policy import MODELS

if TYPE_CHECKING:
    from app.call import Call

LIFETIME = timedelta(hours=24)
PURPOSE, SEALED_IN = "idempotent-answer", "idempotent_answer.body"
TRY_LOCK = select(func.pg_try_advisory_xact_lock(bindparam("number")))
KEPT_HEADERS = ("etag", "location", "content-type")


class Attempt:
    """The first run of a keyed request: it holds the key's lock until its transaction ends."""

    def __init__(self, vault: Vault, caller: Caller, key_digest: bytes, fingerprint: bytes) -> None:
        self.vault, self.caller, self.key_digest, self.fingerprint = vault, caller, key_digest, fingerprint

    def keep(self, session: Session, response: Response, without_secret: bytes | None) -> None:
        """Store a 2xx answer in the same transaction, without what is shown only once."""
        if not 200 <= response.status_code < 300:
            return
        body = without_secret if without_secret is not None else bytes(response.body)
        organisation_id = self.caller.organisation_id
        session.add(
            IdempotentAnswer(
                organisation_id=organisation_id,
                key_digest=self.key_digest,
                fingerprint=self.fingerprint,
                status=response.status_code,
                headers={name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
                body=self._sealed(session, body),
            )
        )

    def _sealed(self, session: Session, body: bytes) -> bytes:
        """Seal an answer under the person's key, so that it goes with them; a client's under the master key."""
        person_id = self.caller.employee_id
        if person_id is None:
            return self.vault.seal(PURPOSE, self.caller.organisation_id, body)
        return texts.seal_bytes(session, self.caller, person_id, SEALED_IN, self.key_digest, body)


def begin(session: Session, caller: Caller, call: "Call") -> Attempt | Response | None:
    """Return the stored answer, an attempt whose answer is to be kept, or None where no key was sent.

    Raise Conflict while a twin is running (nothing waits for it), Unprocessable for another body under the same key.
    """
    key = call.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise BadRequest("invalid_idempotency_key", "An Idempotency-Key is 1 to 255 printable ASCII characters.")
    owner = f"{caller.organisation_id}|{caller.kind}|{caller.id}|{call.method}|{call.url.path}|{key}"
    key_digest = sha256(owner.encode()).digest()
    number = int.from_bytes(key_digest[:8], signed=True)
    if not session.execute(TRY_LOCK, {"number": number}).scalar_one():
        raise Conflict(
            "request_in_progress", "The same request is still running. Ask again shortly.", headers={"Retry-After": "1"}
        )
    fingerprint = sha256(call.content + b"\n" + call.scope["query_string"]).digest()
    vault: Vault = call.app.state.vault
    stored = _stored(session, caller, key_digest)
    if stored is None:
        return Attempt(vault, caller, key_digest, fingerprint)
    if stored.fingerprint != fingerprint:
        raise Unprocessable("idempotency_key_reused", "This Idempotency-Key came with another request before.")
    return _replayed(session, caller, call, stored, vault)


def _stored(session: Session, caller: Caller, key_digest: bytes) -> IdempotentAnswer | None:
    stored = session.get(IdempotentAnswer, (caller.organisation_id, key_digest))
    if stored is not None and stored.created_at < clock.now() - LIFETIME:
        session.execute(
            delete(IdempotentAnswer).where(
                IdempotentAnswer.organisation_id == caller.organisation_id, IdempotentAnswer.key_digest == key_digest
            )
        )
        session.expunge(stored)
        return None
    return stored


def _replayed(session: Session, caller: Caller, call: "Call", stored: IdempotentAnswer, vault: Vault) -> Response:
    body = _opened(session, caller, stored, vault)
    _require_still_visible(session, caller, call, stored.status, body)
    return Response(body, stored.status, {**stored.headers, "Idempotency-Replayed": "true"})


def _opened(session: Session, caller: Caller, stored: IdempotentAnswer, vault: Vault) -> bytes:
    """Return a stored answer. Raise Conflict where the key that it was sealed under is gone: it is not done again."""
    try:
        if caller.employee_id is None or vault.knows(stored.body):  # a person's, too, before they had keys of their own
            return vault.open(PURPOSE, caller.organisation_id, stored.body)
        return texts.reveal_bytes(session, caller, caller.employee_id, SEALED_IN, stored.key_digest, stored.body)
    except (ValueError, texts.Unreadable):
        raise Conflict(
            "answer_gone", "This was done, but its answer can no longer be shown: read what it did."
        ) from None


def _require_still_visible(session: Session, caller: Caller, call: "Call", status: int, body: bytes) -> None:
    """Check access again, to what was made, or to what the path names. Raise NotFound where it is no longer theirs."""
    resource = call.route.action[0] if call.route.action else ""
    if resource not in MODELS:
        return
    answered = json.loads(body) if body else {}
    row_id = answered.get("id") if isinstance(answered, dict) else None
    if row_id is not None and status != HTTPStatus.CREATED and caller.target_id is not None:
        row_id = caller.target_id  # a verb can answer with another row than the one that it was called on
    if row_id is not None:
        queries.read(session, caller, resource, UUID(str(row_id)))
