"""Who may do what: the rules for what an identity provider sends.

What is done over SCIM itself is checked by its own two scopes: see ``app/scim/endpoint.py``.
"""

from app.models import ScimSettings
from app.policy.rule import Models, Policy, rule
from app.relations import HR_ADMINISTRATOR, PROGRAMME_LEAD

POLICY: Policy = {
    ("scim_settings", "read"): rule("scim:read", PROGRAMME_LEAD, HR_ADMINISTRATOR),
    ("scim_settings", "update"): rule("scim:write", PROGRAMME_LEAD, HR_ADMINISTRATOR),
}

MODELS: Models = {"scim_settings": (ScimSettings, None)}
