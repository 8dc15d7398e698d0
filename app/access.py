"""Who may do what, as a table.

Scopes bind clients; roles and relations bind people. A relation is a SQL predicate over the person that a row is
about, read from the database in the same transaction, never from a token. The same table guards one object, filters
lists, picks the fields shown, documents itself (``docs/access.md``) and generates the test matrix.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Uuid, and_, bindparam, false, or_, select, true
from sqlalchemy.sql.expression import exists

from app.auth import Caller
from app.errors import Forbidden
from app.models import (
    AgentAlias,
    AuditEntry,
    CallEvent,
    CallFlag,
    Client,
    ClientKey,
    Employee,
    Organisation,
    OutcomeMapping,
    Pillar,
    Practice,
    RefusedCallEvent,
    RoleGrant,
    ServiceArea,
    Source,
    StrainRule,
    StrainSignal,
    SupportPrompt,
    Team,
    TeamMember,
)
from app.models.client import Role

NAMES = (
    "organisation employees teams service-areas pillars sources call-events strain prompts plans mentors sessions eap"
    " webhooks audit clients scim"
)
SCOPES = tuple(f"{name}:{verb}" for name in NAMES.split() for verb in ("read", "write"))

ORGANISATION = bindparam("organisation_id", type_=Uuid())
ME = bindparam("me", type_=Uuid())

Predicate = Callable[[ColumnElement[Any]], ColumnElement[bool]]


@dataclass(frozen=True, eq=False)
class Relation:
    """How a person can stand to the person that a row is about. A role stands to everyone in the organisation."""

    name: str
    predicate: Predicate = field(default=lambda _subject: true())
    role: Role | None = None

    def applies_to(self, caller: Caller) -> bool:
        return caller.kind == "person" and (self.role is None or self.role in caller.roles)


def _reports_to_me(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    report = Employee.__table__.alias("report")
    return exists(
        select(1).where(report.c.organisation_id == ORGANISATION, report.c.id == subject, report.c.manager_id == ME)
    )


def _in_my_team(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    member, team = TeamMember.__table__.alias("member_of_mine"), Team.__table__.alias("team_of_mine")
    mine = and_(team.c.organisation_id == member.c.organisation_id, team.c.id == member.c.team_id)
    return exists(
        select(1)
        .select_from(member.join(team, mine))
        .where(member.c.organisation_id == ORGANISATION, member.c.employee_id == subject, team.c.lead_id == ME)
    )


SELF = Relation("self", lambda subject: subject == ME)
LINE_MANAGER = Relation("line_manager", _reports_to_me)
TEAM_LEAD = Relation("team_lead", _in_my_team)
ANYONE = Relation("anyone")
PROGRAMME_LEAD = Relation("programme_lead", role=Role.programme_lead)
HR_ADMINISTRATOR = Relation("hr_administrator", role=Role.hr_administrator)
AUDITOR = Relation("auditor", role=Role.auditor)
LEAD_OF_TEAM_PROMPTS = Relation(
    "programme_lead_of_team_prompts", lambda _subject: SupportPrompt.team_id.is_not(None), role=Role.programme_lead
)


@dataclass(frozen=True)
class Rule:
    """Who may do one thing to one kind of resource.

    ``scope`` lets clients (None: no client). ``relations`` let people (none: no person). ``client_sees`` and
    ``others_see`` narrow which rows clients and people other than the row's own person have; ``self_only`` fields are
    null for everyone but that person. ``moves`` maps the states in which the action is open to the state it leads to.
    """

    scope: str | None
    relations: frozenset[Relation] = frozenset()
    client_sees: Callable[[], ColumnElement[bool]] | None = None
    others_see: Callable[[], ColumnElement[bool]] | None = None
    self_only: frozenset[str] = frozenset()
    moves: Mapping[str, str] | None = None


def rule(scope: str | None, *relations: Relation, **options: Any) -> Rule:
    """Return a rule, so that the table reads as one."""
    return Rule(scope, frozenset(relations), **options)


def _source_of_mine(source_id: Any) -> Callable[[], ColumnElement[bool]]:
    source = Source.__table__.alias("source_of_mine")
    return lambda: exists(
        select(1).where(
            source.c.organisation_id == ORGANISATION,
            source.c.id == source_id,
            or_(source.c.client_id.is_(None), source.c.client_id == ME),
        )
    )


def _not_private(column: Any) -> Callable[[], ColumnElement[bool]]:
    return lambda: ~column


def _open_and_not_private() -> ColumnElement[bool]:
    return and_(~SupportPrompt.private, SupportPrompt.state == "offered", SupportPrompt.expires_at > bindparam("now"))


LEADS = (PROGRAMME_LEAD, HR_ADMINISTRATOR)
NEAR = (SELF, LINE_MANAGER, TEAM_LEAD)

POLICY: dict[tuple[str, str], Rule] = {
    ("organisation", "read"): rule("organisation:read", ANYONE),
    ("organisation", "update"): rule("organisation:write", PROGRAMME_LEAD),
    ("employee", "read"): rule("employees:read", *NEAR, *LEADS),
    ("employee", "create"): rule("employees:write", HR_ADMINISTRATOR),
    ("employee", "update"): rule("employees:write", HR_ADMINISTRATOR),
    ("employee", "deactivate"): rule("employees:write", HR_ADMINISTRATOR),
    ("employee", "reactivate"): rule("employees:write", HR_ADMINISTRATOR),
    ("employee", "pause_prompts"): rule(None, SELF),
    ("agent_alias", "read"): rule("employees:read", SELF, *LEADS),
    ("agent_alias", "create"): rule("employees:write", *LEADS),
    ("agent_alias", "delete"): rule("employees:write", *LEADS),
    ("team", "read"): rule("teams:read", ANYONE),
    ("team", "create"): rule("teams:write", *LEADS),
    ("team", "update"): rule("teams:write", *LEADS),
    ("team", "delete"): rule("teams:write", *LEADS),
    ("team_member", "read"): rule("teams:read", *NEAR, *LEADS),
    ("team_member", "create"): rule("teams:write", *LEADS),
    ("team_member", "delete"): rule("teams:write", *LEADS),
    ("service_area", "read"): rule("service-areas:read", ANYONE),
    ("service_area", "create"): rule("service-areas:write", *LEADS),
    ("service_area", "update"): rule("service-areas:write", *LEADS),
    ("service_area", "delete"): rule("service-areas:write", *LEADS),
    ("pillar", "read"): rule("pillars:read", ANYONE),
    ("pillar", "create"): rule("pillars:write", PROGRAMME_LEAD),
    ("pillar", "update"): rule("pillars:write", PROGRAMME_LEAD),
    ("pillar", "delete"): rule("pillars:write", PROGRAMME_LEAD),
    ("practice", "read"): rule("pillars:read", ANYONE),
    ("practice", "create"): rule("pillars:write", PROGRAMME_LEAD),
    ("practice", "update"): rule("pillars:write", PROGRAMME_LEAD),
    ("practice", "delete"): rule("pillars:write", PROGRAMME_LEAD),
    ("client", "read"): rule("clients:read", PROGRAMME_LEAD),
    ("client", "create"): rule("clients:write"),
    ("client", "update"): rule("clients:write"),
    ("client", "rotate"): rule("clients:write"),
    ("client", "revoke"): rule("clients:write", PROGRAMME_LEAD),
    ("client_key", "read"): rule("clients:read", PROGRAMME_LEAD),
    ("client_key", "create"): rule("clients:write"),
    ("client_key", "revoke"): rule("clients:write", PROGRAMME_LEAD),
    ("role_grant", "read"): rule("organisation:read", SELF, PROGRAMME_LEAD, AUDITOR),
    ("role_grant", "create"): rule("organisation:write", PROGRAMME_LEAD),
    ("role_grant", "approve"): rule(None, PROGRAMME_LEAD, moves={"pending": "active"}),
    ("role_grant", "revoke"): rule(
        "organisation:write", SELF, PROGRAMME_LEAD, moves={"pending": "revoked", "active": "revoked"}
    ),
    ("source", "read"): rule("sources:read", PROGRAMME_LEAD),
    ("source", "create"): rule("sources:write", PROGRAMME_LEAD),
    ("source", "update"): rule("sources:write", PROGRAMME_LEAD),
    ("outcome_mapping", "read"): rule("sources:read", PROGRAMME_LEAD),
    ("outcome_mapping", "write"): rule("sources:write", PROGRAMME_LEAD),
    ("call_event", "read"): rule(
        "call-events:read",
        *NEAR,
        client_sees=_source_of_mine(CallEvent.source_id),
        self_only=frozenset({"disputed_at", "dispute_reason"}),
    ),
    ("call_event", "create"): rule("call-events:write"),
    ("call_event", "void"): rule("call-events:write"),
    ("call_event", "dispute"): rule(None, SELF),
    ("refused_call_event", "read"): rule("call-events:read", client_sees=lambda: RefusedCallEvent.client_id == ME),
    ("refused_call_event", "replay"): rule("call-events:write"),
    ("call_flag", "read"): rule(None, SELF),
    ("call_flag", "create"): rule(None, ANYONE),
    ("call_flag", "take_back"): rule(None, SELF),
    ("strain_rule", "read"): rule("strain:read", ANYONE),
    ("strain_rule", "create"): rule("strain:write", PROGRAMME_LEAD),
    ("strain_rule", "update"): rule("strain:write", PROGRAMME_LEAD),
    ("strain_rule", "delete"): rule("strain:write", PROGRAMME_LEAD),
    ("strain_rule", "dry_run"): rule("strain:read", PROGRAMME_LEAD),
    ("strain_signal", "read"): rule("strain:read", SELF, client_sees=_not_private(StrainSignal.private)),
    ("support_prompt", "read"): rule(
        "prompts:read",
        *NEAR,
        LEAD_OF_TEAM_PROMPTS,
        client_sees=_not_private(SupportPrompt.private),
        others_see=_open_and_not_private,
        self_only=frozenset({"signal_id"}),
    ),
    ("support_prompt", "accept"): rule("prompts:write", SELF, LEAD_OF_TEAM_PROMPTS, moves={"offered": "accepted"}),
    ("support_prompt", "decline"): rule("prompts:write", SELF, LEAD_OF_TEAM_PROMPTS, moves={"offered": "declined"}),
    ("support_prompt", "complete"): rule("prompts:write", SELF, LEAD_OF_TEAM_PROMPTS, moves={"accepted": "done"}),
    ("audit_entry", "read"): rule("audit:read", AUDITOR),
    # Read only as the history of a row that the caller may read: see services/history.py.
    ("history_entry", "read"): rule("*", ANYONE),
    ("me", "read"): rule("*", ANYONE),
}

# The table behind each resource, and the column that holds the person whom a row is about (None: nobody).
MODELS: dict[str, tuple[type[Any], ColumnElement[Any] | None]] = {
    "organisation": (Organisation, None),
    "employee": (Employee, Employee.__table__.c.id),
    "agent_alias": (AgentAlias, AgentAlias.__table__.c.employee_id),
    "team": (Team, None),
    "team_member": (TeamMember, TeamMember.__table__.c.employee_id),
    "service_area": (ServiceArea, None),
    "pillar": (Pillar, None),
    "practice": (Practice, None),
    "client": (Client, None),
    "client_key": (ClientKey, None),
    "role_grant": (RoleGrant, RoleGrant.__table__.c.employee_id),
    "source": (Source, None),
    "outcome_mapping": (OutcomeMapping, None),
    "call_event": (CallEvent, CallEvent.__table__.c.employee_id),
    "refused_call_event": (RefusedCallEvent, None),
    "call_flag": (CallFlag, CallFlag.__table__.c.employee_id),
    "strain_rule": (StrainRule, None),
    "strain_signal": (StrainSignal, StrainSignal.__table__.c.employee_id),
    "support_prompt": (SupportPrompt, SupportPrompt.__table__.c.employee_id),
    "audit_entry": (AuditEntry, None),
    "history_entry": (AuditEntry, None),
}


def actions_on(resource: str) -> list[str]:
    """Return the actions that the policy knows for a resource, in its order."""
    return [action for name, action in POLICY if name == resource]


def admit(caller: Caller, rule: Rule) -> None:
    """Let a caller through the door of a route. Raise Forbidden where no row could ever be theirs."""
    if caller.kind == "client":
        if rule.scope is None:
            raise Forbidden("people_only", "Only a person can do this, with an access token.")
        if rule.scope != "*" and rule.scope not in caller.scopes:
            raise Forbidden("missing_scope", f"The client lacks the scope {rule.scope}.")
    elif not any(relation.applies_to(caller) for relation in rule.relations):
        raise Forbidden("missing_role", "You hold no role that may do this.")


@cache
def _predicate(resource: str, action: str, kind: str, roles: frozenset[str]) -> ColumnElement[bool]:
    rule, subject = POLICY[resource, action], MODELS[resource][1]
    if kind == "system":
        return true()
    if kind == "client":
        if rule.scope is None:
            return false()
        return rule.client_sees() if rule.client_sees else true()
    about: ColumnElement[Any] = subject if subject is not None else false()
    mine = [r.predicate(about) for r in rule.relations if r is SELF]
    theirs = [r.predicate(about) for r in rule.relations if r is not SELF and (r.role is None or r.role in roles)]
    wider = or_(false(), *theirs)
    return or_(*mine, and_(wider, rule.others_see()) if rule.others_see else wider)


def predicate(caller: Caller, resource: str, action: str) -> ColumnElement[bool]:
    """Return, as SQL over the resource's table, which rows this caller may do ``action`` to.

    It holds the parameters ``organisation_id``, ``me`` and sometimes ``now``: see ``parameters``.
    """
    return _predicate(resource, action, caller.kind, caller.roles)


@cache
def own_column(resource: str, kind: str) -> ColumnElement[bool] | None:
    """Return the column that says whether a row is about the calling person, where a rule of the resource asks."""
    subject = MODELS[resource][1]
    if kind != "person" or subject is None:
        return None
    return (subject == ME).label("is_mine")


def hidden_fields(caller: Caller, resource: str) -> frozenset[str]:
    """Return the fields of a row that this caller is shown as null unless the row is about them."""
    return POLICY[resource, "read"].self_only if caller.kind != "system" else frozenset()


def allowed_actions(caller: Caller, resource: str, row: Mapping[str, Any]) -> list[str]:
    """Return the actions open to this caller on this row, from the same table that guards the verbs."""
    mine, state = bool(row.get("is_mine")), row.get("state")
    return _open_actions(resource, caller.kind, caller.roles, caller.scopes, mine, state)


@lru_cache(maxsize=10_000)
def _open_actions(
    resource: str, kind: str, roles: frozenset[str], scopes: frozenset[str], mine: bool, state: str | None
) -> list[str]:
    def is_open(rule: Rule) -> bool:
        if rule.moves is not None and state not in rule.moves:
            return False
        if kind == "client":
            return rule.scope in scopes
        return any(mine if relation is SELF else relation.role in roles for relation in rule.relations)

    passive = ("read", "create", "dry_run")
    return [action for action in actions_on(resource) if action not in passive and is_open(POLICY[resource, action])]
