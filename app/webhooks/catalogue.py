"""The catalogue of event types: what each of them means. Nothing else is ever told to an endpoint."""

from collections.abc import Iterator, Mapping

from app.events import OF_PROVIDERS, PUBLISHED

TEST = "webhook_endpoint.test"

# What each resource is called in a sentence.
NOUNS: Mapping[str, str] = {
    "employee": "An employee",
    "team": "A team",
    "team_member": "A membership of a team",
    "service_area": "A service area",
    "pillar": "A pillar",
    "practice": "A practice",
    "source": "A source",
    "strain_rule": "A strain rule",
    "strain_signal": "A strain signal",
    "support_prompt": "A support prompt",
    "development_plan": "A development plan",
    "goal": "A goal",
    "progress_update": "A progress update",
    "goal_template": "A goal template",
    "review": "A review",
    "review_action": "An action of a review",
    "coaching_session": "A coaching session",
    "session_series": "A series of coaching sessions",
    "work_pattern": "A work pattern",
    "mentor_profile": "A mentor profile",
    "webhook_endpoint": "An endpoint of this client",
    "eap_case": "A case that was sent to this client's EAP provider",
}
# Where "was" and the verb do not say it.
WORDS: Mapping[str, str] = {
    "source.silent": "has not sent anything for longer than it should",
    "source.unmapped": "suddenly sends codes alone that no mapping knows",
    "source.refusing": "sends much that cannot be taken in: it is kept beside, to be mended and replayed",
    "source.recovered": "sends again, or sends what is understood again",
    "support_prompt.done": "was followed to its end: what it offered was done",
    "development_plan.review_started": "is being reviewed",
    "goal.progressed": "has a progress update, so that its progress may have moved",
    "goal.lapsed": "has had no progress update for longer than was agreed",
    "goal.assigned": "was handed out from a template",
    "review_action.made_goal": "was made into a goal",
    "coaching_session.answered": "was answered by somebody who is invited",
    "coaching_session.people_changed": "has another coach or other attendees",
    "coaching_session.no_show": "did not take place, since somebody did not come",
    "webhook_endpoint.secret_rotated": "has a new secret; the one before is good for the overlap",
    "webhook_endpoint.disabled": "was disabled by us: it answered 410, or had failed for five days",
    "eap_case.sent": "is new",
    "eap_case.in_progress": "was started, or goes on",
    "eap_case.on_hold": "was put on hold",
    "eap_case.failed": "ended without what it was for",
    "eap_case.attendance_recorded": "has another number of sessions used",
    "eap_case.consent_given": "may be seen to another extent, or again",
    "eap_case.consent_withdrawn": "may no longer be seen: reading it answers 404 from now on",
    TEST: "was to be tried: sent to that endpoint alone, whatever it wants, when somebody asks for it",
}


def _meanings() -> Iterator[tuple[str, str]]:
    for event_type in sorted({*PUBLISHED, *OF_PROVIDERS, TEST}):
        resource, _, verb = event_type.rpartition(".")
        words = WORDS.get(event_type, "was " + verb.replace("_", " "))
        yield event_type, f"{NOUNS[resource]} {words}."


CATALOGUE: Mapping[str, str] = dict(_meanings())
SUBSCRIBABLE = frozenset(CATALOGUE) - {TEST}
WILDCARDS = frozenset({"*", *(f"{each.rpartition('.')[0]}.*" for each in SUBSCRIBABLE)})
