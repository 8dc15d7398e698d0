"""What becomes of pairs when one of the two leaves, and when they come back."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, or_, select
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.models import Employee, MentorAssignment
from app.models.mentor import OPEN, AssignmentState, PausedBecause
from app.reasons import Sentence
from app.services import mentor_rhythm as rhythm

LEFT = Sentence("One of the two is no longer active.")
BACK = Sentence("Both are active again.")
STAYS = Sentence("Both are active again. It stays paused until one of them resumes it.")
_THESE = select(func.unnest(bindparam("ids", type_=ARRAY(Uuid()))))
# In id order, as everyone locks; the people themselves were locked before.
THEIRS = (
    select(MentorAssignment)
    .where(
        MentorAssignment.organisation_id == bindparam("tenant"),
        or_(MentorAssignment.mentor_id.in_(_THESE), MentorAssignment.mentee_id.in_(_THESE)),
        MentorAssignment.state.in_(OPEN),
    )
    .order_by(MentorAssignment.id)
    .with_for_update()
)
WAITING = THEIRS.where(MentorAssignment.away_until.is_not(None))
PEOPLE = select(Employee.id, Employee.active, Employee.manager_id).where(
    Employee.organisation_id == bindparam("tenant"), Employee.id.in_(_THESE)
)
Change = tuple[MentorAssignment, str, dict[str, Any]]


def leave(session: Session, caller: Caller, employee_ids: Collection[UUID]) -> None:
    """Pause what these people were in, and let what was proposed run out. The other side sees why.

    Paused, not ended: a leaver may be back in a month. After that the worker ends it.
    """
    values = {"tenant": caller.organisation_id, "ids": list(employee_ids)}
    pairs = session.scalars(THEIRS, values).all()
    away_until = clock.now() + rhythm.starting_days("kept_while_away_days")
    rhythm.write(session, caller, [_leave(pair, away_until) for pair in pairs])


def _leave(pair: MentorAssignment, away_until: datetime) -> Change:
    before = pair.state
    if before == AssignmentState.proposed:
        rhythm.close(pair, AssignmentState.expired)
        return pair, "expired", {"from": before, "state": pair.state, "reason": LEFT}
    pair.away_until = pair.away_until or away_until
    if before == AssignmentState.active:
        pair.state, pair.paused_at = AssignmentState.paused, clock.now()
        pair.paused_because = PausedBecause.person_inactive
    rhythm.settle(pair)
    return pair, "paused", {"from": before, "state": pair.state, "reason": LEFT}


def come_back(session: Session, caller: Caller, employee_ids: Collection[UUID]) -> None:
    """Resume what was paused because these people had left, where both are active; what was paused before stays so.

    Where the mentor has become the line manager meanwhile, it stays paused too.
    """
    pairs = session.scalars(WAITING, {"tenant": caller.organisation_id, "ids": list(employee_ids)}).all()
    both = {side for pair in pairs for side in (pair.mentor_id, pair.mentee_id)}
    found = session.execute(PEOPLE, {"tenant": caller.organisation_id, "ids": list(both)})
    people = {row.id: row for row in found}
    done = [
        _come_back(pair, may_go_on=people[pair.mentee_id].manager_id != pair.mentor_id)
        for pair in pairs
        if people[pair.mentor_id].active and people[pair.mentee_id].active
    ]
    rhythm.write(session, caller, done)


def _come_back(pair: MentorAssignment, *, may_go_on: bool) -> Change:
    before = pair.state
    if pair.paused_because == PausedBecause.person_inactive and may_go_on:
        pair.state = AssignmentState.active
        rhythm.resume(pair)
        return pair, "resumed", {"from": before, "state": pair.state, "reason": BACK}
    pair.paused_because, pair.away_until = PausedBecause.asked, None
    rhythm.settle(pair)
    return pair, "updated", {"fields": ["away_until"], "reason": STAYS}
