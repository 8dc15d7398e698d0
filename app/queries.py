"""The queries that resources share: one row, one row to change, and keyset pages of rows, each within the policy."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Row, Select, Uuid, bindparam, func, or_, select, tuple_
from sqlalchemy.orm import Session

from app import access, clock, reads
from app.auth import Caller
from app.crypto import Vault
from app.database import execute
from app.errors import BadRequest, Conflict, Fault, Forbidden, NotFound, PreconditionFailed, Unprocessable
from app.models import AuditEntry, Employee, FeedCounter
from app.policy import MODELS, POLICY
from app.relations import ORGANISATION

M = TypeVar("M")

AUDIT_FEED = "audit"
WATERMARK = select(func.coalesce(func.max(FeedCounter.value), 0)).where(
    FeedCounter.organisation_id == ORGANISATION, FeedCounter.feed == AUDIT_FEED
)


def parameters(caller: Caller) -> dict[str, Any]:
    """Return the values that the policy's predicates refer to."""
    return {"organisation_id": caller.organisation_id, "me": caller.id, "now": clock.now()}


@cache
def _one(resource: str, kind: str, roles: frozenset[str]) -> Select[Any]:
    model, _ = MODELS[resource]
    table = model.__table__
    columns: list[ColumnElement[Any]] = list(table.c)
    mine = access.own_column(resource, kind)
    if mine is not None:
        columns.append(mine)
    columns += (*access.may_columns(resource, kind, roles), *access.right_columns(resource, kind, roles))
    query = select(*columns).where(access._predicate(resource, "read", kind, roles))
    return query.where(table.c.organisation_id == ORGANISATION) if "organisation_id" in table.c else query


def read(session: Session, caller: Caller, resource: str, row_id: UUID) -> dict[str, Any]:
    """Return one row as this caller may see it. Raise NotFound when it is absent or not theirs to know of."""
    row = execute(
        session, _one_by_id(resource, caller.kind, caller.roles), {**parameters(caller), "id": row_id}
    ).one_or_none()
    if row is None:
        raise NotFound
    values = shown(caller, resource, row)
    reads.record_shown(session, caller, resource, [values])
    return values


@cache
def _one_by_id(resource: str, kind: str, roles: frozenset[str]) -> Select[Any]:
    model, _ = MODELS[resource]
    return _one(resource, kind, roles).where(model.__table__.c.id == bindparam("id"))


def shown(caller: Caller, resource: str, row: Row[Any]) -> dict[str, Any]:
    """Return a row as its representation holds it: hidden fields null, allowed actions added."""
    values = dict(row._mapping)
    hidden = access.hidden_fields(caller, resource)
    if hidden and not values.get("is_mine"):
        values.update(dict.fromkeys(hidden))
    values["allowed_actions"] = access.allowed_actions(caller, resource, values)
    return values


def get_allowed(session: Session, caller: Caller, model: type[M], row_id: UUID, action: str) -> M:
    """Return the row to act on, locked, after every check that comes before the change itself.

    Raise NotFound when it is not the caller's to know of, PreconditionFailed when If-Match names another version,
    Forbidden when it may be read but not acted on, Conflict when the action is not open in its state.
    """
    resource: str = model.__tablename__  # type: ignore[attr-defined]  # every mapped class has a table name
    found = session.execute(
        _to_change(resource, action, caller.kind, caller.roles), {**parameters(caller), "id": row_id}
    ).one_or_none()
    if found is None:
        raise NotFound
    row, may = found
    if caller.if_match is not None and row_id == caller.target_id:
        _require_match(caller.if_match, row)
    if not may:
        raise Forbidden("not_allowed", "You may see this, but not do this to it.")
    moves = POLICY[resource, action].moves
    if moves is not None and row.state not in moves:
        raise Conflict("wrong_state", f"Not possible while it is {row.state}: only while it is {' or '.join(moves)}.")
    return row  # type: ignore[no-any-return]  # the row of a select of one mapped class


@cache
def _to_change(resource: str, action: str, kind: str, roles: frozenset[str]) -> Select[Any, bool]:
    model, _ = MODELS[resource]
    may = access._predicate(resource, action, kind, roles)
    query = select(model, may.label("may")).where(
        model.id == bindparam("id"), access._predicate(resource, "read", kind, roles)
    )
    if "organisation_id" in model.__table__.c:
        query = query.where(model.organisation_id == ORGANISATION)
    return query.with_for_update(of=model)


def _require_match(if_match: str, row: Any) -> None:
    tags = [tag.strip() for tag in if_match.split(",")]
    if "*" not in tags and f'"{getattr(row, "version", None)}"' not in tags:
        raise PreconditionFailed


def get_owned(session: Session, caller: Caller, model: type[M], row_id: UUID, pointer: str) -> M:
    """Return a row of the organisation that a body refers to. Raise Unprocessable, naming where, when absent."""
    row = session.execute(
        select(model).where(
            model.organisation_id == caller.organisation_id,  # type: ignore[attr-defined]  # every table but one has it
            model.id == row_id,  # type: ignore[attr-defined]  # likewise
        )
    ).scalar_one_or_none()
    if row is None:
        raise Unprocessable(faults=[Fault(pointer, "unknown_reference", "There is no such row.")])
    return row


def get_subject(
    session: Session, caller: Caller, resource: str, action: str, employee_id: UUID, pointer: str = "/employee_id"
) -> Employee:
    """Return the person whom a new row is to be about.

    Raise Unprocessable, naming where, for one whom the caller may not know of, Forbidden for one for whom they may not.
    """
    may = access.predicate_about(caller, resource, action, Employee.__table__.c.id)
    found = session.execute(
        select(Employee, may.label("may")).where(
            Employee.organisation_id == ORGANISATION,
            Employee.id == bindparam("id"),
            access.predicate(caller, "employee", "read"),
        ),
        {**parameters(caller), "id": employee_id},
    ).one_or_none()
    if found is None:
        raise Unprocessable(faults=[Fault(pointer, "unknown_reference", "There is no such row.")])
    if not found.may:
        raise Forbidden("not_allowed", "You may know of this person, but not do this for them.")
    employee: Employee = found[0]
    return employee


@dataclass(frozen=True, eq=False)
class Listing:
    """What a list can be sorted and filtered by. Sort columns are never null; a filter is one ``where``.

    A filter's clause holds a parameter of the filter's own name. ``syncs`` lists answer ``modified_since``.
    """

    resource: str
    sorts: Mapping[str, ColumnElement[Any]]
    filters: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    default_sort: str = "id"
    syncs: bool = True
    extra: tuple[ColumnElement[Any], ...] = ()


@dataclass(frozen=True)
class Paging:
    """Which page of a list is asked for. ``cursor`` and ``modified_since`` are as the caller sent them."""

    vault: Vault
    limit: int = 50
    cursor: str | None = None
    sort: str | None = None
    modified_since: str | None = None


def paginate(
    session: Session, caller: Caller, listing: Listing, paging: Paging, filters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one keyset page: ``data``, ``next_cursor`` and, for lists that sync, ``next_watermark``.

    Raise BadRequest for a cursor or watermark that was not given out for this list, these filters and this sort.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    walk = _walk(session, caller, listing, paging, given)
    query = _page(
        listing, caller.kind, caller.roles, frozenset(given), walk.sort, walk.after is not None, walk.since is not None
    )
    values = {**parameters(caller), **given, **walk.values(), "page_limit": paging.limit + 1}
    rows = execute(session, query, values).all()
    data = [shown(caller, listing.resource, row) for row in rows[: paging.limit]]
    reads.record_shown(session, caller, listing.resource, data)
    more = len(rows) > paging.limit
    key = str(listing.sorts[walk.sort.removeprefix("-")].key)
    return {
        "data": data,
        "next_cursor": walk.next(data[-1][key], data[-1]["id"]) if more else None,
        "next_watermark": walk.watermark_text() if listing.syncs else None,
    }


@dataclass(frozen=True)
class _Walk:
    """Where a walk through a list stands, and from which watermark it started."""

    vault: Vault
    organisation_id: UUID
    shape: str
    sort: str
    watermark: int
    since: Any = None
    after: tuple[Any, str] | None = None

    def values(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if self.after is not None:
            values |= {"after_key": self.after[0], "after_id": UUID(self.after[1])}
        if isinstance(self.since, int):
            values |= {"since_number": self.since, "since_time": None}
        elif self.since is not None:
            values |= {"since_number": None, "since_time": self.since}
        return values

    def next(self, key: Any, row_id: UUID) -> str:
        kind, value = ("t", key.isoformat()) if isinstance(key, datetime) else ("v", str(key))
        since = self.since.isoformat() if isinstance(self.since, datetime) else self.since
        state = json.dumps([self.shape, kind, value, str(row_id), _same_width(self.watermark), since])
        return self.vault.seal_text("cursor", self.organisation_id, state.encode())

    def watermark_text(self) -> str:
        return self.vault.seal_text("watermark", self.organisation_id, _same_width(self.watermark).encode())


def _same_width(number: int) -> str:
    """Return a number of audit entries so that its length, which sealing keeps, does not tell how many there are."""
    return f"{number:019}"


def _walk(session: Session, caller: Caller, listing: Listing, paging: Paging, given: Mapping[str, Any]) -> _Walk:
    sort = paging.sort or listing.default_sort
    if sort.removeprefix("-") not in listing.sorts:
        allowed = ", ".join(sorted(listing.sorts))
        detail = f"Sort by one of {allowed}; a leading - turns it."
        raise Unprocessable(faults=[Fault("?sort", "unknown_sort", detail)])
    asked = json.dumps([listing.resource, sort, sorted((k, str(v)) for k, v in given.items())]).encode()
    walk = _Walk(paging.vault, caller.organisation_id, sha256(asked).hexdigest()[:16], sort, 0)
    if paging.cursor is not None:
        return _resumed(walk, paging.cursor, listing)
    since = _since(paging, caller.organisation_id) if listing.syncs else None
    watermark = (
        execute(session, WATERMARK, {"organisation_id": caller.organisation_id}).scalar_one() if listing.syncs else 0
    )
    return replace(walk, since=since, watermark=watermark)


def _resumed(walk: _Walk, cursor: str, listing: Listing) -> _Walk:
    try:
        state = json.loads(walk.vault.open_text("cursor", walk.organisation_id, cursor))
    except ValueError:
        state = [None]
    if state[0] != walk.shape:
        raise BadRequest("invalid_cursor", "The cursor is not one of this list with these filters and this sort.")
    _, _, key, row_id, watermark, since = state
    column = listing.sorts[walk.sort.removeprefix("-")]
    of_text = {datetime: datetime.fromisoformat, date: date.fromisoformat}.get(column.type.python_type)
    value = of_text(key) if of_text else column.type.python_type(key)
    started = datetime.fromisoformat(since) if isinstance(since, str) else since
    return replace(walk, after=(value, row_id), watermark=int(watermark), since=started)


def _since(paging: Paging, organisation_id: UUID) -> int | datetime | None:
    if paging.modified_since is None:
        return None
    try:
        moment = datetime.fromisoformat(paging.modified_since)
    except ValueError:
        pass
    else:
        if moment.tzinfo is None or not 1900 <= moment.year <= 2200:
            raise Unprocessable(faults=[Fault("?modified_since", "invalid", "A time needs an offset, such as Z.")])
        return moment
    try:
        return int(paging.vault.open_text("watermark", organisation_id, paging.modified_since))
    except ValueError:
        raise BadRequest(
            "invalid_watermark", "modified_since is neither a watermark of this service nor a time."
        ) from None


@lru_cache(maxsize=1000)
def _page(
    listing: Listing,
    kind: str,
    roles: frozenset[str],
    given: frozenset[str],
    sort: str,
    resumed: bool,
    since: bool,
) -> Select[Any]:
    table = MODELS[listing.resource][0].__table__
    column, turned = listing.sorts[sort.removeprefix("-")], sort.startswith("-")
    query = _one(listing.resource, kind, roles).add_columns(*listing.extra)
    query = query.where(*(listing.filters[name] for name in sorted(given)))
    if since:
        query = query.where(_changed_since(listing.resource, table))
    keys = [table.c.id] if column is table.c.id else [column, table.c.id]
    if resumed:
        after = [bindparam("after_key", type_=column.type), bindparam("after_id", type_=Uuid())][-len(keys) :]
        query = query.where(tuple_(*keys) < tuple_(*after) if turned else tuple_(*keys) > tuple_(*after))
    order: Iterable[Any] = [key.desc() if turned else key.asc() for key in keys]
    return query.order_by(*order).limit(bindparam("page_limit", type_=Integer()))


def _changed_since(resource: str, table: Any) -> ColumnElement[bool]:
    """Return the rows whose change is numbered above the watermark, or committed and not numbered yet.

    So a transaction that commits late is never lost.
    """
    later = or_(
        AuditEntry.number > bindparam("since_number"),
        AuditEntry.number.is_(None),
        AuditEntry.recorded_at >= bindparam("since_time"),
    )
    changed = select(AuditEntry.resource_id).where(
        AuditEntry.organisation_id == ORGANISATION,
        AuditEntry.resource == resource,
        AuditEntry.access_right.is_(None),  # to look at a row is not to change it
        later,
    )
    clause: ColumnElement[bool] = table.c.id.in_(changed)
    return clause
