"""Mentor profiles: the directory that somebody who wants a mentor looks into."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, and_, any_, bindparam, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import exists

from app import events, queries
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, Fault, Unprocessable
from app.models import Employee, MentorAssignment, MentorProfile, WorkPattern
from app.models.mentor import OPEN, TAKING_A_PLACE
from app.relations import ORGANISATION
from app.schemas.mentor_profile import ProfileCreate, ProfileUpdate
from app.services import mentor_defaults as defaults
from app.services import pillar as library
from app.services import plan_owner as owners
from app.services.mentor_fit import language
from app.services.practice import require_pillars

TABLE, PERSON, PATTERN = MentorProfile.__table__, Employee.__table__, WorkPattern.__table__
PAIR = MentorAssignment.__table__
LANGUAGE = bindparam("language", type_=Text())
TAKEN: ColumnElement[int] = (
    select(func.count())
    .where(
        PAIR.c.organisation_id == TABLE.c.organisation_id,
        PAIR.c.mentor_id == TABLE.c.employee_id,
        PAIR.c.state.in_(TAKING_A_PLACE),
    )
    .correlate(TABLE)
    .scalar_subquery()
)


def _of_person(column: Any) -> ColumnElement[Any]:
    same = and_(PERSON.c.organisation_id == TABLE.c.organisation_id, PERSON.c.id == TABLE.c.employee_id)
    return select(column).where(same).correlate(TABLE).scalar_subquery().label(column.key)


EXTRA = (
    _of_person(PERSON.c.display_name),
    _of_person(PERSON.c.service_area_id),
    func.greatest(TABLE.c.capacity - TAKEN, 0).label("open_places"),
)
ADDED = select(TABLE.c.id, *EXTRA).where(TABLE.c.organisation_id == ORGANISATION, TABLE.c.id == bindparam("profile"))


def _speaks() -> ColumnElement[bool]:
    """Return the clause that a mentor speaks a language: by the profile, else the work pattern, else the locale."""
    said = and_(PATTERN.c.organisation_id == ORGANISATION, PATTERN.c.employee_id == TABLE.c.employee_id)
    said_some = exists(select(1).where(said, func.cardinality(PATTERN.c.languages) > 0))
    locale = func.lower(func.split_part(func.replace(PERSON.c.locale, "_", "-"), "-", 1))
    by_locale = exists(
        select(1).where(
            PERSON.c.organisation_id == ORGANISATION, PERSON.c.id == TABLE.c.employee_id, locale == LANGUAGE
        )
    )
    by_pattern = exists(select(1).where(said, _names_language(PATTERN.c.languages)))
    unsaid = func.cardinality(TABLE.c.languages) == 0
    return or_(_names_language(TABLE.c.languages), and_(unsaid, or_(by_pattern, and_(~said_some, by_locale))))


def _names_language(tags: Any) -> ColumnElement[bool]:
    """Return the clause that one of these tags is of the language, whatever its region or script."""
    languages = func.regexp_replace(func.array_to_string(tags, ","), "-[^,]*", "", "g")
    return any_(func.string_to_array(languages, ",", type_=ARRAY(Text()))) == LANGUAGE


PROFILES = queries.Listing(
    "mentor_profile",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={
        "employee_id": TABLE.c.employee_id == bindparam("employee_id", type_=Uuid()),
        "pillar": library.names(bindparam("pillar", type_=Text()), TABLE.c.pillars),
        "language": _speaks(),
        "accepting": TABLE.c.accepting == bindparam("accepting"),
        "has_capacity": (TABLE.c.capacity > TAKEN) == bindparam("has_capacity"),
        "service_area_id": TABLE.c.employee_id.in_(owners.OF_AREA),
    },
    extra=EXTRA,
)


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the people who can be mentors."""
    if filters.get("language") is not None:
        filters = {**filters, "language": language(filters["language"])}
    page = queries.paginate(session, caller, PROFILES, paging, filters)
    return {**page, "data": [_shown(row) for row in page["data"]]}


def read(session: Session, caller: Caller, profile_id: UUID) -> Mapping[str, Any]:
    """Return one profile. Raise NotFound for one of somebody who has left."""
    row = queries.read(session, caller, "mentor_profile", profile_id)
    values = {"organisation_id": caller.organisation_id, "profile": profile_id}
    return _shown({**row, **execute(session, ADDED, values).one()._mapping})


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "starting_values": defaults.described(defaults.PROFILE, row["starting_values"])}


def create(session: Session, caller: Caller, data: ProfileCreate) -> Mapping[str, Any]:
    """Make somebody a mentor. Raise Conflict for somebody who has left, and where there is a profile already."""
    employee_id = data.employee_id or caller.employee_id
    if employee_id is None:
        raise Unprocessable(faults=[Fault("/employee_id", "missing", "A client has to say whose it is.")])
    owners.hold(session, caller, employee_id)
    employee = queries.get_subject(session, caller, "mentor_profile", "create", employee_id)
    if not employee.active:
        raise Conflict("person_inactive", "The person has left the organisation.")
    require_pillars(session, caller, data.pillars)
    values = data.model_dump(exclude={"employee_id"})
    started: Sequence[str] = ["capacity"] if data.capacity is None else []
    values |= {field: defaults.value(defaults.PROFILE, field) for field in started}
    profile = MentorProfile(
        organisation_id=caller.organisation_id, employee_id=employee.id, starting_values=list(started), **values
    )
    session.add(profile)
    events.record(session, caller, "mentor_profile.created", profile)
    return read(session, caller, profile.id)


def update(session: Session, caller: Caller, profile_id: UUID, data: ProfileUpdate) -> Mapping[str, Any]:
    """Change a profile. Pairs that there are stay as they are, whatever the capacity."""
    owners.hold_owner(session, caller, "mentor_profile", profile_id)
    profile = queries.get_allowed(session, caller, MentorProfile, profile_id, "update")
    given = data.given()
    changed = {name: value for name, value in given.items() if getattr(profile, name) != value}
    if "pillars" in changed:
        require_pillars(session, caller, changed["pillars"])
    for name, value in changed.items():
        setattr(profile, name, value)
    chosen = given.keys() & set(profile.starting_values)
    if chosen:
        profile.starting_values = [name for name in profile.starting_values if name not in chosen]
    if changed or chosen:
        fields = {"fields": sorted(changed.keys() | chosen)}
        events.record(session, caller, "mentor_profile.updated", profile, details=fields)
    return read(session, caller, profile_id)


def delete(session: Session, caller: Caller, profile_id: UUID) -> None:
    """Take somebody out of the directory. Raise Conflict while they are a mentor, or are asked to be."""
    owners.hold_owner(session, caller, "mentor_profile", profile_id)
    profile = queries.get_allowed(session, caller, MentorProfile, profile_id, "delete")
    theirs = select(MentorAssignment.id).where(
        MentorAssignment.organisation_id == caller.organisation_id,
        MentorAssignment.mentor_id == profile.employee_id,
        MentorAssignment.state.in_(OPEN),
    )
    if session.execute(theirs.limit(1)).first():
        raise Conflict("still_mentoring", "The person has a pair or a proposal: end or decline it first.")
    events.record(session, caller, "mentor_profile.deleted", profile)
    session.delete(profile)
    session.flush()
