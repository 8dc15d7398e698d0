"""What one row of the policy says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement

from app.relations import Relation


@dataclass(frozen=True)
class Rule:
    """Who may do one thing to one kind of resource.

    ``scope`` lets clients (None: no client). ``relations`` let people (none: no person). ``client_sees`` and
    ``others_see`` narrow which rows clients and people other than the row's own person have; ``self_only`` fields are
    null for everyone but that person. ``moves`` maps the states in which the action is open to the state it leads to.
    A read that is ``recorded`` leaves an entry in the audit for each row shown to anyone but its own person.
    ``on_active`` shows the action as open on active or on inactive rows alone; the verb itself may be repeated.
    """

    scope: str | None
    relations: frozenset[Relation] = frozenset()
    client_sees: Callable[[], ColumnElement[bool]] | None = None
    others_see: Callable[[], ColumnElement[bool]] | None = None
    self_only: frozenset[str] = frozenset()
    moves: Mapping[str, str] | None = None
    on_active: bool | None = None
    recorded: bool = False


def rule(scope: str | None, *relations: Relation, **options: Any) -> Rule:
    """Return a rule, so that the table reads as one."""
    return Rule(scope, frozenset(relations), **options)


def not_private(column: Any) -> Callable[[], ColumnElement[bool]]:
    """Return the narrowing to rows that are not marked private by that column."""
    return lambda: ~column


Policy = dict[tuple[str, str], Rule]
Models = dict[str, tuple[type[Any], ColumnElement[Any] | None]]
