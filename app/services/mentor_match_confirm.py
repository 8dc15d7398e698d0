"""Confirming a matching: its pairs become proposals, each after the same questions as any other proposal."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict
from app.models import Employee, MentorMatch, MentorMatchPair, Pillar
from app.models.mentor import AssignmentKind
from app.relations import ORGANISATION
from app.schemas.mentor_assignment import AssignmentCreate
from app.schemas.mentor_match import MOST_CONFIRMED_AT_ONCE, MatchConfirm
from app.services import mentor_assignment as assignments
from app.services import mentor_rules as rules

PERSON = Employee.__table__
UNKNOWN = ("unknown_reference", "There is no such pair in this matching.")
# In id order and without the key, as the rules for two people hold them.
HOLD = (
    select(PERSON.c.id)
    .where(
        PERSON.c.organisation_id == ORGANISATION,
        PERSON.c.id.in_(select(func.unnest(bindparam("people", type_=ARRAY(Uuid()))))),
    )
    .order_by(PERSON.c.id)
    .with_for_update(key_share=True)
)


def confirm(session: Session, caller: Caller, match_id: UUID, data: MatchConfirm | None = None) -> Mapping[str, Any]:
    """Make proposals of pairs, with a result for each in order. One that is refused, with a reason, sinks no other.

    A pair that is confirmed already stays so, with the same assignment: it is safe to repeat.
    """
    data = data or MatchConfirm()
    match = queries.get_allowed(session, caller, MentorMatch, match_id, "confirm")
    pairs = _chosen(session, caller, match_id, data.pair_ids)
    people = {person for pair in pairs.values() for person in (pair.mentee_id, pair.mentor_id)}
    execute(session, HOLD, {"organisation_id": caller.organisation_id, "people": list(people)})
    known = set(session.scalars(select(Pillar.key).where(Pillar.organisation_id == caller.organisation_id)))
    made, results = 0, []
    for pair_id in data.pair_ids or pairs:
        pair = pairs.get(pair_id)
        fresh = pair is not None and pair.assignment_id is None
        refusal = UNKNOWN if pair is None else _propose(session, caller, pair, known, data.rationale)
        made += fresh and refusal is None
        results.append(_result(pair_id, pair, refusal))
    if made:
        match.confirmed_count += made
        events.record(session, caller, "mentor_match.confirmed", match, details={"confirmed": made})
    return {
        "confirmed": sum(result["status"] == "confirmed" for result in results),
        "refused": sum(result["status"] == "refused" for result in results),
        "open": (match.pair_count or 0) - match.confirmed_count,
        "results": results,
    }


def _chosen(
    session: Session, caller: Caller, match_id: UUID, pair_ids: Sequence[UUID] | None
) -> dict[UUID, MentorMatchPair]:
    """Return the pairs that are named, else the first that are not confirmed, by their ids."""
    of_match = (MentorMatchPair.organisation_id == caller.organisation_id, MentorMatchPair.match_id == match_id)
    query = select(MentorMatchPair).where(*of_match).order_by(MentorMatchPair.id)
    if pair_ids is None:
        query = query.where(MentorMatchPair.assignment_id.is_(None)).limit(MOST_CONFIRMED_AT_ONCE)
    else:
        query = query.where(MentorMatchPair.id.in_(pair_ids))
    return {pair.id: pair for pair in session.scalars(query)}


def _propose(
    session: Session, caller: Caller, pair: MentorMatchPair, known: set[str], rationale: str | None
) -> tuple[str, str] | None:
    """Make a proposal of one pair whose people are held, unless it is one already. Return why, where it is refused."""
    if pair.assignment_id is not None:
        return None
    focus = [pillar for pillar in pair.focus_pillars if pillar in known]
    if not focus:
        return ("pillar_gone", "The pillars that it would be about are no more.")
    data = AssignmentCreate(mentor_id=pair.mentor_id, focus_pillars=focus, rationale=rationale)
    try:
        _require(session, caller, pair, focus)
    except Conflict as refusal:
        return (refusal.problem_code, refusal.problem_detail)
    reasons = [reason["detail"] for reason in pair.reasons]
    assignment = assignments.make(session, caller, pair.mentee_id, data, reasons)
    pair.assignment_id, pair.confirmed_at = assignment.id, clock.now()
    return None


def _require(session: Session, caller: Caller, pair: MentorMatchPair, focus: Sequence[str]) -> None:
    """Raise Conflict where the two cannot be a pair as things stand now."""
    rules.require_two(session, caller, pair.mentor_id, pair.mentee_id)
    rules.require_new(session, caller, pair.mentor_id, pair.mentee_id)
    rules.require_place(session, caller, pair.mentor_id, pair.mentee_id)
    rules.require_uncovered(session, caller, pair.mentor_id, pair.mentee_id, AssignmentKind.ongoing, focus)


def _result(pair_id: UUID, pair: MentorMatchPair | None, refusal: tuple[str, str] | None) -> dict[str, Any]:
    code, detail = refusal or (None, None)
    return {
        "pair_id": pair_id,
        "status": "refused" if refusal else "confirmed",
        "assignment_id": pair.assignment_id if pair is not None else None,
        "code": code,
        "detail": detail,
    }
