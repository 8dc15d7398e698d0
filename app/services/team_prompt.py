"""When signals repeat in one team, its work is asked about, not its people: a prompt to the programme lead."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, literal_column, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.database import execute
from app.models import Employee, StrainSignal, SupportPrompt, Team, TeamMember
from app.models.base import new_id
from app.models.strain import PromptKind, PromptState, SignalState
from app.services.prompt_offer import by_the_rules
from app.telemetry import PROMPTS

if TYPE_CHECKING:
    from app.services.strain_reading import Setting
    from app.services.strain_writing import Raised

PEOPLE_AT_LEAST = 2
MESSAGE = (
    "Calls have been straining in this team repeatedly. What about the work could change: the queue and how calls are"
    " routed, staffing and rosters, a policy or its wording, the breaks? This is about the work, not about its people."
)

TABLE, TEAM, MEMBER, PERSON = (model.__table__ for model in (SupportPrompt, Team, TeamMember, Employee))
SIGNAL = StrainSignal.__table__
ORGANISATION, IDS = bindparam("organisation_id", type_=Uuid()), bindparam("ids", type_=ARRAY(Uuid()))

# A prompt about a team is about no employee: by that it is found in the index of employees' prompts.
ASKED = select(TABLE.c.team_id).where(
    TABLE.c.organisation_id == ORGANISATION, TABLE.c.employee_id.is_(None), TABLE.c.offered_at > bindparam("since")
)
TEAMS_OF = select(MEMBER.c.team_id).where(MEMBER.c.organisation_id == ORGANISATION, MEMBER.c.employee_id == any_(IDS))
LOCK = (
    select(TEAM.c.id)
    .where(TEAM.c.organisation_id == ORGANISATION, TEAM.c.id.in_(TEAMS_OF), TEAM.c.id.not_in(ASKED))
    .order_by(TEAM.c.id)
    .with_for_update(key_share=True)
)
# Counted for each member by themself, so that the index of their own signals is walked and nobody else's.
SEEN = (
    select(func.count().label("signals"))
    .where(SIGNAL.c.organisation_id == ORGANISATION, SIGNAL.c.employee_id == MEMBER.c.employee_id)
    .where(SIGNAL.c.state == literal_column(f"'{SignalState.raised}'"), ~SIGNAL.c.private)
    .where(SIGNAL.c.triggered_at > bindparam("since"))
    .correlate(MEMBER)
    .lateral("seen")
)
STRAINED = (
    select(MEMBER.c.team_id)
    .join(PERSON, (PERSON.c.organisation_id == MEMBER.c.organisation_id) & (PERSON.c.id == MEMBER.c.employee_id))
    .join(SEEN, true())
    .where(MEMBER.c.organisation_id == ORGANISATION, MEMBER.c.team_id == any_(IDS), PERSON.c.active)
    .where(MEMBER.c.team_id.not_in(ASKED))
    .group_by(MEMBER.c.team_id)
    .having(func.count() >= bindparam("people"), func.sum(SEEN.c.signals) >= bindparam("signals"))
    .having(func.count().filter(SEEN.c.signals > 0) >= PEOPLE_AT_LEAST)
    .order_by(MEMBER.c.team_id)
)
OVER = (
    update(SupportPrompt)
    .where(TABLE.c.organisation_id == bindparam("of"), TABLE.c.team_id == any_(IDS))
    .where(TABLE.c.state == PromptState.offered, TABLE.c.expires_at <= bindparam("now"))
    .values(state=PromptState.expired, updated_at=TABLE.c.expires_at, version=TABLE.c.version + 1)
)


def offer(session: Session, caller: Caller, setting: "Setting", present: Sequence["Raised"]) -> None:
    """Ask the programme lead about the work of teams in which public signals have repeated, once in each period.

    ``present`` are the public signals just raised whose moment has not passed. A small team is never asked about, nor
    one in which all signals are one person's.
    """
    if not present:
        return
    now = clock.now()
    period = timedelta(days=setting.team_prompt_days)
    values = {"organisation_id": caller.organisation_id, "since": now - period}
    teams = execute(session, LOCK, {**values, "ids": [signal.employee_id for signal in present]}).scalars().all()
    if not teams:
        return
    wanted = {"people": setting.minimum_group_size, "signals": setting.team_prompt_signals}
    strained = execute(session, STRAINED, {**values, **wanted, "ids": teams}).scalars().all()
    if strained:
        _insert(session, caller, strained, now, now + period)


def _insert(session: Session, caller: Caller, teams: Sequence[UUID], now: datetime, expires_at: datetime) -> None:
    execute(session, OVER, {"of": caller.organisation_id, "ids": teams, "now": now})
    rows: list[dict[str, Any]] = [
        {
            "organisation_id": caller.organisation_id,
            "id": new_id(),
            "team_id": team_id,
            "kind": PromptKind.team_review,
            "message": MESSAGE,
            "offered_at": now,
            "expires_at": expires_at,
            "state": PromptState.offered,
        }
        for team_id in teams
    ]
    added = insert(SupportPrompt).values(rows).on_conflict_do_nothing().returning(SupportPrompt.id)
    ids = session.execute(added).scalars().all()
    PROMPTS.labels("offered").inc(len(ids))
    changes = [events.Change("support_prompt.offered", prompt_id, 1, state="offered") for prompt_id in ids]
    events.record_changes(session, by_the_rules(caller), "support_prompt", changes)
