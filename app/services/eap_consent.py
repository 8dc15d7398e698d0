"""Consents: a trail that only grows. The last entry for a recipient counts, while it holds."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, bindparam, func, select
from sqlalchemy.orm import Session

from app import clock, queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault, Unprocessable
from app.models import EapConsent, EapReferral, EapSubmission
from app.models.eap_referral import TO_PROVIDER, TO_REFERRER, ConsentScope, Recipient
from app.policy.eap import consented
from app.relations import ORGANISATION
from app.schemas.eap_referral import ConsentGiven, ProviderConsent, ReferrerConsent
from app.services import consent_text

TABLE = EapConsent.__table__
# Our own starting point: a consent that nobody thinks of any more should not go on for ever.
REFERRER_FOR = timedelta(days=180)
LONGEST = timedelta(days=2 * 366)
CONSENTS = queries.Listing(
    "eap_consent",
    sorts={"id": TABLE.c.id},
    filters={"referral_id": TABLE.c.referral_id == bindparam("referral_id")},
    default_sort="-id",
    syncs=False,
)


def _current() -> Select[Any]:
    consent, referral = TABLE.alias("current_consent"), EapReferral.__table__
    wanted = referral.c.id.in_(select(func.unnest(bindparam("referrals", type_=ARRAY(Uuid())))))
    return (
        select(consent)
        .select_from(referral)
        .join(consent, consented(consent, consent.c.recipient, referral.c.id))
        .where(referral.c.organisation_id == ORGANISATION, wanted)
    )


def list_(session: Session, caller: Caller, paging: queries.Paging, referral_id: UUID) -> Mapping[str, Any]:
    """Return a page of what was consented to and taken back, the newest first."""
    queries.read(session, caller, "eap_referral", referral_id)
    return queries.paginate(session, caller, CONSENTS, paging, {"referral_id": referral_id})


def give(
    session: Session,
    caller: Caller,
    referral: EapReferral,
    recipient: Recipient,
    given: ProviderConsent | ReferrerConsent | ConsentGiven,
) -> None:
    """Keep a consent of the referral's person, in place of the one before. The referral is locked.

    Raise Unprocessable for a recipient that it does not have, a scope that is another recipient's, or an end that is
    past or too far; Conflict for words that are not the ones to be shown.
    """
    scope, now = ConsentScope(given.scope), clock.now()
    _require_scope_of(recipient, scope)
    if given.expires_at is not None and not now < given.expires_at <= now + LONGEST:
        detail = f"Must lie ahead, by at most {LONGEST.days} days."
        raise Unprocessable(faults=[Fault("/expires_at", "out_of_range", detail)])
    words = consent_text.require_shown(session, caller, recipient, given)
    until = now + REFERRER_FOR if recipient == Recipient.referrer else None
    session.add(
        EapConsent(
            organisation_id=caller.organisation_id,
            referral_id=referral.id,
            employee_id=referral.employee_id,
            number=_last_number(session, caller, referral, recipient) + 1,
            recipient=recipient,
            **_whom(session, caller, referral, recipient),
            scope=scope,
            text_id=words["id"],
            text_version=words["version"],
            text_sha256=words["sha256"],
            given_at=now,
            expires_at=given.expires_at or until,
        )
    )


def _require_scope_of(recipient: Recipient, scope: ConsentScope) -> None:
    allowed = TO_PROVIDER if recipient == Recipient.provider else TO_REFERRER
    if scope not in allowed:
        detail = f"To this recipient it is one of {', '.join(allowed)}."
        raise Unprocessable(faults=[Fault("/scope", "invalid", detail)])


def withdraw(session: Session, caller: Caller, referral: EapReferral, recipient: Recipient) -> bool:
    """Take back the consent that holds, by a new entry, and return whether there was one."""
    last = session.scalar(
        select(EapConsent)
        .where(
            EapConsent.organisation_id == caller.organisation_id,
            EapConsent.referral_id == referral.id,
            EapConsent.recipient == recipient,
        )
        .order_by(EapConsent.number.desc())
        .limit(1)
    )
    if last is None or last.withdrawn_at is not None:
        return False
    kept = {column.name: getattr(last, column.name) for column in TABLE.c if column.name not in ("id", "number")}
    session.add(EapConsent(**{**kept, "number": last.number + 1, "withdrawn_at": clock.now()}))
    return True


def current(
    session: Session, caller: Caller, referrals: list[UUID]
) -> Mapping[tuple[UUID, Recipient], Mapping[str, Any]]:
    """Return the consents that hold now, by referral and recipient."""
    rows = execute(session, CURRENT, {**queries.parameters(caller), "referrals": referrals})
    return {(row.referral_id, Recipient(row.recipient)): row._asdict() for row in rows}


def _last_number(session: Session, caller: Caller, referral: EapReferral, recipient: Recipient) -> int:
    last = session.scalar(
        select(func.max(EapConsent.number)).where(
            EapConsent.organisation_id == caller.organisation_id,
            EapConsent.referral_id == referral.id,
            EapConsent.recipient == recipient,
        )
    )
    return last or 0


def _whom(session: Session, caller: Caller, referral: EapReferral, recipient: Recipient) -> dict[str, UUID | None]:
    if recipient == Recipient.provider:
        return {"provider_id": referral.provider_id}
    if referral.submission_id is None:
        raise Conflict("no_referrer", "Nobody suggested this to you: there is nobody else to let know.")
    submission = session.get_one(EapSubmission, (caller.organisation_id, referral.submission_id))
    return {"referrer_id": submission.referred_by_id}


CURRENT = _current()
