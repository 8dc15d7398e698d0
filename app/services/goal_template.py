"""Goal templates: what the programme offers as goals, and giving one to many people at once."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import access, events, queries
from app.auth import Caller
from app.models import Employee, Goal, GoalTemplate
from app.models.base import new_id
from app.models.goal import GoalKind, GoalState, TemplateState
from app.relations import ORGANISATION
from app.schemas.base import Reason
from app.schemas.goal_template import Assignment, TemplateCreate, TemplateUpdate
from app.services import goal as goals
from app.services import pillar as library
from app.services import plan_owner as owners
from app.services.practice import require_pillars

TABLE = GoalTemplate.__table__
TEMPLATES = queries.Listing(
    "goal_template",
    sorts={"id": TABLE.c.id, "title": TABLE.c.title},
    filters={
        "pillar": library.names(goals.PILLAR, TABLE.c.pillars),
        "state": TABLE.c.state == bindparam("state"),
    },
)
COPIED = (
    *("title", "description", "pillars", "kind", "baseline", "target", "unit"),
    *("why_it_matters", "how_to_reach_it", "if_then", "priority", "update_every_days"),
)
REFUSALS = {
    "unknown_reference": "There is no such person, or you may not give them goals.",
    "employee_inactive": "The person has left the organisation.",
    "already_assigned": "The person has an open goal from this template.",
}


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the templates."""
    return queries.paginate(session, caller, TEMPLATES, paging, filters)


def read(session: Session, caller: Caller, template_id: UUID) -> Mapping[str, Any]:
    """Return one template."""
    return queries.read(session, caller, "goal_template", template_id)


def create(session: Session, caller: Caller, data: TemplateCreate) -> Mapping[str, Any]:
    """Add a template. Raise Unprocessable for a pillar that is not there."""
    require_pillars(session, caller, data.pillars)
    template = GoalTemplate(organisation_id=caller.organisation_id, **data.model_dump())
    _normalise(template)
    session.add(template)
    events.record(session, caller, "goal_template.created", template)
    return read(session, caller, template.id)


def update(session: Session, caller: Caller, template_id: UUID, data: TemplateUpdate) -> Mapping[str, Any]:
    """Change a template. Goals that were made from it stay as they are."""
    template = queries.get_allowed(session, caller, GoalTemplate, template_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(template, name) != value}
    if "pillars" in changed:
        require_pillars(session, caller, changed["pillars"])
    for name, value in changed.items():
        setattr(template, name, value)
    _normalise(template)
    if changed:
        events.record(session, caller, "goal_template.updated", template, details={"fields": sorted(changed)})
    return read(session, caller, template_id)


def archive(session: Session, caller: Caller, template_id: UUID, data: Reason | None = None) -> Mapping[str, Any]:
    """Take a template out of use. Goals that were made from it keep their link to it."""
    template = queries.get_allowed(session, caller, GoalTemplate, template_id, "archive")
    template.state = TemplateState.archived
    reason = {"reason": data.reason} if data is not None and data.reason is not None else {}
    events.record(session, caller, "goal_template.archived", template, details={"state": template.state, **reason})
    return read(session, caller, template_id)


def _normalise(template: GoalTemplate) -> None:
    if template.kind == GoalKind.binary:
        template.baseline, template.target, template.unit = 0.0, 1.0, None


def assign(session: Session, caller: Caller, template_id: UUID, data: Assignment) -> Mapping[str, Any]:
    """Give each person a draft made from the template. One who is refused, with a reason, sinks no other."""
    template = queries.get_allowed(session, caller, GoalTemplate, template_id, "assign")
    people = _hold_people(session, caller, data.employee_ids)
    taken = _who_has_one(session, caller, template_id, data.employee_ids)
    due_on = data.due_on or _due_on(template)
    made: list[Goal] = []
    results: list[dict[str, Any]] = []
    for employee_id in data.employee_ids:
        code = _refusal(people.get(employee_id), employee_id in taken)
        result = {"employee_id": employee_id, "status": "refused", "goal_id": None, "code": code, "detail": None}
        if code is None:
            goal = _goal_from(template, employee_id, due_on)
            made.append(goal)
            taken.add(employee_id)
            result |= {"status": "assigned", "goal_id": goal.id}
        else:
            result["detail"] = REFUSALS[code]
        results.append(result)
    _save(session, caller, made)
    return {"assigned": len(made), "refused": len(results) - len(made), "results": results}


def _goal_from(template: GoalTemplate, employee_id: UUID, due_on: date | None) -> Goal:
    return Goal(
        organisation_id=template.organisation_id,
        id=new_id(),
        employee_id=employee_id,
        template_id=template.id,
        due_on=due_on,
        state=GoalState.draft,
        **{name: getattr(template, name) for name in COPIED},
    )


def _save(session: Session, caller: Caller, made: list[Goal]) -> None:
    session.add_all(made)
    session.flush()
    details = {"state": GoalState.draft}
    changes = [
        events.Change("goal.assigned", goal.id, goal.version, goal.employee_id, details, goal.state) for goal in made
    ]
    events.record_changes(session, caller, "goal", changes)


def _hold_people(session: Session, caller: Caller, employee_ids: list[UUID]) -> dict[UUID, bool]:
    """Hold those of these people to whom the caller may give goals, and return whether each is still here."""
    query = (
        select(Employee.id, Employee.active)
        .where(
            Employee.organisation_id == ORGANISATION,
            Employee.id.in_(bindparam("people", expanding=True)),
            access.predicate_about(caller, "goal", "hand_out", Employee.__table__.c.id),
        )
        .order_by(Employee.id)
        .with_for_update(of=Employee, key_share=True)
    )
    found = session.execute(query, {**queries.parameters(caller), "people": employee_ids})
    return {row.id: row.active for row in found}


def _who_has_one(session: Session, caller: Caller, template_id: UUID, employee_ids: list[UUID]) -> set[UUID]:
    """Return who has an open goal from the template. One that is private does not count: nobody may learn of it."""
    query = select(Goal.employee_id).where(
        Goal.organisation_id == caller.organisation_id,
        Goal.template_id == template_id,
        Goal.employee_id.in_(employee_ids),
        Goal.state.in_((GoalState.draft, GoalState.active)),
        ~Goal.private,
    )
    return set(session.execute(query).scalars())


def _refusal(active: bool | None, taken: bool) -> str | None:
    if active is None:
        return "unknown_reference"
    if not active:
        return "employee_inactive"
    return "already_assigned" if taken else None


def _due_on(template: GoalTemplate) -> date | None:
    today: date = owners.today()
    return None if template.due_in_days is None else today + timedelta(days=template.due_in_days)
