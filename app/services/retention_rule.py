"""How long an organisation keeps each class of data: read by everyone, changed with a ground."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert
from sqlalchemy.orm import Session

from app import events, queries
from app.auth import Caller
from app.errors import Conflict
from app.models import RetentionRule
from app.models.base import new_id
from app.personal_data_classes import CLASSES, CountsFrom, DataClass
from app.schemas.data_rights import RetentionRuleUpdate
from app.services.personal_records import retention_in_words

TABLE = RetentionRule.__table__
RULES = queries.Listing(
    "retention_rule", sorts={"id": TABLE.c.id, "data_class": TABLE.c.data_class}, default_sort="data_class", syncs=False
)


def give(connection: Connection, organisation_id: UUID) -> None:
    """Give a new organisation the starting values."""
    rows = [
        {"organisation_id": organisation_id, "id": new_id(), "data_class": name, "keep_days": about.keep_days}
        for name, about in CLASSES.items()
    ]
    connection.execute(insert(RetentionRule), rows)


def list_(session: Session, caller: Caller, paging: queries.Paging) -> Mapping[str, Any]:
    """Return a page of the rules."""
    page = queries.paginate(session, caller, RULES, paging, {})
    return {**page, "data": [_shown(row) for row in page["data"]]}


def read(session: Session, caller: Caller, rule_id: UUID) -> dict[str, Any]:
    """Return one rule."""
    return _shown(queries.read(session, caller, "retention_rule", rule_id))


def change(session: Session, caller: Caller, rule_id: UUID, data: RetentionRuleUpdate) -> Mapping[str, Any]:
    """Change a rule. Raise Conflict for one that the service holds itself, or for too few days."""
    rule = queries.get_allowed(session, caller, RetentionRule, rule_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(rule, name) != value}
    about = CLASSES[DataClass(rule.data_class)]
    if changed and about.counts_from is CountsFrom.fixed:
        raise Conflict("retention_is_fixed", about.why)
    keep_days = changed.get("keep_days")
    if keep_days is not None and keep_days < about.least_days:
        raise Conflict("too_short", f"This is kept for {about.least_days} days at least: people need it until then.")
    for name, value in changed.items():
        setattr(rule, name, value)
    if changed:
        details = {"fields": sorted(changed), **({"keep_days": keep_days} if "keep_days" in changed else {})}
        events.record(session, caller, "retention_rule.updated", rule, details=details)
    return read(session, caller, rule_id)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    data_class = DataClass(row["data_class"])
    about = CLASSES[data_class]
    return {
        **row,
        "title": about.title,
        "counts_from": about.counts_from,
        "least_days": about.least_days,
        "in_words": retention_in_words(data_class, row["keep_days"]),
        "basis": row["basis"] or about.why,
        "basis_label": None if row["basis"] else about.basis,
        "starting_keep_days": about.keep_days,
    }
