"""What attendees say of a session they were in: for its coach, and for the programme lead as one fixed table."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, product
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from app import clock, events, queries, texts
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Forbidden, NotFound
from app.models import Organisation, SessionFeedback
from app.models.base import new_id
from app.models.coaching_session import Answer, SessionAttendee, SessionKind, SessionState
from app.reads import Read
from app.relations import ORGANISATION
from app.schemas.session_feedback import FeedbackCreate, FeedbackUpdate
from app.services import history

EDITABLE = timedelta(days=14)
QUARTERS = 4
FEWEST = 5
SEALED_IN = "session_feedback.words"
TABLE = SessionFeedback.__table__
FEEDBACK = queries.Listing(
    "session_feedback",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={"session_id": TABLE.c.session_id == bindparam("session_id")},
    syncs=False,
)
GIVEN = (
    select(
        func.date_trunc("quarter", func.timezone("UTC", TABLE.c.created_at)).label("quarter"),
        TABLE.c.kind,
        TABLE.c.coach_id,
        TABLE.c.employee_id,
        func.count().label("count"),
        func.sum(TABLE.c.rating).label("total"),
    )
    .where(
        TABLE.c.organisation_id == ORGANISATION,
        TABLE.c.created_at >= bindparam("given_from"),
        TABLE.c.created_at < bindparam("given_before"),
    )
    .group_by("quarter", TABLE.c.kind, TABLE.c.coach_id, TABLE.c.employee_id)
)


def list_(session: Session, caller: Caller, paging: queries.Paging, session_id: UUID) -> Mapping[str, Any]:
    """Return a page of the feedback on a session: all of it for its coach, one's own for an attendee."""
    queries.read(session, caller, "coaching_session", session_id)
    page = queries.paginate(session, caller, FEEDBACK, paging, {"session_id": session_id})
    return {**page, "data": _shown(session, caller, page["data"])}


def read(session: Session, caller: Caller, session_id: UUID, feedback_id: UUID) -> Mapping[str, Any]:
    """Return one attendee's feedback. Raise NotFound for that on another session."""
    row = queries.read(session, caller, "session_feedback", feedback_id)
    if row["session_id"] != session_id:
        raise NotFound
    return _shown(session, caller, [row])[0]


def create(session: Session, caller: Caller, session_id: UUID, data: FeedbackCreate) -> Mapping[str, Any]:
    """Say what one thinks of a session that one was in, once.

    Raise Forbidden for who did not attend it, Conflict for one that is not over, and for a second feedback.
    """
    about = queries.read(session, caller, "coaching_session", session_id)
    _require_attended(session, caller, session_id)
    if about["state"] not in (SessionState.completed, SessionState.acknowledged):
        raise Conflict("session_not_completed", "Feedback is given once the session is completed.")
    feedback = SessionFeedback(
        organisation_id=caller.organisation_id,
        id=new_id(),
        session_id=session_id,
        employee_id=caller.employee_id,
        coach_id=about["coach_id"],
        kind=about["kind"],
        rating=data.rating,
    )
    feedback.words = _sealed(session, caller, feedback, data.words)
    session.add(feedback)
    events.record(session, caller, "session_feedback.created", feedback)
    return read(session, caller, session_id, feedback.id)


def change(
    session: Session, caller: Caller, session_id: UUID, feedback_id: UUID, data: FeedbackUpdate
) -> Mapping[str, Any]:
    """Change one's own feedback within 14 days. Raise Conflict after that."""
    known = read(session, caller, session_id, feedback_id)
    feedback = queries.get_allowed(session, caller, SessionFeedback, feedback_id, "update")
    if clock.now() >= feedback.created_at + EDITABLE:
        raise Conflict("feedback_settled", f"Feedback can be changed for {EDITABLE.days} days.")
    changed = {name: value for name, value in data.given().items() if known[name] != value}
    if "rating" in changed:
        feedback.rating = changed["rating"]
    if "words" in changed:
        feedback.words = _sealed(session, caller, feedback, changed["words"])
    if changed:
        events.record(session, caller, "session_feedback.updated", feedback, details={"fields": sorted(changed)})
    return read(session, caller, session_id, feedback_id)


def list_history(
    session: Session, caller: Caller, paging: queries.Paging, session_id: UUID, feedback_id: UUID
) -> Mapping[str, Any]:
    """Return a page of the changes of one feedback."""
    read(session, caller, session_id, feedback_id)
    return history.list_(session, caller, paging, "session_feedback", feedback_id)


def summarise(session: Session, caller: Caller) -> Mapping[str, Any]:
    """Return the feedback of the last four settled quarters, by kind of session.

    The cells are disjoint and no total is told, so none follows from others; a quarter is told once nothing in it can
    change, so nothing follows from looking twice. A cell is suppressed unless enough people remain without those of
    any one coach, who knows theirs.
    """
    organisation = session.get_one(Organisation, caller.organisation_id)
    threshold = max(FEWEST, organisation.minimum_group_size)
    starts = _settled_quarters(clock.now())
    values = {
        "organisation_id": caller.organisation_id,
        "given_from": _midnight(starts[0]),
        "given_before": _midnight(starts[-1]),
    }
    cells: dict[tuple[date, str], Cell] = defaultdict(Cell)
    for row in execute(session, GIVEN, values):
        cells[row.quarter.date(), row.kind].add(row)
    shown = [
        {
            "starts_on": start,
            "ends_on": after - timedelta(days=1),
            "kind": kind,
            **cells[start, kind].told(threshold),
        }
        for (start, after), kind in product(pairwise(starts), SessionKind)
    ]
    return {"threshold": threshold, "cells": shown}


@dataclass
class Cell:
    """The feedback of one quarter on one kind of session."""

    givers_to: dict[UUID, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    count: int = 0
    total: int = 0

    def add(self, row: Any) -> None:
        """Count what one person said to one coach."""
        self.givers_to[row.coach_id].add(row.employee_id)
        self.count, self.total = self.count + row.count, self.total + row.total

    def told(self, threshold: int) -> dict[str, Any]:
        """Return the figures, or that they are suppressed."""
        if min(self._remaining(), default=0) < threshold:
            return {"suppressed": True, "givers": None, "mean_rating": None}
        mean = round(2 * self.total / self.count) / 2
        givers = len(set().union(*self.givers_to.values()))
        return {"suppressed": False, "givers": givers, "mean_rating": min(max(mean, 1.5), 4.5)}

    def _remaining(self) -> Iterator[int]:
        for coach in self.givers_to:
            others = (givers for other, givers in self.givers_to.items() if other != coach)
            yield len(set().union(*others) - {coach})


def _settled_quarters(now: datetime) -> list[date]:
    """Return the first days of the last quarters in which nothing can change any more, and the day after them."""
    day = (now - EDITABLE).astimezone(UTC).date()
    number = day.year * 4 + (day.month - 1) // 3
    return [date(each // 4, each % 4 * 3 + 1, 1) for each in range(number - QUARTERS, number + 1)]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _require_attended(session: Session, caller: Caller, session_id: UUID) -> None:
    attendee = session.execute(
        select(SessionAttendee).where(
            SessionAttendee.organisation_id == caller.organisation_id,
            SessionAttendee.session_id == session_id,
            SessionAttendee.employee_id == caller.employee_id,
            SessionAttendee.removed_at.is_(None),
            SessionAttendee.answer != Answer.declined,
            SessionAttendee.attended.is_not(False),
        )
    ).scalar_one_or_none()
    if attendee is None:
        raise Forbidden("did_not_attend", "Feedback is for those who attended the session.")


def _sealed(session: Session, caller: Caller, feedback: SessionFeedback, words: str | None) -> bytes | None:
    """Return words sealed under the giver's key: with the key go the words, and the mark stays in the figures."""
    if words is None:
        return None
    return texts.seal(session, caller, feedback.employee_id, SEALED_IN, feedback.id, words)


def _shown(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return feedback with its words, and record that that of others is read."""
    worded = [row for row in rows if row["words"] is not None]
    opened = texts.reveal_many(
        session, caller, [(row["employee_id"], SEALED_IN, row["id"], row["words"]) for row in worded]
    )
    words = {row["id"]: text for row, text in zip(worded, opened, strict=True)}
    reads = [Read(row["id"], row["employee_id"], "coach_of_feedback") for row in rows]
    events.record_reads(session, caller, "session_feedback", reads)
    return [{**row, "words": words.get(row["id"]), **_until(row)} for row in rows]


def _until(row: Mapping[str, Any]) -> dict[str, Any]:
    until = row["created_at"] + EDITABLE
    actions = [action for action in row["allowed_actions"] if action != "update" or clock.now() < until]
    return {"editable_until": until, "allowed_actions": actions}
