"""Writes the policy as a page to read: ``docs/access.md``, anew with ``python -m app.access_page``."""

from collections.abc import Iterator
from pathlib import Path

from app.policy import POLICY, SCOPES
from app.policy.rule import Rule

PAGE = Path(__file__).parent.parent / "docs" / "access.md"

RELATIONS = {
    "self": "the person whom the row is about",
    "mentor": "the mentor of the pair that the row is of; the pair is about its mentee",
    "mentee_to_agree": "the mentee, while they have not agreed to the pair",
    "mentor_to_agree": "the mentor, while they have not agreed to the pair",
    "proposer": "who proposed the pair",
    "self_without_a_lead": "the person whom the row is about, where they have neither a line manager nor a team lead",
    "line_manager": "the manager whom the directory names for that person",
    "team_lead": "who leads a team that the person is in",
    "session_participant": "coaches the session, or is invited to it and has not declined",
    "coach_of_feedback": "coached the session when the feedback was given",
    "anyone": "every active person of the organisation",
    "programme_lead": "holds the role programme lead",
    "programme_lead_of_team_prompts": "holds the role programme lead, for prompts about a team, which name no person",
    "lead_of_the_team": "leads the team",
    "shared_with": "a mentor or coach of the person, whom the person lets read that very record",
    "coach_of_the_session": "coaches the session",
    "coach_of_the_series": "coaches the series",
    "attendee": "is invited to the session",
    "requester_of_the_session": "asked for the session, until a coach has agreed",
    "coach_of_open_requests": "holds the role coach, for requests that name no coach",
    "their_report": "a person who is led by the one to be named",
    "team_mate": "in a team with the one to be named",
    "anyone_of_a_coach": "every active person, of those who hold the role coach",
    "coach": "holds the role coach",
    "referrer": "made the suggestion",
    "eap_coordinator": "holds the role EAP coordinator, is assigned to the referral, and does not lead the person",
    "eap_coordinator_in_place": "likewise, of a referral to a provider that no client acts for",
    "hr_administrator": "holds the role HR administrator",
    "auditor": "holds the role auditor",
    "data_protection_officer": "holds the role data-protection officer",
    "looked_at": "the person whose record somebody else was shown",
    "told": "the person whom a notice is for, once it is time to tell them",
    "requester": "who made the request",
    "eap_coordinator_beside": "holds the role EAP coordinator, and neither is nor leads the person",
    "programme_lead_beside": "holds the role programme lead, and neither is nor leads the person",
    "data_protection_officer_beside": "holds the role data-protection officer, and neither is nor leads the person",
    "second_programme_lead": "likewise, and has no part in the request so far",
    "second_data_protection_officer": "likewise, and has no part in the request so far",
}

INTRODUCTION = """\
# Who may do what

Written from `POLICY` in `app/policy/` by `python -m app.access_page`; a test says that it is current.

**Scopes bind clients; roles and relations bind people.** A client (a machine with a key) needs the scope and nothing
else; it never stands in a relation, whatever its id. A person (with a token of the identity provider) needs one of the
relations; no scope helps. A relation is looked up in the same transaction, so that it counts, and ends, with the next
request. What is not yours to know of answers 404, like what is not there. Another organisation's rows never exist.

## Relations

| relation | who that is |
|---|---|
"""

ROLES = """
## Roles

A programme lead, or a client with `organisation:write`, grants roles (`POST /v1/role-grants`).

- Nobody grants themself a role, and nobody approves one for themself.
- EAP coordinator, auditor and data-protection officer wait (`pending`) until a second person who leads the programme
  approves. Whoever asked cannot approve; a request of a client or of an operator counts as one person, too.
- `ballast role grant` makes the first programme lead. A sensitive role that an operator asks for waits like any other.
- People can give up their own roles. The last active programme lead cannot be revoked over the API.
- Deactivated people hold no roles while they are away. Revoke a role that should not come back with them.
- A client that holds `organisation:write` can grant whatever a programme lead can grant alone: guard its key like a
  person's account.

"""

TABLE = """\
## Resources

*Client* is the scope that a client needs. *People* are the relations of which a person needs one. *While* names the
states in which the action is open. A star marks rights over some of the rows only (a client's own source, what is not
private, what is open); a dagger marks fields that nobody but the person sees, which are null for everyone else.

| resource | action | client | people | while |
|---|---|---|---|---|
"""


def render() -> str:
    """Return the page."""
    relations = "".join(f"| {name} | {meaning} |\n" for name, meaning in RELATIONS.items())
    rows = "".join(_row(resource, action, rule) for (resource, action), rule in POLICY.items())
    scopes = ", ".join(f"`{scope}`" for scope in SCOPES)
    return f"{INTRODUCTION}{relations}{ROLES}{TABLE}{rows}\n## Scopes\n\n{scopes}\n"


def _row(resource: str, action: str, rule: Rule) -> str:
    star = {True: " \\*", False: ""}
    scope = {None: "–", "*": "any"}.get(rule.scope, f"`{rule.scope}`{star[rule.client_sees is not None]}")
    people = ", ".join(_people(rule)) or "–"
    return f"| {resource} | {action} | {scope} | {people} | {', '.join(rule.moves or ()) or ''} |\n"


def _people(rule: Rule) -> Iterator[str]:
    named = {relation.name for relation in rule.relations}
    for name in RELATIONS:
        if name in named:
            star = " \\*" if rule.others_see is not None and name != "self" else ""
            dagger = " †" if rule.self_only and name != "self" else ""
            yield f"{name}{star}{dagger}"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8", newline="\n")
    from app import who_sees_page  # which reads the relations of this module

    who_sees_page.PAGE.write_text(who_sees_page.render(), encoding="utf-8", newline="\n")
