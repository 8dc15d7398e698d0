"""Who may do what, as a table.

Scopes bind clients; roles and relations bind people. A relation is a SQL predicate over the person that a row is
about, read from the database in the same transaction, never from a token. The same table guards one object, filters
lists, picks the fields shown, documents itself (``docs/access.md``) and generates the test matrix.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Uuid, and_, any_, bindparam, false, or_, select, true
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
    DevelopmentPlan,
    Employee,
    Goal,
    GoalTemplate,
    Organisation,
    OutcomeMapping,
    Pillar,
    Practice,
    ProgressUpdate,
    RefusedCallEvent,
    Review,
    ReviewAction,
    RoleGrant,
    ServiceArea,
    Source,
    StrainRule,
    StrainSignal,
    SupportPrompt,
    Team,
    TeamMember,
    UnmappedCode,
)
from app.models.client import Role

NAMES = (
    "organisation employees teams service-areas pillars sources call-events strain prompts plans mentors sessions eap"
    " webhooks audit clients scim"
)
CALL_EVENTS_WRITE = "call-events:write"
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


def _without_a_lead(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether it is the caller's own, and nobody leads them."""
    person = Employee.__table__.alias("person_without_a_lead")
    member, team = TeamMember.__table__.alias("member_without_a_lead"), Team.__table__.alias("team_with_a_lead")
    led = and_(team.c.organisation_id == member.c.organisation_id, team.c.id == member.c.team_id)
    in_a_led_team = exists(
        select(1)
        .select_from(member.join(team, led))
        .where(member.c.organisation_id == ORGANISATION, member.c.employee_id == subject)
        .where(team.c.lead_id.is_not(None), team.c.lead_id != subject)
    )
    managed = exists(
        select(1).where(
            person.c.organisation_id == ORGANISATION, person.c.id == subject, person.c.manager_id.is_not(None)
        )
    )
    return and_(subject == ME, ~managed, ~in_a_led_team)


SELF = Relation("self", lambda subject: subject == ME)
SELF_WITHOUT_A_LEAD = Relation("self_without_a_lead", _without_a_lead)
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
    ``on_active`` shows the action as open on active or on inactive rows alone; the verb itself may be repeated.
    """

    scope: str | None
    relations: frozenset[Relation] = frozenset()
    client_sees: Callable[[], ColumnElement[bool]] | None = None
    others_see: Callable[[], ColumnElement[bool]] | None = None
    self_only: frozenset[str] = frozenset()
    moves: Mapping[str, str] | None = None
    on_active: bool | None = None


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


def _not_private(column: Any) -> Callable[[], ColumnElement[bool]]:
    return lambda: ~column


def _open_and_not_private() -> ColumnElement[bool]:
    """Let leads see open offers of their reports, and the programme lead what became of those about a team."""
    open_ = and_(SupportPrompt.state == "offered", SupportPrompt.expires_at > bindparam("now"))
    return and_(~SupportPrompt.private, or_(open_, SupportPrompt.team_id.is_not(None)))


def _not_retired() -> ColumnElement[bool]:
    return StrainRule.retired_at.is_(None)


def _still_proposed() -> ColumnElement[bool]:
    return DevelopmentPlan.__table__.c.state == "proposed"


def _in_a_proposed_plan() -> ColumnElement[bool]:
    plan, goal = DevelopmentPlan.__table__.alias("plan_of_goal"), Goal.__table__
    return and_(
        ~goal.c.private,
        exists(
            select(1).where(
                plan.c.organisation_id == ORGANISATION, plan.c.id == goal.c.plan_id, plan.c.state == "proposed"
            )
        ),
    )


def _of_a_goal_not_private() -> ColumnElement[bool]:
    goal = Goal.__table__.alias("goal_of_update")
    return exists(
        select(1).where(
            goal.c.organisation_id == ORGANISATION, goal.c.id == ProgressUpdate.__table__.c.goal_id, ~goal.c.private
        )
    )


LEADS = (PROGRAMME_LEAD, HR_ADMINISTRATOR)
NEAR = (SELF, LINE_MANAGER, TEAM_LEAD)
OPEN_PLAN = {state: state for state in ("draft", "active", "in_review")}
OPEN_GOAL = {state: state for state in ("draft", "active")}

POLICY: dict[tuple[str, str], Rule] = {
    ("organisation", "read"): rule("organisation:read", ANYONE),
    ("organisation", "update"): rule("organisation:write", PROGRAMME_LEAD),
    ("employee", "read"): rule("employees:read", *NEAR, *LEADS),
    ("employee", "create"): rule("employees:write", HR_ADMINISTRATOR),
    ("employee", "update"): rule("employees:write", HR_ADMINISTRATOR),
    ("employee", "deactivate"): rule("employees:write", HR_ADMINISTRATOR, on_active=True),
    ("employee", "reactivate"): rule("employees:write", HR_ADMINISTRATOR, on_active=False),
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
    ("source", "read"): rule("sources:read", PROGRAMME_LEAD, client_sees=_source_to_administer(Source.id)),
    ("source", "create"): rule("sources:write", PROGRAMME_LEAD),
    ("source", "update"): rule("sources:write", PROGRAMME_LEAD),
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
    ("call_flag", "read"): rule(None, SELF),
    ("call_flag", "create"): rule(None, ANYONE),
    ("call_flag", "take_back"): rule(None, SELF),
    ("strain_rule", "read"): rule("strain:read", ANYONE, client_sees=_not_retired, others_see=_not_retired),
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
    # Of plans the programme lead has counts alone. Sharing with others is one more relation in a row.
    ("development_plan", "read"): rule("plans:read", *NEAR),
    ("development_plan", "count"): rule(None, PROGRAMME_LEAD),
    ("development_plan", "create"): rule("plans:write", *NEAR),
    ("development_plan", "update"): rule(
        None, *NEAR, moves={"proposed": "proposed", **OPEN_PLAN}, others_see=_still_proposed
    ),
    ("development_plan", "accept"): rule(None, SELF, moves={"proposed": "draft"}),
    ("development_plan", "decline"): rule(None, SELF, moves={"proposed": "declined"}),
    ("development_plan", "activate"): rule(None, SELF, moves={"draft": "active"}),
    ("development_plan", "start_review"): rule(None, *NEAR, moves={"active": "in_review"}),
    ("development_plan", "review"): rule(None, *NEAR, moves=OPEN_PLAN),
    ("development_plan", "complete"): rule(
        None, LINE_MANAGER, TEAM_LEAD, SELF_WITHOUT_A_LEAD, moves={"in_review": "completed"}
    ),
    ("development_plan", "abandon"): rule(None, SELF, moves={"draft": "abandoned", "active": "abandoned"}),
    ("development_plan", "archive"): rule(
        None, SELF, moves=dict.fromkeys(("completed", "abandoned", "declined"), "archived")
    ),
    ("goal", "read"): rule(
        "plans:read", *NEAR, client_sees=_not_private(Goal.private), others_see=_not_private(Goal.private)
    ),
    ("goal", "validate"): rule("plans:read", ANYONE),
    ("goal", "create"): rule("plans:write", *NEAR),
    ("goal", "take_up"): rule(None, SELF),
    ("goal", "hand_out"): rule("plans:write", *NEAR, PROGRAMME_LEAD),
    ("goal", "update"): rule(None, *NEAR, moves=OPEN_GOAL, others_see=_in_a_proposed_plan),
    ("goal", "activate"): rule(None, SELF, moves={"draft": "active"}),
    ("goal", "report_progress"): rule(None, SELF, moves={"active": "active"}),
    ("goal", "achieve"): rule(None, SELF, moves={"active": "achieved"}),
    ("goal", "miss"): rule(None, SELF, moves={"active": "missed"}),
    ("goal", "abandon"): rule(None, SELF, moves=dict.fromkeys(OPEN_GOAL, "abandoned")),
    ("progress_update", "read"): rule(
        "plans:read", *NEAR, client_sees=_of_a_goal_not_private, others_see=_of_a_goal_not_private
    ),
    ("progress_update", "create"): rule(None, SELF),
    ("progress_update", "withdraw"): rule(None, SELF, moves={"recorded": "withdrawn"}),
    ("goal_template", "read"): rule("plans:read", ANYONE),
    ("goal_template", "create"): rule("plans:write", PROGRAMME_LEAD),
    ("goal_template", "update"): rule("plans:write", PROGRAMME_LEAD, moves={"active": "active"}),
    ("goal_template", "archive"): rule("plans:write", PROGRAMME_LEAD, moves={"active": "archived"}),
    # To whom is asked of every person for themself: goal hand_out.
    ("goal_template", "assign"): rule("plans:write", ANYONE, moves={"active": "active"}),
    ("review", "read"): rule("plans:read", *NEAR),
    ("review", "create"): rule(None, *NEAR),
    ("review", "update"): rule(None, *NEAR, moves={"open": "open"}),
    ("review", "share"): rule(None, *NEAR, moves={"open": "open"}),
    ("review", "add_action"): rule(None, *NEAR, moves={"open": "open"}),
    ("review", "complete"): rule(None, LINE_MANAGER, TEAM_LEAD, SELF_WITHOUT_A_LEAD, moves={"open": "completed"}),
    ("review_action", "read"): rule("plans:read", *NEAR),
    ("review_action", "create"): rule(None, *NEAR),
    ("review_action", "make_goal"): rule(None, SELF),
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
    "unmapped_code": (UnmappedCode, None),
    "call_event": (CallEvent, CallEvent.__table__.c.employee_id),
    "refused_call_event": (RefusedCallEvent, None),
    "call_flag": (CallFlag, CallFlag.__table__.c.employee_id),
    "strain_rule": (StrainRule, None),
    "strain_signal": (StrainSignal, StrainSignal.__table__.c.employee_id),
    "support_prompt": (SupportPrompt, SupportPrompt.__table__.c.employee_id),
    "development_plan": (DevelopmentPlan, DevelopmentPlan.__table__.c.employee_id),
    "goal": (Goal, Goal.__table__.c.employee_id),
    "progress_update": (ProgressUpdate, ProgressUpdate.__table__.c.employee_id),
    "goal_template": (GoalTemplate, None),
    "review": (Review, Review.__table__.c.employee_id),
    "review_action": (ReviewAction, ReviewAction.__table__.c.employee_id),
    "audit_entry": (AuditEntry, None),
    "history_entry": (AuditEntry, None),
}


# What is not done to a row: it is never among its allowed actions.
PASSIVE = frozenset({"read", "create", "dry_run", "count", "validate", "hand_out", "take_up"})


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


def predicate_about(caller: Caller, resource: str, action: str, subject: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return, as SQL over ``subject``, for which people this caller may do ``action``, before there is a row."""
    return _predicate_about(resource, action, caller.kind, caller.roles, subject)


@cache
def _predicate_about(
    resource: str, action: str, kind: str, roles: frozenset[str], subject: ColumnElement[Any]
) -> ColumnElement[bool]:
    rule = POLICY[resource, action]
    if kind != "person":
        return true() if kind == "system" or rule.scope is not None else false()
    held = (relation for relation in rule.relations if relation.role is None or relation.role in roles)
    return or_(false(), *(relation.predicate(subject) for relation in held))


@cache
def asked_actions(resource: str) -> tuple[str, ...]:
    """Return the actions that hang on how a person stands to the one row, beyond its being theirs."""
    return tuple(
        action
        for action in actions_on(resource)
        if action not in PASSIVE
        and any(relation is not SELF and relation.role is None for relation in POLICY[resource, action].relations)
    )


@cache
def may_columns(resource: str, kind: str, roles: frozenset[str]) -> tuple[ColumnElement[bool], ...]:
    """Return a column for each of those actions: the very predicate that guards it."""
    if kind != "person":
        return ()
    return tuple(_predicate(resource, action, kind, roles).label(f"may_{action}") for action in asked_actions(resource))


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
    mine, state, active = bool(row.get("is_mine")), row.get("state"), row.get("active")
    asked = frozenset(action for action in asked_actions(resource) if row.get(f"may_{action}"))
    return _open_actions(resource, caller.kind, caller.roles, caller.scopes, mine, state, active, asked)


@lru_cache(maxsize=10_000)
def _open_actions(
    resource: str,
    kind: str,
    roles: frozenset[str],
    scopes: frozenset[str],
    mine: bool,
    state: str | None,
    active: bool | None,
    asked: frozenset[str],
) -> list[str]:
    def is_open(action: str, rule: Rule) -> bool:
        if (rule.moves is not None and state not in rule.moves) or rule.on_active not in (None, active):
            return False
        if kind == "client":
            return rule.scope in scopes
        if action in asked_actions(resource):
            return action in asked
        return any(mine if relation is SELF else relation.role in roles for relation in rule.relations)

    known = ((action, POLICY[resource, action]) for action in actions_on(resource) if action not in PASSIVE)
    return [action for action, rule in known if is_open(action, rule)]
