"""Which employee a call platform's agent is: by alias first, then by what the directory says of people."""

from collections.abc import Collection, Iterable
from hashlib import blake2b
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.database import execute
from app.events import Change
from app.models.base import folded, new_id
from app.services.outcome import Changed

# An agent, as one source calls them.
Agent = tuple[UUID, str]

FIND = text(
    """
    WITH agent AS (
        SELECT * FROM unnest(CAST(:source_ids AS uuid[]), CAST(:refs AS text[]), CAST(:keys AS text[]))
            WITH ORDINALITY AS a (source_id, ref, key, place)
    )
    SELECT agent.place, 1 AS rank, a.employee_id FROM agent JOIN agent_alias AS a
        ON a.organisation_id = :organisation_id AND a.agent_key = agent.key AND a.source_id = agent.source_id
    UNION ALL SELECT agent.place, 2, a.employee_id FROM agent JOIN agent_alias AS a
        ON a.organisation_id = :organisation_id AND a.agent_key = agent.key AND a.source_id IS NULL
    UNION ALL SELECT agent.place, 3, e.id FROM agent JOIN employee AS e
        ON e.organisation_id = :organisation_id AND e.external_id = agent.ref
    UNION ALL SELECT agent.place, 4, e.id FROM agent JOIN employee AS e
        ON e.organisation_id = :organisation_id AND e.user_name_key = agent.key
    UNION ALL SELECT agent.place, 5, e.id FROM agent JOIN employee AS e
        ON e.organisation_id = :organisation_id AND e.email_key = agent.key
    UNION ALL SELECT agent.place, 6, e.id FROM agent JOIN employee AS e
        ON e.organisation_id = :organisation_id AND e.employee_number = agent.ref
    """
)
NAMES = text(
    """
    SELECT unnest(ARRAY[external_id, user_name, email, employee_number]) FROM employee
    WHERE organisation_id = :organisation_id AND id = ANY(CAST(:employee_ids AS uuid[]))
    UNION SELECT agent_ref FROM agent_alias
    WHERE organisation_id = :organisation_id AND employee_id = ANY(CAST(:employee_ids AS uuid[]))
    """
)
WAITING = text(
    """
    SELECT DISTINCT source_id, agent_ref FROM call_event
    WHERE organisation_id = :organisation_id AND employee_id IS NULL AND agent_key = ANY(CAST(:keys AS text[]))
    """
)
ATTACH = text(
    """
    WITH waiting AS (
        SELECT c.id, a.employee_id FROM call_event AS c JOIN unnest(
            CAST(:source_ids AS uuid[]), CAST(:refs AS text[]), CAST(:keys AS text[]), CAST(:employee_ids AS uuid[])
        ) AS a (source_id, ref, key, employee_id)
            ON c.agent_key = a.key AND c.source_id = a.source_id AND c.agent_ref = a.ref
        WHERE c.organisation_id = :organisation_id AND c.employee_id IS NULL
        ORDER BY c.id FOR UPDATE OF c
    ), attached AS (
        UPDATE call_event AS c SET employee_id = w.employee_id, version = c.version + 1, updated_at = :now
        FROM waiting AS w WHERE c.organisation_id = :organisation_id AND c.id = w.id
        RETURNING c.employee_id, c.ended_at, c.voided_at
    )
    SELECT employee_id, count(*) AS calls, min(ended_at) FILTER (WHERE voided_at IS NULL) AS earliest,
        max(ended_at) FILTER (WHERE voided_at IS NULL) AS latest
    FROM attached GROUP BY employee_id
    """
)
SHARE = text("SELECT pg_advisory_xact_lock_shared(:number)")
HOLD = text("SELECT pg_advisory_xact_lock(:number)")


def find(session: Session, caller: Caller, agents: Iterable[Agent]) -> dict[Agent, UUID]:
    """Return who these agents are, those that are known.

    An alias of the source comes first, then one of any source, external id, user name, e-mail address and employee
    number. Where the best of these fits several people, nobody is chosen.

    Where some are not known, this transaction keeps new aliases and people waiting until its end, so that either it
    sees them, or they see the call events that it keeps as unmatched.
    """
    wanted = list(dict.fromkeys(agents))
    found = _found(session, caller, wanted)
    unknown = [agent for agent in wanted if agent not in found]
    if unknown:
        execute(session, SHARE, {"number": lock_number(caller)})
        found |= _found(session, caller, unknown)
    return found


def hold(session: Session, caller: Caller) -> None:
    """Keep call events of unknown agents waiting until this transaction ends.

    Where employees are locked before ``attach`` is called, hold first: who takes in call events holds, then locks them.
    """
    execute(session, HOLD, {"number": lock_number(caller)})


def attach(session: Session, caller: Caller, employee_ids: Collection[UUID]) -> int:
    """Attach call events kept as unmatched to these employees, where a name or alias of theirs fits; return how many.

    Call it when people or aliases were added, or names of people changed. Signals follow. What is matched stays.
    """
    if not employee_ids:
        return 0
    session.flush()
    hold(session, caller)
    return attach_named(session, caller, names_of(session, caller, employee_ids))


def names_of(session: Session, caller: Caller, employee_ids: Collection[UUID]) -> list[str]:
    """Return every name that a call platform may have for one of these people."""
    values = {"organisation_id": caller.organisation_id, "employee_ids": list(employee_ids)}
    return [name for name in execute(session, NAMES, values).scalars() if name is not None]


def attach_named(session: Session, caller: Caller, names: Iterable[str | None]) -> int:
    """Attach call events kept as unmatched under these names, which are all that people have who were added just now.

    Hold first. See ``attach``.
    """
    within = {"organisation_id": caller.organisation_id}
    keys = {folded(name) for name in names if name}
    rows = execute(session, WAITING, {**within, "keys": list(keys)})
    waiting = [(row.source_id, row.agent_ref) for row in rows]
    found = _found(session, caller, waiting)
    if not found:
        return 0
    values = {**_arrays(list(found)), "employee_ids": list(found.values()), "now": clock.now()}
    attached = execute(session, ATTACH, {**within, **values}).all()
    changes = [
        Change("call_event.attached", new_id(), 1, subject_id=row.employee_id, details={"count": row.calls})
        for row in attached
    ]
    events.record_changes(session, caller, "call_event_intake", changes)
    changed = Changed()
    changed.add(attached)
    changed.follow(session, caller)
    return changed.calls


def _found(session: Session, caller: Caller, agents: list[Agent]) -> dict[Agent, UUID]:
    if not agents:
        return {}
    rows = execute(session, FIND, {"organisation_id": caller.organisation_id, **_arrays(agents)})
    best: dict[int, tuple[int, set[UUID]]] = {}
    for row in rows:
        first, people = best.get(row.place, (row.rank, set()))
        if row.rank < first:
            first, people = row.rank, set()
        if row.rank == first:
            people.add(row.employee_id)
        best[row.place] = (first, people)
    return {agents[place - 1]: next(iter(people)) for place, (_, people) in best.items() if len(people) == 1}


def _arrays(agents: list[Agent]) -> dict[str, list[UUID] | list[str]]:
    return {
        "source_ids": [source_id for source_id, _ in agents],
        "refs": [ref for _, ref in agents],
        "keys": [folded(ref) for _, ref in agents],
    }


def lock_number(caller: Caller) -> int:
    """Return the number of the lock that ``hold`` takes."""
    digest = blake2b(b"matching" + caller.organisation_id.bytes, digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
