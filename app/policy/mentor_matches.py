"""Who may do what: matching mentors and mentees for a cohort, for who leads the programme alone."""

from app.models import MentorMatch, MentorMatchPair, MentorMatchUnmatched
from app.policy.rule import Models, Policy, rule
from app.relations import PROGRAMME_LEAD

POLICY: Policy = {
    ("mentor_match", "read"): rule(None, PROGRAMME_LEAD),
    ("mentor_match", "create"): rule(None, PROGRAMME_LEAD),
    ("mentor_match", "cancel"): rule(None, PROGRAMME_LEAD, moves=dict.fromkeys(("queued", "running"), "cancelled")),
    ("mentor_match", "confirm"): rule(None, PROGRAMME_LEAD, moves={"succeeded": "succeeded"}),
    ("mentor_match_pair", "read"): rule(None, PROGRAMME_LEAD),
    ("mentor_match_unmatched", "read"): rule(None, PROGRAMME_LEAD),
}

# A matching is about many people: no row of these is any one's own.
MODELS: Models = {
    "mentor_match": (MentorMatch, None),
    "mentor_match_pair": (MentorMatchPair, None),
    "mentor_match_unmatched": (MentorMatchUnmatched, None),
}
