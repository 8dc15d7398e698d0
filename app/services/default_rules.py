"""The strain rules that an organisation starts with. From then on they are its own to change, disable or delete."""

import tomllib
from functools import cache
from importlib.resources import files
from uuid import UUID

from sqlalchemy import Connection, insert

from app.models import StrainRule
from app.models.base import folded, new_id
from app.schemas.strain_rule import StrainRuleCreate
from app.services.strain_rule import columns


@cache
def default_rules() -> dict[str, StrainRuleCreate]:
    """Return the default rules by their keys, each checked as one that is sent over HTTP."""
    with (files("app") / "library" / "strain_rules.toml").open("rb") as file:
        entries = tomllib.load(file)["rule"]
    return {entry.pop("key"): StrainRuleCreate.model_validate(entry) for entry in entries}


def give(connection: Connection, organisation_id: UUID) -> None:
    """Give a new organisation the default rules."""
    rows = [
        {
            "organisation_id": organisation_id,
            "id": new_id(),
            "key": key,
            "name_key": folded(rule.name),
            **columns(rule),
        }
        for key, rule in default_rules().items()
    ]
    connection.execute(insert(StrainRule), rows)
