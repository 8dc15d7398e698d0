"""How the policy is applied: at the door of a route, to one row, to a list, and in what a representation offers."""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, true

from app.auth import Caller
from app.errors import Forbidden
from app.policy import MODELS, POLICY
from app.policy.rule import Rule
from app.relations import ME, SELF

# What is not done to a row: it is never among its allowed actions.
PASSIVE = frozenset({"read", "create", "dry_run", "count", "validate", "watch"})
PASSIVE |= frozenset({"hand_out", "take_up", "suggest", "offer"})


def actions_on(resource: str) -> list[str]:
    """Return the actions that the policy knows for a resource, in its order."""
    return [action for name, action in POLICY if name == resource]


def admit(caller: Caller, rule: Rule) -> None:
    """Let a caller through the door of a route. Raise Forbidden where no row could ever be theirs."""
    if caller.kind == "client":
        if rule.scope is None:
            raise Forbidden("people_only", "Only a person can do this, with an access token.")
        if rule.scope != "*" and rule.scope not in caller.scopes:
            raise Forbidden("missing_scope", f"The client lacks the scope {rule.scope}.")
    elif not any(relation.applies_to(caller) for relation in rule.relations):
        raise Forbidden("missing_role", "You hold no role that may do this.")


@cache
def _predicate(resource: str, action: str, kind: str, roles: frozenset[str]) -> ColumnElement[bool]:
    rule, subject = POLICY[resource, action], MODELS[resource][1]
    if kind == "system":
        return true()
    if kind == "client":
        if rule.scope is None:
            return false()
        return rule.client_sees() if rule.client_sees else true()
    about: ColumnElement[Any] = subject if subject is not None else false()
    mine = [r.predicate(about) for r in rule.relations if r is SELF]
    theirs = [r.predicate(about) for r in rule.relations if r is not SELF and (r.role is None or r.role in roles)]
    wider = or_(false(), *theirs)
    return or_(*mine, and_(wider, rule.others_see()) if rule.others_see else wider)


def predicate(caller: Caller, resource: str, action: str) -> ColumnElement[bool]:
    """Return, as SQL over the resource's table, which rows this caller may do ``action`` to.

    It holds the parameters ``organisation_id``, ``me`` and sometimes ``now``: see ``parameters``.
    """
    return _predicate(resource, action, caller.kind, caller.roles)


def predicate_about(caller: Caller, resource: str, action: str, subject: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return, as SQL over ``subject``, for which people this caller may do ``action``, before there is a row."""
    return _predicate_about(resource, action, caller.kind, caller.roles, subject)


@cache
def _predicate_about(
    resource: str, action: str, kind: str, roles: frozenset[str], subject: ColumnElement[Any]
) -> ColumnElement[bool]:
    rule = POLICY[resource, action]
    if kind != "person":
        return true() if kind == "system" or rule.scope is not None else false()
    held = (relation for relation in rule.relations if relation.role is None or relation.role in roles)
    return or_(false(), *(relation.predicate(subject) for relation in held))


@cache
def asked_actions(resource: str) -> tuple[str, ...]:
    """Return the actions that hang on how a person stands to the one row, beyond its being theirs."""
    return tuple(
        action
        for action in actions_on(resource)
        if action not in PASSIVE
        and any(
            relation is not SELF and (relation.role is None or relation.by_row)
            for relation in POLICY[resource, action].relations
        )
    )


@cache
def may_columns(resource: str, kind: str, roles: frozenset[str]) -> tuple[ColumnElement[bool], ...]:
    """Return a column for each of those actions: the very predicate that guards it."""
    if kind != "person":
        return ()
    return tuple(_predicate(resource, action, kind, roles).label(f"may_{action}") for action in asked_actions(resource))


@cache
def own_column(resource: str, kind: str) -> ColumnElement[bool] | None:
    """Return the column that says whether a row is about the calling person, where a rule of the resource asks."""
    subject = MODELS[resource][1]
    if kind != "person" or subject is None:
        return None
    return (subject == ME).label("is_mine")


@cache
def right_columns(resource: str, kind: str, roles: frozenset[str]) -> tuple[ColumnElement[bool], ...]:
    """Return a column for each relation that could let this person see a row, where looking at it is recorded."""
    rule, subject = POLICY[resource, "read"], MODELS[resource][1]
    if kind != "person" or subject is None or not rule.recorded:
        return ()
    held = (each for each in rule.relations if each is not SELF and (each.role is None or each.role in roles))
    return tuple(each.predicate(subject).label(f"by_{each.name}") for each in sorted(held, key=lambda each: each.name))


def right_to(caller: Caller, resource: str, row: Mapping[str, Any]) -> str:
    """Return by which right a row is shown: the name of the relation, or a client's scope."""
    if caller.kind == "client":
        return POLICY[resource, "read"].scope or ""
    columns = right_columns(resource, caller.kind, caller.roles)
    return next((column.name.removeprefix("by_") for column in columns if row[column.name]), SELF.name)


def hidden_fields(caller: Caller, resource: str) -> frozenset[str]:
    """Return the fields of a row that this caller is shown as null unless the row is about them."""
    return POLICY[resource, "read"].self_only if caller.kind != "system" else frozenset()


def allowed_actions(caller: Caller, resource: str, row: Mapping[str, Any]) -> list[str]:
    """Return the actions open to this caller on this row, from the same table that guards the verbs."""
    mine, state, active = bool(row.get("is_mine")), row.get("state"), row.get("active")
    asked = frozenset(action for action in asked_actions(resource) if row.get(f"may_{action}"))
    return _open_actions(resource, caller.kind, caller.roles, caller.scopes, mine, state, active, asked)


@lru_cache(maxsize=10_000)
def _open_actions(
    resource: str,
    kind: str,
    roles: frozenset[str],
    scopes: frozenset[str],
    mine: bool,
    state: str | None,
    active: bool | None,
    asked: frozenset[str],
) -> list[str]:
    def is_open(action: str, rule: Rule) -> bool:
        if (rule.moves is not None and state not in rule.moves) or rule.on_active not in (None, active):
            return False
        if kind == "client":
            return rule.scope in scopes
        if action in asked_actions(resource):
            return action in asked
        return any(mine if relation is SELF else relation.role in roles for relation in rule.relations)

    known = ((action, POLICY[resource, action]) for action in actions_on(resource) if action not in PASSIVE)
    return [action for action, rule in known if is_open(action, rule)]
