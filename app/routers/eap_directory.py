"""The EAP directory as a page for everyone."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import HTMLResponse

from app.call import Call
from app.routing import Route, public
from app.services import eap_directory_page as pages

router = APIRouter(prefix="/v1/eap-directory", tags=["EAP directory"], route_class=Route)

Organisation = Annotated[str, Path(min_length=1, max_length=63, description="The organisation's slug or id.")]


@router.get("/{organisation}", response_class=HTMLResponse)
@public
async def read_eap_directory_page(call: Call, organisation: Organisation) -> HTMLResponse:
    """Show the EAP's contacts as a page to print. No sign-in: they stay for leavers. Nothing is kept of who reads."""
    return HTMLResponse(await call.database.run(pages.render, organisation), headers=pages.HEADERS)
