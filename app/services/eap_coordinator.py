"""Which EAP coordinator helps with a referral: never one who leads the person, suggested it, or is the person."""

from uuid import UUID

from sqlalchemy import Select, Uuid, and_, bindparam, func, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import exists

from app.auth import Caller
from app.models import (
    Client,
    EapProviderClient,
    EapReferral,
    EapSubmission,
    Employee,
    RoleGrant,
    Team,
    TeamMember,
)
from app.models.client import GrantState, Role
from app.models.eap_referral import SENT
from app.relations import ORGANISATION

PERSON, GRANT, REFERRAL = Employee.__table__, RoleGrant.__table__, EapReferral.__table__
BINDING, CLIENT = EapProviderClient.__table__, Client.__table__
OPEN = SENT[:2] + SENT[3:5]
TAKES_THEM_ITSELF = select(
    exists(
        select(1)
        .select_from(
            BINDING.join(
                CLIENT,
                and_(CLIENT.c.organisation_id == BINDING.c.organisation_id, CLIENT.c.id == BINDING.c.client_id),
            )
        )
        .where(
            BINDING.c.organisation_id == ORGANISATION,
            BINDING.c.provider_id == bindparam("provider"),
            CLIENT.c.revoked_at.is_(None),
        )
    )
)


def _least_busy() -> Select[UUID]:
    subject, member, team = PERSON.alias("subject"), TeamMember.__table__, Team.__table__
    submission = EapSubmission.__table__
    their_manager = (
        select(subject.c.manager_id)
        .where(subject.c.organisation_id == ORGANISATION, subject.c.id == bindparam("employee"))
        .scalar_subquery()
    )
    leads_a_team_of_theirs = exists(
        select(1)
        .select_from(
            member.join(team, and_(team.c.organisation_id == member.c.organisation_id, team.c.id == member.c.team_id))
        )
        .where(
            member.c.organisation_id == ORGANISATION,
            member.c.employee_id == bindparam("employee"),
            team.c.lead_id == PERSON.c.id,
        )
    )
    suggested_it = exists(
        select(1).where(
            submission.c.organisation_id == ORGANISATION,
            submission.c.id == bindparam("submission"),
            submission.c.referred_by_id == PERSON.c.id,
        )
    )
    busy = (
        select(func.count())
        .where(
            REFERRAL.c.organisation_id == ORGANISATION,
            REFERRAL.c.coordinator_id == PERSON.c.id,
            REFERRAL.c.state.in_(OPEN),
        )
        .scalar_subquery()
    )
    return (
        select(PERSON.c.id)
        .join(GRANT, and_(GRANT.c.organisation_id == PERSON.c.organisation_id, GRANT.c.employee_id == PERSON.c.id))
        .where(
            PERSON.c.organisation_id == ORGANISATION,
            PERSON.c.active,
            GRANT.c.role == Role.eap_coordinator,
            GRANT.c.state == GrantState.active,
            PERSON.c.id != bindparam("employee"),
            PERSON.c.id.is_distinct_from(bindparam("before", type_=Uuid())),
            their_manager.is_distinct_from(PERSON.c.id),
            ~leads_a_team_of_theirs,
            ~suggested_it,
        )
        .order_by(busy, PERSON.c.id)
        .limit(1)
    )


LEAST_BUSY = _least_busy()


def choose(session: Session, caller: Caller, referral: EapReferral, before: UUID | None = None) -> UUID | None:
    """Return the coordinator with the fewest open referrals, another one than ``before``; None where there is none."""
    values = {
        "organisation_id": caller.organisation_id,
        "employee": referral.employee_id,
        "submission": referral.submission_id,
        "before": before,
    }
    return session.execute(LEAST_BUSY, values).scalar_one_or_none()


def provider_acts_itself(session: Session, caller: Caller, provider_id: UUID) -> bool:
    """Return whether a client of the provider takes what is sent to it."""
    values = {"organisation_id": caller.organisation_id, "provider": provider_id}
    return bool(session.execute(TAKES_THEM_ITSELF, values).scalar_one())
