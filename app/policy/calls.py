"""Who may do what: call events, strain and support prompts."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, any_, bindparam, or_, select
from sqlalchemy.sql.expression import exists

from app.models import (
    CallEvent,
    CallFlag,
    Client,
    OutcomeMapping,
    RefusedCallEvent,
    Source,
    SourceCredential,
    StrainRule,
    StrainSignal,
    SupportPrompt,
    UnmappedCode,
)
from app.policy.rule import Models, Policy, not_private, rule
from app.relations import ANYONE, LEAD_OF_TEAM_PROMPTS, ME, NEAR, ORGANISATION, PROGRAMME_LEAD, SELF

CALL_EVENTS_WRITE = "call-events:write"


def _source_of_mine(source_id: Any) -> Callable[[], ColumnElement[bool]]:
    source = Source.__table__.alias("source_of_mine")
    return lambda: exists(
        select(1).where(
            source.c.organisation_id == ORGANISATION,
            source.c.id == source_id,
            or_(source.c.client_id.is_(None), source.c.client_id == ME),
        )
    )


def _source_to_administer(source_id: Any) -> Callable[[], ColumnElement[bool]]:
    """Let a client that posts call events see its own sources, and one that only administers see all of them."""
    poster = Client.__table__.alias("poster")
    posts = exists(
        select(1).where(
            poster.c.organisation_id == ORGANISATION, poster.c.id == ME, any_(poster.c.scopes) == CALL_EVENTS_WRITE
        )
    )
    own = _source_of_mine(source_id)
    return lambda: or_(own(), ~posts)


def _parked() -> ColumnElement[bool]:
    """Let clients see what could not be taken of what came to the address of a source that they see."""
    return and_(RefusedCallEvent.client_id.is_(None), _source_to_administer(RefusedCallEvent.source_id)())


def _open_and_not_private() -> ColumnElement[bool]:
    """Let leads see open offers of their reports, and the programme lead what became of those about a team."""
    open_ = and_(SupportPrompt.state == "offered", SupportPrompt.expires_at > bindparam("now"))
    return and_(~SupportPrompt.private, or_(open_, SupportPrompt.team_id.is_not(None)))


def _not_retired() -> ColumnElement[bool]:
    return StrainRule.retired_at.is_(None)


POLICY: Policy = {
    ("source", "read"): rule("sources:read", PROGRAMME_LEAD, client_sees=_source_to_administer(Source.id)),
    ("source", "create"): rule("sources:write", PROGRAMME_LEAD),
    ("source", "update"): rule("sources:write", PROGRAMME_LEAD),
    ("source", "dry_run"): rule("sources:write", PROGRAMME_LEAD),
    ("source_credential", "read"): rule(
        "sources:read", PROGRAMME_LEAD, client_sees=_source_to_administer(SourceCredential.source_id)
    ),
    ("source_credential", "create"): rule("sources:write", PROGRAMME_LEAD),
    ("source_credential", "delete"): rule("sources:write", PROGRAMME_LEAD),
    ("outcome_mapping", "read"): rule(
        "sources:read", PROGRAMME_LEAD, client_sees=_source_to_administer(OutcomeMapping.source_id)
    ),
    ("outcome_mapping", "create"): rule("sources:write", PROGRAMME_LEAD),
    ("outcome_mapping", "update"): rule("sources:write", PROGRAMME_LEAD),
    ("outcome_mapping", "delete"): rule("sources:write", PROGRAMME_LEAD),
    ("unmapped_code", "read"): rule(
        "sources:read", PROGRAMME_LEAD, client_sees=_source_to_administer(UnmappedCode.source_id)
    ),
    ("call_event", "read"): rule(
        "call-events:read",
        *NEAR,
        client_sees=_source_of_mine(CallEvent.source_id),
        self_only=frozenset({"disputed_at", "dispute_reason"}),
    ),
    ("call_event", "create"): rule("call-events:write"),
    ("call_event", "void"): rule("call-events:write"),
    ("call_event", "dispute"): rule(None, SELF),
    ("call_event", "withdraw_dispute"): rule(None, SELF),
    ("refused_call_event", "read"): rule("call-events:read", client_sees=lambda: RefusedCallEvent.client_id == ME),
    ("refused_call_event", "replay"): rule("call-events:write"),
    ("parked_call_event", "read"): rule(
        "call-events:read", PROGRAMME_LEAD, client_sees=_parked, others_see=lambda: RefusedCallEvent.client_id.is_(None)
    ),
    ("parked_call_event", "replay"): rule("call-events:write", PROGRAMME_LEAD),
    ("call_flag", "read"): rule(None, SELF),
    ("call_flag", "create"): rule(None, ANYONE),
    ("call_flag", "take_back"): rule(None, SELF),
    ("strain_rule", "read"): rule("strain:read", ANYONE, client_sees=_not_retired, others_see=_not_retired),
    ("strain_rule", "create"): rule("strain:write", PROGRAMME_LEAD),
    ("strain_rule", "update"): rule("strain:write", PROGRAMME_LEAD),
    ("strain_rule", "delete"): rule("strain:write", PROGRAMME_LEAD),
    ("strain_rule", "dry_run"): rule("strain:read", PROGRAMME_LEAD),
    ("strain_signal", "read"): rule("strain:read", SELF, client_sees=not_private(StrainSignal.private)),
    ("support_prompt", "read"): rule(
        "prompts:read",
        *NEAR,
        LEAD_OF_TEAM_PROMPTS,
        client_sees=not_private(SupportPrompt.private),
        others_see=_open_and_not_private,
        self_only=frozenset({"signal_id"}),
    ),
    ("support_prompt", "accept"): rule("prompts:write", SELF, LEAD_OF_TEAM_PROMPTS, moves={"offered": "accepted"}),
    ("support_prompt", "decline"): rule("prompts:write", SELF, LEAD_OF_TEAM_PROMPTS, moves={"offered": "declined"}),
    ("support_prompt", "complete"): rule("prompts:write", SELF, LEAD_OF_TEAM_PROMPTS, moves={"accepted": "done"}),
}

MODELS: Models = {
    "source": (Source, None),
    "outcome_mapping": (OutcomeMapping, None),
    "unmapped_code": (UnmappedCode, None),
    "call_event": (CallEvent, CallEvent.__table__.c.employee_id),
    "refused_call_event": (RefusedCallEvent, None),
    "parked_call_event": (RefusedCallEvent, None),
    "source_credential": (SourceCredential, None),
    "call_flag": (CallFlag, CallFlag.__table__.c.employee_id),
    "strain_rule": (StrainRule, None),
    "strain_signal": (StrainSignal, StrainSignal.__table__.c.employee_id),
    "support_prompt": (SupportPrompt, SupportPrompt.__table__.c.employee_id),
}
