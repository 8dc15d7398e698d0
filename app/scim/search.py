"""The statements of one search: the keys of a page, by index or by cursor, over one type of resource or all of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from scim2_models import InvalidCursorException, ResourceType, SearchRequest
from scim2_models.path import ScimFilter
from sqlalchemy import ColumnElement, Row, Select, Text, and_, func, literal, null, or_, select

from app.scim.columns import Shape, shape_of
from app.scim.filters import comparable, condition_of
from app.scim.rendering import COLUMNS
from app.scim.resources import PROVIDER


class Search:
    """One search. A position says whether to go on or back, and from which sort key and id."""

    def __init__(self, kinds: Sequence[ResourceType], request: SearchRequest[Any], position: Any) -> None:
        self.kinds, self.request = kinds, request
        self.descending = request.sort_by is not None and request.sort_order == SearchRequest.SortOrder.descending
        self.back, self.anchor = _read(position)
        self.limit = request.count

    def count(self) -> Select[Any]:
        """Return the statement that counts what matches."""
        return select(func.count()).select_from(self._found())

    def rows(self) -> Select[Any]:
        """Return the statement that gives a page: kind, id and sort key, and of one type alone all that is rendered.

        It gives one more than asked for with a cursor, and says how many match without one.
        """
        query, key, id_ = self._of_one() if len(self.kinds) == 1 else self._of_all()
        turned = self.descending is not self.back
        order = [id_] if self.request.sort_by is None else [key.is_(None), key, id_]
        if self.request.cursor is None:
            query = query.add_columns(func.count().over().label("total"))
        query = query.order_by(*(each.desc() if turned else each.asc() for each in order))
        if self.anchor is not None:
            query = query.where(self._beyond(key, id_, turned=turned))
        more = 1
        if self.request.cursor is None:
            query, more = query.offset((self.request.start_index or 1) - 1), 0
        return query if self.limit is None else query.limit(self.limit + more)

    def cut(self, rows: Sequence[Row[Any]]) -> tuple[list[Row[Any]], Any, Any]:
        """Return the page in its order, and the positions of the next and of the previous one, if there is one."""
        if self.request.cursor is None:
            return list(rows), None, None
        more = self.limit is not None and len(rows) > self.limit
        page = list(rows[: self.limit])
        if self.back:
            page.reverse()
        if not page:
            return [], None, None
        goes_on, goes_back = (True, more) if self.back else (more, self.anchor is not None)
        following = _position("next", page[-1]) if goes_on else None
        return page, following, _position("previous", page[0]) if goes_back else None

    def _beyond(self, key: Any, id_: Any, *, turned: bool) -> ColumnElement[bool]:
        """Return what comes after the anchor: missing keys last, and everything the other way round where turned."""
        value, last = cast("tuple[Any, UUID]", self.anchor)
        after: ColumnElement[bool] = id_ < last if turned else id_ > last
        if self.request.sort_by is None:
            return after
        if value is None:
            same = and_(key.is_(None), after)
            return or_(same, key.is_not(None)) if turned else same
        if turned:
            return or_(key < value, and_(key == value, after))
        return or_(key > value, and_(key == value, after), key.is_(None))

    def _of_one(self) -> tuple[Select[Any], ColumnElement[Any], ColumnElement[Any]]:
        """Return the statement over one type alone, with its sort key and id: all columns, and no subquery of them."""
        (kind,) = self.kinds
        shape, model = shape_of(kind), cast("Any", PROVIDER.model_for(kind))
        key = self._sort_key(shape, model)
        key = null().cast(Text()) if key is None else key
        return self._of_kind(kind, shape, model, key, COLUMNS[kind.id]), key, shape.table.c.id

    def _of_all(self) -> tuple[Select[Any], ColumnElement[Any], ColumnElement[Any]]:
        found = self._found()
        return select(found), found.c.key, found.c.id

    def _found(self) -> Any:
        shapes = [(kind, shape_of(kind), cast("Any", PROVIDER.model_for(kind))) for kind in self.kinds]
        keys = [self._sort_key(shape, model) for _, shape, model in shapes]
        kind_of_key = next((key.type for key in keys if key is not None), Text())
        first, *others = (
            self._of_kind(kind, shape, model, null().cast(kind_of_key) if key is None else key, [shape.table.c.id])
            for (kind, shape, model), key in zip(shapes, keys, strict=True)
        )
        return (first.union_all(*others) if others else first).subquery("found")

    def _of_kind(
        self, kind: ResourceType, shape: Shape, model: Any, key: ColumnElement[Any], columns: Sequence[Any]
    ) -> Select[Any]:
        query = select(literal(str(kind.id), Text()).label("kind"), key.label("key"), *columns)
        query = query.where(shape.shown)
        if self.request.filter is not None:
            bound: Any = ScimFilter[model](str(self.request.filter))
            query = query.where(condition_of(shape, bound))
        return query

    def _sort_key(self, shape: Shape, model: Any) -> ColumnElement[Any] | None:
        binding = self.request.sort_binding(model)
        if binding is None:
            return None
        if binding.field_name in shape.many:
            value: Any = shape.many[binding.field_name].first(binding.sub_field_name or "value")
        else:
            value = shape.columns.get((binding.field_name, binding.sub_field_name))
        return None if value is None else comparable(binding, value)


def _position(direction: str, row: Row[Any]) -> dict[str, Any]:
    value = {"moment": row.key.isoformat()} if isinstance(row.key, datetime) else row.key
    return {"d": direction, "k": value, "i": str(row.id)}


def _read(position: Any) -> tuple[bool, tuple[Any, UUID] | None]:
    if position is None:
        return False, None
    try:
        value = position["k"]
        if isinstance(value, dict):
            value = datetime.fromisoformat(value["moment"])
        return position["d"] == "previous", (value, UUID(position["i"]))
    except (KeyError, TypeError, ValueError):
        raise InvalidCursorException from None
