"""A made-up organisation for a fresh start, so that there is somebody to be and something true to see.

It is made by the services that the API uses, with the clock standing at days that are past: what it shows, they raised.
The same seed gives the same people and the same calls; only the moment that all of it leads up to is the present one.
"""

import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.demo import audit as demo_audit
from app.demo import calls as demo_calls
from app.demo import coaching as demo_coaching
from app.demo import eap as demo_eap
from app.demo import intake as demo_intake
from app.demo import matches as demo_matches
from app.demo import mentors as demo_mentors
from app.demo import people as demo_people
from app.demo import plans as demo_plans
from app.demo import rights as demo_rights
from app.demo import session_notes as demo_session_notes
from app.demo import thoughts as demo_thoughts
from app.demo import webhooks as demo_webhooks
from app.demo.days import Days
from app.demo.people import AREAS, Person
from app.models import TeamMember
from app.models.client import Role
from app.schemas.employee import EmployeeBatch
from app.schemas.service_area import ServiceAreaCreate
from app.schemas.team import TeamCreate
from app.services import client as clients
from app.services import employee_sync
from app.services import organisation as organisations
from app.services import role_grant as grants
from app.services import service_area as service_areas
from app.services import team as teams

SLUG = "harbour"
HR_SYSTEM, CONTACT_CENTRE, FRONT_END = "HR system", "Contact centre", "Front end"
EMPLOYEE, TEAM_LEAD, PROGRAMME_LEAD = "amira", "theo", "noor"

SCOPES = {
    HR_SYSTEM: ("employees:read", "employees:write", "teams:read", "teams:write", "service-areas:read"),
    CONTACT_CENTRE: ("sources:read", "sources:write", "call-events:read", "call-events:write", "prompts:read"),
    FRONT_END: (
        *("organisation:read", "employees:read", "pillars:read", "prompts:read", "strain:read"),
        *("webhooks:read", "webhooks:write"),
    ),
}
BEFORE_THE_CALLS = timedelta(days=demo_calls.DAYS + 1)


@dataclass(frozen=True)
class Demo:
    """The demo organisation and the keys of its clients, by their names."""

    organisation_id: str
    keys: dict[str, str]


def create(session: Session) -> Demo:
    """Make the demo organisation. A second one is a conflict: its slug is taken."""
    chance, now = random.Random(demo_people.SEED), clock.now()  # noqa: S311  # made-up data, no secret
    people = demo_people.everyone(chance)
    with clock.standing_at(now - BEFORE_THE_CALLS):
        organisation_id = organisations.create(session, "Harbour Helpline", SLUG).id
        operator = Caller(organisation_id, "system", None)
        keys, callers = {}, {}
        for name, scopes in SCOPES.items():
            client, keys[name] = clients.create_client(session, operator, name, scopes)
            callers[name] = Caller(organisation_id, "client", client.id, frozenset(scopes))
        ids = _hire(session, operator, callers[HR_SYSTEM], people)
        _make_teams(session, callers[HR_SYSTEM], people, ids)
        _grant_roles(session, operator, {person.user_name: ids[person.number] for person in people})
    Days(session, callers[CONTACT_CENTRE], people, ids, chance).live()
    by_name = {person.user_name: ids[person.number] for person in people}
    others = [next(p.user_name for p in people if p.area is area and p.is_agent) for area in AREAS[1:]]
    demo_plans.make(session, organisation_id, by_name, others)
    demo_thoughts.make(session, organisation_id, by_name[EMPLOYEE])
    demo_mentors.make(session, organisation_id, by_name, others)
    demo_matches.make(session, organisation_id, by_name, others)
    demo_coaching.make(session, organisation_id, by_name, others)
    demo_session_notes.make(session, organisation_id, by_name)
    keys[demo_eap.EAP_PROVIDER] = demo_eap.make(session, organisation_id, by_name, others)
    demo_audit.make(session, organisation_id, by_name)
    demo_rights.make(session, organisation_id, by_name[EMPLOYEE])
    demo_intake.make(session, operator, f"{EMPLOYEE}@harbour.example")
    demo_webhooks.make(session, callers[FRONT_END])
    return Demo(str(organisation_id), keys)


def _hire(session: Session, operator: Caller, hr_system: Caller, people: Sequence[Person]) -> dict[str, UUID]:
    """Sync the people as an HR system would and return their ids by their numbers."""
    for area in AREAS:
        data = ServiceAreaCreate(name=area.name, description=area.description)
        service_areas.create(session, operator, data)
    items = [
        {
            "external_id": person.number,
            "user_name": person.user_name,
            "display_name": f"{person.given_name} {person.family_name}",
            "given_name": person.given_name,
            "family_name": person.family_name,
            "email": f"{person.user_name}@harbour.example",
            "title": person.title,
            "employment_status": "Active",
            "hired_on": person.hired_on.isoformat(),
            "manager_external_id": person.manager,
            "service_area": person.area.name if person.area else None,
        }
        for person in people
    ]
    done = employee_sync.sync(session, hr_system, EmployeeBatch.model_validate({"employees": items}))
    return {result["external_id"]: result["id"] for result in done["results"]}


def _make_teams(session: Session, hr_system: Caller, people: Sequence[Person], ids: Mapping[str, UUID]) -> None:
    for area in AREAS:
        lead, *agents = (person for person in people if person.area is area)
        team = teams.create(session, hr_system, TeamCreate(name=area.team, lead_id=ids[lead.number]))
        members = [
            TeamMember(organisation_id=hr_system.organisation_id, team_id=team["id"], employee_id=ids[agent.number])
            for agent in agents
        ]
        session.add_all(members)
        events.record_many(session, hr_system, "team_member.created", members)


def _grant_roles(session: Session, operator: Caller, ids: Mapping[str, UUID]) -> None:
    """Grant the roles as an operator; the sensitive ones are approved by the programme lead, but for one."""
    lead = Caller(operator.organisation_id, "person", ids[PROGRAMME_LEAD], roles=frozenset({Role.programme_lead}))
    for name, role in demo_people.ROLES.items():
        grant = grants.grant_by_operator(session, operator, ids[name], role)
        if role in grants.SENSITIVE:
            grants.approve(session, lead, grant.id)
    grants.grant_by_operator(session, operator, ids["marguerite"], Role.data_protection_officer)


def keep(demo: Demo, data_dir: Path) -> None:
    """Keep the keys in a file that only its owner can read: the database holds their hashes alone."""
    data_dir.mkdir(parents=True, exist_ok=True)
    new = _file(data_dir).with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(demo), file)
    new.replace(_file(data_dir))


def recall(data_dir: Path, organisation_id: UUID | None) -> Demo | None:
    """Return the demo that was kept here, if it is the one that the database holds."""
    try:
        demo = Demo(**json.loads(_file(data_dir).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return demo if demo.organisation_id == str(organisation_id) else None


def _file(data_dir: Path) -> Path:
    return data_dir / "demo.json"
