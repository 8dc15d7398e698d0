"""A drill in the demo organisation: a referral is asked for in an emergency, approved, looked for once, and told."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.models.client import Role
from app.schemas.access_log import BreakGlassCreate
from app.services import break_glass

ASKED_BY, APPROVED_BY, ABOUT = "ines", "noor", "amira"
DAYS_AGO = timedelta(days=3)
REASON = "A drill, agreed with Amira: once a quarter we try whether this works, and how fast."


def make(session: Session, organisation_id: UUID, ids: Mapping[str, UUID]) -> None:
    """Hold the drill, three days ago."""
    coordinator = Caller(organisation_id, "person", ids[ASKED_BY], roles=frozenset({Role.eap_coordinator}))
    lead = Caller(organisation_id, "person", ids[APPROVED_BY], roles=frozenset({Role.programme_lead}))
    with clock.standing_at(clock.now() - DAYS_AGO):
        asked = BreakGlassCreate(employee_id=ids[ABOUT], reason=REASON)
        request_id = break_glass.create(session, coordinator, asked)["id"]
        break_glass.approve(session, lead, request_id)
        break_glass.open_(session, coordinator, request_id)
