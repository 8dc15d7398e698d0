"""The caller over HTTP."""

from fastapi import APIRouter

from app.call import Call
from app.routing import Route, allows
from app.schemas.me import MeOut
from app.services import me

router = APIRouter(prefix="/v1/me", tags=["Me"], route_class=Route)


@router.get("")
@allows("me", "read")
async def read_me(call: Call) -> MeOut:
    """Say who asks: the organisation, the person or client, and their scopes, roles and relations."""
    return await call(me.read, call.credential)
