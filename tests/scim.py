"""What the tests of SCIM share: a provider's HTTP client, and people with every kind of value."""

from typing import Any

import httpx

from app.scim.resources import CORE, ENTERPRISE
from tests.world import World

MESSAGES = "urn:ietf:params:scim:api:messages:2.0:"
PATCH, LIST, ERROR = f"{MESSAGES}PatchOp", f"{MESSAGES}ListResponse", f"{MESSAGES}Error"
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


async def asked(client: httpx.AsyncClient, method: str, path: str, status: int, **request: Any) -> Any:
    """Send one request of a sequence, check what holds for every answer of its kind, and return its content."""
    answer = await client.request(method, f"/scim/v2{path}", **request)
    assert answer.status_code == status, (method, path, answer.text)
    if status == 204:
        assert answer.content == b""
        return None
    assert answer.headers["content-type"] == "application/scim+json", (method, path)
    content = answer.json()
    if status >= 400:
        assert (content["schemas"], content["status"], bool(content["detail"])) == ([ERROR], str(status), True)
    elif content["schemas"] == [LIST]:
        sizes = [content[name] for name in ("totalResults", "startIndex", "itemsPerPage")]
        assert [type(size) for size in sizes] == [int, int, int]
        assert content["itemsPerPage"] == len(content["Resources"]) <= content["totalResults"]
    elif "id" in content and "version" in content.get("meta", {}):
        _check_resource(answer, content)
    return content


def _check_resource(answer: httpx.Response, content: dict[str, Any]) -> None:
    meta = content["meta"]
    assert content["schemas"][0] == f"{CORE}{meta['resourceType']}"
    assert meta["location"].endswith(f"/scim/v2/{meta['resourceType']}s/{content['id']}")
    assert meta["created"] <= meta["lastModified"]
    assert answer.headers["etag"] == meta["version"]
    assert answer.headers.get("location") == (meta["location"] if answer.status_code == 201 else None)
