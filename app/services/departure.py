"""What follows when people leave the organisation, and when they come back: each area adds its own here."""

from collections.abc import Callable, Collection
from uuid import UUID

from sqlalchemy.orm import Session

from app.auth import Caller
from app.services import erasure_return, mentor_departure, session_departure

Follow = Callable[[Session, Caller, Collection[UUID]], None]

# Each is called with people whose rows this transaction has changed, and so holds: it locks rows of its own only.
ON_LEAVING: tuple[Follow, ...] = (mentor_departure.leave, session_departure.leave)
ON_RETURN: tuple[Follow, ...] = (erasure_return.come_back, mentor_departure.come_back)


def leave(session: Session, caller: Caller, employee_ids: Collection[UUID]) -> None:
    """End or pause what these people are in, each with a reason that the others in it can see."""
    _all(ON_LEAVING, session, caller, employee_ids)


def come_back(session: Session, caller: Caller, employee_ids: Collection[UUID]) -> None:
    """Take up again what was paused because these people had left."""
    _all(ON_RETURN, session, caller, employee_ids)


def _all(follows: tuple[Follow, ...], session: Session, caller: Caller, employee_ids: Collection[UUID]) -> None:
    if employee_ids:
        session.flush()
        for follow in follows:
            follow(session, caller, employee_ids)
