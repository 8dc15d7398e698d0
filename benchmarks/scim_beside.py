"""Our application with two more routes: users as JSON from memory, without caller or database, and what is spent."""

import os
import resource
import time
from pathlib import Path
from typing import Any

from pydantic_core import to_json
from sqlalchemy import event
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

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
STATEMENTS: list[float] = []


async def bare(request: Request) -> Response:
    """Answer so many users, one of them by itself."""
    count = int(request.path_params["count"])
    content = USER if count == 1 else {"totalResults": count, "itemsPerPage": count, "Resources": [USER] * count}
    return Response(to_json(content), media_type="application/scim+json")


async def spent(_request: Request) -> Response:
    """Answer how much time and memory this process has spent, and how long each statement took since last asked."""
    content = {"cpu": time.process_time(), "resident": _resident(), "statements": STATEMENTS.copy()}
    STATEMENTS.clear()
    return Response(to_json(content))


def _resident() -> int:
    """Return the bytes of memory that are held now; where the system does not say, the most that ever were."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024


def _begin(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    context.began = time.perf_counter()


def _end(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    STATEMENTS.append(time.perf_counter() - context.began)


alone = Starlette(routes=[Route("/lean/{count}", bare), Route("/spent", spent)])
application.router.routes.insert(0, Route("/bare/{count}", bare))


async def both(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the lean routes without anything that the application does for each request, and the application."""
    lean = scope["type"] == "http" and scope["path"].startswith(("/lean", "/spent"))
    await (alone if lean else application)(scope, receive, send)


if os.environ.get("BENCH_STATEMENTS"):
    engine = application.state.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", _begin)
    event.listen(engine, "after_cursor_execute", _end)
assert os.environ["BENCH_URL"]
