"""Writes, for the people in the programme, who can see what of theirs: ``docs/who-can-see-what.md``, out of the policy.

``python -m app.access_page`` writes it anew, with the page for those who build on the API.
"""

from collections.abc import Iterator
from pathlib import Path

from app.access import PASSIVE
from app.access_page import RELATIONS
from app.policy import MODELS, POLICY
from app.policy.rule import Rule

PAGE: Path = Path(__file__).parent.parent / "docs" / "who-can-see-what.md"

# The headings, in the order in which they matter to somebody who wonders, and what stands under each.
AREAS = {
    "When you ask for help": "eap_referral eap_submission eap_case eap_consent thought_record thought_share",
    "Who looked": "access_log_entry access_notice break_glass_request",
    "Your calls": "call_event call_flag strain_signal support_prompt",
    "Your plans": "development_plan goal progress_update review review_action",
    "Coaching": "coaching_session session_attendee session_series session_link session_note session_action"
    " session_feedback calendar_feed work_pattern",
    "Mentoring": "mentor_profile mentor_assignment mentor_meeting",
    "The directory": "employee agent_alias team_member role_grant data_export",
}
NAMES = {
    "eap_referral": "Your way to the EAP",
    "eap_submission": "That a manager suggested the EAP to you",
    "eap_case": "What the EAP provider has",
    "eap_consent": "What you consented to",
    "thought_share": "With whom you share a thought record",
    "access_log_entry": "Who looked at what of yours",
    "access_notice": "That somebody looked in an emergency",
    "break_glass_request": "A request to look in an emergency",
    "call_flag": "Calls that you flagged yourself",
    "agent_alias": "Your names in the phone system",
    "role_grant": "Your roles",
    "team_member": "Which teams you are in",
    "data_export": "That you asked for a copy of your data (its content is yours alone)",
    "session_series": "Series of coaching sessions",
    "session_feedback": "Feedback on a coaching session",
    "session_attendee": "Who is invited to a coaching session",
}
PEOPLE = {
    "self": "you",
    "looked_at": "you",
    "told": "you",
    "self_without_a_lead": "you, where nobody leads you",
    "line_manager": "your line manager",
    "team_lead": "the lead of a team that you are in",
    "anyone": "everyone in your organisation",
    "programme_lead": "the programme lead",
    "programme_lead_of_team_prompts": "the programme lead (what is about a team and names nobody)",
    "hr_administrator": "HR administrators",
    "auditor": "auditors",
    "data_protection_officer": "data-protection officers",
    "referrer": "the manager who wrote it",
    "eap_coordinator": "the EAP coordinator who helps you (you can do without; never one who leads you)",
    "eap_coordinator_in_place": "that coordinator, where the provider has no system of its own here",
    "mentor": "your mentor",
    "shared_with": "a mentor or coach with whom you share that very one",
    "session_participant": "those who take part in the session",
    "requester": "the one who asked for it",
    "eap_coordinator_beside": "an EAP coordinator who does not lead you",
    "programme_lead_beside": "a programme lead who does not lead you",
    "data_protection_officer_beside": "a data-protection officer who does not lead you",
    "second_programme_lead": "another programme lead, who does not lead you",
    "second_data_protection_officer": "another data-protection officer, who does not lead you",
}
SYSTEMS = {"eap_case": "the system of the provider that you chose"}
# What a rule narrows in SQL, in words. A rule that narrows and has none here says that it does.
NOTES = {
    "eap_referral": "Your line manager, the leads of your teams, HR and every connected system see nothing of it: not"
    " whether there is one, not by a count, not by an error. The programme lead has the counts below, nothing else.",
    "eap_submission": "You have it too, with your way to the EAP. It stays as they wrote it, whatever you do. What you"
    " let them know stands beside it: nothing, until you choose otherwise, and nothing again from the moment you take"
    " it back. No, no answer, and yes without a word to them look the same.",
    "eap_case": "Only what you sent to that provider, under a reference instead of your name, and only while your"
    " consent holds. Your name, and how to reach you, only if you consent to that.",
    "call_event": "A connected system sees what it sent itself. Whether you dispute a call, and why, only you see.",
    "support_prompt": "Others see what is open for them to act on, never why it was offered, and nothing that rests on"
    " what you flagged yourself.",
    "strain_signal": "A connected system sees none that rests on what you flagged yourself.",
    "goal": "Others see nothing of what you mark private, nor that there is anything.",
    "progress_update": "Of a private goal only you see any.",
    "review": "Either part is its author's until they share it; a connected system sees none of the words.",
    "mentor_profile": "Others see profiles that are open to be found.",
    "session_note": "Others see what you share; what is private to its author stays with its author.",
    "session_link": "Others see what is shared with them.",
}
SEE_NOTHING = "only you. No connected system."

INTRODUCTION = """\
# Who can see what

For everyone in the programme. It is written by the service itself, from the very table that it checks at each request
(`python -m app.access_page` writes it, and a test says that it is current), so that it cannot promise what is not so.

- **What is not named here, nobody sees.** Whoever asks for it anyway is told that there is no such thing.
- It counts from one request to the next: who does not lead you any more sees nothing from then on.
- *A connected system* is a machine that your organisation gave a key. It sees only what is said here.
- When somebody else looks at what is sensitive, you can see who, when and by which right: `GET /v1/me/access-log`.
- Auditors read that something was done. Of the EAP they never read whose it was; of thought records they read nothing.
- What you write yourself is encrypted under a key of your own.

"""
COUNTS = """\
## Counts

The programme lead sees how many people sent a referral in a month that is over: never fewer than ten, rounded to five,
by service area and by nothing else. Who reads the EAP directory is counted nowhere.
"""


def render() -> str:
    """Return the page."""
    areas = "".join(f"## {title}\n\n{''.join(_entries(names.split()))}" for title, names in AREAS.items())
    named = {name for names in AREAS.values() for name in names.split()}
    about_people = [name for name, (_, subject) in MODELS.items() if subject is not None and _is_read(name)]
    rest = "".join(_entries([name for name in about_people if name not in named]))
    return f"{INTRODUCTION}{areas}{f'## More{chr(10)}{chr(10)}{rest}{chr(10)}' if rest else ''}{COUNTS}"


def _is_read(resource: str) -> bool:
    """Return whether the resource is one that routes show: some are read only as a part of another."""
    return ("read" in {action for name, action in POLICY if name == resource}) and POLICY[resource, "read"].scope != "*"


def _entries(resources: list[str]) -> Iterator[str]:
    for resource in resources:
        if (resource, "read") in POLICY:
            rule = POLICY[resource, "read"]
            note = _note(resource, rule)
            yield f"**{_name(resource)}**\n\n- Seen by: {_seeing(resource, rule)}\n"
            yield f"- {note}\n" if note else ""
            yield from _acting(resource)
            yield "\n"


def _name(resource: str) -> str:
    plain = resource.replace("_", " ").capitalize()
    return NAMES.get(resource) or (plain if plain.endswith("s") else f"{plain}s")


def _seeing(resource: str, rule: Rule) -> str:
    people = sorted({_person(relation.name) for relation in rule.relations}, key=lambda words: (words != "you", words))
    if rule.scope is not None:
        people.append(SYSTEMS.get(resource) or f"a connected system with the permission `{rule.scope}`")
    return SEE_NOTHING if people == ["you"] else f"{'; '.join(people)}."


def _acting(resource: str) -> Iterator[str]:
    """Yield what others than the person may do to it, where they may do anything."""
    doing: dict[str, set[str]] = {}
    for (name, action), rule in POLICY.items():
        if name == resource and action not in PASSIVE:
            for who in {_person(relation.name) for relation in rule.relations} - {"you"}:
                doing.setdefault(who, set()).add(action.replace("_", " "))
    if doing:
        said = [f"{who}: {', '.join(sorted(verbs))}" for who, verbs in sorted(doing.items())]
        yield f"- What others can do: {'; '.join(said)}.\n"


def _note(resource: str, rule: Rule) -> str | None:
    narrowed = rule.others_see is not None or rule.client_sees is not None or rule.self_only
    return NOTES.get(resource) or ("Not all of it: only what concerns them." if narrowed else None)


def _person(relation: str) -> str:
    return PEOPLE.get(relation) or f"whoever {RELATIONS[relation]}"
