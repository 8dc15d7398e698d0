"""Matching mentors and mentees for a cohort: asked for as a job, read while it runs and when it is done."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, delete, func, select
from sqlalchemy.orm import Session

from app import jobs, queries
from app.auth import Caller
from app.call import Answer
from app.database import execute
from app.errors import Conflict, Fault, Unprocessable
from app.models import Employee, MentorMatch, MentorMatchPair, MentorMatchUnmatched, Pillar, ServiceArea, Team
from app.models.job import JobState
from app.schemas.mentor_match import MOST_MENTEES, MatchCreate
from app.services import plan_owner as owners

KEPT = timedelta(days=30)
PURGED_AT_ONCE = 5
TABLE, PAIR, UNMATCHED = (model.__table__ for model in (MentorMatch, MentorMatchPair, MentorMatchUnmatched))
PERSON = Employee.__table__
OF_MATCH = bindparam("match_id", type_=Uuid())
MATCHES = queries.Listing(
    "mentor_match",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={
        "state": TABLE.c.state == bindparam("state"),
        "requested_by_id": TABLE.c.requested_by_id == bindparam("requested_by_id"),
    },
    default_sort="-id",
)
PAIRS = queries.Listing(
    "mentor_match_pair",
    sorts={"id": PAIR.c.id, "score": PAIR.c.score},
    filters={
        "match_id": PAIR.c.match_id == OF_MATCH,
        "mentee_id": PAIR.c.mentee_id == bindparam("mentee_id"),
        "mentor_id": PAIR.c.mentor_id == bindparam("mentor_id"),
        "confirmed": PAIR.c.assignment_id.is_not(None) == bindparam("confirmed"),
    },
    syncs=False,
)
UNMATCHED_PEOPLE = queries.Listing(
    "mentor_match_unmatched",
    sorts={"id": UNMATCHED.c.id},
    filters={
        "match_id": UNMATCHED.c.match_id == OF_MATCH,
        "mentee_id": UNMATCHED.c.mentee_id == bindparam("mentee_id"),
        "code": UNMATCHED.c.code == bindparam("code"),
    },
    syncs=False,
)
PRESENT = select(PERSON.c.id).where(
    PERSON.c.organisation_id == bindparam("organisation_id"),
    PERSON.c.id.in_(select(func.unnest(bindparam("people", type_=ARRAY(Uuid()))))),
)
ACTIVE = select(PERSON.c.id).where(PERSON.c.organisation_id == bindparam("organisation_id"), PERSON.c.active)
IN_TEAM, IN_AREA = ACTIVE.where(PERSON.c.id.in_(owners.OF_TEAM)), ACTIVE.where(PERSON.c.id.in_(owners.OF_AREA))


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the matchings that are kept, the newest first."""
    page = queries.paginate(session, caller, MATCHES, paging, filters)
    return {**page, "data": [_shown(row) for row in page["data"]]}


def read(session: Session, caller: Caller, match_id: UUID) -> Mapping[str, Any]:
    """Return one matching."""
    return _shown(queries.read(session, caller, "mentor_match", match_id))


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "kept_until": row["created_at"] + KEPT}


def request(session: Session, caller: Caller, data: MatchCreate) -> Answer:
    """Ask for a matching. Raise Unprocessable for people, a team, an area or a pillar that is not there.

    Raise Conflict for more people than one matching takes.
    """
    mentee_ids = _mentees(session, caller, data)
    _require_pillar(session, caller, data.pillar)
    match = MentorMatch(
        organisation_id=caller.organisation_id,
        requested_by_id=caller.employee_id,
        mentee_ids=mentee_ids,
        mentee_count=len(mentee_ids),
        **data.model_dump(exclude={"mentee_ids"}),
        state=JobState.queued,
        progress=0,
        attempts=0,
        confirmed_count=0,
    )
    jobs.enqueue(session, caller, match)
    return Answer(read(session, caller, match.id), 202, {"Location": f"/v1/mentor-matches/{match.id}"})


def cancel(session: Session, caller: Caller, match_id: UUID) -> Mapping[str, Any]:
    """Give up a matching that is not finished. Who does it learns of it within seconds."""
    match = queries.get_allowed(session, caller, MentorMatch, match_id, "cancel")
    jobs.end(session, caller, match, JobState.cancelled)
    match.mentee_ids = None
    session.flush()
    return read(session, caller, match_id)


def list_pairs(
    session: Session, caller: Caller, paging: queries.Paging, match_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of the pairs that a matching proposes. Raise NotFound for one that is not there."""
    queries.read(session, caller, "mentor_match", match_id)
    return queries.paginate(session, caller, PAIRS, paging, {**filters, "match_id": match_id})


def list_unmatched(
    session: Session, caller: Caller, paging: queries.Paging, match_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of those for whom a matching proposes nobody. Raise NotFound for one that is not there."""
    queries.read(session, caller, "mentor_match", match_id)
    return queries.paginate(session, caller, UNMATCHED_PEOPLE, paging, {**filters, "match_id": match_id})


def purge(session: Session, caller: Caller, now: datetime) -> int:
    """Remove matchings whose time is over, with their pairs; return how many, PURGED_AT_ONCE at most."""
    mine = TABLE.c.organisation_id == caller.organisation_id
    over = select(TABLE.c.id).where(mine, TABLE.c.created_at < now - KEPT).order_by(TABLE.c.created_at)
    first = over.limit(PURGED_AT_ONCE)
    return int(session.connection().execute(delete(MentorMatch).where(mine, TABLE.c.id.in_(first))).rowcount)


def _mentees(session: Session, caller: Caller, data: MatchCreate) -> Sequence[UUID]:
    values = {"organisation_id": caller.organisation_id}
    if data.mentee_ids is not None:
        present = set(execute(session, PRESENT, {**values, "people": data.mentee_ids}).scalars())
        faults = [
            Fault(f"/mentee_ids/{place}", "unknown_reference", "There is no such row.")
            for place, mentee_id in enumerate(data.mentee_ids)
            if mentee_id not in present
        ]
        if faults:
            raise Unprocessable(faults=faults[:100])
        return sorted(data.mentee_ids)
    if data.team_id is not None:
        queries.get_owned(session, caller, Team, data.team_id, "/team_id")
        found = execute(session, IN_TEAM, {**values, "team_id": data.team_id}).scalars()
    else:
        queries.get_owned(session, caller, ServiceArea, data.service_area_id, "/service_area_id")  # type: ignore[arg-type]  # one of the three is there
        found = execute(session, IN_AREA, {**values, "service_area_id": data.service_area_id}).scalars()
    mentees = sorted(found)
    if len(mentees) > MOST_MENTEES:
        raise Conflict("too_many_mentees", f"One matching takes at most {MOST_MENTEES} people: match them in parts.")
    return mentees


def _require_pillar(session: Session, caller: Caller, key: str | None) -> None:
    query = select(Pillar.id).where(Pillar.organisation_id == caller.organisation_id, Pillar.key == key)
    if key is not None and session.execute(query).first() is None:
        raise Unprocessable(faults=[Fault("/pillar", "unknown_reference", "There is no such pillar.")])
