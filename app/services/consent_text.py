"""The words of consents: given to every organisation, added to by its programme lead, never changed."""

import tomllib
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Conflict
from app.models import ConsentText
from app.models.base import new_id
from app.models.eap_referral import Recipient
from app.schemas.consent_text import ConsentTextCreate
from app.schemas.eap_referral import ConsentGiven, ProviderConsent, ReferrerConsent

TABLE = ConsentText.__table__
_LATER = TABLE.alias("later_text")
IS_CURRENT = ~(
    select(_LATER.c.id)
    .where(
        _LATER.c.organisation_id == TABLE.c.organisation_id,
        _LATER.c.recipient == TABLE.c.recipient,
        _LATER.c.language == TABLE.c.language,
        _LATER.c.version > TABLE.c.version,
    )
    .exists()
)
TEXTS = queries.Listing(
    "consent_text",
    sorts={"id": TABLE.c.id},
    filters={
        "recipient": TABLE.c.recipient == bindparam("recipient"),
        "language": TABLE.c.language == bindparam("language"),
        "current": bindparam("current") == IS_CURRENT,
    },
    syncs=False,
)


@cache
def library() -> list[dict[str, Any]]:
    """Return the words that come with the service."""
    with (files("app") / "library" / "consent_texts.toml").open("rb") as file:
        return [{**entry, "sha256": digest(entry["words"])} for entry in tomllib.load(file)["consent_text"]]


def digest(words: str) -> str:
    """Return what stands for words as they are: the SHA-256 of their UTF-8, in hexadecimal."""
    return sha256(words.encode()).hexdigest()


def give(connection: Connection, organisation_id: UUID) -> None:
    """Give an organisation the words that it lacks. Where it has words of its own under a version, they stay."""
    rows = [{"organisation_id": organisation_id, "id": new_id(), **entry} for entry in library()]
    connection.execute(insert(ConsentText).on_conflict_do_nothing(), rows)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the words, the older versions too."""
    return queries.paginate(session, caller, TEXTS, paging, filters)


def read(session: Session, caller: Caller, text_id: UUID) -> Mapping[str, Any]:
    """Return one version of the words."""
    return queries.read(session, caller, "consent_text", text_id)


def create(session: Session, caller: Caller, data: ConsentTextCreate) -> Mapping[str, Any]:
    """Add words as the next version in their language. Two at once are a conflict."""
    last = session.scalar(
        select(func.max(ConsentText.version)).where(
            ConsentText.organisation_id == caller.organisation_id,
            ConsentText.recipient == data.recipient,
            ConsentText.language == data.language,
        )
    )
    text = ConsentText(
        organisation_id=caller.organisation_id,
        version=(last or 0) + 1,
        sha256=digest(data.words),
        **data.model_dump(),
    )
    session.add(text)
    events.record(session, caller, "consent_text.created", text, details={"version": text.version})
    return read(session, caller, text.id)


def require_shown(
    session: Session, caller: Caller, recipient: Recipient, given: ProviderConsent | ReferrerConsent | ConsentGiven
) -> Mapping[str, Any]:
    """Return the words that somebody consents to. Raise Conflict where they are not the latest, or were others."""
    words = session.execute(
        select(TABLE).where(
            TABLE.c.organisation_id == caller.organisation_id,
            TABLE.c.id == given.text_id,
            TABLE.c.recipient == recipient,
            TABLE.c.sha256 == given.text_sha256,
            IS_CURRENT,
        )
    ).one_or_none()
    if words is None:
        raise Conflict(
            "consent_text_outdated",
            "These are not the words to be shown now. Show the current ones of /v1/consent-texts, and ask again.",
        )
    return words._asdict()
