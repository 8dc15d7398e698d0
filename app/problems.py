"""How refusals look on the wire, RFC 9457 problem+json, and what any other exception means to a caller.

Nothing of the request's content is ever put into an answer: not the value, not the path, not a stack.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    BadRequest,
    Busy,
    Conflict,
    Fault,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    Refusal,
    Unauthenticated,
    Unprocessable,
    constraint_of,
    sqlstate,
)

log = logging.getLogger("ballast.errors")

MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 100
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def instance_of(scope: Mapping[str, Any]) -> str:
    """Return where a refusal happened: the route's path with parameter names in place of their values."""
    parameters: dict[str, str] = scope.get("path_params", {})
    if "endpoint" not in scope:
        return "/"
    names = {str(value): name for name, value in parameters.items()}
    return "/".join(_named(part, names) for part in scope["path"].split("/"))


def _named(part: str, names: Mapping[str, str]) -> str:
    value, dot, ending = part.rpartition(".")  # a parameter may stand before the name of a format
    return names[value] + dot + ending if value in names else names.get(part, part)


def respond(refusal: Refusal, scope: Mapping[str, Any]) -> Response:
    """Return ``refusal`` as a problem+json answer."""
    problem: dict[str, Any] = {
        "type": f"urn:ballast:problem:{refusal.problem_code}",
        "title": refusal.status.phrase,
        "status": refusal.status.value,
        "detail": refusal.problem_detail,
        "instance": instance_of(scope),
        "code": refusal.problem_code,
    }
    if refusal.faults:
        problem["errors"] = [{"pointer": f.pointer, "code": f.code, "detail": f.detail} for f in refusal.faults]
    headers = {"Cache-Control": "no-store", **refusal.headers}
    return Response(to_json(problem), refusal.status.value, headers, media_type=MEDIA_TYPE)


# Messages of these kinds speak of the rule alone; all others may quote the input and are replaced.
SAFE = re.compile(
    r"missing|extra_forbidden|(string|bytes|too)_(type|too_short|too_long|short|long)|string_pattern_mismatch"
    r"|(greater|less)_than(_equal)?|(int|float|bool|list|dict|model|date|datetime|uuid)_type|literal_error|enum"
    r"|finite_number|timezone_aware|multiple_of|value_error|assertion_error|model_attributes_type"
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# Of a value that may be one of several kinds, Pydantic puts the kind into the place of an error. The body has no such
# member: a schema adds the kinds of its unions here.
UNION_KINDS: set[str] = set()


def fault_of(error: Mapping[str, Any], *, prefix: str = "") -> Fault:
    """Return one Pydantic error as a fault that quotes nothing of the input."""
    kind, location = str(error["type"]), tuple(error["loc"])
    place, path = (location[0], location[1:]) if location and location[0] in PLACES else ("body", location)
    members = (part for part in path if part not in UNION_KINDS)
    names = [str(part) if isinstance(part, int) or NAME.fullmatch(part) else "-" for part in members]
    if kind.startswith("union_tag"):
        message = "Must name one of the kinds that are documented."
    elif SAFE.fullmatch(kind):
        message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    else:
        message = "Not a valid value."
    pointer = prefix + "".join(f"/{name}" for name in names) if place == "body" else PLACES[place] + ".".join(names)
    return Fault(pointer or "/", kind, message)


PLACES = {"body": "", "query": "?", "path": "path:", "header": "header:", "cookie": "cookie:"}


def refusal_of(error: BaseException) -> Refusal | None:
    """Return what an exception means to a caller, or None for a fault of ours."""
    match error:
        case Refusal():
            return error
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _of_status(error)
        case StaleDataError():
            return Conflict(
                "changed_meanwhile", "Someone else changed it at the same time. Read it again, then repeat."
            )
        case PoolTimeout():
            return Busy()
        case IntegrityError():
            return _of_constraint(error)
        case DBAPIError():
            return _of_database(error)
        case ConnectionError() | TimeoutError():
            return Busy()
    return None


def _invalid(error: RequestValidationError) -> Refusal:
    errors = error.errors()
    if any(e["loc"] and e["loc"][0] == "path" for e in errors):
        return NotFound()
    if any(e["type"] == "json_invalid" for e in errors):
        return BadRequest()
    return Unprocessable(faults=[fault_of(e) for e in errors[:MOST_FAULTS]])


def _of_status(error: HTTPException) -> Refusal:
    kinds = {kind.status.value: kind for kind in Refusal.__subclasses__()}
    kind = kinds.get(error.status_code)
    if kind in (Unauthenticated, Busy):
        return kind()
    if kind is not None:
        return kind(headers=error.headers)
    status = HTTPStatus(error.status_code)
    refusal = Refusal(status.phrase.lower().replace(" ", "_"), f"{status.phrase}.", headers=error.headers)
    refusal.__dict__["status"] = status
    return refusal


def _of_constraint(error: IntegrityError) -> Refusal | None:
    name, state = constraint_of(error), sqlstate(error)
    if state == "23505":
        field = re.sub(r"^(uq|pk)_|_key$", "", name.replace("organisation_id_", ""))
        return Conflict("already_exists", f"There is one like it already ({field.replace('_', ' ')}).")
    if state == "23503":
        return Conflict("reference_broken", "It refers to something that does not exist, or is still referred to.")
    if state == "23514":
        return Conflict("rule_broken", f"It breaks the rule {name}.")
    return None


def _of_database(error: DBAPIError) -> Refusal | None:
    state = sqlstate(error)
    if not state and isinstance(getattr(error.orig, "__cause__", None), ValueError):
        return Unprocessable()  # the driver could not send a value
    if state in ("57014", "55P03", "40001", "40P01") or state.startswith(("08", "53", "57")) or not state:
        return Busy()
    if state.startswith("22"):
        return Unprocessable()
    return None


async def handle(request: Request, error: Exception) -> Response:
    """Answer any exception; what is a fault of ours is logged by its kind and place, never by its values."""
    refusal = refusal_of(error)
    if isinstance(error, StaleDataError) and "if-match" in request.headers:
        refusal = PreconditionFailed()
    if isinstance(refusal, MethodNotAllowed):
        refusal.headers["Allow"] = ", ".join(methods_of(request))
    if refusal is None:
        log.error("unexpected error", extra={"error": type(error).__name__}, exc_info=error)
        refusal = Refusal()
    return respond(refusal, request.scope)


def methods_of(request: Request) -> list[str]:
    """Return every method that some route knows for the path of a request (one route alone knows only its own)."""
    routes: Iterable[BaseRoute] = request.app.routes
    here = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    known = {method for route in here for method in getattr(route, "methods", None) or METHODS}
    return [method for method in METHODS if method in known]


class LastResort:
    """Answers what nothing else answered, inside what surrounds every request: its id, its headers, its log line."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception as error:
            if started or scope["type"] != "http":
                raise  # an answer that has begun can only be torn off
            response = await handle(Request(scope), error)
            await response(scope, receive, send)


def add_handlers(app: FastAPI) -> None:
    """Make every error of ``app`` a problem+json answer. To be called before other middleware is added."""
    for kind in (Refusal, RequestValidationError, HTTPException, DBAPIError, PoolTimeout, StaleDataError):
        app.add_exception_handler(kind, handle)
    app.add_middleware(LastResort)
