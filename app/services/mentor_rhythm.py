"""The rhythm of a pair: when it is to meet next, when it is flagged, and what the worker does when a time has come."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.models import MentorAssignment
from app.models.mentor import AssignmentKind, AssignmentState, PairHealth
from app.reasons import Sentence
from app.services import mentor_defaults as defaults

AT_ONCE = 500
# From here on a pair that agreed nothing meets at the later rhythm: two months.
FIRST_PHASE = timedelta(days=61)
RED_AT = 1.5
AWAY_TOO_LONG = Sentence("One of the two has left and not come back.")
NOT_ANSWERED = Sentence("Nobody answered in time.")
DUE = (
    select(MentorAssignment)
    .where(MentorAssignment.organisation_id == bindparam("tenant"), MentorAssignment.due_at <= bindparam("at"))
    .order_by(MentorAssignment.due_at, MentorAssignment.id)
    .limit(AT_ONCE)
    .with_for_update(skip_locked=True)
)


def start(pair: MentorAssignment) -> None:
    """Let a pair begin now, or on the day that was agreed if that is still ahead."""
    pair.activated_at = clock.now()
    pair.starts_on = pair.starts_on or pair.activated_at.date()
    settle(pair)


def resume(pair: MentorAssignment) -> None:
    """Let the agreed days count from now: nobody is behind because of a pause."""
    pair.paused_at = pair.paused_because = pair.away_until = None
    pair.resumed_at = clock.now()
    settle(pair)


def settle(pair: MentorAssignment) -> None:
    """Let what follows from a pair's state and latest meeting follow: due moments and the flag."""
    now, flag, flagged_at, next_at, meeting_due_at = clock.now(), None, None, None, None
    met_its_purpose = pair.kind == AssignmentKind.one_off and pair.meetings_held > 0
    if pair.state == AssignmentState.proposed:
        next_at = pair.answer_due_at
    elif pair.state == AssignmentState.paused:
        next_at = pair.away_until
    elif pair.state == AssignmentState.active and not met_its_purpose:
        since = counting_from(pair)
        days = timedelta(days=cadence_days(pair, since))
        meeting_due_at = since + days
        turns = ((meeting_due_at, PairHealth.amber), (since + RED_AT * days, PairHealth.red))
        for at, health in turns:
            if at <= now:
                flag, flagged_at = health, at
        next_at = next((at for at, _ in turns if at > now), None)
    pair.meeting_due_at, pair.health, pair.flagged_at, pair.due_at = meeting_due_at, flag, flagged_at, next_at


def counting_from(pair: MentorAssignment) -> datetime:
    """Return from when the agreed days count: the start, the latest meeting or the resumption, whichever is last."""
    moments = (pair.activated_at, _first_day(pair), pair.resumed_at, pair.last_met_at)
    return max((moment for moment in moments if moment is not None), default=clock.now())


def cadence_days(pair: MentorAssignment, moment: datetime) -> int:
    """Return how many days may pass after a moment: the agreed ones, from two months after the start the later ones."""
    first = _first_day(pair)
    if pair.later_cadence_days is not None and first is not None and moment >= first + FIRST_PHASE:
        return pair.later_cadence_days
    return pair.agreed_cadence_days


def began(pair: MentorAssignment) -> datetime:
    """Return the first moment of a pair: it can have begun before it was written down here."""
    return min(moment for moment in (pair.activated_at, _first_day(pair), clock.now()) if moment is not None)


def _first_day(pair: MentorAssignment) -> datetime | None:
    return None if pair.starts_on is None else datetime.combine(pair.starts_on, time(), UTC)


def starting_days(field: str) -> timedelta:
    """Return a starting value of pairs that is a number of days."""
    return timedelta(days=defaults.value(defaults.PAIR, field))


def sweep(session: Session, caller: Caller, now: datetime) -> int:
    """Do what has come due, for up to 500 pairs at once; return how many there were."""
    pairs = session.scalars(DUE, {"tenant": caller.organisation_id, "at": now}).all()
    done = [(pair, *_pass(pair)) for pair in pairs]
    write(session, Caller(caller.organisation_id, "system", None), done)
    return len(pairs)


def _pass(pair: MentorAssignment) -> tuple[str, dict[str, Any]]:
    """Change a pair whose time has come. Return what happened to it, and its details."""
    before = pair.state
    if before == AssignmentState.active:
        settle(pair)
        return "flagged", {"health": pair.health}
    expired = before == AssignmentState.proposed
    close(pair, AssignmentState.expired if expired else AssignmentState.ended_early)
    reason = NOT_ANSWERED if expired else AWAY_TOO_LONG
    pair.ended_reason = None if expired else reason
    return "expired" if expired else "ended", {"from": before, "state": pair.state, "reason": reason}


def close(pair: MentorAssignment, state: AssignmentState) -> None:
    """Close a pair for good."""
    pair.state, pair.closed_at = state, clock.now()
    pair.paused_because = pair.away_until = None
    settle(pair)


def write(session: Session, caller: Caller, done: list[tuple[MentorAssignment, str, dict[str, Any]]]) -> None:
    """Write what happened to pairs: one entry and one event each."""
    session.flush()
    changes = [
        events.Change(f"mentor_assignment.{verb}", pair.id, pair.version, pair.mentee_id, details, pair.state)
        for pair, verb, details in done
    ]
    events.record_changes(session, caller, "mentor_assignment", changes)
