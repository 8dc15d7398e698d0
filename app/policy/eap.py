"""Who may do what: the EAP directory, referrals and consents.

A referral is three rows that never move with one another: the person's referral, the referrer's submission and the
provider's case. What passes between them passes by consent, which is read in the same statement.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, or_, select
from sqlalchemy.sql.expression import exists
from sqlalchemy.sql.selectable import NamedFromClause

from app.models import (
    Client,
    ConsentText,
    EapCase,
    EapConsent,
    EapCount,
    EapProvider,
    EapProviderClient,
    EapReferral,
    EapService,
    EapStep,
    EapSubmission,
    Employee,
)
from app.models.client import Role
from app.models.eap_referral import Recipient
from app.policy.rule import Models, Policy, rule
from app.relations import ANYONE, LINE_MANAGER, ME, ORGANISATION, PROGRAMME_LEAD, SELF, TEAM_LEAD, Relation

EAP_READ, EAP_WRITE = "eap:read", "eap:write"
NOW = bindparam("now", type_=Employee.__table__.c.created_at.type)
CASE, REFERRAL, SUBMISSION = EapCase.__table__, EapReferral.__table__, EapSubmission.__table__
BINDING = EapProviderClient.__table__


def consented(
    consent: NamedFromClause, recipient: Recipient | ColumnElement[Any], referral_id: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Return, over ``consent``, which row lets a disclosure happen now: the last word, neither over nor taken back."""
    later = EapConsent.__table__.alias("later_consent")
    superseded = exists(
        select(1).where(
            later.c.organisation_id == ORGANISATION,
            later.c.referral_id == consent.c.referral_id,
            later.c.recipient == consent.c.recipient,
            later.c.number > consent.c.number,
        )
    )
    return and_(
        consent.c.organisation_id == ORGANISATION,
        consent.c.referral_id == referral_id,
        consent.c.recipient == recipient,
        consent.c.withdrawn_at.is_(None),
        or_(consent.c.expires_at.is_(None), consent.c.expires_at > NOW),
        ~superseded,
    )


def _disclosed_to_the_provider() -> ColumnElement[bool]:
    consent = EapConsent.__table__.alias("current_consent")
    return exists(
        select(1)
        .select_from(consent)
        .where(consented(consent, Recipient.provider, CASE.c.referral_id), consent.c.provider_id == CASE.c.provider_id)
    )


def _sent_to_my_provider() -> ColumnElement[bool]:
    mine = exists(
        select(1).where(
            BINDING.c.organisation_id == ORGANISATION,
            BINDING.c.client_id == ME,
            BINDING.c.provider_id == CASE.c.provider_id,
        )
    )
    return and_(mine, _disclosed_to_the_provider())


def _assigned(referral: ColumnElement[Any], coordinator: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether the caller coordinates it, and does not lead the person: then they know nothing of it."""
    return and_(coordinator == ME, ~LINE_MANAGER.predicate(referral), ~TEAM_LEAD.predicate(referral))


def _in_place_of_a_provider() -> ColumnElement[bool]:
    referral, client, binding = REFERRAL.alias("coordinated"), Client.__table__, BINDING.alias("provider_client")
    assigned = exists(
        select(1).where(
            referral.c.organisation_id == ORGANISATION,
            referral.c.id == CASE.c.referral_id,
            _assigned(referral.c.employee_id, referral.c.coordinator_id),
        )
    )
    acts_itself = exists(
        select(1)
        .select_from(
            binding.join(
                client, (client.c.organisation_id == binding.c.organisation_id) & (client.c.id == binding.c.client_id)
            )
        )
        .where(
            binding.c.organisation_id == ORGANISATION,
            binding.c.provider_id == CASE.c.provider_id,
            client.c.revoked_at.is_(None),
        )
    )
    return and_(assigned, ~acts_itself)


def _my_own_provider(provider_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Let a client that acts for a provider change that one alone, and a client of the programme all of them."""
    bound, own = BINDING.alias("bound"), BINDING.alias("own")
    return or_(
        ~exists(select(1).where(bound.c.organisation_id == ORGANISATION, bound.c.client_id == ME)),
        exists(
            select(1).where(
                own.c.organisation_id == ORGANISATION, own.c.client_id == ME, own.c.provider_id == provider_id
            )
        ),
    )


REFERRER = Relation("referrer", lambda _subject: SUBMISSION.c.referred_by_id == ME)
COORDINATOR = Relation(
    "eap_coordinator",
    lambda subject: _assigned(subject, REFERRAL.c.coordinator_id),
    role=Role.eap_coordinator,
    by_row=True,
)
IN_PLACE = Relation(
    "eap_coordinator_in_place",
    lambda _subject: _in_place_of_a_provider(),
    role=Role.eap_coordinator,
    by_row=True,
)

PENDING = {state: state for state in ("draft", "proposed")}
UNDER_WAY = ("requested", "accepted", "in_progress", "on_hold")
SENT = {state: state for state in (*UNDER_WAY, "rejected", "completed", "failed", "cancelled")}
BY_PROVIDER = {"client_sees": _sent_to_my_provider, "others_see": _disclosed_to_the_provider}

POLICY: Policy = {
    # The directory is everybody's: to look something up leaves no trace of who did.
    ("eap_provider", "read"): rule(EAP_READ, ANYONE),
    ("eap_provider", "create"): rule(EAP_WRITE, PROGRAMME_LEAD),
    ("eap_provider", "update"): rule(
        EAP_WRITE, PROGRAMME_LEAD, client_sees=lambda: _my_own_provider(EapProvider.__table__.c.id)
    ),
    ("eap_service", "read"): rule(EAP_READ, ANYONE),
    ("eap_service", "create"): rule(EAP_WRITE, PROGRAMME_LEAD),
    ("eap_service", "update"): rule(
        EAP_WRITE, PROGRAMME_LEAD, client_sees=lambda: _my_own_provider(EapService.__table__.c.provider_id)
    ),
    ("eap_provider_client", "read"): rule("clients:read", PROGRAMME_LEAD),
    ("eap_provider_client", "create"): rule("clients:write", PROGRAMME_LEAD),
    ("eap_provider_client", "delete"): rule("clients:write", PROGRAMME_LEAD),
    ("consent_text", "read"): rule(EAP_READ, ANYONE),
    ("consent_text", "create"): rule(None, PROGRAMME_LEAD),
    ("eap_referral", "read"): rule(None, SELF, COORDINATOR),
    ("eap_referral", "create"): rule(None, SELF),
    ("eap_referral", "update"): rule(None, SELF, moves=PENDING),
    ("eap_referral", "request"): rule(None, SELF, moves=dict.fromkeys(PENDING, "requested")),
    ("eap_referral", "decline"): rule(None, SELF, moves={"proposed": "declined_by_employee"}),
    ("eap_referral", "give_consent"): rule(None, SELF, moves=SENT),
    ("eap_referral", "withdraw_consent"): rule(None, SELF, moves=SENT),
    ("eap_referral", "assign_coordinator"): rule(None, SELF, moves={state: state for state in UNDER_WAY}),
    ("eap_referral", "cancel"): rule(None, SELF, COORDINATOR, moves=dict.fromkeys(("draft", *UNDER_WAY), "cancelled")),
    ("eap_referral", "count"): rule(None, PROGRAMME_LEAD),
    ("eap_consent", "read"): rule(None, SELF),
    # Read only as the history of a referral or a case that the caller may read: see services/eap_step.py.
    ("eap_step", "read"): rule("*", ANYONE),
    ("eap_submission", "read"): rule(None, REFERRER),
    ("eap_submission", "create"): rule(None, LINE_MANAGER, TEAM_LEAD),
    ("eap_submission", "propose"): rule(None, REFERRER, moves={"draft": "proposed"}),
    ("eap_submission", "delete"): rule(None, REFERRER, moves={"draft": "draft"}),
    ("eap_case", "read"): rule(EAP_READ, IN_PLACE, **BY_PROVIDER),
    ("eap_case", "accept"): rule(EAP_WRITE, IN_PLACE, **BY_PROVIDER, moves={"requested": "accepted"}),
    ("eap_case", "reject"): rule(EAP_WRITE, IN_PLACE, **BY_PROVIDER, moves={"requested": "rejected"}),
    ("eap_case", "start"): rule(EAP_WRITE, IN_PLACE, **BY_PROVIDER, moves={"accepted": "in_progress"}),
    ("eap_case", "hold"): rule(EAP_WRITE, IN_PLACE, **BY_PROVIDER, moves={"in_progress": "on_hold"}),
    ("eap_case", "resume"): rule(EAP_WRITE, IN_PLACE, **BY_PROVIDER, moves={"on_hold": "in_progress"}),
    ("eap_case", "record_attendance"): rule(
        EAP_WRITE, IN_PLACE, **BY_PROVIDER, moves={state: state for state in ("in_progress", "on_hold")}
    ),
    ("eap_case", "complete"): rule(
        EAP_WRITE, IN_PLACE, **BY_PROVIDER, moves=dict.fromkeys(("in_progress", "on_hold"), "completed")
    ),
    ("eap_case", "fail"): rule(
        EAP_WRITE, IN_PLACE, **BY_PROVIDER, moves=dict.fromkeys(("accepted", "in_progress", "on_hold"), "failed")
    ),
    ("eap_case", "cancel"): rule(EAP_WRITE, IN_PLACE, **BY_PROVIDER, moves=dict.fromkeys(UNDER_WAY, "cancelled")),
}

MODELS: Models = {
    "eap_provider": (EapProvider, None),
    "eap_service": (EapService, None),
    "eap_provider_client": (EapProviderClient, None),
    "consent_text": (ConsentText, None),
    "eap_referral": (EapReferral, REFERRAL.c.employee_id),
    "eap_consent": (EapConsent, EapConsent.__table__.c.employee_id),
    "eap_step": (EapStep, EapStep.__table__.c.employee_id),
    "eap_submission": (EapSubmission, SUBMISSION.c.employee_id),
    "eap_case": (EapCase, None),
    "eap_count": (EapCount, None),
}
