"""The steps of a referral: who, when, into which state, and why. The reason is sealed; the audit has none of it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from app import queries, texts
from app.auth import Caller
from app.models import EapReferral, EapStep
from app.models.base import new_id
from app.models.eap_referral import SENT, Actor
from app.relations import ORGANISATION

TABLE = EapStep.__table__
STEPS = queries.Listing(
    "eap_step",
    sorts={"id": TABLE.c.id},
    filters={
        "referral_id": TABLE.c.referral_id == bindparam("referral_id"),
        "sent": bindparam("sent") == TABLE.c.state.in_(SENT),
    },
    default_sort="-id",
    syncs=False,
)
LAST = (
    select(TABLE.c.referral_id, TABLE.c.id, TABLE.c.employee_id, TABLE.c.reason, TABLE.c.taken_by)
    .ext(distinct_on(TABLE.c.referral_id))
    .where(
        TABLE.c.organisation_id == ORGANISATION,
        TABLE.c.referral_id == any_(bindparam("referrals", type_=ARRAY(Uuid()))),
    )
    .order_by(TABLE.c.referral_id, TABLE.c.id.desc())
)
REASON = "eap_step.reason"
# Whose reasons the provider reads: its own, and those that were given in its place.
ON_THE_PROVIDERS_SIDE = frozenset({Actor.provider, Actor.coordinator})


def record(session: Session, caller: Caller, referral: EapReferral, taken_by: Actor, reason: str | None = None) -> None:
    """Keep a step that was just taken: the referral is in its new state."""
    step = EapStep(
        organisation_id=caller.organisation_id,
        id=new_id(),
        referral_id=referral.id,
        employee_id=referral.employee_id,
        state=referral.state,
        taken_by=taken_by,
    )
    if reason is not None:
        step.reason = texts.seal(session, caller, referral.employee_id, REASON, step.id, reason)
    session.add(step)


def list_of_referral(session: Session, caller: Caller, paging: queries.Paging, referral_id: UUID) -> Mapping[str, Any]:
    """Return a page of all steps. The caller has been found to be allowed to read the referral."""
    page = queries.paginate(session, caller, STEPS, paging, {"referral_id": referral_id})
    return {**page, "data": _opened(session, caller, page["data"], frozenset(Actor))}


def list_of_case(session: Session, caller: Caller, paging: queries.Paging, referral_id: UUID) -> Mapping[str, Any]:
    """Return a page of the steps since it was sent, with the reasons of the provider's side alone."""
    page = queries.paginate(session, caller, STEPS, paging, {"referral_id": referral_id, "sent": True})
    return {**page, "data": _opened(session, caller, page["data"], ON_THE_PROVIDERS_SIDE)}


def _opened(
    session: Session, caller: Caller, rows: Sequence[Mapping[str, Any]], shown: frozenset[Actor]
) -> list[dict[str, Any]]:
    sealed = [row for row in rows if row["reason"] is not None and row["taken_by"] in shown]
    words = texts.reveal_many(
        session, caller, [(row["employee_id"], REASON, row["id"], row["reason"]) for row in sealed]
    )
    reasons = {row["id"]: word for row, word in zip(sealed, words, strict=True)}
    return [{**row, "reason": reasons.get(row["id"])} for row in rows]
