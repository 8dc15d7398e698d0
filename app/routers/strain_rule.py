"""Strain rules over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, SyncPage
from app.schemas.strain_dry_run import DryRunOut
from app.schemas.strain_rule import StrainRuleCreate, StrainRuleOut, StrainRuleUpdate
from app.services import history
from app.services import strain_dry_run as dry_run
from app.services import strain_rule as rules

router = APIRouter(prefix="/v1/strain-rules", tags=["Strain rules"], route_class=Route)


@router.get("")
@allows("strain_rule", "read")
async def list_strain_rules(call: Call, paging: Synced, enabled: bool | None = None) -> SyncPage[StrainRuleOut]:
    """List the rules, each with the ground that its values stand on. Everyone may know what they are measured by."""
    return await call.page(rules.list_, paging, {"enabled": enabled})


@router.post("", status_code=201)
@allows("strain_rule", "create")
async def create_strain_rule(call: Call, data: StrainRuleCreate) -> StrainRuleOut:
    """Add a rule. It looks at calls that come from now on, and at what surrounds late ones."""
    return await call(rules.create, data)


@router.post("/dry-run")
@allows("strain_rule", "dry_run")
async def dry_run_strain_rule(call: Call, data: StrainRuleCreate) -> DryRunOut:
    """Say how many signals a rule would have raised over the past 30 days. Nothing is changed."""
    return await call(dry_run.of_body, data)


@router.get("/{rule_id}")
@allows("strain_rule", "read")
async def read_strain_rule(call: Call, rule_id: UUID) -> StrainRuleOut:
    """Read one rule."""
    return await call(rules.read, rule_id)


@router.patch("/{rule_id}")
@allows("strain_rule", "update")
async def update_strain_rule(call: Call, rule_id: UUID, data: StrainRuleUpdate) -> StrainRuleOut:
    """Change a rule by a JSON merge patch. Signals that it raised stay, with the rule as it was."""
    return await call(rules.update, rule_id, data)


@router.delete("/{rule_id}", status_code=204)
@allows("strain_rule", "delete")
async def delete_strain_rule(call: Call, rule_id: UUID) -> None:
    """Delete a rule. Signals that it raised stay, with the rule as it was. To pause one, set `enabled` to false."""
    return await call(rules.delete, rule_id)


@router.post("/{rule_id}/dry-run")
@allows("strain_rule", "dry_run")
async def dry_run_changed_strain_rule(call: Call, rule_id: UUID, data: StrainRuleUpdate) -> DryRunOut:
    """Say how many signals a rule, changed by a merge patch, would have raised over the past 30 days."""
    return await call(dry_run.of_patch, rule_id, data)


@router.get("/{rule_id}/history")
@allows("strain_rule", "read")
async def list_strain_rule_history(call: Call, paging: Paged, rule_id: UUID) -> Page[HistoryEntry]:
    """List who changed what of this rule, and when, the newest first."""
    return await call.page(history.list_, paging, "strain_rule", rule_id)
