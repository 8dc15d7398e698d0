"""``/scim/v2`` over HTTP: reads the request, runs it in one transaction, answers in SCIM's own shape."""

from fastapi import FastAPI
from pydantic_core import to_json
from scim2_models import SCIMException
from scim2_server.errors import UnsupportedMediaTypeException
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.routing import Operation
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.auth import Caller, Credential
from app.errors import TooLarge
from app.problems import refusal_of
from app.scim.handler import Handler
from app.scim.people import Overtaken
from app.scim.refusals import scim_error_of
from app.scim.resources import PROVIDER
from app.scim.service import Service
from app.scim.storage import Storage
from app.services import employee as employees
from app.strict_request import parse_json
from app.telemetry import note_organisation

PREFIX = "/scim/v2"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
LARGEST_BODY = 8 * 1024 * 1024


def add_scim(app: FastAPI, secret: bytes) -> None:
    """Serve SCIM from ``app``. Its cursors are sealed under ``secret``."""
    app.state.scim = Service(PROVIDER, secret=secret)
    paths = (PREFIX, f"{PREFIX}/{{path:path}}")
    # First: to try these two costs other requests less than it costs these to be tried behind hundreds.
    app.router.routes[:0] = [Route(path, serve, methods=METHODS, include_in_schema=False) for path in paths]


async def serve(request: Request) -> Response:
    """Answer one SCIM request."""
    service: Service = request.app.state.scim
    try:
        asked = await _read(request, service)
        answer = await _run(request, service, asked)
    except Exception as error:
        known = scim_error_of(error)
        if known is None:
            raise
        answer = service.error_response(known)
        refusal = refusal_of(error)
        answer.headers |= {} if refusal is None or isinstance(error, SCIMException) else refusal.headers
    body = b"" if answer.body is None else to_json(answer.body)
    return Response(body, answer.status.value, answer.headers)


async def _read(request: Request, service: Service) -> ScimRequest:
    """Return the request as the library takes it, with who sends it in place of the subject."""
    settings = request.app.state.settings
    told = "public_url" in settings.model_fields_set
    origin = str(settings.public_url if told else request.base_url).rstrip("/")
    path = request.url.path.removeprefix(PREFIX) or "/"
    asked = ScimRequest(
        request.method, origin + PREFIX, path, dict(request.query_params), list(request.headers.items())
    )
    if not (request.method == "GET" and service.match(asked).operation is Operation.service_provider_config):
        asked.subject = await request.app.state.authenticator.identify(request)
        request.app.state.limiter.spend(asked.subject, request.scope)
    asked.body = await _body(request)
    return asked


async def _body(request: Request) -> bytes:
    """Return the body, checked as strictly as everywhere. Raise TooLarge, BadRequest or Unprocessable."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaTypeException(detail="Send the body uncompressed.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise TooLarge
    if body:
        parse_json(bytes(body))
    return bytes(body)


async def _run(request: Request, service: Service, asked: ScimRequest) -> ScimResponse:
    credential = asked.subject
    if credential is None:
        return service.service_provider_config(asked.url, asked.query)
    run = request.app.state.database.run
    try:
        answer: ScimResponse = await run(_perform, request, service, asked, credential)
    except Overtaken:
        answer = await run(_perform, request, service, asked, credential, alone=True)
    return answer


def _perform(
    session: Session,
    request: Request,
    service: Service,
    asked: ScimRequest,
    credential: Credential,
    *,
    alone: bool = False,
) -> ScimResponse:
    """Run the request; ``alone`` keeps others from changing people until it ends."""
    caller: Caller = credential.find(session)
    note_organisation(request.scope, caller.organisation_id)
    caller.request_id = request.scope.get("ballast.request_id")
    asked.subject = caller
    in_bulk = asked.path.strip("/").lower() == "bulk"
    if alone:
        employees.lock_names(session, caller)
    handler = Handler(service, Storage(session, caller, asked.base_url, savepoints=in_bulk, locks=alone))
    answer = handler.handle(asked)
    if caller.has_written:
        request.app.state.wake(caller.organisation_id)
    return answer
