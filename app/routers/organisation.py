"""The caller's organisation over HTTP."""

from fastapi import APIRouter

from app.call import Call
from app.routing import Route, allows
from app.schemas.organisation import OrganisationOut, OrganisationUpdate
from app.services import organisation as organisations

router = APIRouter(prefix="/v1/organisation", tags=["Organisation"], route_class=Route)


@router.get("")
@allows("organisation", "read")
async def read_organisation(call: Call) -> OrganisationOut:
    """Read the caller's organisation and what it says call events are kept for."""
    return await call(organisations.read)


@router.patch("")
@allows("organisation", "update")
async def update_organisation(call: Call, data: OrganisationUpdate) -> OrganisationOut:
    """Change the settings by a JSON merge patch."""
    return await call(organisations.update, data)
