"""The rules for what an identity provider sends over SCIM."""

from typing import Any

from fastapi import APIRouter

from app.call import Call
from app.routing import Route, allows
from app.schemas.scim_settings import ScimSettingsOut, ScimSettingsUpdate
from app.services import scim_settings

router = APIRouter(tags=["SCIM"], route_class=Route)


@router.get("/v1/scim-settings", response_model=ScimSettingsOut)
@allows("scim_settings", "read")
async def read_scim_settings(call: Call) -> Any:
    """Read how what the identity provider sends is understood."""
    return await call(scim_settings.read)


@router.patch("/v1/scim-settings", response_model=ScimSettingsOut)
@allows("scim_settings", "update")
async def update_scim_settings(data: ScimSettingsUpdate, call: Call) -> Any:
    """Change how what the identity provider sends from now on is understood."""
    return await call(scim_settings.update, data)
