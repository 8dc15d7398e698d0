"""Support prompts: reading them, answering them, their expiry, and the person's own pause."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, or_, select, update
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault, Unprocessable
from app.models import Employee, SupportPrompt, TeamMember
from app.models.strain import PromptState
from app.relations import ORGANISATION
from app.schemas.employee import PromptPause
from app.services.own_record import OwnRecord
from app.services.prompt_offer import by_the_rules
from app.telemetry import PROMPTS

TABLE, MEMBER = SupportPrompt.__table__, TeamMember.__table__
AT_ONCE = 500
IS_OVER = (TABLE.c.state == PromptState.offered) & (TABLE.c.expires_at <= bindparam("now"))
OF_TEAM = select(MEMBER.c.employee_id).where(
    MEMBER.c.organisation_id == ORGANISATION, MEMBER.c.team_id == bindparam("team_id")
)
LISTING = queries.Listing(
    "support_prompt",
    sorts={"id": TABLE.c.id, "offered_at": TABLE.c.offered_at, "expires_at": TABLE.c.expires_at},
    filters={
        "state": case((IS_OVER, PromptState.expired), else_=TABLE.c.state) == bindparam("state"),
        "employee_id": TABLE.c.employee_id == bindparam("employee_id"),
        "team_id": or_(TABLE.c.team_id == bindparam("team_id"), TABLE.c.employee_id.in_(OF_TEAM)),
        "kind": TABLE.c.kind == bindparam("kind"),
    },
)
# What a repeated answer finds: the same answer, given before, whatever came of it since.
GIVEN = {
    "accept": (PromptState.accepted, PromptState.done),
    "decline": (PromptState.declined,),
    "complete": (PromptState.done,),
}
REFUSALS = {
    PromptState.expired: ("prompt_expired", "The time for this offer is over."),
    PromptState.superseded: ("prompt_superseded", "This offer was taken back: what it rested on has changed."),
    PromptState.offered: ("wrong_state", "Not possible while it is offered: accept it first."),
}
ANSWERED = ("already_answered", "Another answer was given before.")
EXPIRED = (
    update(SupportPrompt)
    .where(TABLE.c.organisation_id == bindparam("of"), IS_OVER)
    .values(state=PromptState.expired, version=TABLE.c.version + 1, updated_at=TABLE.c.expires_at)
)
SWEEP = EXPIRED.where(
    TABLE.c.id.in_(
        select(TABLE.c.id)
        .where(TABLE.c.organisation_id == bindparam("of"), IS_OVER)
        .order_by(TABLE.c.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
).returning(TABLE.c.id, TABLE.c.version, TABLE.c.employee_id, TABLE.c.private)


def shown(caller: Caller, row: dict[str, Any]) -> dict[str, Any]:
    """Return a prompt as it is at this moment: an open offer past its time has expired, swept or not.

    It then reads exactly as the sweep will write it, version included. Nobody else can answer a person's prompt for
    them, also not somebody whose role answers those about teams.
    """
    if caller.kind == "person" and row["employee_id"] is not None and not row["is_mine"]:
        row = {**row, "allowed_actions": []}
    if row["state"] != PromptState.offered or row["expires_at"] > clock.now():
        return row
    expired = {"state": PromptState.expired, "version": row["version"] + 1, "updated_at": row["expires_at"]}
    return {**row, **expired, "allowed_actions": []}


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the prompts, each as it is at this moment."""
    page = queries.paginate(session, caller, LISTING, paging, filters)
    return {**page, "data": [shown(caller, row) for row in page["data"]]}


def read(session: Session, caller: Caller, prompt_id: UUID) -> Mapping[str, Any]:
    """Return one prompt as it is at this moment."""
    return shown(caller, queries.read(session, caller, "support_prompt", prompt_id))


def answer(session: Session, caller: Caller, prompt_id: UUID, action: str) -> Mapping[str, Any]:
    """Accept, decline or complete a prompt. The same answer again changes nothing and is answered the same.

    Raise Conflict for another answer than the one given, and for an offer whose time is over.
    """
    values = {"of": caller.organisation_id, "now": clock.now(), "prompt": prompt_id}
    execute(session, EXPIRED.where(TABLE.c.id == bindparam("prompt")), values)
    try:
        prompt = queries.get_allowed(session, caller, SupportPrompt, prompt_id, action)
    except Conflict:
        prompt = session.get_one(SupportPrompt, (caller.organisation_id, prompt_id))
        if prompt.state in GIVEN[action]:
            return read(session, caller, prompt_id)
        raise Conflict(*REFUSALS.get(PromptState(prompt.state), ANSWERED)) from None
    prompt.state = GIVEN[action][0]
    if action == "complete":
        prompt.done_at = clock.now()
    else:
        prompt.answered_at = clock.now()
    PROMPTS.labels(prompt.state).inc()
    events.record(session, caller, f"support_prompt.{prompt.state}", prompt, details={"state": prompt.state})
    return read(session, caller, prompt_id)


def expire(session: Session, caller: Caller, now: datetime) -> int:
    """Mark offers whose time is over as expired, up to 500 at once; return how many there were."""
    gone = execute(session, SWEEP, {"of": caller.organisation_id, "now": now}).all()
    PROMPTS.labels("expired").inc(len(gone))
    changes = [
        events.Change("support_prompt.expired", p.id, p.version, p.employee_id, state="expired", private=p.private)
        for p in gone
    ]
    events.record_changes(session, by_the_rules(caller), "support_prompt", changes)
    return len(gone)


def read_pause(session: Session, caller: Caller) -> Mapping[str, Any]:
    """Return until when the calling person wants no prompts."""
    until = session.scalar(_mine(select(Employee.prompts_paused_until), caller))
    return {"until": until if until is not None and until > clock.now() else None}


def pause(session: Session, caller: Caller, data: PromptPause) -> Mapping[str, Any]:
    """Pause the calling person's prompts, or let them come again. Nobody else learns of it.

    Raise Unprocessable for a moment that has passed. The employee's version stays: the pause is no part of the
    directory.
    """
    if data.until is not None and data.until <= clock.now():
        raise Unprocessable(faults=[Fault("/until", "in_the_past", "Must lie ahead.")])
    pausing = _mine(update(Employee), caller).values(prompts_paused_until=data.until)
    session.connection().execute(pausing.values(updated_at=Employee.updated_at))
    events.record(session, caller, OwnRecord.ACTION, OwnRecord())
    return read_pause(session, caller)


def _mine(statement: Any, caller: Caller) -> Any:
    return statement.where(Employee.organisation_id == caller.organisation_id, Employee.id == caller.employee_id)
