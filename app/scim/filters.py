"""A SCIM filter as SQL: the same answer as the library's evaluator gives for the resource, row by row.

Every condition is two-valued, so that ``not`` is plain NOT. What has no column is refused, never left out.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from scim2_models import InvalidFilterException
from scim2_models.path import (
    AttributeBinding,
    Comparison,
    FilterVisitor,
    LogicalExpr,
    Not,
    Present,
    ScimFilter,
    ValuePath,
)
from scim2_models.path.expressions import AttrPath, CompareOperator, LogicalOperator
from scim2_models.path.resolution import coerce_value
from sqlalchemy import Cast, ColumnElement, Text, Uuid, and_, false, func, not_, or_, true

from app.models.base import folded
from app.scim.columns import PERSON, Many, Shape

T = TypeVar("T")
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
Op = CompareOperator
ON_TEXT = (Op.co, Op.sw, Op.ew)


def condition_of(shape: Shape, scim_filter: ScimFilter[Any]) -> ColumnElement[bool]:
    """Return the condition over the shape's table that a filter, bound to its model, asks for.

    Raise InvalidFilterException for an attribute that has no column.
    """
    return _OfResource(shape, scim_filter).visit(scim_filter.ast)


def comparable(binding: AttributeBinding, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column as it is compared and sorted: texts by code point, without case where that does not count."""
    if not isinstance(value.type, Text):
        return value
    return (value if binding.case_exact else func.scim_folded(value, type_=Text())).collate("C")


class _Visitor(FilterVisitor[ColumnElement[bool]]):
    def visit_not(self, node: Not) -> ColumnElement[bool]:
        return not_(self.visit(node.expr))

    def visit_logical_expr(self, node: LogicalExpr) -> ColumnElement[bool]:
        terms = [self.visit(term) for term in node.terms]
        return and_(true(), *terms) if node.op == LogicalOperator.and_ else or_(false(), *terms)

    def visit_value_path(self, _node: ValuePath) -> ColumnElement[bool]:
        return false()  # a selection inside a selection selects nothing


class _OfResource(_Visitor):
    def __init__(self, shape: Shape, scim_filter: ScimFilter[Any]) -> None:
        self.shape, self.scim_filter = shape, scim_filter

    def visit_comparison(self, node: Comparison) -> ColumnElement[bool]:
        binding = self.scim_filter.resolve_comparison(node.attr_path, strict=False)
        if binding is None:
            return false()
        expected = coerce_value(binding, node.value, node.op)
        if binding.field_name in self.shape.many:
            return self._of_many(binding, node.op, expected)
        if self._is_complex(binding):
            return _of_complex(self._present(binding), node.op, expected)
        found = _compare(self._column(binding), binding, node.op, expected)
        name = self.shape.names.get((binding.field_name, binding.sub_field_name))
        if name is not None and node.op == Op.eq and isinstance(expected, str):
            return and_(name == folded(expected), found)
        return found

    def visit_present(self, node: Present) -> ColumnElement[bool]:
        binding = self.scim_filter.resolve(node.attr_path, strict=False)
        return false() if binding is None else self._present(binding)

    def visit_value_path(self, node: ValuePath) -> ColumnElement[bool]:
        binding = self.scim_filter.resolve(node.attr_path, strict=False)
        if binding is None:
            return false()
        many = self._many(binding)
        found = many.any(_OfEntry(many, binding, self.scim_filter, node.attr_path).visit(node.val_filter))
        if many is self.shape.many.get("emails") and (value := _needed_value(node.val_filter)) is not None:
            return and_(_can_have_email(value), found)
        return found

    def _of_many(self, binding: AttributeBinding, op: Op, expected: Any) -> ColumnElement[bool]:
        many = self._many(binding)
        value = self._entry_column(many, binding)
        if expected is None:
            empty, one_without = not_(many.any(true())), many.any(value.is_(None))
            with_null = or_(empty, one_without)
            return with_null if op == Op.eq else not_(with_null) if op == Op.ne else false()
        if op == Op.ne:
            return not_(many.any(not_(_compare(value, binding, op, expected))))
        found = many.any(_compare(value, binding, op, expected))
        if op == Op.eq and isinstance(expected, str) and (binding.field_name, binding.sub_field_name) == EMAIL_VALUE:
            return and_(_can_have_email(expected), found)
        return found

    def _present(self, binding: AttributeBinding) -> ColumnElement[bool]:
        if binding.field_name in self.shape.many:
            many = self._many(binding)
            if binding.sub_field_name is not None:
                return many.any(_is_present(self._entry_column(many, binding)))
            return many.any(or_(*(_is_present(value) for value in many.columns.values())))
        if self._is_complex(binding):
            return or_(*(_is_present(value) for value in self._parts(binding)))
        return _is_present(self._column(binding))

    def _parts(self, binding: AttributeBinding) -> list[ColumnElement[Any]]:
        return [value for (field, _), value in self.shape.columns.items() if field == binding.field_name]

    def _is_complex(self, binding: AttributeBinding) -> bool:
        return binding.sub_field_name is None and (binding.field_name, None) not in self.shape.columns

    def _column(self, binding: AttributeBinding) -> ColumnElement[Any]:
        return known(self.shape.columns.get((binding.field_name, binding.sub_field_name)), binding)

    def _many(self, binding: AttributeBinding) -> Many:
        return known(self.shape.many.get(binding.field_name), binding)

    def _entry_column(self, many: Many, binding: AttributeBinding) -> ColumnElement[Any]:
        return known(many.columns.get(binding.sub_field_name or "value"), binding)


class _OfEntry(_Visitor):
    """The filter inside the brackets of ``emails[...]``: each attribute is one of the entry."""

    def __init__(
        self, many: Many, binding: AttributeBinding, scim_filter: ScimFilter[Any], attr_path: AttrPath
    ) -> None:
        self.many, self.of, self.scim_filter, self.attr_path = many, binding, scim_filter, attr_path

    def visit_comparison(self, node: Comparison) -> ColumnElement[bool]:
        binding = self._binding(node.attr_path)
        if binding is None:
            return false()
        expected = coerce_value(binding, node.value, node.op)
        return _compare(self._column(binding), binding, node.op, expected)

    def visit_present(self, node: Present) -> ColumnElement[bool]:
        binding = self._binding(node.attr_path)
        return false() if binding is None else _is_present(self._column(binding))

    def _binding(self, inner: AttrPath) -> AttributeBinding | None:
        if self._is_scalar():
            return self.of if inner.attr.lower() == "value" and not inner.sub_attr else None
        return self.scim_filter.resolve(AttrPath(self.attr_path.attr, inner.attr, self.attr_path.uri), strict=False)

    def _is_scalar(self) -> bool:
        return not hasattr(self.of.field_type, "model_fields")

    def _column(self, binding: AttributeBinding) -> ColumnElement[Any]:
        return known(self.many.columns.get(binding.sub_field_name or "value"), binding)


EMAIL_VALUE = ("emails", "value")


def known(found: T | None, binding: AttributeBinding) -> T:
    """Return what an attribute was found to be. Raise InvalidFilterException where it has no column."""
    if found is None:
        raise InvalidFilterException(detail=f"The attribute {binding.urn} cannot be filtered by.")
    return found


def _is_present(value: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.coalesce(value != "", false()) if isinstance(value.type, Text) else value.is_not(None)


def _of_complex(present: ColumnElement[bool], op: Op, expected: Any) -> ColumnElement[bool]:
    """Compare a complex attribute, which equals nothing but, where it is unassigned, null."""
    if expected is None:
        return not_(present) if op == Op.eq else present if op == Op.ne else false()
    return true() if op == Op.ne else false()


def _compare(column: ColumnElement[Any], binding: AttributeBinding, op: Op, expected: Any) -> ColumnElement[bool]:
    """Return the comparison of one value, false (true for ``ne``) where the two are of kinds that do not compare."""
    if expected is None:
        return column.is_(None) if op == Op.eq else column.is_not(None) if op == Op.ne else false()
    is_text = isinstance(column.type, Text)
    if is_text is not isinstance(expected, str) or _has_no_zone(expected):
        return true() if op == Op.ne else false()
    if is_text:
        if UNSTORABLE.search(expected):
            raise InvalidFilterException(detail="A value of the filter holds a character that no attribute can hold.")
        expected = binding.comparable(expected)
        if op == Op.eq and binding.case_exact:
            return and_(_as_indexed(column, expected), _two_valued(column, op, expected))
    elif op in ON_TEXT:
        return false()
    return _two_valued(comparable(binding, column), op, expected)


def _as_indexed(column: ColumnElement[Any], expected: str) -> ColumnElement[bool]:
    """Return what an index can answer of an exact comparison: of an id, that is not of the text that it is in SCIM."""
    if not (isinstance(column, Cast) and isinstance(column.clause.type, Uuid)):
        return column == expected
    try:
        return column.clause == UUID(expected)
    except ValueError:
        return false()


def _has_no_zone(expected: Any) -> bool:
    return isinstance(expected, datetime) and expected.tzinfo is None


def _two_valued(left: ColumnElement[Any], op: Op, right: Any) -> ColumnElement[bool]:
    if op == Op.ne:
        return left.is_distinct_from(right)
    compare: dict[Op, Callable[[], Any]] = {
        Op.eq: lambda: left == right,
        Op.gt: lambda: left > right,
        Op.ge: lambda: left >= right,
        Op.lt: lambda: left < right,
        Op.le: lambda: left <= right,
        Op.co: lambda: func.strpos(left, right) > 0,
        Op.sw: lambda: func.starts_with(left, right),
        Op.ew: lambda: func.right(left, len(right)) == right,
    }
    return cast("ColumnElement[bool]", func.coalesce(compare[op](), false()))


def _needed_value(node: Any) -> str | None:
    """Return the text that ``value`` must equal for a selection of e-mail addresses to find one, where it says so."""
    terms = node.terms if isinstance(node, LogicalExpr) and node.op == LogicalOperator.and_ else (node,)
    equal = (term for term in terms if isinstance(term, Comparison) and term.op == Op.eq)
    values = [term.value for term in equal if str(term.attr_path).lower() == "value" and isinstance(term.value, str)]
    return values[0] if values else None


def _can_have_email(value: str) -> ColumnElement[bool]:
    """Return what an index can answer: their one address is this, or they have several."""
    if UNSTORABLE.search(value):
        return false()
    return or_(PERSON.c.email_key == folded(value), PERSON.c.emails.is_not(None))
