"""Who may do what: the streams of support prompts. What passes on them is what ``("support_prompt", "read")`` lets."""

from app.models import Team
from app.policy.rule import Models, Policy, rule
from app.relations import ANYONE, ME, PROGRAMME_LEAD, Relation

LEAD_OF_THE_TEAM = Relation("lead_of_the_team", lambda _nobody: Team.__table__.c.lead_id == ME)

POLICY: Policy = {
    ("support_prompt", "watch"): rule(None, ANYONE),
    ("team", "watch"): rule(None, LEAD_OF_THE_TEAM, PROGRAMME_LEAD),
}

MODELS: Models = {}
