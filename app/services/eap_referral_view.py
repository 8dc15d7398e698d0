"""What is shown of a referral beside its row: its words, its consents, its reference, and where to turn to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, any_, bindparam, select
from sqlalchemy.orm import Session

from app import events, texts
from app.auth import Caller
from app.database import execute
from app.models import EapCase, EapReferral, EapSubmission
from app.models.eap_referral import Recipient, ReferralState
from app.policy.eap import COORDINATOR
from app.reads import Read
from app.relations import ORGANISATION
from app.services import eap_consent as consents
from app.services import eap_contacts as contacts
from app.services import eap_step as steps
from app.services import eap_submission as submissions

TABLE, CASE, SUBMISSION = EapReferral.__table__, EapCase.__table__, EapSubmission.__table__
NOTE, CONTACT = "eap_referral.note", "eap_referral.contact"
EXPLAINED = (ReferralState.rejected, ReferralState.on_hold, ReferralState.cancelled, ReferralState.failed)
BESIDE = (
    select(
        TABLE.c.id,
        CASE.c.reference,
        SUBMISSION.c.id.label("submission_id"),
        SUBMISSION.c.referred_by_id,
        SUBMISSION.c.reason,
    )
    .select_from(TABLE)
    .outerjoin(CASE, and_(CASE.c.organisation_id == TABLE.c.organisation_id, CASE.c.referral_id == TABLE.c.id))
    .outerjoin(
        SUBMISSION,
        and_(SUBMISSION.c.organisation_id == TABLE.c.organisation_id, SUBMISSION.c.id == TABLE.c.submission_id),
    )
    .where(TABLE.c.organisation_id == ORGANISATION, TABLE.c.id == any_(bindparam("referrals", type_=ARRAY(Uuid()))))
)


def opened(
    session: Session, caller: Caller, rows: Sequence[dict[str, Any]], *, looked_at: bool = False
) -> list[dict[str, Any]]:
    """Return referrals as they are shown. ``looked_at`` records that somebody else than the person reads them."""
    if looked_at:
        note_reads(session, caller, rows)
    ids = [row["id"] for row in rows]
    values = {"organisation_id": caller.organisation_id, "referrals": ids}
    beside = {row.id: row for row in execute(session, BESIDE, values)}
    last = {row.referral_id: row for row in execute(session, steps.LAST, values)}
    held = consents.current(session, caller, ids)
    words = _words(session, caller, rows, beside, last)
    numbers = contacts.help_contacts(session, caller)
    return [
        {
            **row,
            **words[row["id"]],
            "reference": beside[row["id"]].reference,
            "referred_by_id": beside[row["id"]].referred_by_id,
            "provider_consent": held.get((row["id"], Recipient.provider)),
            "referrer_consent": held.get((row["id"], Recipient.referrer)),
            "help_contacts": numbers,
        }
        for row in rows
    ]


def _words(
    session: Session,
    caller: Caller,
    rows: Sequence[Mapping[str, Any]],
    beside: Mapping[UUID, Any],
    last: Mapping[UUID, Any],
) -> dict[UUID, dict[str, str | None]]:
    """Return the sealed texts of referrals, all of them opened at once."""
    names = ("note", "contact", "referral_reason", "status_reason")
    found: dict[UUID, dict[str, str | None]] = {row["id"]: dict.fromkeys(names) for row in rows}
    sealed: list[tuple[UUID, str, texts.Sealed]] = []
    for row in rows:
        whose, other, step = row["employee_id"], beside[row["id"]], last.get(row["id"])
        explained = step.reason if step is not None and row["state"] in EXPLAINED else None
        offered: tuple[tuple[str, str, Any, bytes | None], ...] = (
            ("note", NOTE, row["id"], row["note"]),
            ("contact", CONTACT, row["id"], row["contact"]),
            ("referral_reason", submissions.REASON, other.submission_id, other.reason),
            ("status_reason", steps.REASON, step.id if step is not None else None, explained),
        )
        sealed += [(row["id"], name, (whose, at, key, kept)) for name, at, key, kept in offered if kept is not None]
    for (row_id, name, _), word in zip(
        sealed, texts.reveal_many(session, caller, [place for *_, place in sealed]), strict=True
    ):
        found[row_id][name] = word
    return found


def note_reads(session: Session, caller: Caller, rows: Iterable[Mapping[str, Any]]) -> None:
    """Record that somebody else than the person is shown these referrals."""
    reads = [Read(row["id"], row["employee_id"], COORDINATOR.name) for row in rows]
    events.record_reads(session, caller, "eap_referral", reads)


def case_of(session: Session, caller: Caller, referral: EapReferral) -> EapCase | None:
    """Return the provider's case of a referral, locked after it, or None where it was not sent."""
    query = select(EapCase).where(EapCase.organisation_id == caller.organisation_id, EapCase.referral_id == referral.id)
    return session.execute(query.with_for_update()).scalar_one_or_none()
