"""What one request delivers, by its media type: our own JSON, or CloudEvents in one of their three modes."""

from typing import Any

from fastapi import Request

from app.errors import Fault, Unprocessable, UnsupportedMediaType
from app.intake import canonical, cloudevents
from app.intake.canonical import Refused, Taken
from app.schemas.call_event import MOST_AT_ONCE


def one(request: Request, body: Any) -> Taken:
    """Return the one event of a request. Raise Unprocessable for one that is refused, UnsupportedMediaType for many."""
    match _media_type(request):
        case cloudevents.BATCHED:
            raise UnsupportedMediaType("batch_elsewhere", "Batches of CloudEvents go to /v1/call-events/batch.")
        case cloudevents.STRUCTURED:
            item = cloudevents.read_structured(body)
        case _ if cloudevents.is_binary(request.scope["headers"]):
            item = cloudevents.read_binary(request.scope["headers"], body)
        case _:
            item = canonical.read(body)
    if isinstance(item, Refused):
        raise Unprocessable(faults=item.faults)
    return item


def many(request: Request, body: Any) -> list[Taken | Refused]:
    """Return the events of a batch, refused ones among them. Raise Unprocessable where it is not a batch at all."""
    match _media_type(request):
        case cloudevents.BATCHED:
            return [cloudevents.read_structured(raw) for raw in _limited(body, "/")]
        case cloudevents.STRUCTURED:
            raise UnsupportedMediaType("single_elsewhere", "A single CloudEvent goes to /v1/call-events.")
        case _:
            return [canonical.read(raw) for raw in _limited(_events(body), "/events")]


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _events(body: Any) -> Any:
    if not isinstance(body, dict):
        raise Unprocessable(faults=[Fault("/", "model_attributes_type", "Must be an object with events.")])
    unknown = [Fault("/", "extra_forbidden", "The only member is events.")] if body.keys() - {"events"} else []
    missing = [] if "events" in body else [Fault("/events", "missing", "Field required")]
    if unknown or missing:
        raise Unprocessable(faults=unknown + missing)
    return body["events"]


def _limited(raws: Any, at: str) -> list[Any]:
    if not isinstance(raws, list):
        raise Unprocessable(faults=[Fault(at, "list_type", "Must be a list.")])
    if len(raws) > MOST_AT_ONCE:
        raise Unprocessable(faults=[Fault(at, "too_long", f"A batch holds {MOST_AT_ONCE} events at most.")])
    return raws
