"""Our refusals in SCIM's own shape, with the ``scimType`` that fits."""

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from scim2_models import (
    ConflictException,
    Error,
    ForbiddenException,
    InvalidSyntaxException,
    InvalidValueException,
    NotFoundException,
    PayloadTooLargeException,
    PreconditionFailedException,
    SCIMException,
    UnauthorizedException,
    UniquenessException,
)

from app.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    Refusal,
    TooLarge,
    Unauthenticated,
    Unprocessable,
)
from app.problems import refusal_of


def scim_error_of(exception: BaseException) -> SCIMException | None:
    """Return what an exception means to a provider, or None for a fault of ours."""
    if isinstance(exception, SCIMException):
        return _readable(exception)
    refusal = refusal_of(exception)
    if refusal is None:
        return None
    detail = " ".join([refusal.problem_detail, *(fault.detail for fault in refusal.faults)])
    kind = KINDS.get(type(refusal))
    if isinstance(refusal, Conflict):
        kind = CONFLICTS.get(refusal.problem_code, InvalidValueException)
    if kind is not None:
        return kind(detail=detail)
    error = SCIMException(detail=detail)
    error.status = refusal.status.value
    return error


def _readable(exception: SCIMException) -> SCIMException:
    """Say in a sentence, by the attribute's name, what the library says of a value in its validator's words."""
    cause = exception.__cause__
    if isinstance(cause, ValidationError) and exception.detail == str(cause):
        first = cause.errors(include_url=False, include_input=False)[0]
        said = "Input should be an object" if first["type"] == "model_type" else first["msg"]
        named = tuple(to_camel(part) if isinstance(part, str) and "_" in part else part for part in first["loc"])
        return InvalidValueException(detail=Error.from_validation_error({**first, "loc": named, "msg": said}).detail)
    return exception


CONFLICTS: dict[str, type[SCIMException]] = {
    "already_exists": UniquenessException,
    "in_use": ConflictException,
    "changed_meanwhile": ConflictException,
}
KINDS: dict[type[Refusal], type[SCIMException]] = {
    BadRequest: InvalidSyntaxException,
    NotFound: NotFoundException,
    Forbidden: ForbiddenException,
    PreconditionFailed: PreconditionFailedException,
    TooLarge: PayloadTooLargeException,
    Unauthenticated: UnauthorizedException,
    Unprocessable: InvalidValueException,
}
