"""The kinds of refusal, as rules raise them, and what the database calls its own. On the wire: `problems.py`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from sqlalchemy.exc import DBAPIError


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request: where (a JSON Pointer, or ``?name`` for a query parameter) and why."""

    pointer: str
    code: str
    detail: str


class Refusal(Exception):
    """A request that is answered with a reason instead of a result."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "internal_error"
    detail: ClassVar[str] = "Something went wrong on our side. Nothing was changed."

    def __init__(
        self,
        code: str | None = None,
        detail: str | None = None,
        *,
        faults: Iterable[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code or self.code)
        self.problem_code = code or self.code
        self.problem_detail = detail or self.detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


class BadRequest(Refusal):
    status, code, detail = HTTPStatus.BAD_REQUEST, "not_parseable", "The request could not be parsed."


class Unauthenticated(Refusal):
    status, code = HTTPStatus.UNAUTHORIZED, "unauthenticated"
    detail = "A valid client key or access token is needed."

    def __init__(self, code: str | None = None, detail: str | None = None) -> None:
        super().__init__(code, detail, headers={"WWW-Authenticate": 'Bearer realm="ballast"'})


class Forbidden(Refusal):
    status, code, detail = HTTPStatus.FORBIDDEN, "forbidden", "You may not do this."


class NotFound(Refusal):
    status, code = HTTPStatus.NOT_FOUND, "not_found"
    detail = "There is no such thing, or it is not yours to know of."


class Gone(Refusal):
    status, code, detail = HTTPStatus.GONE, "gone", "It was here, and is gone for good."


class MethodNotAllowed(Refusal):
    status, code = HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed"
    detail = "This path does not know the method; Allow lists those it knows."


class NotAcceptable(Refusal):
    status, code, detail = HTTPStatus.NOT_ACCEPTABLE, "not_acceptable", "This can only be answered as JSON."


class Conflict(Refusal):
    status, code, detail = HTTPStatus.CONFLICT, "conflict", "The request breaks a rule."


class PreconditionFailed(Refusal):
    status, code = HTTPStatus.PRECONDITION_FAILED, "stale_version"
    detail = "It has changed since you read it. Read it again, then repeat the change."


class TooLarge(Refusal):
    status, code, detail = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The request body is too large."


class UnsupportedMediaType(Refusal):
    status, code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"
    detail = "Send the body as application/json, in UTF-8, not compressed."


class Unprocessable(Refusal):
    status, code, detail = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "The request is not valid."


class PreconditionRequired(Refusal):
    status, code = HTTPStatus.PRECONDITION_REQUIRED, "if_match_required"
    detail = "Send the ETag of what you read as If-Match."


class TooManyRequests(Refusal):
    status, code, detail = HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", "Too many requests. Wait, then try again."


class Busy(Refusal):
    status, code = HTTPStatus.SERVICE_UNAVAILABLE, "busy"
    detail = "The service is busy. Nothing was changed. Try again shortly."

    def __init__(self, code: str | None = None, detail: str | None = None) -> None:
        super().__init__(code, detail, headers={"Retry-After": "1"})


class OutcomeUnknown(Busy):
    code = "outcome_unknown"
    detail = (
        "The database was lost while it saved the change, which may have been kept. "
        "Read it again, or repeat the request with the same Idempotency-Key."
    )


CONSTRAINT = re.compile(r'constraint "(\w+?)(?:_\d{6,})?"')


def sqlstate(error: DBAPIError) -> str:
    """Return the SQLSTATE behind a database error, or an empty string."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def constraint_of(error: DBAPIError) -> str:
    """Return the name of the constraint that an error speaks of (Citus names it in the message alone)."""
    found = CONSTRAINT.search(str(error.orig))
    return found.group(1) if found else ""
