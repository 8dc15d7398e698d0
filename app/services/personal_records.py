"""Reading everything that is held about one person, table by table, as the catalogue of personal data says."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from app import access, queries, texts
from app.auth import Caller
from app.database import execute
from app.holding import Holding
from app.models import AccessNotice, AuditEntry, RetentionRule
from app.personal_data import HOLDINGS
from app.personal_data_classes import CLASSES, CountsFrom, DataClass
from app.policy.audit import WITHOUT_SUBJECT
from app.relations import ME, ORGANISATION

ABOUT, PART = "about_the_person", "the_person_had_a_part"
MOST = 100_000  # rows of one table: more is beyond one document, and what is left out is said
RULES = select(RetentionRule).where(RetentionRule.organisation_id == ORGANISATION)
OTHERS_WORDS = (
    "What others wrote for themselves alone, such as a coach's private notes or a part of a review that was not shared:"
    " these are their words, sealed under their keys. Ask them, or the data-protection officer."
)
NOT_INCLUDED = (
    OTHERS_WORDS,
    "What others said or did in rows that the person had a part in: there, only that part is shown.",
    "Who gave which feedback to a coach, and anything that an emergency procedure still delays.",
)


@dataclass(frozen=True)
class Section:
    """The rows of one table that concern a person in one way."""

    holding: Holding
    relation: str

    @property
    def name(self) -> str:
        return f"{self.holding.name}.{self.relation}"


SECTIONS: tuple[Section, ...] = tuple(
    Section(holding, relation)
    for holding in HOLDINGS
    for relation, columns in ((ABOUT, holding.about or holding.through), (PART, holding.by if holding.part else ()))
    if columns
)


def as_the_person(caller: Caller, employee_id: Any) -> Caller:
    """Return the caller that a person is to their own data, without any role that they may hold."""
    return Caller(caller.organisation_id, "person", employee_id)


def read(session: Session, person: Caller, section: Section, limit: int = MOST) -> list[dict[str, Any]]:
    """Return the rows of one section as the person is shown them: one more than ``limit`` says that there are more.

    Sealed texts are opened; what cannot be opened any more is null.
    """
    values = {**queries.parameters(person), "most": limit + 1}
    rows = [dict(row._mapping) for row in execute(session, _query(section), values)]
    if section.relation == ABOUT:
        _reveal(session, person, section.holding, rows)
    return [_plain(row) for row in rows]


def described(session: Session, caller: Caller, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the document of an export: of each class what it is for, who gets it, how long it is kept, the rows."""
    kept = {
        rule.data_class: rule.keep_days for rule in session.scalars(RULES, {"organisation_id": caller.organisation_id})
    }
    return {
        "person_id": caller.id,
        "organisation_id": caller.organisation_id,
        "classes": [_class(data_class, kept.get(data_class), rows) for data_class in DataClass],
        "not_included": list(NOT_INCLUDED),
    }


def _class(data_class: DataClass, keep_days: int | None, rows: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    about = CLASSES[data_class]
    records = [
        {"record": each.holding.name, "relation": each.relation, "rows": rows[each.name]}
        for each in SECTIONS
        if each.holding.data_class == data_class and rows.get(each.name)
    ]
    return {
        "data_class": data_class,
        "title": about.title,
        "purpose": about.purpose,
        "source": about.source,
        "recipients": list(about.recipients),
        "retention": {
            "counts_from": about.counts_from,
            "keep_days": keep_days,
            "in_words": retention_in_words(data_class, keep_days),
        },
        "records": records,
    }


def retention_in_words(data_class: DataClass, keep_days: int | None) -> str:
    """Return how long a class is kept, as one would say it."""
    about = CLASSES[data_class]
    if about.counts_from is CountsFrom.fixed:
        return about.why
    if keep_days is None:
        return "Until it is erased."
    since = "after the person left" if about.counts_from is CountsFrom.deactivation else "after it happened"
    return f"For {keep_days} days {since}."


@cache
def _query(section: Section) -> Select[Any]:
    holding, table = section.holding, section.holding.table
    sealed = {each.column for each in holding.sealed}
    if section.relation == ABOUT:
        columns = [column for column in table.c if column.name not in holding.withheld]
    else:
        columns = [table.c[name] for name in (*holding.part, *holding.by) if name not in sealed]
    query = select(*columns).where(table.c.organisation_id == ORGANISATION, or_(*_whose(section)))
    if holding.clause is not None:
        query = query.where(holding.clause(table))
    if holding.name in NARROWED:
        query = query.where(NARROWED[holding.name](section.relation))
    return query.order_by(*table.primary_key.columns).limit(bindparam("most", type_=Integer()))


def _whose(section: Section) -> Iterator[ColumnElement[bool]]:
    holding, table = section.holding, section.holding.table
    if section.relation == PART:
        mine = [table.c[name] == ME for name in holding.by]
        about = [table.c[name].is_distinct_from(ME) for name in holding.about]
        yield and_(or_(*mine), *about)
        return
    yield from (table.c[name] == ME for name in holding.about)
    if holding.through is not None:
        yield holding.through(table, ME)


def _audit(relation: str) -> ColumnElement[bool]:
    """Return what a person is told of the audit: who looked, who changed what of theirs, and what they did.

    Changes of what an auditor does not see by person are told by the rows themselves.
    """
    table = AuditEntry.__table__
    if relation == PART:
        return table.c.access_right.is_(None)
    looked = access._predicate("access_log_entry", "read", "person", frozenset())
    changed = and_(table.c.access_right.is_(None), table.c.resource.not_in(WITHOUT_SUBJECT))
    return or_(looked, changed)


def _break_glass(relation: str) -> ColumnElement[bool]:
    """Return the requests that the person was told of."""
    table, notice = HOLDING_OF_REQUESTS.table, AccessNotice.__table__.alias("notice_of_it")
    told = exists(
        select(1).where(
            notice.c.organisation_id == table.c.organisation_id,
            notice.c.request_id == table.c.id,
            notice.c.told_at <= bindparam("now", type_=notice.c.told_at.type),
        )
    )
    return told if relation == ABOUT else table.c.id.is_not(None)


def _notices(_relation: str) -> ColumnElement[bool]:
    table = AccessNotice.__table__
    return table.c.told_at <= bindparam("now", type_=table.c.told_at.type)


HOLDING_OF_REQUESTS = next(each for each in HOLDINGS if each.name == "break_glass_request")
NARROWED = {"audit_entry": _audit, "break_glass_request": _break_glass, "access_notice": _notices}


def _reveal(session: Session, person: Caller, holding: Holding, rows: Sequence[dict[str, Any]]) -> None:
    """Put texts in the place of what is sealed, under the names of their places."""
    wanted = [
        (row, each) for row in rows for each in holding.sealed if row[each.column] is not None and each.shown(row)
    ]
    places = [(row[each.key], each.place, row["id"], row[each.column]) for row, each in wanted]
    found = texts.reveal_many(session, person, places) if places else []
    for row in rows:
        for each in holding.sealed:
            row.pop(each.column)
            row[_named(each.place)] = None
    for (row, each), text in zip(wanted, found, strict=True):
        row[_named(each.place)] = text


def _named(place: str) -> str:
    name = place.partition(".")[2]
    return "text" if name == "sealed" else name


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    row.pop("organisation_id", None)
    return {
        name: base64.b64encode(value).decode() if isinstance(value, (bytes, memoryview)) else value
        for name, value in row.items()
    }
