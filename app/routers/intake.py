"""The address of each source: platforms deliver to it in their own ways, and prove by its credentials who they are."""

import re
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response

from app.errors import BadRequest, TooLarge, UnsupportedMediaType
from app.intake.adapter import Delivery, Unreadable
from app.intake.readers import reader_of
from app.intake.twilio_signature import is_form
from app.models.call_event import SourceKind
from app.openapi import problem_responses
from app.routing import Route, own_protocol
from app.schemas.source_intake import DeliveryResult
from app.services import source_delivery as deliveries
from app.telemetry import note_organisation

router = APIRouter(tags=["Intake"], route_class=Route)

ADDRESS = "/v1/intake/{organisation_id}/{source_id}"
NOWHERE = UUID(int=0)
ORIGIN = re.compile(r"[A-Za-z0-9._~:/\[\]-]{1,255}")
SENT = {
    "required": True,
    "content": {
        "application/json": {"schema": {"description": "What the source's kind says, one or several."}},
        "application/cloudevents+json": {"schema": {"type": "object"}},
        "application/cloudevents-batch+json": {"schema": {"type": "array", "items": {"type": "object"}}},
        "application/x-www-form-urlencoded": {"schema": {"type": "object", "description": "Classic Twilio callbacks."}},
    },
}


@router.post(
    ADDRESS,
    status_code=202,
    response_model=DeliveryResult,
    responses={
        204: {"description": "A form was taken in: such senders read no answer."},
        **problem_responses(400, 401, 413, 415, 429, 500, 503),
    },
    openapi_extra={"requestBody": SENT, "security": []},
)
@own_protocol
async def receive_delivery(request: Request, organisation_id: str, source_id: str) -> Response:
    """Take in what a platform delivers, one event or many, in its own format.

    The source's credentials open the address: no other key does. Items that cannot be taken are kept beside for a week,
    without what is personal; the answer is 202 all the same, so that nothing that was taken is sent again.
    """
    state = request.app.state
    delivery = await _delivery(request)
    run, ids = state.database.run, (_uuid(organisation_id), _uuid(source_id))
    sender = await run(deliveries.admit, state.vault, *ids, delivery)
    note_organisation(request.scope, sender.organisation_id)
    state.limiter.spend(sender.limited_as, request.scope)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("unsupported_encoding", "Send the body uncompressed.")
    try:
        items = reader_of(SourceKind(sender.settings.kind))(delivery, sender.settings)
    except Unreadable as error:
        raise BadRequest(error.code, error.detail) from None
    answer, has_written = await run(deliveries.receive, sender, items, request.scope.get("ballast.request_id"))
    if has_written:
        state.wake(sender.organisation_id)
    if is_form(delivery):
        return Response(status_code=204)
    return Response(to_json(answer), 202, media_type="application/json")


@router.options(
    ADDRESS,
    response_class=Response,
    responses={200: {"description": "Whoever asks with `WebHook-Request-Origin` may deliver, as often as it likes."}},
    openapi_extra={"security": []},
)
@own_protocol
async def allow_deliveries(request: Request, organisation_id: str, source_id: str) -> Response:  # noqa: ARG001
    """Agree to deliveries, as senders of CloudEvents ask beforehand. Every address answers alike: it tells of none."""
    headers = {"Allow": "POST, OPTIONS"}
    origin = request.headers.get("webhook-request-origin", "")
    if ORIGIN.fullmatch(origin):
        headers |= {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
    return Response(headers=headers)


async def _delivery(request: Request) -> Delivery:
    """Return what came, whole: a signature is over all of it. Raise TooLarge as soon as it is too much."""
    settings, body = request.app.state.settings, bytearray()
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:18]) > settings.max_batch_bytes:
        raise TooLarge
    async for chunk in request.stream():
        body += chunk
        if len(body) > settings.max_batch_bytes:
            raise TooLarge
    query = request.scope["query_string"].decode("latin-1")
    # Of the scope alone: what a stranger writes as Host, or as bytes of the query, is no part of what was signed.
    url = f"{settings.public_url.rstrip('/')}{request.scope['path']}{'?' if query else ''}{query}"
    return deliveries.arrived(request.scope["headers"], bytes(body), url)


def _uuid(text: str) -> UUID:
    """Return an id; for what is none, one that nothing has: to a stranger it is the same."""
    try:
        return UUID(text)
    except ValueError:
        return NOWHERE
