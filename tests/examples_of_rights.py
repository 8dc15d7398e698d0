"""Examples of exports, erasures and retention rules for the conventions: see `examples_of_resources`."""

from collections.abc import Callable, Mapping, MutableMapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.models import DataExport, Employee, Erasure, RetentionRule, RoleGrant
from app.models.base import new_id
from app.models.client import GrantState, Role
from app.models.job import JobState
from app.services import data_export as exports
from tests.world import World

OFFICER = "marguerite"
EXPORT = "/v1/data-exports/{export_id}"
RULE = "/v1/retention-rules/{rule_id}"
EXAMPLES: dict[str, dict[str, str]] = {
    EXPORT: {"export_id": "data_export"},
    RULE: {"rule_id": "retention_rule"},
    "/v1/employees/{employee_id}/erasure": {"employee_id": "leaver"},
}
MEMBERS: dict[str, Callable[[Mapping[str, UUID]], dict[str, Any]]] = {
    "update_retention_rule": lambda _: {"keep_days": 400},
}


def make_rights(session: Session, world: World, number: int, make: Any, made: MutableMapping[str, UUID]) -> None:
    """Make an officer, two exports of Amira's, somebody who has left, and a line of the ledger."""
    if number == 1:
        appoint(session, world)
    made[OFFICER] = world.people[OFFICER]
    leaver = f"leaver{number}"
    made["leaver"] = world._hire(session, leaver, {"active": False, "deactivated_at": clock.now()})
    del world.people[leaver]
    for _ in range(2):
        made["data_export"] = export(session, world, "amira")
    make(Erasure, employee_id=new_id(), pseudonym=f"Erased person {number}", counts={"records": []})
    calls = select(RetentionRule.id).where(
        RetentionRule.organisation_id == world.id, RetentionRule.data_class == "calls"
    )
    made["retention_rule"] = session.scalars(calls).one()


def appoint(session: Session, world: World) -> UUID:
    """Hire a data-protection officer, and return the id of their role."""
    officer = world._hire(session, OFFICER, {})
    session.flush()
    grant = RoleGrant(
        organisation_id=world.id,
        id=new_id(),
        employee_id=officer,
        role=Role.data_protection_officer,
        state=GrantState.active,
        granted_by="operator",
    )
    session.add(grant)
    session.flush()
    return grant.id


def export(session: Session, world: World, name: str) -> UUID:
    """Make an export that is done, and return its id."""
    person = session.get_one(Employee, (world.id, world.people[name]))
    row = DataExport(
        organisation_id=world.id,
        id=new_id(),
        employee_id=person.id,
        requested_by_id=world.people[OFFICER],
        state=JobState.succeeded,
        progress=100,
        attempts=1,
        expires_at=clock.now() + timedelta(days=7),
    )
    exports.store(session, Caller(world.id, "system", None), row, {})
    session.add(row)
    session.flush()
    return row.id
