"""Who may do what: the directory, and the library that everyone reads."""

from app.models import AgentAlias, Employee, Pillar, Practice, ServiceArea, Team, TeamMember
from app.policy.rule import Models, Policy, rule
from app.relations import ANYONE, DATA_PROTECTION_OFFICER, HR_ADMINISTRATOR, LEADS, NEAR, PROGRAMME_LEAD, SELF

POLICY: Policy = {
    ("employee", "read"): rule("employees:read", *NEAR, *LEADS, DATA_PROTECTION_OFFICER),
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
}

MODELS: Models = {
    "employee": (Employee, Employee.__table__.c.id),
    "agent_alias": (AgentAlias, AgentAlias.__table__.c.employee_id),
    "team": (Team, None),
    "team_member": (TeamMember, TeamMember.__table__.c.employee_id),
    "service_area": (ServiceArea, None),
    "pillar": (Pillar, None),
    "practice": (Practice, None),
}
