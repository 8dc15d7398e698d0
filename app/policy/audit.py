"""Who may do what: the audit, what was looked at, and reading in an emergency."""

from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam
from sqlalchemy.dialects.postgresql import TIMESTAMP

from app.models import AccessNotice, AuditEntry, BreakGlassRequest
from app.models.client import Role
from app.policy.rule import Models, Policy, rule
from app.relations import ANYONE, AUDITOR, LINE_MANAGER, ME, TEAM_LEAD, Relation

ENTRY, REQUEST, NOTICE = AuditEntry.__table__, BreakGlassRequest.__table__, AccessNotice.__table__
NOW = bindparam("now", type_=TIMESTAMP(timezone=True))

# Of these an auditor reads that something happened, and who else than the subject did it: never about whom.
WITHOUT_SUBJECT = (
    "eap_referral",
    "eap_submission",
    "eap_case",
    "eap_consent",
    "eap_step",
    "break_glass_request",
    "access_notice",
)
# Of these an auditor reads nothing at all.
NOT_AUDITED = ("thought_record", "thought_share")


def _changes() -> ColumnElement[bool]:
    return ENTRY.c.access_right.is_(None)


def _audited() -> ColumnElement[bool]:
    return ENTRY.c.resource.not_in(NOT_AUDITED)


def _looked_at(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return which entries say that somebody else looked at the caller's own, as far as they may know by now."""
    untold = NOTICE.alias("untold_notice")
    hidden = (
        untold.select()
        .with_only_columns(untold.c.id)
        .where(untold.c.organisation_id == ENTRY.c.organisation_id, untold.c.employee_id == ME)
        .where(untold.c.told_at > NOW, ENTRY.c.id == untold.c.entry_ids.any_())
    )
    return and_(subject == ME, ENTRY.c.access_right.is_not(None), ~hidden.exists())


def _beside(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether the caller neither is the person nor leads them."""
    return and_(subject != ME, ~LINE_MANAGER.predicate(subject), ~TEAM_LEAD.predicate(subject))


def _second(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether the caller is somebody else than all who have a part in the request."""
    return and_(_beside(subject), REQUEST.c.requested_by_id != ME, REQUEST.c.approved_by_id.is_distinct_from(ME))


LOOKED_AT = Relation("looked_at", _looked_at)
TOLD = Relation("told", lambda subject: and_(subject == ME, NOTICE.c.told_at <= NOW))
REQUESTER = Relation("requester", lambda _subject: REQUEST.c.requested_by_id == ME)
BESIDE = tuple(
    Relation(f"{role}_beside", _beside, role=role, by_row=True)
    for role in (Role.eap_coordinator, Role.programme_lead, Role.data_protection_officer)
)
SECOND = tuple(
    Relation(f"second_{role}", _second, role=role, by_row=True)
    for role in (Role.programme_lead, Role.data_protection_officer)
)

POLICY: Policy = {
    ("audit_entry", "read"): rule("audit:read", AUDITOR, client_sees=_audited, others_see=_audited),
    # Read only as the history of a row that the caller may read: see services/history.py.
    ("history_entry", "read"): rule("*", ANYONE, client_sees=_changes, others_see=_changes),
    ("access_log_entry", "read"): rule(None, LOOKED_AT),
    ("access_notice", "read"): rule(None, TOLD),
    ("access_notice", "acknowledge"): rule(None, TOLD),
    # Whether there is a referral, no answer says before a second person has approved.
    ("break_glass_request", "read"): rule(None, REQUESTER, *BESIDE[1:]),
    ("break_glass_request", "create"): rule(None, *BESIDE),
    ("break_glass_request", "approve"): rule(None, *SECOND, moves={"pending": "approved"}),
    ("break_glass_request", "deny"): rule(None, *SECOND, moves=dict.fromkeys(("pending", "approved"), "denied")),
    ("break_glass_request", "open"): rule(None, REQUESTER, moves={"approved": "used"}),
}

MODELS: Models = {
    "audit_entry": (AuditEntry, None),
    "history_entry": (AuditEntry, None),
    "access_log_entry": (AuditEntry, ENTRY.c.subject_id),
    "access_notice": (AccessNotice, NOTICE.c.employee_id),
    "break_glass_request": (BreakGlassRequest, REQUEST.c.employee_id),
}
