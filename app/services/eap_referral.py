"""EAP referrals as the person has them: drafted or answered, sent, consented to and cancelled by them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from app import clock, events, queries, texts
from app.auth import Caller
from app.errors import Conflict, Fault, Unprocessable
from app.models import EapProvider, EapReferral, EapService
from app.models.eap_provider import EapStatus
from app.models.eap_referral import Actor, ConsentScope, Recipient, ReferralKind, ReferralState
from app.schemas.eap_referral import (
    ConsentGiven,
    ConsentWithdrawn,
    CoordinatorChoice,
    ReferralCreate,
    ReferralRequest,
    ReferralUpdate,
    StatusReason,
)
from app.services import eap_case as cases
from app.services import eap_consent as consents
from app.services import eap_coordinator as coordinators
from app.services import eap_referral_view as views
from app.services import eap_step as steps
from app.services import webhook_delivery as deliveries

TABLE = EapReferral.__table__
REFERRALS = queries.Listing(
    "eap_referral",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={"kind": TABLE.c.kind == bindparam("kind"), "state": TABLE.c.state == bindparam("state")},
    default_sort="-created_at",
    syncs=False,
)
SEALED = {"note": views.NOTE, "contact": views.CONTACT}


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of one's own referrals, and of those that one coordinates."""
    page = queries.paginate(session, caller, REFERRALS, paging, filters)
    return {**page, "data": views.opened(session, caller, page["data"], looked_at=True)}


def read(session: Session, caller: Caller, referral_id: UUID) -> Mapping[str, Any]:
    """Return one referral. That a coordinator looked at it is recorded."""
    return views.opened(session, caller, [queries.read(session, caller, "eap_referral", referral_id)], looked_at=True)[
        0
    ]


def _changed(session: Session, caller: Caller, referral_id: UUID) -> Mapping[str, Any]:
    return views.opened(session, caller, [queries.read(session, caller, "eap_referral", referral_id)])[0]


def list_history(session: Session, caller: Caller, paging: queries.Paging, referral_id: UUID) -> Mapping[str, Any]:
    """Return a page of what became of a referral."""
    row = queries.read(session, caller, "eap_referral", referral_id)
    views.note_reads(session, caller, [row])
    return steps.list_of_referral(session, caller, paging, referral_id)


def create(session: Session, caller: Caller, data: ReferralCreate) -> Mapping[str, Any]:
    """Draft a referral of one's own. Raise Unprocessable for a service that is not there."""
    referral = EapReferral(
        organisation_id=caller.organisation_id,
        id=uuid4(),
        employee_id=caller.employee_id,
        kind=ReferralKind.self_,
        state=ReferralState.draft,
        sessions_used=0,
    )
    _apply(session, caller, referral, data.model_dump(exclude={"kind"}))
    session.add(referral)
    session.flush()
    steps.record(session, caller, referral, Actor.employee)
    events.record(session, caller, "eap_referral.created", referral)
    return _changed(session, caller, referral.id)


def update(session: Session, caller: Caller, referral_id: UUID, data: ReferralUpdate) -> Mapping[str, Any]:
    """Change what is not sent yet."""
    referral = queries.get_allowed(session, caller, EapReferral, referral_id, "update")
    changed = _apply(session, caller, referral, data.given())
    if changed:
        events.record(session, caller, "eap_referral.updated", referral, details={"fields": sorted(changed)})
    return _changed(session, caller, referral_id)


def _apply(session: Session, caller: Caller, referral: EapReferral, given: Mapping[str, Any]) -> set[str]:
    """Set what was given and return the names of what that changes; words that are given again are new words."""
    if given.get("service_id") is not None:
        queries.get_owned(session, caller, EapService, given["service_id"], "/service_id")
    values = dict(given)
    for name, column in SEALED.items():
        if given.get(name) is not None:
            values[name] = texts.seal(session, caller, referral.employee_id, column, referral.id, given[name])
    changed = {name for name, value in values.items() if getattr(referral, name) != value}
    for name in changed:
        setattr(referral, name, values[name])
    return changed


def request(session: Session, caller: Caller, referral_id: UUID, data: ReferralRequest) -> Mapping[str, Any]:
    """Send a draft, or a suggestion that the person hereby agrees to, to the provider, with their consent.

    Raise Conflict where no service is chosen, it cannot be turned to now, or nobody could take it on.
    """
    referral = queries.get_allowed(session, caller, EapReferral, referral_id, "request")
    service = _chosen_service(session, caller, referral)
    if data.referrer_consent is not None and referral.submission_id is None:
        raise Unprocessable(faults=[Fault("/referrer_consent", "no_referrer", "Nobody suggested it to you.")])
    now = clock.now()
    referral.provider_id, referral.sessions_included = service.provider_id, service.sessions_included
    referral.state, referral.requested_at = ReferralState.requested, now
    within: int = getattr(service, f"{referral.urgency}_seconds")
    referral.first_contact_due_at = now + timedelta(seconds=within)
    _assign(session, caller, referral, data.with_coordinator)
    _consent(session, caller, referral, Recipient.provider, data.provider_consent)
    if data.referrer_consent is not None:
        _consent(session, caller, referral, Recipient.referrer, data.referrer_consent)
    case = cases.open_case(caller, referral)
    session.add(case)
    session.flush()
    steps.record(session, caller, referral, Actor.employee)
    events.record(session, caller, "eap_referral.requested", referral)
    events.record(session, caller, "eap_case.sent", case)
    return _changed(session, caller, referral_id)


def _chosen_service(session: Session, caller: Caller, referral: EapReferral) -> EapService:
    if referral.service_id is None:
        raise Conflict("no_service", "Choose a service of the directory first.")
    service = session.get_one(EapService, (caller.organisation_id, referral.service_id))
    provider = session.get_one(EapProvider, (caller.organisation_id, service.provider_id))
    if (service.status, provider.status) != (EapStatus.active, EapStatus.active):
        raise Conflict("service_unavailable", "This service cannot be turned to now. Choose another one.")
    return service


def _assign(session: Session, caller: Caller, referral: EapReferral, wanted: bool) -> None:
    referral.coordinator_id = coordinators.choose(session, caller, referral) if wanted else None
    if referral.coordinator_id is None and referral.provider_id is not None:
        if coordinators.provider_acts_itself(session, caller, referral.provider_id):
            return
        raise Conflict(
            "needs_coordinator",
            "This provider can only be reached through a coordinator, and there is none for it. Call it yourself.",
        )


def _consent(session: Session, caller: Caller, referral: EapReferral, recipient: Recipient, given: Any) -> None:
    if given.scope == ConsentScope.name_and_contact and referral.contact is None:
        raise Conflict("no_contact", "Say first how you may be reached.")
    consents.give(session, caller, referral, recipient, given)


def decline(session: Session, caller: Caller, referral_id: UUID) -> Mapping[str, Any]:
    """Say no to a suggestion. No reason is asked for or kept, and nothing follows."""
    referral = queries.get_allowed(session, caller, EapReferral, referral_id, "decline")
    referral.state, referral.closed_at = ReferralState.declined_by_employee, clock.now()
    session.flush()
    steps.record(session, caller, referral, Actor.employee)
    events.record(session, caller, "eap_referral.declined_by_employee", referral)
    return _changed(session, caller, referral_id)


def cancel(session: Session, caller: Caller, referral_id: UUID, data: StatusReason) -> Mapping[str, Any]:
    """End a referral that is a draft or under way."""
    referral = queries.get_allowed(session, caller, EapReferral, referral_id, "cancel")
    referral.state, referral.closed_at = ReferralState.cancelled, clock.now()
    case = views.case_of(session, caller, referral)
    if case is not None:
        case.state, case.closed_at = referral.state, referral.closed_at
        events.record(session, caller, "eap_case.cancelled", case)
    by = Actor.employee if referral.employee_id == caller.employee_id else Actor.coordinator
    steps.record(session, caller, referral, by, data.reason)
    events.record(session, caller, "eap_referral.cancelled", referral)
    return _changed(session, caller, referral_id)


def give_consent(session: Session, caller: Caller, referral_id: UUID, data: ConsentGiven) -> Mapping[str, Any]:
    """Consent to a disclosure, or to another scope of it, in place of what was consented to before."""
    referral = queries.get_allowed(session, caller, EapReferral, referral_id, "give_consent")
    _consent(session, caller, referral, data.recipient, data)
    return _consents_changed(session, caller, referral, data.recipient, "given")


def withdraw_consent(session: Session, caller: Caller, referral_id: UUID, data: ConsentWithdrawn) -> Mapping[str, Any]:
    """Take a consent back. It counts from the next read of whoever had it; doing it twice is doing it once."""
    referral = queries.get_allowed(session, caller, EapReferral, referral_id, "withdraw_consent")
    if not consents.withdraw(session, caller, referral, data.recipient):
        return _changed(session, caller, referral_id)
    return _consents_changed(session, caller, referral, data.recipient, "withdrawn")


def _consents_changed(
    session: Session, caller: Caller, referral: EapReferral, recipient: Recipient, what: str
) -> Mapping[str, Any]:
    """Give what is shown to those who see the consent a new version: the provider's case of its own consent alone."""
    referral.updated_at = clock.now()
    events.record(session, caller, f"eap_referral.consent_{what}", referral)
    case = views.case_of(session, caller, referral) if recipient == Recipient.provider else None
    if case is not None:
        case.updated_at = clock.now()
        events.record(session, caller, f"eap_case.consent_{what}", case)
        if what == "withdrawn":
            deliveries.withdraw_case(session, caller, case)
    return _changed(session, caller, referral.id)


def assign_coordinator(
    session: Session, caller: Caller, referral_id: UUID, data: CoordinatorChoice
) -> Mapping[str, Any]:
    """Ask another coordinator to help, or none. Raise Conflict where there is no other one, or it needs one."""
    referral = queries.get_allowed(session, caller, EapReferral, referral_id, "assign_coordinator")
    before = referral.coordinator_id
    if data.with_coordinator:
        referral.coordinator_id = coordinators.choose(session, caller, referral, before)
        if referral.coordinator_id is None:
            raise Conflict("no_coordinator", "There is no other coordinator who could help with it.")
    else:
        _assign(session, caller, referral, wanted=False)
    if referral.coordinator_id != before:
        events.record(session, caller, "eap_referral.coordinator_changed", referral)
    return _changed(session, caller, referral_id)
