"""What comes to a source's own address: who sends it is proven, then it is read, taken in, and answered."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.crypto import Vault
from app.database import execute, set_tenant
from app.errors import Unauthenticated
from app.intake.adapter import Delivery, Dropped, Item, SourceSettings
from app.intake.canonical import Refused, Taken
from app.intake.proof import Proof
from app.models.call_event import SourceKind
from app.models.source_intake import CredentialKind
from app.services import call_event_intake as intake
from app.services.source_credential import PURPOSE

USED_TO = timedelta(hours=1)
NOBODY = bytes(32)

SENDERS = text(
    """
    SELECT s.kind AS source_kind, s.options, c.id, c.kind, c.settings, c.digest, c.sealed, c.last_used_at
    FROM source AS s
    JOIN source_credential AS c ON c.organisation_id = s.organisation_id AND c.source_id = s.id
    WHERE s.organisation_id = :organisation_id AND s.id = :source_id AND s.kind <> 'api'
      AND (c.expires_at IS NULL OR c.expires_at > CAST(:now AS timestamptz))
    """
)
# Once an hour, and never in another's way: a sender whose neighbour is just writing it leaves it to that one.
NOTE_USE = text(
    """
    UPDATE source_credential SET last_used_at = CAST(:used_at AS timestamptz)
    WHERE organisation_id = :organisation_id AND id = (
        SELECT id FROM source_credential WHERE organisation_id = :organisation_id AND id = :credential_id
        FOR NO KEY UPDATE SKIP LOCKED
    )
    """
)


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender that is known: of which source, and how that one is read."""

    organisation_id: UUID
    settings: SourceSettings

    @property
    def limited_as(self) -> tuple[str, UUID, UUID]:
        """By what its requests are counted: all the senders of one source together."""
        return "source", self.organisation_id, self.settings.source_id


def admit(session: Session, vault: Vault, organisation_id: UUID, source_id: UUID, delivery: Delivery) -> Sender:
    """Return who sends a delivery. Raise Unauthenticated, always the same, where no credential of the source fits."""
    set_tenant(session, organisation_id)
    values = {"organisation_id": organisation_id, "source_id": source_id, "now": delivery.received_at}
    rows = execute(session, SENDERS, values).all()
    fitting = [row for row in rows if _proof(vault, organisation_id, row).holds(delivery)]
    if not rows:
        hmac.digest(NOBODY, delivery.body, "sha256")  # so that an unknown address takes about as long as a known one
    if not fitting:
        raise _unknown()
    row = fitting[0]
    _note_use(session, organisation_id, row.id, row.last_used_at, delivery.received_at)
    return Sender(organisation_id, SourceSettings(source_id, row.source_kind, row.options))


def _proof(vault: Vault, organisation_id: UUID, row: Any) -> Proof:
    """Return a credential as it is checked; one whose master key is not here is checked against chance."""
    kind = CredentialKind(row.kind)
    if row.digest is not None:
        return Proof(row.id, kind, row.settings, digest=row.digest)
    try:
        secret = vault.open(PURPOSE, organisation_id, row.sealed, row.id.bytes)
    except ValueError:
        secret = secrets.token_hex(32).encode()
    return Proof(row.id, kind, row.settings, secret=secret)


def _unknown() -> Unauthenticated:
    refusal = Unauthenticated("unknown_sender", "This address does not take a delivery with this credential.")
    refusal.headers["WWW-Authenticate"] = 'Basic realm="ballast", Bearer realm="ballast"'
    return refusal


def _note_use(
    session: Session, organisation_id: UUID, credential_id: UUID, last: datetime | None, now: datetime
) -> None:
    if last is None or last < now - USED_TO:
        hour = now.replace(minute=0, second=0, microsecond=0)
        values = {"organisation_id": organisation_id, "credential_id": credential_id, "used_at": hour}
        execute(session, NOTE_USE, values)


def receive(
    session: Session, sender: Sender, items: Sequence[Item], request_id: str | None
) -> tuple[Mapping[str, Any], bool]:
    """Take a delivery in and return what became of it, and whether anything was written to the audit."""
    set_tenant(session, sender.organisation_id)
    caller = Caller(sender.organisation_id, "source", sender.settings.source_id, request_id=request_id)
    given = [item for item in items if isinstance(item, Taken | Refused)]
    places = [place for place, item in enumerate(items) if not isinstance(item, Dropped)]
    done = intake.receive(session, caller, given, dropped=len(items) - len(given))
    statuses = [item.status for item in done]
    answer = {
        "accepted": statuses.count("created"),
        "updated": statuses.count("updated"),
        "duplicates": statuses.count("duplicate"),
        "dropped": len(items) - len(given),
        "refused": [
            {
                "index": place,
                "refused_id": item.refused_id,
                "errors": [asdict(fault) for fault in item.refused.faults] if item.refused else [],
            }
            for place, item in zip(places, done, strict=True)
            if item.status == "refused"
        ],
    }
    return answer, caller.has_written


def has_address(kind: str) -> bool:
    """Return whether a source of this kind has an address of its own."""
    return kind != SourceKind.api


def address(public_url: str, organisation_id: UUID, source_id: UUID) -> str:
    """Return where a source delivers. It carries the organisation: some platforms send nothing else that does."""
    return f"{public_url.rstrip('/')}/v1/intake/{organisation_id}/{source_id}"


def arrived(headers: Sequence[tuple[bytes, bytes]], body: bytes, url: str) -> Delivery:
    """Return what has just come as a delivery."""
    return Delivery(headers, body, url, "POST", clock.now())
