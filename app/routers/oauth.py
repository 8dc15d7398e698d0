"""``/oauth/token``: its own standard's parameters, answers and errors."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response

from app import oauth
from app.errors import TooLarge
from app.routing import Route, public
from app.schemas.oauth import TokenError, TokenOut

router = APIRouter(tags=["Sign-in"], route_class=Route)

LARGEST = 8192
FORM = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": {"type": "string", "enum": [oauth.GRANT]},
                    "client_id": {"type": "string", "description": "The client's id; here or by HTTP Basic."},
                    "client_secret": {"type": "string", "description": "One of its keys; here or by HTTP Basic."},
                    "scope": {"type": "string", "description": "Some of its scopes, between blanks. Absent: all."},
                },
            }
        }
    },
}
CHALLENGE = {"WWW-Authenticate": 'Basic realm="ballast"'}
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@router.post(
    "/oauth/token",
    response_model=TokenOut,
    responses={status: {"model": TokenError, "description": "Refused, after RFC 6749."} for status in (400, 401)},
    openapi_extra={"requestBody": FORM, "security": []},
)
@public
async def issue_token(request: Request) -> Any:
    """Give a client an access token for an hour, for its id and one of its keys."""
    state = request.app.state
    try:
        asked = await _asked(request)
        state.limiter.spend(asked[0], request.scope)
        answer = await state.database.run(oauth.grant, state.vault, *asked)
    except oauth.OAuthError as error:
        content = {"error": error.code, "error_description": error.description}
        headers = {**NOT_STORED, **(CHALLENGE if error.status == 401 else {})}
        return Response(to_json(content), error.status, headers, media_type="application/json")
    return Response(to_json(answer), headers=NOT_STORED, media_type="application/json")


async def _asked(request: Request) -> Any:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise TooLarge
    return oauth.read_request(request.headers.get("authorization", ""), bytes(body))
