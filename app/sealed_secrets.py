"""Secrets that we have to know again, sealed under a master key: what signs our webhooks, what signs what comes in.

Each is sealed for its row. They move to a new master key with the data keys: see ``app/master_keys.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, func, select, update
from sqlalchemy.orm import Session

from app.crypto import Vault
from app.database import execute
from app.models import SourceCredential, WebhookEndpoint
from app.webhooks.keys import PURPOSE as WEBHOOK_KEYS

ID_BYTES = 4


@dataclass(frozen=True)
class Kept:
    """A column that holds such secrets, and the purpose that they are sealed for. They open for their row alone."""

    column: Any
    purpose: str

    @property
    def table(self) -> Any:
        return self.column.table

    @cached_property
    def under(self) -> ColumnElement[bytes]:
        """The short name of the master key that each stands under."""
        return func.substring(self.column, 1, ID_BYTES)


ENDPOINT, CREDENTIAL = WebhookEndpoint.__table__, SourceCredential.__table__
KEPT = (
    Kept(ENDPOINT.c["keys"], WEBHOOK_KEYS),
    Kept(ENDPOINT.c["previous_keys"], WEBHOOK_KEYS),
    Kept(CREDENTIAL.c["sealed"], "source-credential"),
)
COUNTS: tuple[Select[Any, Any], ...] = tuple(
    select(kept.under, func.count())
    .where(kept.table.c.organisation_id == bindparam("tenant"), kept.column.is_not(None))
    .group_by(kept.under)
    for kept in KEPT
)


def reseal(session: Session, vault: Vault, organisation_id: UUID) -> tuple[int, int]:
    """Seal an organisation's secrets under the first master key. Return how many were, and how many cannot be read."""
    done = left = 0
    for kept in KEPT:
        table = kept.table
        behind = select(table.c.id, kept.column).where(
            table.c.organisation_id == organisation_id, kept.column.is_not(None), kept.under != vault.current
        )
        rows: Any = execute(session, behind.order_by(table.c.id).with_for_update(), {}).all()
        for row_id, sealed in rows:
            try:
                plain = vault.open(kept.purpose, organisation_id, sealed, row_id.bytes)
            except ValueError:
                left += 1
                continue
            values = {kept.column: vault.seal(kept.purpose, organisation_id, plain, row_id.bytes), **_unmoved(table)}
            change = update(table).where(table.c.organisation_id == organisation_id, table.c.id == row_id)
            execute(session, change.values(values), {})
            done += 1
    return done, left


def _unmoved(table: Any) -> Mapping[Any, Any]:
    """Return what keeps the time of the last change: this is none."""
    return {table.c.updated_at: table.c.updated_at} if "updated_at" in table.c else {}
