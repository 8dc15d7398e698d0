"""The limit: the same statements in the same transaction, by hand, on Starlette and asyncpg. No checks, no manners.

It answers the same JSON. What it leaves out is what the service is for; how much that costs is what we measure.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.auth import ClientKeyCredential, parse_key
from app.schemas.employee import EmployeeOut
from benchmarks import bare

AUTHENTICATE = "SELECT * FROM authenticate_client($1, $2)"
COLUMNS = ", ".join(name for name in EmployeeOut.model_fields if name != "allowed_actions")
ONE = f"SELECT {COLUMNS} FROM employee WHERE organisation_id = $1 AND id = $2"  # noqa: S608 - our own column names
FIFTY = f"SELECT {COLUMNS} FROM employee WHERE organisation_id = $1 ORDER BY id LIMIT 51"  # noqa: S608 - likewise
WATERMARK = "SELECT coalesce(max(value), 0) FROM feed_counter WHERE organisation_id = $1 AND feed = 'audit'"


def _employee(row: Any) -> dict[str, Any]:
    return {**row, "allowed_actions": []}


def _credential(request: Request) -> ClientKeyCredential:
    return parse_key(request.headers["authorization"][7:])


async def read_employee(request: Request) -> Response:
    credential = _credential(request)
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        await connection.fetchrow(AUTHENTICATE, credential.organisation_id, credential.digest)
        row = await connection.fetchrow(ONE, credential.organisation_id, UUID(request.path_params["id"]))
        body = json.dumps(_employee(row), default=str)
    return Response(body, media_type="application/json", headers={"ETag": f'"{row["version"]}"'})


async def list_employees(request: Request) -> Response:
    credential = _credential(request)
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        await connection.fetchrow(AUTHENTICATE, credential.organisation_id, credential.digest)
        watermark = await connection.fetchval(WATERMARK, credential.organisation_id)
        rows = await connection.fetch(FIFTY, credential.organisation_id)
        page = {"data": [_employee(row) for row in rows[:50]], "next_cursor": None, "next_watermark": str(watermark)}
        body = json.dumps(page, default=str)
    return Response(body, media_type="application/json")


async def take_batch(request: Request) -> Response:
    """Insert a batch of call events and answer one result an event."""
    credential = _credential(request)
    events = json.loads(await request.body())["events"]
    columns = bare.columns(credential.organisation_id, UUID(events[0]["source_id"]), events)
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        await connection.fetchrow(AUTHENTICATE, credential.organisation_id, credential.digest)
        await bare.insert(connection, columns)
    results: list[dict[str, Any]] = [
        {"index": index, "status": "created", "id": str(made), "matched": None, "errors": []}
        for index, made in enumerate(columns[3])
    ]
    body = json.dumps({"created": len(events), "updated": 0, "duplicate": 0, "refused": 0, "results": results})
    return Response(body, 202, media_type="application/json")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.pool = await asyncpg.create_pool(os.environ["BENCH_DSN"], min_size=8, max_size=8)
    yield
    await app.state.pool.close()


application = Starlette(
    routes=[
        Route("/v1/employees", list_employees),
        Route("/v1/employees/{id}", read_employee),
        Route("/v1/call-events/batch", take_batch, methods=["POST"]),
    ],
    lifespan=lifespan,
)
