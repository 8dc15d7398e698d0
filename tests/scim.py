"""What the tests of SCIM share: a provider's HTTP client, and people with every kind of value."""

from typing import Any

import httpx

from app.scim.resources import CORE, ENTERPRISE
from tests.world import World

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USERS, GROUPS = "/scim/v2/Users", "/scim/v2/Groups"


async def provider(world: World, *scopes: str) -> httpx.AsyncClient:
    """Return an identity provider: a client with the two scopes of SCIM, or those named."""
    client = await world.client(*(scopes or ("scim:read", "scim:write")))
    client.headers["Content-Type"] = "application/scim+json"
    return client


def user(user_name: str, **attributes: Any) -> dict[str, Any]:
    """Return the body that makes a user."""
    return {"schemas": [f"{CORE}User", ENTERPRISE], "userName": user_name, **attributes}


def group(name: str, *members: Any, **attributes: Any) -> dict[str, Any]:
    """Return the body that makes a group."""
    return {
        "schemas": [f"{CORE}Group"],
        "displayName": name,
        "members": [{"value": str(member)} for member in members],
        **attributes,
    }


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """Return a PATCH body."""
    return {"schemas": [PATCH], "Operations": list(operations)}


async def made(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    """Create a user or a group and return it."""
    answer = await client.post(GROUPS if "displayName" in body and "userName" not in body else USERS, json=body)
    assert answer.status_code == 201, answer.text
    content: dict[str, Any] = answer.json()
    return content
