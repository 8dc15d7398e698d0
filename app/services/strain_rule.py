"""Strain rules: an organisation's own thresholds, and what a changed one would have raised."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.errors import Fault, Unprocessable
from app.models import Pillar, ServiceArea, StrainRule
from app.models.base import folded
from app.schemas.strain_rule import StrainRuleCreate, StrainRuleUpdate, merged

TABLE = StrainRule.__table__
RULES = queries.Listing(
    "strain_rule",
    sorts={"id": TABLE.c.id, "name": TABLE.c.name_key},
    filters={"enabled": TABLE.c.enabled == bindparam("enabled")},
)
OFFER = ("kind", "minutes", "expires_seconds", "pillar")


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule as it is represented: what it offers stands together."""
    return {**row, "prompt": {name: row[f"prompt_{name}"] for name in OFFER}}


def columns(rule: StrainRuleCreate) -> dict[str, Any]:
    """Return a rule as it is stored."""
    values = rule.model_dump(mode="json", exclude={"prompt", "service_area_ids"})
    offer = rule.prompt.model_dump()
    return {
        **values,
        "service_area_ids": rule.service_area_ids,
        **{f"prompt_{name}": offer[name] for name in OFFER},
    }


def list_(session: Session, caller: Caller, paging: queries.Paging, filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a page of the rules."""
    page = queries.paginate(session, caller, RULES, paging, filters)
    return {**page, "data": [shown(row) for row in page["data"]]}


def read(session: Session, caller: Caller, rule_id: UUID) -> dict[str, Any]:
    """Return one rule."""
    return shown(queries.read(session, caller, "strain_rule", rule_id))


def create(session: Session, caller: Caller, data: StrainRuleCreate) -> Mapping[str, Any]:
    """Add a rule. Raise Conflict for a taken name, Unprocessable for an unknown service area or pillar."""
    require_references(session, caller, data)
    rule = StrainRule(organisation_id=caller.organisation_id, name_key=folded(data.name), **columns(data))
    session.add(rule)
    events.record(session, caller, "strain_rule.created", rule)
    return read(session, caller, rule.id)


def update(session: Session, caller: Caller, rule_id: UUID, data: StrainRuleUpdate) -> Mapping[str, Any]:
    """Change a rule from now on. Signals that it raised stay as they are, with the rule as it was."""
    rule = queries.get_allowed(session, caller, StrainRule, rule_id, "update")
    whole = merged(read(session, caller, rule_id), data)
    require_references(session, caller, whole)
    for name, value in columns(whole).items():
        if getattr(rule, name) != value:
            setattr(rule, name, value)
    rule.name_key = folded(whole.name)
    if session.is_modified(rule):
        events.record(session, caller, "strain_rule.updated", rule, details={"fields": sorted(data.given())})
    return read(session, caller, rule_id)


def delete(session: Session, caller: Caller, rule_id: UUID) -> None:
    """Take a rule out for good, whether or not it ever raised a signal: a refusal would say that it did.

    Its signals keep the rule as it was. Its name is free again.
    """
    rule = queries.get_allowed(session, caller, StrainRule, rule_id, "delete")
    rule.enabled, rule.retired_at = False, clock.now()
    rule.name_key, rule.prompt_pillar = f"{rule.name_key} {rule.id}", None
    events.record(session, caller, "strain_rule.deleted", rule)


def require_references(session: Session, caller: Caller, rule: StrainRuleCreate) -> None:
    """Raise Unprocessable where a service area or the pillar that a rule names is unknown."""
    faults = []
    if rule.service_area_ids:
        area = ServiceArea.id
        known = set(session.scalars(_owned(area, ServiceArea, caller).where(area.in_(rule.service_area_ids))))
        faults += [
            Fault(f"/service_area_ids/{index}", "unknown_reference", "There is no such service area.")
            for index, area_id in enumerate(rule.service_area_ids)
            if area_id not in known
        ]
    if rule.prompt.pillar is not None:
        key = _owned(Pillar.key, Pillar, caller).where(Pillar.key == rule.prompt.pillar)
        if session.scalar(key.with_for_update(read=True)) is None:
            faults.append(Fault("/prompt/pillar", "unknown_reference", "There is no such pillar."))
    if faults:
        raise Unprocessable(faults=faults)


def _owned(column: Any, model: Any, caller: Caller) -> Any:
    return select(column).where(model.organisation_id == caller.organisation_id)
