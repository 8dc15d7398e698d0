"""How events arrive at an endpoint: the ``webhooks`` section of the API's description. Nothing here is ever served."""

import re
from functools import cache
from typing import Any

from fastapi.routing import APIRoute

from app.schemas.event import EventMessage
from app.webhooks.catalogue import CATALOGUE
from app.webhooks.headers import HEADERS

ANSWERS: dict[int | str, dict[str, Any]] = {
    410: {"description": "The endpoint is gone for good: it is disabled at once."},
    "default": {"description": "Anything else, redirects too, is a failure: it is tried again, for about three days."},
}


def operation_id(event_type: str) -> str:
    """Return the id of the operation that receives a type: ``onSupportPromptOffered``."""
    return "on" + "".join(part.capitalize() for part in re.split(r"[._]", event_type))


async def receive(message: EventMessage) -> None:
    """Stand for an endpoint in the description."""


@cache
def routes() -> tuple[APIRoute, ...]:
    """Return a route for each type of event, for the description."""
    return tuple(
        APIRoute(
            event_type,
            receive,
            methods=["POST"],
            operation_id=operation_id(event_type),
            summary=event_type,
            description=meaning,
            responses=ANSWERS,
            openapi_extra={"parameters": [{"$ref": f"#/components/parameters/{name}"} for name in HEADERS]},
        )
        for event_type, meaning in CATALOGUE.items()
    )
