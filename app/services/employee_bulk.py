"""The statements of an HR sync: each reads or writes a whole batch at once. No rules here."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    column,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.models import Employee, ServiceArea
from app.schemas.employee import MOST_AT_ONCE

TABLE, AREAS = cast("Table", Employee.__table__), cast("Table", ServiceArea.__table__)
# Not named after the column: an UPDATE would take such a parameter for a value to set.
TENANT = bindparam("tenant", type_=Uuid())
OURS = TABLE.c.organisation_id == TENANT
NOW = bindparam("now", type_=TABLE.c.updated_at.type)


def _texts(name: str) -> Any:
    """Return the texts of one array parameter as a subquery: a comparison with the array itself is never hashed."""
    return select(func.unnest(bindparam(name, type_=ARRAY(Text()))).label("text"))


def _ids(name: str) -> Any:
    return select(func.unnest(bindparam(name, type_=ARRAY(Uuid()))).label("id"))


def _given(columns: Sequence[Any]) -> Any:
    """Return one row a person from one array a column: a batch is one statement of the same text, however long."""
    arrays = [bindparam(f"all_{each.name}", type_=ARRAY(each.type)) for each in columns]
    named = [column(each.name, each.type) for each in columns]
    return func.unnest(*arrays).table_valued(*named, name="given").render_derived()


# A plan made for a small table would be kept by the connection, and by its foreign keys, while the table grows.
PLAN_ANEW = select(func.set_config("plan_cache_mode", "force_custom_plan", True))

# In id order, as everyone locks; without the key, so that what refers to these people is not held up.
FIND = select(TABLE).where(OURS, TABLE.c.external_id.in_(_texts("external_ids"))).order_by(TABLE.c.id)
FIND_AND_LOCK = FIND.with_for_update(of=TABLE, key_share=True)
FIND_WAITING = select(TABLE).where(OURS, TABLE.c.manager_external_id.in_(_texts("external_ids"))).order_by(TABLE.c.id)
FIND_WAITING_AND_LOCK = FIND_WAITING.with_for_update(of=TABLE, key_share=True)
FIND_IDS = select(TABLE.c.external_id, TABLE.c.id).where(OURS, TABLE.c.external_id.in_(_texts("external_ids")))
FIND_HOLDERS = select(TABLE.c.user_name_key, TABLE.c.id).where(OURS, TABLE.c.user_name_key.in_(_texts("keys")))

_MANAGER = TABLE.alias("manager")
FIND_LINKS = (
    select(TABLE.c.id, _MANAGER.c.external_id.label("manager_external_id"), AREAS.c.name_key.label("service_area"))
    .outerjoin(_MANAGER, (_MANAGER.c.organisation_id == TENANT) & (_MANAGER.c.id == TABLE.c.manager_id))
    .outerjoin(AREAS, (AREAS.c.organisation_id == TENANT) & (AREAS.c.id == TABLE.c.service_area_id))
    .where(OURS, TABLE.c.id.in_(_ids("ids")))
)

_LINE = select(TABLE.c.id, TABLE.c.manager_id).where(OURS, TABLE.c.id.in_(_ids("ids"))).cte("line", recursive=True)
FIND_LINES = select(_LINE.union(select(TABLE.c.id, TABLE.c.manager_id).where(OURS, TABLE.c.id == _LINE.c.manager_id)))

_OUR_AREAS = AREAS.c.organisation_id == TENANT
FIND_AREAS = select(AREAS.c.name_key, AREAS.c.id).where(_OUR_AREAS, AREAS.c.name_key.in_(_texts("keys")))
INSERT_AREAS = upsert(AREAS).on_conflict_do_nothing()

# Code points in order: the database's collation may hold two texts for neighbours that Python does not.
_PLACE = TABLE.c.external_id.collate("C")
FIND_MISSING = (
    select(
        TABLE.c.id,
        TABLE.c.external_id,
        (any_(TABLE.c.scim_owned) == "active").label("kept_by_scim"),
        func.count().over().label("in_all"),
    )
    .where(
        OURS,
        TABLE.c.active,
        TABLE.c.external_id.is_not(None),
        TABLE.c.external_id.not_in(_texts("present")),
        or_(bindparam("after", type_=Text()).is_(None), bindparam("after", type_=Text()) < _PLACE),
        or_(bindparam("through", type_=Text()).is_(None), bindparam("through", type_=Text()) >= _PLACE),
    )
    .order_by(_PLACE)
    .limit(MOST_AT_ONCE)
)
DEACTIVATE = (
    update(TABLE)
    .where(OURS, TABLE.c.id.in_(_ids("ids")), TABLE.c.active)
    .values(active=False, deactivated_at=NOW, updated_at=NOW, version=TABLE.c.version + 1)
    .returning(TABLE.c.id, TABLE.c.version)
)

NOT_SYNCED = {
    *("organisation_id", "version", "created_at", "updated_at", "prompts_paused_until"),
    *("emails", "scim_owned", "scim_absent", "scim_hidden_at", "erased_at", "forgotten"),
}
WRITTEN = tuple(each for each in TABLE.c if each.name not in NOT_SYNCED)
_ROWS = _given(WRITTEN)
INSERT = insert(TABLE).from_select(
    [*(each.name for each in WRITTEN), "organisation_id", "version", "created_at", "updated_at"],
    select(*_ROWS.c, TENANT, bindparam("one", 1, type_=TABLE.c.version.type), NOW, NOW),
)
UPDATE = (
    update(TABLE)
    .where(OURS, TABLE.c.id == _ROWS.c.id)
    .values(
        {each.name: _ROWS.c[each.name] for each in WRITTEN if each.name != "id"}
        | {"version": TABLE.c.version + 1, "updated_at": NOW}
    )
)
# A name that one person gives up and another takes in the same batch: the unique index is asked row by row.
FREE_NAMES = (
    update(TABLE).where(OURS, TABLE.c.id.in_(_ids("ids"))).values(user_name_key=func.concat("\x1f", TABLE.c.id))
)


def write(session: Session, statement: Any, rows: Sequence[dict[str, Any]], values: dict[str, Any]) -> None:
    """Insert or update ``rows``, each with every column of ``WRITTEN``, by one statement."""
    if rows:
        arrays = {f"all_{each.name}": [row[each.name] for row in rows] for each in WRITTEN}
        session.execute(statement, {**arrays, **values})
