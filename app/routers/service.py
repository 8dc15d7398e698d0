"""Whether the service is up and ready, and its figures: for load balancers and monitoring, without a caller."""

import hmac

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from app import telemetry
from app.errors import NotFound, Unauthenticated
from app.openapi import problem_responses
from app.routing import Route, public
from app.schemas.service import HealthOut, ReadyOut
from app.settings import Settings

router = APIRouter(tags=["Service"], route_class=Route)


@router.get("/healthz")
@public
async def check_health() -> HealthOut:
    """Say that the process runs. Never asks the database."""
    return HealthOut(status="ok")


@router.get("/readyz")
@public
async def check_readiness(request: Request) -> ReadyOut:
    """Say that requests may be sent here: the database answers, is migrated, and the process is not stopping."""
    await request.app.state.readiness.require()
    return ReadyOut(status="ready")


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **problem_responses(401, 404),
    },
)
@public
async def read_metrics(request: Request) -> Response:
    """Read the figures of this instance, with `Authorization: Bearer` and the key that the operator has set."""
    settings: Settings = request.app.state.settings
    if settings.metrics_key is None or settings.metrics_port is not None:
        raise NotFound
    given = request.headers.get("authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {settings.metrics_key.get_secret_value()}".encode()):
        raise Unauthenticated("unauthenticated", "The metrics key of this service is needed.")
    telemetry.observe_pool(request.app.state.database.engine)
    return Response(telemetry.exposition(), media_type=CONTENT_TYPE_LATEST)
