"""Where the people of an organisation sign in, for a front end that has no token yet."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.auth import DevelopmentIssuer
from app.services import organisation as organisations
from app.settings import OidcIssuer, Settings


def read(session: Session, settings: Settings, slug: str) -> Mapping[str, Any]:
    """Return the issuers of an organisation. An unknown one is answered like one that has none."""
    issuers = [_configured(issuer) for issuer in settings.oidc_issuers if issuer.organisation == slug]
    if not settings.is_production:
        issuers += _development(session, slug)
    return {"issuers": issuers}


def _configured(issuer: OidcIssuer) -> Mapping[str, Any]:
    return {
        "kind": "openid_connect",
        "issuer": issuer.issuer,
        "discovery_url": f"{issuer.issuer.rstrip('/')}/.well-known/openid-configuration",
        "client_id": issuer.client_id,
        "audience": issuer.audience,
        "scopes": issuer.scopes,
    }


def _development(session: Session, slug: str) -> list[Mapping[str, Any]]:
    organisation_id = organisations.find(session, slug)
    if organisation_id is None:
        return []
    return [
        {
            "kind": "development",
            "issuer": f"{DevelopmentIssuer.PREFIX}{organisation_id}",
            "discovery_url": None,
            "client_id": None,
            "audience": "ballast",
            "scopes": [],
        }
    ]
