"""The provider's side of referrals: what was sent to it, under a reference, and the states that are its to move."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Uuid, and_, any_, bindparam, case, select
from sqlalchemy.orm import Session

from app import access, clock, events, queries, texts
from app.auth import Caller
from app.database import execute
from app.errors import NotFound
from app.models import EapCase, EapConsent, EapReferral, Employee
from app.models.eap_referral import Actor, ConsentScope, Recipient, ReferralState
from app.policy import POLICY
from app.policy.eap import IN_PLACE, consented
from app.reads import Read
from app.relations import ORGANISATION
from app.schemas.eap_referral import Attendance, StatusReason
from app.services import eap_step as steps

TABLE, REFERRAL, PERSON = EapCase.__table__, EapReferral.__table__, Employee.__table__
NOTE, CONTACT = "eap_referral.note", "eap_referral.contact"
PROVIDER = "eap_provider"  # the right of a client that acts for one
UNAMBIGUOUS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
CASES = queries.Listing(
    "eap_case",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at, "first_contact_due_at": TABLE.c.first_contact_due_at},
    filters={
        "reference": TABLE.c.reference == bindparam("reference"),
        "state": TABLE.c.state == bindparam("state"),
        "urgency": TABLE.c.urgency == bindparam("urgency"),
        "service_id": TABLE.c.service_id == bindparam("service_id"),
    },
    default_sort="created_at",
)
_CONSENT = EapConsent.__table__.alias("current_consent")
_NAMED = (ConsentScope.name, ConsentScope.name_and_contact)
# What the consent does not cover never leaves the database. The consent is read in the same statement.
DISCLOSED = (
    select(
        TABLE.c.id,
        REFERRAL.c.id.label("referral_id"),
        PERSON.c.id.label("employee_id"),
        REFERRAL.c.note,
        case((_CONSENT.c.scope.in_(_NAMED), PERSON.c.display_name)).label("name"),
        case((_CONSENT.c.scope == ConsentScope.name_and_contact, REFERRAL.c.contact)).label("contact"),
    )
    .select_from(TABLE)
    .join(REFERRAL, and_(REFERRAL.c.organisation_id == TABLE.c.organisation_id, REFERRAL.c.id == TABLE.c.referral_id))
    .join(PERSON, and_(PERSON.c.organisation_id == TABLE.c.organisation_id, PERSON.c.id == TABLE.c.employee_id))
    .join(
        _CONSENT,
        and_(
            consented(_CONSENT, Recipient.provider, TABLE.c.referral_id), _CONSENT.c.provider_id == TABLE.c.provider_id
        ),
    )
    .where(TABLE.c.organisation_id == ORGANISATION, TABLE.c.id == any_(bindparam("cases", type_=ARRAY(Uuid()))))
)


def new_reference() -> str:
    """Return a random name for a case, of 58 bits: to be read out on the phone, and derived from nothing."""
    letters = [secrets.choice(UNAMBIGUOUS) for _ in range(12)]
    return "-".join("".join(letters[at : at + 4]) for at in (0, 4, 8))


def open_case(caller: Caller, referral: EapReferral) -> EapCase:
    """Return what the provider gets of a referral that is being sent."""
    copied = ("provider_id", "service_id", "employee_id", "state", "urgency", "first_contact_due_at")
    return EapCase(
        organisation_id=caller.organisation_id,
        id=uuid4(),
        reference=new_reference(),
        referral_id=referral.id,
        sessions_used=0,
        sessions_included=referral.sessions_included,
        **{name: getattr(referral, name) for name in copied},
    )


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of what was sent to the caller's provider and may still be seen by it."""
    page = queries.paginate(session, caller, CASES, paging, filters)
    return {**page, "data": _opened(session, caller, page["data"], looked_at=True)}


def read(session: Session, caller: Caller, case_id: UUID) -> Mapping[str, Any]:
    """Return one case. That it was looked at is recorded, for the person to see."""
    return _opened(session, caller, [queries.read(session, caller, "eap_case", case_id)], looked_at=True)[0]


def list_history(session: Session, caller: Caller, paging: queries.Paging, case_id: UUID) -> Mapping[str, Any]:
    """Return a page of what became of a case since it was sent."""
    row = queries.read(session, caller, "eap_case", case_id)
    _note_reads(session, caller, [row])
    return steps.list_of_case(session, caller, paging, row["referral_id"])


def _opened(
    session: Session, caller: Caller, rows: Sequence[dict[str, Any]], *, looked_at: bool = False
) -> list[dict[str, Any]]:
    if looked_at:
        _note_reads(session, caller, rows)
    values = {**queries.parameters(caller), "cases": [row["id"] for row in rows]}
    disclosed = {row.id: row for row in execute(session, DISCLOSED, values)}
    sealed = [
        (row.id, name, (row.employee_id, at, row.referral_id, kept))
        for row in disclosed.values()
        for name, at, kept in (("note", NOTE, row.note), ("contact", CONTACT, row.contact))
        if kept is not None
    ]
    words = texts.reveal_many(session, caller, [place for *_, place in sealed])
    found = {(row_id, name): word for (row_id, name, _), word in zip(sealed, words, strict=True)}
    return [
        {
            **row,
            "person": {
                "name": disclosed[row["id"]].name,
                "contact": found.get((row["id"], "contact")),
                "note": found.get((row["id"], "note")),
            },
        }
        for row in rows
        if row["id"] in disclosed
    ]


def _note_reads(session: Session, caller: Caller, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record it under the id by which the person knows their referral."""
    right = IN_PLACE.name if caller.kind == "person" else PROVIDER
    reads = [Read(row["referral_id"], row["employee_id"], right) for row in rows]
    events.record_reads(session, caller, "eap_referral", reads)


def move(
    session: Session, caller: Caller, case_id: UUID, action: str, data: StatusReason | None = None
) -> Mapping[str, Any]:
    """Accept, reject, start, hold, resume, complete, fail or cancel what was sent to the caller's provider.

    The person's referral moves with it; nothing of any manager's does.
    """
    referral, case_ = _to_change(session, caller, case_id, action)
    moves, now = POLICY["eap_case", action].moves or {}, clock.now()
    case_.state = referral.state = ReferralState(moves[case_.state])
    if action == "start":
        case_.first_contact_at = referral.first_contact_at = now
    if case_.state not in (ReferralState.accepted, ReferralState.in_progress, ReferralState.on_hold):
        case_.closed_at = referral.closed_at = now
    session.flush()
    steps.record(session, caller, referral, _part(caller), data.reason if data is not None else None)
    events.record(session, caller, f"eap_case.{case_.state}", case_)
    return _opened(session, caller, [queries.read(session, caller, "eap_case", case_id)])[0]


def record_attendance(session: Session, caller: Caller, case_id: UUID, data: Attendance) -> Mapping[str, Any]:
    """Keep how many sessions were used by now. A number that was too high is put right by a lower one."""
    referral, case_ = _to_change(session, caller, case_id, "record_attendance")
    if case_.sessions_used != data.sessions_used:
        case_.sessions_used = referral.sessions_used = data.sessions_used
        events.record(session, caller, "eap_case.attendance_recorded", case_)
    return _opened(session, caller, [queries.read(session, caller, "eap_case", case_id)])[0]


def _part(caller: Caller) -> Actor:
    return Actor.provider if caller.kind == "client" else Actor.coordinator


def _to_change(session: Session, caller: Caller, case_id: UUID, action: str) -> tuple[EapReferral, EapCase]:
    """Return a case and its referral, the referral locked first, as everyone locks them."""
    of_case = (
        select(TABLE.c.referral_id)
        .where(
            TABLE.c.organisation_id == ORGANISATION,
            TABLE.c.id == bindparam("case"),
            access.predicate(caller, "eap_case", "read"),
        )
        .scalar_subquery()
    )
    locked = (
        select(EapReferral).where(EapReferral.organisation_id == ORGANISATION, EapReferral.id == of_case)
    ).with_for_update()
    referral = session.execute(locked, {**queries.parameters(caller), "case": case_id}).scalar_one_or_none()
    if referral is None:
        raise NotFound
    return referral, queries.get_allowed(session, caller, EapCase, case_id, action)
