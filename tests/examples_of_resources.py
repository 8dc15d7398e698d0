"""One row of every table, and which of them stands behind each path: what the conventions are tried on."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Null, insert
from sqlalchemy.orm import Session

from app import clock
from app.database import execute
from app.models import (
    AgentAlias,
    AuditEntry,
    Base,
    CallEvent,
    CallEventReceipt,
    CallFlag,
    Client,
    ClientKey,
    Employee,
    IdempotentAnswer,
    OutcomeMapping,
    OutgoingEvent,
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
    UnmappedCode,
)
from app.models.base import new_id
from app.models.call_event import CodeKind, FlagKind
from app.models.client import GrantState, Role
from app.models.strain import PromptKind
from tests import examples_of_audit as audit
from tests import examples_of_coaching as coaching
from tests import examples_of_eap as eap
from tests import examples_of_intake as intake
from tests import examples_of_live as live
from tests import examples_of_matches as matches
from tests import examples_of_mentors as mentors
from tests import examples_of_plans as plans
from tests import examples_of_rights as rights
from tests import examples_of_session_notes as session_notes
from tests import examples_of_thoughts as thoughts
from tests import examples_of_webhooks as webhooks
from tests.world import World

# A path up to its last parameter, and for each parameter the resource whose example goes there. A new route without an
# example fails the conventions: add its row to `furnish`, then its line here.
EXAMPLES: dict[str, dict[str, str]] = {
    "/v1/employees/{employee_id}": {"employee_id": "employee"},
    "/v1/employees/{employee_id}/agent-aliases/{alias_id}": {"employee_id": "employee", "alias_id": "agent_alias"},
    "/v1/teams/{team_id}": {"team_id": "team"},
    "/v1/teams/{team_id}/members/{employee_id}": {"team_id": "team", "employee_id": "employee"},
    "/v1/teams/{team_id}/members/{member_id}": {"team_id": "team", "member_id": "team_member"},
    "/v1/service-areas/{service_area_id}": {"service_area_id": "service_area"},
    "/v1/pillars/{pillar_id}": {"pillar_id": "pillar"},
    "/v1/practices/{practice_id}": {"practice_id": "practice"},
    "/v1/clients/{client_id}": {"client_id": "client"},
    "/v1/clients/{client_id}/keys/{key_id}": {"client_id": "client", "key_id": "client_key"},
    "/v1/role-grants/{grant_id}": {"grant_id": "role_grant"},
    "/v1/role-grants/{role_grant_id}": {"role_grant_id": "role_grant"},
    "/v1/sources/{source_id}": {"source_id": "source"},
    "/v1/sources/{source_id}/mappings/{mapping_id}": {"source_id": "source", "mapping_id": "outcome_mapping"},
    "/v1/sources/{source_id}/outcome-mappings/{mapping_id}": {"source_id": "source", "mapping_id": "outcome_mapping"},
    "/v1/call-events/{call_event_id}": {"call_event_id": "call_event"},
    "/v1/call-events/refused/{refused_id}": {"refused_id": "refused_call_event"},
    "/v1/me/call-flags/{flag_id}": {"flag_id": "call_flag"},
    "/v1/me/call-events/{call_event_id}": {"call_event_id": "call_event"},
    "/v1/strain-rules/{rule_id}": {"rule_id": "strain_rule"},
    "/v1/strain-signals/{signal_id}": {"signal_id": "strain_signal"},
    "/v1/support-prompts/{prompt_id}": {"prompt_id": "support_prompt"},
    **plans.EXAMPLES,
    **session_notes.EXAMPLES,
    **coaching.EXAMPLES,
    **audit.EXAMPLES,
    **mentors.EXAMPLES,
    **matches.EXAMPLES,
    **eap.EXAMPLES,
    **thoughts.EXAMPLES,
    **rights.EXAMPLES,
    **intake.EXAMPLES,
    **webhooks.EXAMPLES,
    "/v1/audit-entries/{entry_id}": {"entry_id": "audit_entry"},
}


BREAK = {"kind": "break", "minutes": 5, "expires_seconds": 3600}
# Members of bodies whose values a schema cannot tell, where one made from it alone would be refused by a rule.
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "create_team_member": lambda ids: {"employee_id": str(ids["grace"])},
    "create_practice": lambda _: {"pillars": ["own_pillar_1"]},
    "update_practice": lambda _: {"pillars": ["own_pillar_1"]},
    "create_strain_rule": lambda _: {"prompt": BREAK},
    "dry_run_strain_rule": lambda _: {"prompt": BREAK},
    "update_strain_rule": lambda _: {"condition": {"count": 3}, "prompt": {"minutes": 6}, "service_area_ids": []},
    "dry_run_changed_strain_rule": lambda _: {"condition": {"count": 3}, "prompt": {"minutes": 6}},
    "pause_prompts": lambda _: {"until": (clock.now() + timedelta(days=1)).isoformat()},
    "sync_employees": lambda _: {"employees": [{"external_id": "hr-robin", "display_name": "Robin"}]},
    "update_employee": lambda ids: {"manager_id": str(ids["grace"]), "user_name": "amira"},
    "create_call_flag": lambda _: {"occurred_at": None},
}
MEMBERS |= plans.MEMBERS
MEMBERS |= session_notes.MEMBERS
MEMBERS |= coaching.MEMBERS
MEMBERS |= audit.MEMBERS
MEMBERS |= mentors.MEMBERS
MEMBERS |= matches.MEMBERS
MEMBERS |= eap.MEMBERS
MEMBERS |= thoughts.MEMBERS
MEMBERS |= rights.MEMBERS
MEMBERS |= intake.MEMBERS
MEMBERS |= webhooks.MEMBERS
# What these answer to their example is a refusal by one of their rules.
REFUSED_BY_A_RULE = {"complete_support_prompt": 409}
# What these do to their example changes nothing: it is a dry run, or already as it is to be.
CHANGES_NOTHING = {
    "dry_run_strain_rule",
    "dry_run_changed_strain_rule",
    "validate_goal",
    "reactivate_employee",
    "withdraw_call_event_dispute",
    "test_source",
    *live.CHANGES_NOTHING,
}


def furnish(session: Session, world: World, number: int = 1) -> dict[str, UUID]:
    """Make one row of every table, about Amira; return the id of each by its table's name, and of people by theirs.

    Called again with another ``number``, it makes another row of each.
    """
    made: dict[str, UUID] = {"organisation": world.id, "employee": world.people["amira"]}
    made |= world.people

    def make(model: type[Any], **fields: Any) -> UUID:
        identifier = made[model.__tablename__] = new_id()
        row = {"organisation_id": world.id, "id": identifier, **fields}
        if model is AuditEntry:  # to which nothing refers
            session.add(AuditEntry(**row))
        else:
            session.flush()
            execute(session, insert(model), {name: None if isinstance(row[name], Null) else row[name] for name in row})
        return identifier

    _make_people(session, world, number, make, made)
    _make_calls(session, world, number, make, made)
    intake.make_intake(session, world, number, make, made)
    _make_strain(session, world, number, make, made)
    plans.make_plans(world, number, make, made)
    coaching.make_coaching(session, world, number, make, made)
    mentors.make_mentors(world, number, make, made)
    matches.make_matches(world, number, make, made)
    thoughts.make_thoughts(session, world, make, made)
    eap.make_eap(session, world, number, make, made)
    audit.make_audit(session, world, number, make, made)
    session_notes.make_session_notes(session, world, number, make, made)
    rights.make_rights(session, world, number, make, made)
    webhooks.make_webhooks(session, world, number, make, made)
    _make_trail(session, world, number, make, made)
    return made


def _make_people(session: Session, world: World, number: int, make: Any, made: dict[str, UUID]) -> None:
    amira = session.get_one(Employee, (world.id, world.people["amira"]))
    amira.service_area_id = make(ServiceArea, name=f"Legal line {number}", name_key=f"legal line {number}")
    team_id = make(Team, name=f"Night line {number}", name_key=f"night line {number}", lead_id=world.people["theo"])
    for name in ("theo", "amira"):
        make(TeamMember, team_id=team_id, employee_id=world.people[name])
    client_id = make(Client, name=f"furniture {new_id()}", scopes=["employees:read"])
    for _ in range(2):
        make(ClientKey, client_id=client_id, digest=new_id().bytes * 2, last_four="abcd")
    make(RoleGrant, employee_id=amira.id, role=list(Role)[-number], state=GrantState.pending, granted_by="operator")
    make(Pillar, key=f"own_pillar_{number}", name="Pride", description="Seeing what one's work is for.")
    make(
        Practice,
        key=f"own_practice_{number}",
        name="A walk",
        summary="Walk around the block.",
        how_to="Walk.",
        minutes=5,
        when_it_helps="After a hard call.",
        pillars=[f"own_pillar_{number}"],
    )


def _make_calls(session: Session, world: World, number: int, make: Any, made: dict[str, UUID]) -> None:
    now, amira = clock.now(), world.people["amira"]
    source_id = make(Source, name=f"Switchboard {number}", name_key=f"switchboard {number}")
    for code in ("RES", "ESC"):
        code_key, kind = code.lower(), CodeKind.disposition
        make(OutcomeMapping, source_id=source_id, kind=kind, code=code, code_key=code_key, outcomes=["other"])
        unmapped = {"source_id": source_id, "kind": kind, "code": f"X{code}", "code_key": f"x{code_key}"}
        session.add(UnmappedCode(organisation_id=world.id, **unmapped, count=1, last_seen_at=now))
    make(AgentAlias, employee_id=amira, source_id=source_id, agent_ref=f"Agent {number}", agent_key=f"agent {number}")
    call_event_id = make(
        CallEvent,
        source_id=source_id,
        contact_id=f"contact-{number}",
        agent_ref=f"Agent {number}",
        agent_key=f"agent {number}",
        employee_id=amira,
        ended_at=now,
        as_of=now,
        as_of_event_id="event-1",
        outcomes=["abusive"],
    )
    session.add(
        CallEventReceipt(organisation_id=world.id, source_id=source_id, event_id="event-1", call_event_id=call_event_id)
    )
    make(CallFlag, employee_id=amira, call_event_id=call_event_id, kind=FlagKind.distressing, occurred_at=now)
    refused = {
        "source_id": str(source_id),
        "event_id": f"refused-{number}",
        "contact_id": f"refused-{number}",
        "agent": {"ref": f"Agent {number}"},
        "ended_at": now.isoformat(),
    }
    make(RefusedCallEvent, client_id=made["client"], payload=refused, errors=[])


def _make_strain(session: Session, world: World, number: int, make: Any, made: dict[str, UUID]) -> None:
    now, amira = clock.now(), world.people["amira"]
    said = {
        "name": f"Hard calls in a row {number}",
        "description": "Two hard calls, one after the other.",
        "basis": "A starting point.",
        "basis_label": "judgement",
        "condition": {"kind": "hard_call_streak", "count": 2, "window_seconds": 3600},
        "severity": {"abusive": 8},
        "hard_severity": 5,
        "cooldown_seconds": 3600,
    }
    offer = {"kind": "break", "minutes": 5, "expires_seconds": 3600, "pillar": None}
    rule_id = make(
        StrainRule,
        **said,
        name_key=f"hard calls in a row {number}",
        prompt_kind=PromptKind.take_break,
        prompt_minutes=5,
        prompt_expires_seconds=3600,
    )
    signal_id = make(
        StrainSignal,
        rule_id=rule_id,
        rule_version=1,
        rule={**said, "service_area_ids": [], "prompt": offer},
        employee_id=amira,
        triggered_at=now,
        window_from=now - timedelta(hours=1),
        window_to=now,
        measure=2.0,
        threshold=2.0,
        explanation="2 hard calls in a row.",
        call_event_ids=[made["call_event"]],
        call_flag_ids=[],
        private=False,
    )
    make(
        SupportPrompt,
        employee_id=amira,
        signal_id=signal_id,
        practice_id=made["practice"],
        kind=PromptKind.take_break,
        message="Take five minutes?",
        expires_at=now + timedelta(hours=1),
    )


def _make_trail(session: Session, world: World, number: int, make: Any, made: dict[str, UUID]) -> None:
    session.add(
        IdempotentAnswer(
            organisation_id=world.id, key_digest=new_id().bytes, fingerprint=b"", status=200, headers={}, body=b""
        )
    )
    for resource, row_id in list(made.items()):
        for action in ("created", "updated") if resource in Base.metadata.tables else ():
            make(
                AuditEntry,
                action=f"{resource}.{action}",
                resource=resource,
                resource_id=row_id,
                subject_id=made["employee"],
                actor_kind="system",
                details={},
            )
    thin = {"id": str(made["employee"]), "version": 1}
    make(OutgoingEvent, type="employee.updated", resource="employee", resource_id=made["employee"], data=thin)
