"""Our application with one more route beside SCIM: users as JSON from memory, without a caller or a database."""

import os

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.ours import application

USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "id": "01900000-0000-7000-8000-000000000000",
    "externalId": "agent-17",
    "userName": "person17",
    "displayName": "Person 17",
    "title": "Advisor",
    "active": True,
    "emails": [{"value": "person17@bench.example", "type": "work", "primary": True}],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Legal advice line"},
    "meta": {
        "resourceType": "User",
        "created": "2026-01-01T00:00:00.000000Z",
        "lastModified": "2026-01-01T00:00:00.000000Z",
        "location": "http://127.0.0.1:8791/scim/v2/Users/01900000-0000-7000-8000-000000000000",
        "version": 'W/"1"',
    },
}


async def bare(request: Request) -> Response:
    """Answer so many users, one of them by itself."""
    count = int(request.path_params["count"])
    content = USER if count == 1 else {"totalResults": count, "itemsPerPage": count, "Resources": [USER] * count}
    return Response(to_json(content), media_type="application/scim+json")


application.add_route("/bare/{count}", bare, methods=["GET", "POST", "PATCH"])
assert os.environ["BENCH_URL"]
