"""What people of the demo organisation want to grow in: their plans, goals, reviews, and the templates that are there.

The services do the work, with the clock standing where it stood then.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.models.client import Role
from app.schemas.development_plan import PlanCreate
from app.schemas.goal import GoalCreate, ProgressUpdateCreate
from app.schemas.goal_template import Assignment, TemplateCreate
from app.schemas.review import ActionCreate, ActionGoal, ReviewCreate, ReviewUpdate
from app.services import development_plan as plans
from app.services import goal as goals
from app.services import goal_template as templates
from app.services import progress_update as updates
from app.services import review as reviews
from app.services import review_action as actions

PROGRAMME_LEAD, TEAM_LEAD = "noor", "theo"
WEEKS = 6
BREAKS: dict[str, Any] = {
    "title": "A real break in every shift",
    "description": "Away from phone and screen, for as long as it is meant to be.",
    "pillars": ["physical_health", "emotional_wellbeing"],
    "kind": "count",
    "baseline": 1,
    "target": 5,
    "unit": "shifts a week",
    "why_it_matters": "The calls after a break are easier.",
    "how_to_reach_it": "Take turns in pairs, so that the line is never empty.",
    "if_then": "If it is half time, then I put the headset down and go outside.",
}
TEMPLATES: tuple[dict[str, Any], ...] = (
    BREAKS,
    {"title": "Another way to read hard calls", "pillars": ["emotional_wellbeing"], "kind": "binary"},
    {"title": "Know what my work is good for", "pillars": ["inner_drive"], "kind": "binary"},
    {"title": "Learn one new kind of call", "pillars": ["future_focus"], "kind": "binary"},
    {"title": "A word with a colleague each week", "pillars": ["relationships"], "kind": "count"},
)
LEAVE_ON_TIME: dict[str, Any] = {
    "title": "Leave on time",
    "description": "Less overtime on the evening line.",
    "pillars": ["physical_health"],
    "kind": "duration",
    "baseline": 10,
    "target": 4,
    "unit": "hours a month",
    "why_it_matters": "After long evenings I sleep badly.",
    "how_to_reach_it": "Hand over open cases at half past eight.",
    "if_then": "If a call comes in after 20:50, then I offer to call back tomorrow.",
}
ASK_EARLY: dict[str, Any] = {
    "title": "Ask for help early on hard calls",
    "description": "Bring the team lead in before it is too much.",
    "pillars": ["relationships", "emotional_wellbeing"],
    "kind": "percent",
    "baseline": 20,
    "target": 80,
    "unit": "% of hard calls",
    "why_it_matters": "I take fewer of them home.",
    "how_to_reach_it": "A sign that the whole team knows.",
}
SLEEP: dict[str, Any] = {
    "title": "Sleep through the night",
    "description": "Seven hours, also after a late shift.",
    "pillars": ["physical_health"],
    "kind": "scale",
    "baseline": 3,
    "target": 8,
    "unit": "of 10, how rested I feel",
    "why_it_matters": "It is where everything else begins.",
    "how_to_reach_it": "No screen after eleven.",
    "private": True,
}
# What the others say week by week, in per cent of the way.
COURSES = ((20, 60), (0, 10), (50, 100), (25, 40))


def make(session: Session, organisation_id: UUID, ids: Mapping[str, UUID], others: Sequence[str]) -> None:
    """Let Amira grow, and ``others`` with a plan of one goal each. ``ids`` are the people's, by their user names."""
    Growth(session, organisation_id, ids, clock.now()).live(others)


@dataclass
class Growth:
    """The organisation, its people by their user names, and the present."""

    session: Session
    organisation_id: UUID
    ids: Mapping[str, UUID]
    now: datetime

    def live(self, others: Sequence[str]) -> None:
        """Let the past weeks pass."""
        template_id = self._keep_templates()
        self._let_amira_grow()
        for name, course in zip(others, COURSES, strict=False):
            self._let_grow(name, course)
        with self._ago(weeks=0, hours=2):
            given = Assignment(employee_ids=[self.ids[name] for name in ("amira", "grace")])
            templates.assign(self.session, self._as(TEAM_LEAD), template_id, given)
            self._do(
                plans.create, TEAM_LEAD, PlanCreate(employee_id=self.ids["grace"], **self._period("Ready to lead"))
            )

    def _keep_templates(self) -> UUID:
        with self._ago(weeks=WEEKS + 1):
            lead = self._as(PROGRAMME_LEAD, Role.programme_lead)
            made = [templates.create(self.session, lead, TemplateCreate(**each)) for each in TEMPLATES]
        first: UUID = made[0]["id"]
        return first

    def _let_amira_grow(self) -> None:
        """She has an active plan of three goals, of which one is hers alone, and a review behind her."""
        with self._ago(weeks=WEEKS):
            plan = self._do(plans.create, "amira", PlanCreate(**self._period("Calm and clear on the evening line")))
            mine = [self._draft("amira", plan["id"], content) for content in (LEAVE_ON_TIME, ASK_EARLY, SLEEP)]
            self._do(plans.move, "amira", plan["id"], "activate")
        courses = ((9, 7), (35, 50), (4, 5))
        for turn, weeks in enumerate((4, 2)):
            with self._ago(weeks=weeks):
                for goal_id, course, health in zip(mine, courses, ("on_track", "on_track", "at_risk"), strict=True):
                    self._say("amira", goal_id, course[turn], health)
        with self._ago(weeks=1):
            self._review(plan["id"])
        with self._ago(weeks=0, hours=20):
            self._say("amira", mine[0], 6, "on_track", "Two late evenings only.")

    def _review(self, plan_id: UUID) -> None:
        data = ReviewCreate.model_validate({"kind": "one_to_one", "held_on": clock.now().date().isoformat()})
        review_id = self._do(reviews.create, TEAM_LEAD, plan_id, data)["id"]
        at = (plan_id, review_id)
        self._do(reviews.update, "amira", *at, ReviewUpdate(self_part="The handover works on quiet evenings."))
        self._do(reviews.update, TEAM_LEAD, *at, ReviewUpdate(reviewer_part="I see it. Let us ask the night line."))
        for name in ("amira", TEAM_LEAD):
            self._do(reviews.share, name, *at)
        agreed = ActionCreate(words="Agree the handover with the night line")
        action = self._do(actions.create, TEAM_LEAD, *at, agreed)
        self._do(reviews.complete, TEAM_LEAD, *at)
        self._do(actions.make_goal, "amira", *at, action["id"], ActionGoal(pillars=["relationships"]))

    def _let_grow(self, name: str, course: Sequence[int]) -> None:
        """Somebody follows a plan of one goal, more or less."""
        with self._ago(weeks=5):
            plan = self._do(plans.create, name, PlanCreate(**self._period("Steadier days")))
            goal_id = self._draft(name, plan["id"], BREAKS)
            self._do(plans.move, name, plan["id"], "activate")
        for weeks, percent in zip((3, 1), course, strict=True):
            with self._ago(weeks=weeks):
                value = BREAKS["baseline"] + (BREAKS["target"] - BREAKS["baseline"]) * percent / 100
                self._say(name, goal_id, value, "on_track" if percent > 15 else "off_track")

    def _draft(self, name: str, plan_id: UUID, content: Mapping[str, Any]) -> UUID:
        due_on = (self.now + timedelta(weeks=12)).date()
        data = GoalCreate(**content, plan_id=plan_id, confidence=4, due_on=due_on)
        goal_id: UUID = self._do(goals.create, name, data)["id"]
        return goal_id

    def _say(self, name: str, goal_id: UUID, value: float, health: str, note: str | None = None) -> None:
        said = {"value": value, "health": health, "note": note}
        self._do(updates.record, name, goal_id, ProgressUpdateCreate.model_validate(said))

    def _period(self, title: str) -> dict[str, Any]:
        first, last = self.now - timedelta(weeks=WEEKS), self.now + timedelta(weeks=18)
        return {"title": title, "starts_on": first.date(), "ends_on": last.date()}

    def _as(self, name: str, *roles: Role) -> Caller:
        return Caller(self.organisation_id, "person", self.ids[name], roles=frozenset(roles))

    def _do(self, work: Callable[..., Any], name: str, *arguments: Any) -> Any:
        return work(self.session, self._as(name), *arguments)

    @contextmanager
    def _ago(self, *, weeks: int, hours: int = 0) -> Iterator[None]:
        with clock.standing_at(self.now - timedelta(weeks=weeks, hours=hours)):
            yield
