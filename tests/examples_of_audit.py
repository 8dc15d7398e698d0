"""Examples of seals, anchors, requests to read in an emergency and notices: see `examples_of_resources`."""

from collections.abc import Callable, Mapping, MutableMapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock, texts
from app.auth import Caller
from app.models import AccessNotice, AuditAnchor, AuditEntry, AuditSeal, BreakGlassRequest
from app.models.base import new_id
from app.services.break_glass import REASON
from tests.world import World

REQUEST = "/v1/break-glass-requests/{request_id}"
EXAMPLES: dict[str, dict[str, str]] = {
    REQUEST: {"request_id": "break_glass_request"},
    f"{REQUEST}/open": {"request_id": "approved_break_glass"},
    "/v1/me/access-notices/{notice_id}": {"notice_id": "access_notice"},
}
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "create_break_glass_request": lambda _: {"delay_seconds": 60, "delay_reason": "He is with her."},
}


def make_audit(session: Session, world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make requests of Ines to read Amira's referrals, a notice to Amira, and what a look at her review leaves."""
    session.add(
        AuditSeal(
            organisation_id=world.id,
            number=number,
            first_number=number,
            last_number=number,
            digests=bytes(32),
            head=bytes(32),
            signature=b"",
            public_key=b"",
        )
    )
    session.add(AuditAnchor(organisation_id=world.id, seal_number=number, place="file"))
    now, noor = clock.now(), world.people["noor"]
    used = _ask(session, world, state="used", approved_by_id=noor, approved_at=now, used_at=now)
    for _ in range(2):
        make(AccessNotice, employee_id=world.people["amira"], request_id=used, entry_ids=[], told_at=now)
        session.add(_look(world, made["review"]))
    made["approved_break_glass"] = _ask(session, world, state="approved", approved_by_id=noor, approved_at=now)
    made["break_glass_request"] = _ask(session, world, state="pending")


def _ask(session: Session, world: World, **fields: Any) -> UUID:
    amira, request_id = world.people["amira"], new_id()
    words = texts.seal(session, Caller(world.id, "system", None), amira, REASON, request_id, "Nobody reaches her.")
    request = BreakGlassRequest(
        organisation_id=world.id,
        id=request_id,
        employee_id=amira,
        requested_by_id=world.people["ines"],
        reason=words,
        expires_at=clock.now() + timedelta(minutes=50),
        **fields,
    )
    session.add(request)
    session.flush()
    return request_id


def _look(world: World, review_id: UUID) -> AuditEntry:
    return AuditEntry(
        organisation_id=world.id,
        action="review.read",
        resource="review",
        resource_id=review_id,
        subject_id=world.people["amira"],
        actor_kind="person",
        actor_id=world.people["theo"],
        access_right="line_manager",
        details={},
    )
