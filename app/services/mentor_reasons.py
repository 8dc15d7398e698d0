"""Why a mentor would suit somebody: for suggestions, and kept with a proposal."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller
from app.services import mentor_candidates as candidates
from app.services import mentor_rules as rules
from app.services.mentor_fit import fit, rank

BASIS = (
    "The points are our judgement. People whose outlook is alike and who meet more often report more support from "
    "their mentors (Eby et al. 2013); how much each reason should count has not been tested."
)


def suggest(session: Session, caller: Caller, employee_id: UUID, pillar: str | None, limit: int) -> Mapping[str, Any]:
    """Return who would suit somebody as a mentor, the best first. Their private goals count for themself alone.

    Raise NotFound for somebody whom the caller may not know of, Forbidden for one for whom they may not ask.
    """
    queries.read(session, caller, "employee", employee_id)
    rules.require_may(session, caller, "suggest", employee_id, "/employee_id")
    mine = employee_id == caller.employee_id
    found = candidates.load(session, caller, [employee_id], focus=pillar, with_private=mine)
    ranked = rank(found.mentees[employee_id], found.mentors.values())
    return {
        "employee_id": employee_id,
        "basis": BASIS,
        "data": [
            {
                "mentor_id": mentor.id,
                "display_name": found.names[mentor.id],
                "profile_id": found.profile_ids[mentor.id],
                "score": suits.score,
                "reasons": [reason._asdict() for reason in suits.reasons],
            }
            for mentor, suits in ranked[:limit]
        ],
    }


def of_pair(session: Session, caller: Caller, mentor_id: UUID, mentee_id: UUID, pillar: str) -> list[str]:
    """Return why the two would suit each other, as sentences that both may read and that stay true.

    Nothing of private goals is in them, and nothing of free places, which change with every pair.
    """
    found = candidates.load(session, caller, [mentee_id], mentor_ids=[mentor_id], focus=pillar)
    mentee, mentor = found.mentees.get(mentee_id), found.mentors.get(mentor_id)
    suits = fit(mentee, mentor, needs_language=False) if mentee is not None and mentor is not None else None
    reasons = suits.reasons if suits is not None else ()
    return [reason.detail for reason in reasons if reason.code != "free_places"]
