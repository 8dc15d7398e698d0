"""Who may do what: the organisation, its clients and roles."""

from app.models import Client, ClientKey, Organisation, RoleGrant
from app.policy.rule import Models, Policy, rule
from app.relations import ANYONE, AUDITOR, PROGRAMME_LEAD, SELF

POLICY: Policy = {
    ("organisation", "read"): rule("organisation:read", ANYONE),
    ("organisation", "update"): rule("organisation:write", PROGRAMME_LEAD),
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
    ("me", "read"): rule("*", ANYONE),
}

MODELS: Models = {
    "organisation": (Organisation, None),
    "client": (Client, None),
    "client_key": (ClientKey, None),
    "role_grant": (RoleGrant, RoleGrant.__table__.c.employee_id),
}
