"""How many plans and goals there are: what the programme lead sees of them, naming nobody."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.auth import Caller
from app.database import execute
from app.models import DevelopmentPlan, Goal, Organisation, Pillar
from app.models.development_plan import PlanState
from app.models.goal import GoalState
from app.relations import ORGANISATION

PLAN, GOAL, PILLAR = DevelopmentPlan.__table__, Goal.__table__, Pillar.__table__
PLANS = (
    select(PLAN.c.state, func.count().label("plans"), func.count(PLAN.c.employee_id.distinct()).label("people"))
    .where(PLAN.c.organisation_id == ORGANISATION)
    .group_by(PLAN.c.state)
)
_ON = (
    select(func.unnest(GOAL.c.pillars).label("pillar"), GOAL.c.employee_id)
    .where(GOAL.c.organisation_id == ORGANISATION, GOAL.c.state == GoalState.active, ~GOAL.c.private)
    .subquery("on_pillar")
)
PEOPLE = select(_ON.c.pillar, func.count(_ON.c.employee_id.distinct()).label("people")).group_by(_ON.c.pillar)
PILLARS = select(PILLAR.c.key).where(PILLAR.c.organisation_id == ORGANISATION).order_by(PILLAR.c.position, PILLAR.c.id)


def read(session: Session, caller: Caller) -> Mapping[str, Any]:
    """Return the counts of the whole organisation. Private goals are not in them; a number of too few people is null.

    There is no total to take the others from: states are counted in plans, pillars in people.
    """
    values = {"organisation_id": caller.organisation_id}
    least = session.get_one(Organisation, caller.organisation_id).minimum_group_size
    plans = {row.state: row for row in execute(session, PLANS, values)}
    people = {row.pillar: row.people for row in execute(session, PEOPLE, values)}
    return {
        "minimum_group_size": least,
        "plans": [
            {"state": state, "plans": _shown(plans[state].plans, plans[state].people, least) if state in plans else 0}
            for state in PlanState
        ],
        "pillars": [
            {"pillar": key, "people": _shown(people.get(key, 0), people.get(key, 0), least)}
            for key in execute(session, PILLARS, values).scalars()
        ],
    }


def _shown(number: int, people: int, least: int) -> int | None:
    return number if people == 0 or people >= least else None
