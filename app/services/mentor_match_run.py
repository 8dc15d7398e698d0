"""The job of a matching: read who there is in small transactions, have it matched elsewhere, write what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, insert, select
from sqlalchemy.orm import Session

from app.auth import Caller
from app.child import Child, ChildFailed
from app.database import execute
from app.jobs import JobFailed, Run
from app.models import MentorAssignment, MentorMatch, MentorMatchPair, MentorMatchUnmatched
from app.models.base import Base, new_id
from app.models.mentor import TAKING_A_PLACE, AssignmentKind, AssignmentState
from app.relations import ORGANISATION
from app.services import mentor_candidates as candidates
from app.services.mentor_fit import Mentee, Mentor, Weights
from app.services.mentor_outcome import Outcome
from app.services.mentor_wire import Terms, plain

MODULE = "app.services.mentor_matching"
# Of its address space. Of 5,000 mentees and 500 mentors it has 0.4 GB in memory; it is refused more, not the server.
MEMORY_BYTES = 2**30
AT_ONCE = 100
READ, STORING = 10, 95  # per cent of the way; the process itself says how far it is between them
FAILURES = {"out_of_memory": "too_large", "NotProven": "not_proven"}
ASSIGNMENT = MentorAssignment.__table__
COVERED = (
    select(ASSIGNMENT.c.mentee_id, func.unnest(ASSIGNMENT.c.focus_pillars).label("pillar"))
    .where(
        ASSIGNMENT.c.organisation_id == ORGANISATION,
        ASSIGNMENT.c.mentee_id.in_(select(func.unnest(bindparam("mentees", type_=ARRAY(Uuid()))))),
        ASSIGNMENT.c.kind == AssignmentKind.ongoing,
        ASSIGNMENT.c.state.in_(TAKING_A_PLACE),
    )
    .distinct()
)
PROPOSED = (
    select(ASSIGNMENT.c.mentor_id, func.count().label("many"))
    .where(ASSIGNMENT.c.organisation_id == ORGANISATION, ASSIGNMENT.c.state == AssignmentState.proposed)
    .group_by(ASSIGNMENT.c.mentor_id)
)


@dataclass
class Result:
    """What came back of the process."""

    mentor_count: int
    total_fit: int = 0
    pairs: list[dict[str, Any]] = field(default_factory=list)
    unmatched: list[dict[str, Any]] = field(default_factory=list)


def result_of(mentor_count: int, outcome: Outcome) -> Result:
    """Return an outcome as it would come back."""
    pairs, unmatched = ([each.plain() for each in rows] for rows in (outcome.pairs, outcome.unmatched))
    return Result(mentor_count, outcome.total_fit, pairs, unmatched)


async def work(run: Run) -> None:
    """Match, outside of any transaction. Raise JobFailed where it is too large, or nothing is proven to be the best."""
    terms, pillar, mentee_ids = await run.read(_asked, run.id)
    offered = await run.read(mentors)
    result = Result(len(offered))
    try:
        async with Child.running(MODULE, MEMORY_BYTES) as child:
            await child.send(plain(terms))
            for part in _parts(offered):
                await child.send({"mentors": [plain(mentor) for mentor in part]})
            for ids in _parts(mentee_ids):
                asking = await run.read(mentees, ids, pillar)
                await child.send({"mentees": [plain(mentee) for mentee in asking]})
            run.tell(READ)
            async for answer in child.answers():
                _take(run, result, answer)
    except ChildFailed as failed:
        if failed.code not in FAILURES:
            raise
        raise JobFailed(FAILURES[failed.code]) from failed
    run.tell(STORING)
    await run.succeed(store, result)


def _take(run: Run, result: Result, answer: Mapping[str, Any]) -> None:
    run.tell(READ + answer.get("progress", 0) * (STORING - READ) // 100)
    result.pairs += answer.get("pairs", ())
    result.unmatched += answer.get("unmatched", ())
    result.total_fit = answer.get("total_fit", result.total_fit)


def _parts(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))


def _asked(session: Session, caller: Caller, match_id: UUID) -> tuple[Terms, str | None, Sequence[UUID]]:
    match = session.get_one(MentorMatch, (caller.organisation_id, match_id))
    return terms_of(match), match.pillar, match.mentee_ids or ()


def terms_of(match: MentorMatch) -> Terms:
    """Return what a matching is to go by."""
    return Terms(
        weights=Weights(**match.weights),
        first="most_mentees" if match.first == "most_mentees" else "total_fit",
        needs_language=match.require_shared_language,
        needs_pillar=match.require_shared_pillar,
        least_score=match.least_score,
    )


def mentors(session: Session, caller: Caller) -> list[Mentor]:
    """Return every mentor. Proposals that are not answered yet take a place too: nobody is to be asked too much."""
    found = candidates.load(session, caller, []).mentors.values()
    rows = execute(session, PROPOSED, {"organisation_id": caller.organisation_id})
    proposed = {row.mentor_id: row.many for row in rows}
    return [replace(mentor, load=mentor.load + proposed.get(mentor.id, 0)) for mentor in found]


def mentees(session: Session, caller: Caller, ids: Sequence[UUID], pillar: str | None) -> list[Mentee]:
    """Return some mentees, without the pillars that they have a mentor on."""
    found = candidates.load(session, caller, ids, mentor_ids=[], focus=pillar).mentees.values()
    covered: dict[UUID, set[str]] = {}
    for row in execute(session, COVERED, {"organisation_id": caller.organisation_id, "mentees": list(ids)}):
        covered.setdefault(row.mentee_id, set()).add(row.pillar)
    return [
        replace(mentee, covered=frozenset(covered[mentee.id]), pillars=mentee.pillars - covered[mentee.id])
        if mentee.id in covered
        else mentee
        for mentee in found
    ]


def store(session: Session, _caller: Caller, match: MentorMatch, result: Result) -> None:
    """Write down what came of a matching, which is locked."""
    match.mentor_count, match.total_fit, match.mentee_ids = result.mentor_count, result.total_fit, None
    match.pair_count, match.unmatched_count = len(result.pairs), len(result.unmatched)
    session.flush()
    _insert(session, match, MentorMatchPair, result.pairs)
    _insert(session, match, MentorMatchUnmatched, result.unmatched)


def _insert(session: Session, match: MentorMatch, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    about = {"organisation_id": match.organisation_id, "match_id": match.id}
    for part in _parts(rows):
        values = [{**about, "id": new_id(), **row, **_ids(row)} for row in part]
        session.connection().execute(insert(model), values)


def _ids(row: Mapping[str, Any]) -> dict[str, UUID]:
    return {name: UUID(row[name]) for name in ("mentee_id", "mentor_id") if name in row}
