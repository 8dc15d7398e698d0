"""What sealing costs a request: thought records with it and without it, in one run."""

import json
from collections.abc import Callable
from uuid import UUID

from sqlalchemy.orm import Session

from app.auth import Caller
from app.database import set_tenant
from app.schemas.thought_record import THOUGHT, ThoughtRecordCreate
from app.services import thought_record as records
from benchmarks import load

RECORDS = "/v1/thought-records"


def lay(session: Session, organisation_id: UUID, employee_id: UUID, count: int) -> str:
    """Write some thought records of one person, and return the id of one."""
    set_tenant(session, organisation_id)
    author = Caller(organisation_id, "person", employee_id)
    made = [records.create(session, author, ThoughtRecordCreate(**THOUGHT)) for _ in range(count)]
    return str(made[count // 2]["id"])


async def measure(
    token: str,
    record_id: str,
    ours: int,
    unsealed: int,
    rounds: int,
    seconds: float,
    report: Callable[[str, list[tuple[float, float]]], None],
) -> None:
    """Measure both services in turns. ``limit`` in the table is the one without sealing."""
    requests = {
        "GET one thought record, sealed": load.get(f"{RECORDS}/{record_id}", token),
        "list of 50 thought records, sealed": load.get(f"{RECORDS}?limit=50", token),
        "POST a thought record, sealed": load.post(RECORDS, token, json.dumps(THOUGHT).encode()),
    }
    for name, request in requests.items():
        for port in (ours, unsealed):
            await load.run(port, request, connections=4, seconds=1)
        pairs = []
        for _ in range(rounds):
            without = await load.run(unsealed, request, connections=8, seconds=seconds)
            sealed = await load.run(ours, request, connections=8, seconds=seconds)
            if sealed.refused or without.refused:
                raise SystemExit(f"{name}: {sealed.refused} and {without.refused} answers were not 2xx")
            pairs.append((sealed.rate, without.rate))
        report(name, pairs)
