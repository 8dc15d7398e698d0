"""Our refusals in SCIM's own shape, with the ``scimType`` that fits."""

from scim2_models import (
    ConflictException,
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
    refusal_of,
)


def scim_error_of(exception: BaseException) -> SCIMException | None:
    """Return what an exception means to a provider, or None for a fault of ours."""
    if isinstance(exception, SCIMException):
        return exception
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
