"""A matching for a small cohort of the demo organisation, as the job would have left it.

So few people are matched here, by trying every assignment: the demo starts no process and loads no solver.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import product
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock, jobs
from app.auth import Caller
from app.models import MentorMatch
from app.models.client import Role
from app.models.job import JobState
from app.schemas.mentor_match import MatchCreate
from app.services import mentor_match as matches
from app.services import mentor_match_run as matching
from app.services.mentor_fit import Mentee, Mentor, fit, obstacle
from app.services.mentor_outcome import Outcome, Pair, Unmatched

PROGRAMME_LEAD = "noor"


def make(session: Session, organisation_id: UUID, ids: Mapping[str, UUID], names: Sequence[str]) -> None:
    """Let the programme lead have looked for mentors for these people yesterday. ``ids`` are by user names."""
    lead = Caller(organisation_id, "person", ids[PROGRAMME_LEAD], roles=frozenset({Role.programme_lead}))
    system = Caller(organisation_id, "system", None)
    with clock.standing_at(clock.now() - timedelta(days=1)):
        asked = matches.request(session, lead, MatchCreate(mentee_ids=[ids[name] for name in names]))
        match = session.get_one(MentorMatch, (organisation_id, asked.content["id"]))
        mentors = matching.mentors(session, system)
        mentees = matching.mentees(session, system, match.mentee_ids or (), None)
        matching.store(session, system, match, matching.result_of(len(mentors), _best(mentees, mentors)))
        match.started_at = clock.now()
        jobs.end(session, system, match, JobState.succeeded)


def _best(mentees: Sequence[Mentee], mentors: Sequence[Mentor]) -> Outcome:
    """Return the assignment with the greatest total fit; of equals, one with the most pairs."""
    tried = (_outcome(zip(mentees, chosen, strict=True)) for chosen in product((None, *mentors), repeat=len(mentees)))
    best = max(filter(None, tried), key=lambda pairs: (sum(pair.fit.score for pair in pairs), len(pairs)), default=[])
    found = {pair.mentee.id for pair in best}
    alone = [Unmatched(each, _obstacles(each, mentors)) for each in mentees if each.id not in found]
    return Outcome(best, alone)


def _outcome(chosen: Iterable[tuple[Mentee, Mentor | None]]) -> list[Pair] | None:
    """Return these pairs, or None where one is forbidden or a mentor has too few places."""
    asked = [(mentee, mentor) for mentee, mentor in chosen if mentor is not None]
    taken = Counter(mentor for _, mentor in asked)
    fits = [(mentee, mentor, fit(mentee, mentor)) for mentee, mentor in asked]
    if any(many > mentor.free for mentor, many in taken.items()):
        return None
    pairs = [Pair(mentee, mentor, suits) for mentee, mentor, suits in fits if suits is not None]
    return pairs if len(pairs) == len(fits) else None


def _obstacles(mentee: Mentee, mentors: Sequence[Mentor]) -> Mapping[str, int]:
    return Counter(obstacle(mentee, mentor) or "places_taken" for mentor in mentors)
