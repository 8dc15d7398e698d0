"""What a PATCH of a group does, where that can be told without reading the group, which may be large."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from scim2_models import PatchOp, PatchOperation
from scim2_models.path import CompareOperator, Comparison

from app.scim.groups import members_of


@dataclass(frozen=True)
class Step:
    """One thing that a PATCH does to a group: add, remove or replace people, or rename it."""

    verb: str
    people: Sequence[UUID] = ()
    names: Mapping[str, str | None] = field(default_factory=dict)


NAMES = {"displayname": "name", "externalid": "external_id"}
IGNORED = frozenset({"id", "meta", "schemas"})


def steps_of(patch_op: "PatchOp[Any]") -> list[Step] | None:
    """Return what a PATCH of a group does, or None where only the library can tell.

    Raise InvalidValueException for a member that is no id.
    """
    steps: list[Step] = []
    for operation in patch_op.operations or ():
        found = _steps_of_operation(operation)
        if found is None:
            return None
        steps += found
    return steps


def _steps_of_operation(operation: Any) -> list[Step] | None:
    verb = {PatchOperation.Op.add: "add", PatchOperation.Op.remove: "remove"}.get(operation.op, "replace")
    if operation.path is None:
        return None if verb == "remove" or not isinstance(operation.value, dict) else _of_object(verb, operation.value)
    name = str(operation.path).rpartition(":")[2].lower()
    if name == "members":
        return _of_members(verb, operation.value)
    if name in NAMES and verb != "remove":
        return _of_object(verb, {name: operation.value})
    one = operation.path.value_filter if verb == "remove" and name.startswith("members[") else None
    if isinstance(one, Comparison) and one.op == CompareOperator.eq and str(one.attr_path).lower() == "value":
        return None if name.rpartition("]")[2] else [Step("remove", members_of([one.value]))]
    return None


def _of_object(verb: str, value: Mapping[str, Any]) -> list[Step] | None:
    given = {key.rpartition(":")[2].lower(): each for key, each in value.items()}
    if given.keys() - NAMES.keys() - IGNORED - {"members"}:
        return None
    names = {NAMES[key]: each for key, each in given.items() if key in NAMES}
    if any(not isinstance(each, str) or not each.strip() for each in names.values()):
        return None
    steps = [Step("rename", names=names)] if names else []
    return steps + (_of_members(verb, given["members"]) or [] if "members" in given else [])


def _of_members(verb: str, value: Any) -> list[Step] | None:
    if value is None:
        return [Step("replace")] if verb != "add" else []
    return [Step(verb, members_of(value if isinstance(value, list) else [value]))]
