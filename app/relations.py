"""How a person can stand to the person that a row is about, as SQL read in the same transaction."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Uuid, and_, bindparam, select, true
from sqlalchemy.sql.expression import exists

from app.auth import Caller
from app.models import Employee, SupportPrompt, Team, TeamMember
from app.models.client import Role

ORGANISATION = bindparam("organisation_id", type_=Uuid())
ME = bindparam("me", type_=Uuid())

Predicate = Callable[[ColumnElement[Any]], ColumnElement[bool]]


@dataclass(frozen=True, eq=False)
class Relation:
    """How a person can stand to the person that a row is about. A role stands to everyone in the organisation.

    A role that is ``by_row`` stands to some rows only, as its predicate says.
    """

    name: str
    predicate: Predicate = field(default=lambda _subject: true())
    role: Role | None = None
    by_row: bool = False

    def applies_to(self, caller: Caller) -> bool:
        return caller.kind == "person" and (self.role is None or self.role in caller.roles)


def _reports_to_me(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    report = Employee.__table__.alias("report")
    return exists(
        select(1).where(report.c.organisation_id == ORGANISATION, report.c.id == subject, report.c.manager_id == ME)
    )


def _in_my_team(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    member, team = TeamMember.__table__.alias("member_of_mine"), Team.__table__.alias("team_of_mine")
    mine = and_(team.c.organisation_id == member.c.organisation_id, team.c.id == member.c.team_id)
    return exists(
        select(1)
        .select_from(member.join(team, mine))
        .where(member.c.organisation_id == ORGANISATION, member.c.employee_id == subject, team.c.lead_id == ME)
    )


def _without_a_lead(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether it is the caller's own, and nobody leads them."""
    person = Employee.__table__.alias("person_without_a_lead")
    member, team = TeamMember.__table__.alias("member_without_a_lead"), Team.__table__.alias("team_with_a_lead")
    led = and_(team.c.organisation_id == member.c.organisation_id, team.c.id == member.c.team_id)
    in_a_led_team = exists(
        select(1)
        .select_from(member.join(team, led))
        .where(member.c.organisation_id == ORGANISATION, member.c.employee_id == subject)
        .where(team.c.lead_id.is_not(None), team.c.lead_id != subject)
    )
    managed = exists(
        select(1).where(
            person.c.organisation_id == ORGANISATION, person.c.id == subject, person.c.manager_id.is_not(None)
        )
    )
    return and_(subject == ME, ~managed, ~in_a_led_team)


SELF = Relation("self", lambda subject: subject == ME)
SELF_WITHOUT_A_LEAD = Relation("self_without_a_lead", _without_a_lead)
LINE_MANAGER = Relation("line_manager", _reports_to_me)
TEAM_LEAD = Relation("team_lead", _in_my_team)
ANYONE = Relation("anyone")
PROGRAMME_LEAD = Relation("programme_lead", role=Role.programme_lead)
HR_ADMINISTRATOR = Relation("hr_administrator", role=Role.hr_administrator)
AUDITOR = Relation("auditor", role=Role.auditor)
DATA_PROTECTION_OFFICER = Relation("data_protection_officer", role=Role.data_protection_officer)
LEAD_OF_TEAM_PROMPTS = Relation(
    "programme_lead_of_team_prompts", lambda _subject: SupportPrompt.team_id.is_not(None), role=Role.programme_lead
)


LEADS = (PROGRAMME_LEAD, HR_ADMINISTRATOR)
NEAR = (SELF, LINE_MANAGER, TEAM_LEAD)
