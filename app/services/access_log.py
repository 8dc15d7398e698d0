"""Who looked at the caller's own records, when and by which right."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller
from app.models import AuditEntry, Client, Employee

ENTRY = AuditEntry.__table__
PERSON, CLIENT = Employee.__table__.alias("reader"), Client.__table__.alias("reading_client")
PERSON_NAME = (
    select(PERSON.c.display_name)
    .where(PERSON.c.organisation_id == ENTRY.c.organisation_id, PERSON.c.id == ENTRY.c.actor_id)
    .scalar_subquery()
    .label("person_name")
)
CLIENT_NAME = (
    select(CLIENT.c.name)
    .where(CLIENT.c.organisation_id == ENTRY.c.organisation_id, CLIENT.c.id == ENTRY.c.actor_id)
    .scalar_subquery()
    .label("client_name")
)
LOG = queries.Listing(
    "access_log_entry",
    sorts={"id": ENTRY.c.id},
    default_sort="-id",
    syncs=False,
    extra=(PERSON_NAME, CLIENT_NAME),
)
BREAK_GLASS = "break_glass"
IN_WORDS: Mapping[str, str] = {
    "line_manager": "As your line manager.",
    "team_lead": "As the lead of a team that you are in.",
    "session_participant": "As somebody who took part in the session.",
    "coach_of_feedback": "As the coach whom you gave it to.",
    "shared_with": "Because you shared it with them.",
    "eap_coordinator": "As the EAP coordinator who helps with your referral.",
    "eap_coordinator_in_place": "As the EAP coordinator who helps with your referral.",
    "eap_provider": "As the provider that you turned to.",
    BREAK_GLASS: "In an emergency, with a second person's approval.",
}


def list_(session: Session, caller: Caller, paging: queries.Paging) -> Mapping[str, Any]:
    """Return a page of who else was shown the caller's own records, the newest first."""
    page = queries.paginate(session, caller, LOG, paging, {})
    return {**page, "data": [_shown(row) for row in page["data"]]}


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    name = row["person_name"] if row["actor_kind"] == "person" else row["client_name"]
    actor = {"kind": row["actor_kind"], "id": row["actor_id"], "display_name": name}
    return {**row, "actor": actor, "in_words": in_words(row["access_right"])}


def in_words(right: str) -> str:
    """Return a right as one would say it to the person: a client's is its scope."""
    if ":" in right or right == "client":
        return "As a system that your organisation connected."
    return IN_WORDS.get(right, f"As {right.replace('_', ' ')}.")
