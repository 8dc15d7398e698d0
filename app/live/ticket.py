"""Tickets: what opens a stream for a while, for browsers, whose EventSource sends no header.

A ticket is sealed, not signed: it tells nothing to who reads it in an address. It opens one stream of one person within
a minute, and is nothing to any other operation.
"""

import json
from datetime import datetime, timedelta
from uuid import UUID

from app import clock
from app.auth import TicketCredential, base62, from_base62
from app.crypto import Vault
from app.errors import Unauthenticated

# A trace keeps no address that holds "blst_".
PREFIX, PURPOSE = "blst_ticket_", "stream ticket"
LIFETIME = timedelta(seconds=60)
LONGEST = 400


def issue(vault: Vault, organisation_id: UUID, person_id: UUID, team_id: UUID | None) -> tuple[str, datetime]:
    """Return a ticket for a person's own stream, or for that of a team, and when it ends."""
    until = clock.now() + LIFETIME
    said = json.dumps([str(person_id), team_id and str(team_id), int(until.timestamp())]).encode()
    sealed = vault.seal_text(PURPOSE, organisation_id, said)
    return f"{PREFIX}{base62(organisation_id.int, 22)}_{sealed}", until


def parse(vault: Vault, ticket: str, team_id: UUID | None) -> TicketCredential:
    """Return the credential that a ticket is. Raise Unauthenticated for one not from here, too old, or for another."""
    if not ticket.startswith(PREFIX) or len(ticket) > LONGEST:
        raise Unauthenticated
    organisation, _, sealed = ticket.removeprefix(PREFIX).partition("_")
    try:
        organisation_id = UUID(int=from_base62(organisation))
        person_id, target, until = json.loads(vault.open_text(PURPOSE, organisation_id, sealed))
    except ValueError:
        raise Unauthenticated from None
    if clock.now().timestamp() >= until or target != (team_id and str(team_id)):
        raise Unauthenticated
    return TicketCredential(organisation_id, UUID(person_id))
