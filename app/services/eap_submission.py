"""A manager's suggestions of the EAP. Nothing that the person does changes one; what they share stands beside it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import and_, bindparam, case, select
from sqlalchemy.orm import Session

from app import clock, events, queries, texts
from app.auth import Caller
from app.database import execute
from app.errors import Conflict
from app.models import EapConsent, EapReferral, EapSubmission, Employee
from app.models.base import new_id
from app.models.eap_referral import Actor, Recipient, ReferralState, SubmissionState
from app.policy.eap import consented
from app.relations import ORGANISATION
from app.schemas.eap_referral import SubmissionCreate
from app.services import eap_step as steps

TABLE, REFERRAL, PERSON = EapSubmission.__table__, EapReferral.__table__, Employee.__table__
REASON = "eap_submission.reason"
SUBMISSIONS = queries.Listing(
    "eap_submission",
    sorts={"id": TABLE.c.id},
    filters={
        "employee_id": TABLE.c.employee_id == bindparam("employee_id"),
        "state": TABLE.c.state == bindparam("state"),
    },
    syncs=False,
)
SCOPES = ("none", "contact_made", "attendance", "progress")
PROGRESS = {
    ReferralState.requested: "waiting",
    ReferralState.accepted: "waiting",
    ReferralState.in_progress: "under_way",
    ReferralState.on_hold: "paused",
    ReferralState.rejected: "ended",
    ReferralState.completed: "ended",
    ReferralState.failed: "ended",
    ReferralState.cancelled: "ended",
}
_CONSENT = EapConsent.__table__.alias("current_consent")
# A leaver cannot take a consent back any more: with their account it ends.
_HOLDS = and_(
    consented(_CONSENT, Recipient.referrer, REFERRAL.c.id),
    _CONSENT.c.referrer_id == TABLE.c.referred_by_id,
    PERSON.c.active,
)
_PROGRESS = case({state.value: word for state, word in PROGRESS.items()}, value=REFERRAL.c.state)
# What the consent does not cover never leaves the database.
SHARED = (
    select(
        TABLE.c.id.label("submission_id"),
        case((_CONSENT.c.scope.in_(SCOPES), _CONSENT.c.scope), else_="none").label("scope"),
        case((_CONSENT.c.scope.in_(SCOPES[1:]), REFERRAL.c.first_contact_at.is_not(None))).label("contact_made"),
        case((_CONSENT.c.scope.in_(SCOPES[2:]), REFERRAL.c.sessions_used)).label("sessions_used"),
        case((_CONSENT.c.scope == SCOPES[3], _PROGRESS)).label("progress"),
        case((_CONSENT.c.scope.in_(SCOPES[1:]), _CONSENT.c.expires_at)).label("until"),
    )
    .select_from(TABLE)
    .outerjoin(
        REFERRAL,
        and_(REFERRAL.c.organisation_id == TABLE.c.organisation_id, REFERRAL.c.submission_id == TABLE.c.id),
    )
    .outerjoin(PERSON, and_(PERSON.c.organisation_id == TABLE.c.organisation_id, PERSON.c.id == TABLE.c.employee_id))
    .outerjoin(_CONSENT, _HOLDS)
    .where(TABLE.c.organisation_id == ORGANISATION, TABLE.c.id == bindparam("submission"))
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the caller's own suggestions."""
    page = queries.paginate(session, caller, SUBMISSIONS, paging, filters)
    return {**page, "data": _opened(session, caller, page["data"])}


def read(session: Session, caller: Caller, submission_id: UUID) -> Mapping[str, Any]:
    """Return one suggestion as it was made."""
    return _opened(session, caller, [queries.read(session, caller, "eap_submission", submission_id)])[0]


def _opened(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    sealed = [row for row in rows if row["reason"] is not None]
    words = texts.reveal_many(
        session, caller, [(row["employee_id"], REASON, row["id"], row["reason"]) for row in sealed]
    )
    reasons = {row["id"]: word for row, word in zip(sealed, words, strict=True)}
    return [{**row, "reason": reasons.get(row["id"])} for row in rows]


def read_shared(session: Session, caller: Caller, submission_id: UUID) -> Mapping[str, Any]:
    """Return what the person lets the caller know, by the consent that holds in this very statement."""
    queries.read(session, caller, "eap_submission", submission_id)
    values = {**queries.parameters(caller), "submission": submission_id}
    return execute(session, SHARED, values).one()._asdict()


def create(session: Session, caller: Caller, data: SubmissionCreate) -> Mapping[str, Any]:
    """Draft a suggestion to somebody whom the caller leads. Whether that person has a referral is not looked at."""
    employee = queries.get_subject(session, caller, "eap_submission", "create", data.employee_id)
    _require_active(employee)
    submission = EapSubmission(
        organisation_id=caller.organisation_id,
        id=new_id(),
        employee_id=employee.id,
        referred_by_id=caller.employee_id,
        kind=data.kind,
        state=SubmissionState.draft,
    )
    if data.reason is not None:
        texts.ensure_key(session, caller, employee.id)
        submission.reason = texts.seal(session, caller, employee.id, REASON, submission.id, data.reason)
    session.add(submission)
    events.record(session, caller, "eap_submission.created", submission)
    return read(session, caller, submission.id)


def propose(session: Session, caller: Caller, submission_id: UUID) -> Mapping[str, Any]:
    """Show it to the person, and to nobody else. From here on it is theirs to answer, and this stays as it is.

    The referral gets no audit entry of its own at this moment: that would lead from here to what becomes of it.
    """
    submission = queries.get_allowed(session, caller, EapSubmission, submission_id, "propose")
    _require_active(queries.get_subject(session, caller, "eap_submission", "create", submission.employee_id))
    submission.state, submission.proposed_at = SubmissionState.proposed, clock.now()
    referral = EapReferral(
        organisation_id=caller.organisation_id,
        id=uuid4(),
        employee_id=submission.employee_id,
        submission_id=submission.id,
        kind=submission.kind,
        state=ReferralState.proposed,
    )
    session.add(referral)
    session.flush()
    steps.record(session, caller, referral, Actor.referrer)
    events.record(session, caller, "eap_submission.proposed", submission)
    return read(session, caller, submission_id)


def delete(session: Session, caller: Caller, submission_id: UUID) -> None:
    """Throw a draft away. What was proposed stays."""
    submission = queries.get_allowed(session, caller, EapSubmission, submission_id, "delete")
    session.delete(submission)
    events.record(session, caller, "eap_submission.deleted", submission)


def _require_active(employee: Employee) -> None:
    if not employee.active:
        raise Conflict("employee_inactive", "The person has left the organisation.")
