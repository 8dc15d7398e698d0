"""Sign-in over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.call import Call
from app.routing import Route, public
from app.schemas.sign_in import SignInOut
from app.services import sign_in

router = APIRouter(prefix="/v1/sign-in", tags=["Sign-in"], route_class=Route)

Slug = Annotated[str, Query(min_length=1, max_length=63, description="The organisation's slug.")]


@router.get("")
@public
async def read_sign_in(call: Call, organisation: Slug) -> SignInOut:
    """Say where the people of an organisation sign in. Needs no token, and never tells whether one exists."""
    return await call(sign_in.read, call.app.state.settings, organisation)
