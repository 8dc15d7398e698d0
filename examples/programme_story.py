#!/usr/bin/env python3
"""The programme as a story, over HTTP alone: a plan, a mentor, a hard call, a debrief, a calendar, and who sees what.

    export BALLAST_URL=http://127.0.0.1:8000 BALLAST_KEY=blst_live_...   # scopes: sources:* and call-events:*
    export EMPLOYEE=... MANAGER=... MENTOR=... COACH=...                 # access tokens of four people
    python examples/programme_story.py

The manager manages the employee, the coach holds the role coach, and the mentor is neither of the two. Every step is
checked: the program ends with status 1 and a sentence where one is not as told.
"""

import os
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

GOALS: list[dict[str, Any]] = [
    {
        "title": "Leave on time",
        "pillars": ["physical_health"],
        "kind": "duration",
        "baseline": 10,
        "target": 4,
        "unit": "hours of overtime a month",
        "why_it_matters": "After long evenings I sleep badly.",
        "how_to_reach_it": "Hand over open cases at half past eight.",
        "confidence": 4,
    },
    {
        "title": "Ask for help before the third call",
        "pillars": ["relationships", "emotional_wellbeing"],
        "kind": "count",
        "baseline": 0,
        "target": 8,
        "unit": "times",
        "why_it_matters": "Alone I carry the calls home.",
        "how_to_reach_it": "A word with whoever sits next to me.",
        "confidence": 5,
    },
    {"title": "Be calmer", "pillars": ["emotional_wellbeing"]},
]
MENDED = {
    "title": "Begin each shift with two quiet minutes",
    "description": "Two minutes of breathing before the first call.",
    "kind": "percent",
    "baseline": 0,
    "target": 80,
    "unit": "% of shifts",
    "why_it_matters": "The first call sets the tone.",
    "how_to_reach_it": "Come five minutes earlier.",
    "confidence": 4,
}


class Untrue(Exception):
    """Something is not as the story tells it."""


@dataclass
class Voice:
    """One caller, by name, and what they ask for."""

    name: str
    http: httpx.Client

    def ask(self, method: str, path: str, body: Any = None, *, expect: int = 200, **options: Any) -> Any:
        """Send a request and return its answer as JSON. Raise Untrue for another status than expected."""
        answer = self.http.request(method, path, json=body, **options)
        if answer.status_code != expect:
            raise Untrue(
                f"{self.name}: {method} {path} answered {answer.status_code}, not {expect}: {answer.text[:500]}"
            )
        return answer.json() if answer.content else None

    def get(self, path: str, **parameters: Any) -> Any:
        """Read."""
        return self.ask("GET", path, params=parameters)

    def post(self, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """Do."""
        return self.ask("POST", path, body, expect=expect)

    def me(self) -> str:
        """Return the person's id."""
        return str(self.get("/v1/me")["employee"]["id"])


def tell(sentence: str) -> None:
    """Say what has just been seen."""
    print(f"- {sentence}")


def require(truth: bool, sentence: str) -> None:
    """Say a sentence that has just been found true. Raise Untrue where it was not."""
    if not truth:
        raise Untrue(f"not so: {sentence}")
    tell(sentence)


def plan_and_goals(employee: Voice) -> tuple[str, list[str]]:
    """Let the gate refuse a plan, mend it, and activate it."""
    taken = [plan["ends_on"] for plan in employee.get("/v1/development-plans", limit=200)["data"]]
    starts = max([date.today(), *(date.fromisoformat(day) + timedelta(days=1) for day in taken)])  # noqa: DTZ011
    due = (starts + timedelta(days=90)).isoformat()
    period = {"title": "Steady on the evening line", "starts_on": starts.isoformat(), "ends_on": due}
    plan = employee.post("/v1/development-plans", period, expect=201)["id"]
    goals = [employee.post("/v1/goals", {**goal, "plan_id": plan, "due_on": due}, expect=201) for goal in GOALS]
    refused = employee.post(f"/v1/development-plans/{plan}/activate", expect=422)
    missing = {error["code"] for error in refused["errors"]}
    require("measurable" in missing, f"the plan is refused: its third goal is not {', '.join(sorted(missing))}")
    vague = goals[2]
    match = {"If-Match": f'"{vague["version"]}"'}
    employee.ask("PATCH", f"/v1/goals/{vague['id']}", MENDED, headers=match)
    state = employee.post(f"/v1/development-plans/{plan}/activate")["state"]
    require(state == "active", "mended, it is activated with its three goals")
    return plan, [goal["id"] for goal in goals]


def find_a_mentor(employee: Voice, mentor: Voice) -> None:
    """Let a mentor be suggested, asked, accept, and meet."""
    mine = mentor.get("/v1/mentor-profiles", employee_id=mentor.me())["data"]
    offer = {"pillars": ["relationships", "emotional_wellbeing"], "languages": ["en"], "capacity": 5}
    if not mine:
        mentor.post("/v1/mentor-profiles", offer, expect=201)
    me, other = employee.me(), mentor.me()
    for pair in employee.get("/v1/mentor-assignments", limit=200)["data"]:
        if pair["state"] in ("active", "paused") and "end" in pair["allowed_actions"]:
            employee.post(f"/v1/mentor-assignments/{pair['id']}/end")
    suggested = employee.get(f"/v1/employees/{me}/mentor-suggestions", pillar="relationships")["data"]
    found = next((each for each in suggested if each["mentor_id"] == other), None)
    require(found is not None, "a mentor is suggested, and it is said why")
    tell(f"  {(found or {})['reasons'][0]['detail']}")
    proposal = {"mentor_id": other, "focus_pillars": ["relationships"]}
    pair = employee.post("/v1/mentor-assignments", proposal, expect=201)["id"]
    require(mentor.post(f"/v1/mentor-assignments/{pair}/accept")["state"] == "active", "the mentor accepts")
    employee.post(f"/v1/mentor-assignments/{pair}/meetings", {"duration_seconds": 2700}, expect=201)
    require(mentor.get(f"/v1/mentor-assignments/{pair}")["meetings_held"] == 1, "they meet, and it is noted")


def hard_call(contact_centre: Voice, employee: Voice) -> str:
    """Let a call with a threat raise a signal, and an offer be accepted. Return the offer's id."""
    codes = [{"kind": "disposition", "code": "THREAT", "outcomes": ["threatening"]}]
    source = {"name": f"Story {uuid4().hex[:8]}", "outcome_mappings": codes}
    source_id = contact_centre.post("/v1/sources", source, expect=201)["id"]
    user_name = employee.get("/v1/me")["employee"]["user_name"]
    now = datetime.now(UTC)
    event = {
        "source_id": source_id,
        "event_id": uuid4().hex,
        "contact_id": uuid4().hex,
        "agent": {"ref": user_name},
        "started_at": (now - timedelta(minutes=6)).isoformat(),
        "ended_at": (now - timedelta(minutes=1)).isoformat(),
        "disposition": {"code": "THREAT"},
    }
    call = contact_centre.post("/v1/call-events", event, expect=201)
    prompts = employee.get("/v1/support-prompts", state="offered", sort="-offered_at")["data"]
    require(bool(prompts), "a call with a threat comes in, and support is offered")
    signal = employee.get(f"/v1/strain-signals/{prompts[0]['signal_id']}")
    require(call["id"] in str(signal), "the signal behind it names its rule and the call")
    require(employee.post(f"/v1/support-prompts/{prompts[0]['id']}/accept")["state"] == "accepted", "it is accepted")
    return str(prompts[0]["id"])


def debrief(employee: Voice, coach: Voice, prompt: str) -> str:
    """Let a debrief grow out of the offer, agreed in time that both have. Return the session's id."""
    session = employee.post(f"/v1/support-prompts/{prompt}/debrief", {"coach_id": coach.me()}, expect=201)["id"]
    both = [employee.me(), coach.me()]
    soon = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    slots = coach.ask(
        "GET", "/v1/coaching-sessions/free-slots", params={"employee_id": both, "minutes": 30, "starts_after": soon}
    )
    slot = slots["slots"][0]
    agreed = coach.post(f"/v1/coaching-sessions/{session}/schedule", slot)
    require(agreed["state"] == "scheduled", "a debrief is agreed, in time that both have")
    again = {"coach_id": both[1], "attendee_ids": both[:1], "subject": "Another", **slot}
    refused = coach.post("/v1/coaching-sessions", again, expect=409)
    require(refused["code"] == "double_booked", "nobody is booked twice")
    note = {"text": "Say it early.", "visibility": "private_to_author"}
    coach.post(f"/v1/coaching-sessions/{session}/notes", note, expect=201)
    return str(session)


def progress(employee: Voice, plan: str, goals: list[str]) -> None:
    """Let a goal that lowers a number come half of its way."""
    employee.post(f"/v1/goals/{goals[0]}/progress-updates", {"value": 7, "health": "on_track"}, expect=201)
    require(
        employee.get(f"/v1/goals/{goals[0]}")["progress"] == 0.5,
        "overtime falls from 10 h to 7 h: half of the way to 4 h",
    )
    require(bool(employee.get(f"/v1/development-plans/{plan}/summary")), "the plan's summary can be drawn")


def calendar(employee: Voice, session: str) -> None:
    """Let the calendar show the session, and nothing of what it is about."""
    feed = employee.post("/v1/calendar-feeds", {"name": "Story"}, expect=201)
    path = "/v1/" + feed["url"].partition("/v1/")[2]
    answer = employee.http.get(path)
    require(session in answer.text and "Debrief" not in answer.text, "the calendar shows when, and not what about")
    again = employee.http.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    require(again.status_code == 304, "who polls it is told that nothing changed")
    employee.post(f"/v1/calendar-feeds/{feed['id']}/revoke")
    require(employee.http.get(path).status_code == 404, "revoked, its address is nobody's")


def who_sees_what(manager: Voice, employee: Voice, goals: list[str], session: str, prompt: str) -> None:
    """Let the manager see what they may, and nothing else."""
    private = {"title": "A goal of one's own", "pillars": ["inner_drive"], "private": True}
    own = employee.post("/v1/goals", private, expect=201)["id"]
    seen = {goal["id"] for goal in manager.get("/v1/goals", employee_id=employee.me(), limit=200)["data"]}
    require(set(goals) <= seen and own not in seen, "the manager sees the plan's goals, and not the private one")
    manager.ask("GET", f"/v1/goals/{own}", expect=404)
    shown = manager.get(f"/v1/coaching-sessions/{session}")
    require(
        shown["starts_at"] is not None and shown["subject"] is None, "of the debrief the manager sees the time alone"
    )
    manager.ask("GET", f"/v1/coaching-sessions/{session}/notes", expect=403)
    manager.ask("GET", f"/v1/support-prompts/{prompt}", expect=404)
    tell("its notes are not the manager's to read, and the answered offer is not there for them")
    employee.post(f"/v1/goals/{own}/abandon")


def main() -> int:
    """Tell the story. Return 0, or 1 where it is not so."""
    url = os.environ["BALLAST_URL"]

    def voice(variable: str) -> Voice:
        headers = {"Authorization": f"Bearer {os.environ[variable]}"}
        return Voice(variable.lower(), httpx.Client(base_url=url, headers=headers, timeout=20))

    employee, manager, mentor, coach = (voice(name) for name in ("EMPLOYEE", "MANAGER", "MENTOR", "COACH"))
    try:
        plan, goals = plan_and_goals(employee)
        find_a_mentor(employee, mentor)
        prompt = hard_call(voice("BALLAST_KEY"), employee)
        session = debrief(employee, coach, prompt)
        progress(employee, plan, goals)
        calendar(employee, session)
        who_sees_what(manager, employee, goals, session, prompt)
    except Untrue as untrue:
        print(untrue, file=sys.stderr)
        return 1
    print("All of it is so.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
