"""What Microsoft Entra's documentation spells otherwise than RFC 7644, in the standard's spelling.

An attribute of the enterprise extension without its URN, a comparison with the manager as a whole, and a removal that
says what it removes.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json
from scim2_models import SCIMException
from scim2_models.path import Comparison, LogicalExpr, Not, Present, ScimFilter
from scim2_models.path.expressions import AttrPath, FilterNode

from app.scim.resources import ENTERPRISE

_NAMES = ("employeeNumber", "costCenter", "organization", "division", "department", "manager")
_EXTENDED = re.compile(rf"(?<![\w:])(?:{'|'.join(_NAMES)})(?![\w:])", re.IGNORECASE)


def standard_patch(body: bytes) -> bytes:
    """Return a user's PATCH body with qualified attributes, and without values where a removal's path says it all."""
    try:
        content = from_json(body)
    except ValueError:
        return body  # the library says what is wrong with it
    operations = content.get("Operations") if isinstance(content, dict) else None
    if not isinstance(operations, list):
        return body
    changed = [_standard_operation(each) if isinstance(each, dict) else each for each in operations]
    return body if changed == operations else to_json({**content, "Operations": changed})


def standard_filter(text: str) -> str:
    """Return a filter with qualified attributes, in which who is compared with a manager is compared by id."""
    if _EXTENDED.search(text) is None:
        return text
    try:
        return str(_standard_node(ScimFilter(text).ast))
    except SCIMException:
        return text  # the library says what is wrong with it


def _standard_operation(operation: Mapping[str, Any]) -> dict[str, Any]:
    path, value = operation.get("path"), operation.get("value")
    changed = dict(operation)
    if isinstance(path, str):
        changed["path"] = _qualified(path)
        # RFC 7644, section 3.5.2.2: the path alone says what goes, unless it names all entries of an attribute.
        if str(operation.get("op")).lower() == "remove" and path.lower().rpartition(":")[2] != "emails":
            changed.pop("value", None)
    elif isinstance(value, dict):
        changed["value"] = {_qualified(name): each for name, each in value.items()}
    return changed


def _qualified(name: str) -> str:
    return f"{ENTERPRISE}:{name}" if _EXTENDED.match(name) else name


def _standard_node(node: FilterNode) -> FilterNode:
    if isinstance(node, Comparison):
        return Comparison(_standard_path(node.attr_path), node.op, node.value)
    if isinstance(node, Present):
        return Present(_standard_path(node.attr_path, whole=True))
    if isinstance(node, Not):
        return Not(_standard_node(node.expr))
    if isinstance(node, LogicalExpr):
        return LogicalExpr(node.op, tuple(_standard_node(term) for term in node.terms))
    return node


def _standard_path(path: AttrPath, *, whole: bool = False) -> AttrPath:
    if path.uri is not None or not _EXTENDED.fullmatch(path.attr):
        return path
    sub = "value" if path.attr.lower() == "manager" and not whole else None
    return AttrPath(path.attr, path.sub_attr or sub, ENTERPRISE)
