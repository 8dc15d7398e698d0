"""The demo's development plans: one that is under way, a goal that stands outside any plan, and a template."""

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.models.client import Role
from app.schemas.development_plan import PlanCreate
from app.schemas.goal import GoalCreate, ProgressUpdateCreate
from app.schemas.goal_template import TemplateCreate
from app.services import development_plan as plans
from app.services import goal as goals
from app.services import goal_template as templates
from app.services import progress_update as progress

LASTS = timedelta(days=180)


def make(session: Session, organisation_id: UUID, employee_id: UUID, lead_id: UUID) -> None:
    """Let the employee plan, start and make some progress, and the programme lead offer a template."""
    person = Caller(organisation_id, "person", employee_id)
    today = clock.now().date()
    plan = plans.create(session, person, _plan(today))
    overtime = goals.create(session, person, _overtime(plan, today))
    goals.create(session, person, _pauses(plan, today))
    plans.move(session, person, plan["id"], "activate")
    said = ProgressUpdateCreate(value=8, health="on_track", confidence=4, note="Two late evenings only.")
    progress.record(session, person, overtime["id"], said)
    lead = Caller(organisation_id, "person", lead_id, roles=frozenset({Role.programme_lead}))
    templates.create(session, lead, _template())


def _plan(today: date) -> PlanCreate:
    return PlanCreate(
        title="Calm and clear on the legal line",
        purpose="End the shift with something left for the evening.",
        starts_on=today,
        ends_on=today + LASTS,
    )


def _overtime(plan: Mapping[str, UUID], today: date) -> GoalCreate:
    return GoalCreate.model_validate(
        {
            "plan_id": plan["id"],
            "title": "Leave on time most evenings",
            "description": "Overtime down to what the rota foresees.",
            "pillars": ["physical_health"],
            "kind": "duration",
            "baseline": 10,
            "target": 4,
            "unit": "hours a month",
            "why_it_matters": "After long evenings I sleep badly, and the next shift starts tired.",
            "how_to_reach_it": "Hand over open cases half an hour before the end of the shift.",
            "confidence": 4,
            "due_on": (today + LASTS / 2).isoformat(),
        }
    )


def _pauses(plan: Mapping[str, UUID], today: date) -> GoalCreate:
    return GoalCreate.model_validate(
        {
            "plan_id": plan["id"],
            "title": "Pause after every hard call",
            "description": "Take the five minutes that are offered, before the next call.",
            "pillars": ["emotional_wellbeing"],
            "kind": "percent",
            "baseline": 20,
            "target": 80,
            "unit": "per cent of hard calls",
            "why_it_matters": "I carry one caller's anger into the next call.",
            "how_to_reach_it": "Stand up, breathe out slowly, write one line, then go back.",
            "confidence": 3,
            "due_on": (today + LASTS).isoformat(),
        }
    )


def _template() -> TemplateCreate:
    return TemplateCreate.model_validate(
        {
            "title": "Pause after every hard call",
            "description": "Take the pause that is offered, before the next call.",
            "pillars": ["emotional_wellbeing"],
        }
    )
