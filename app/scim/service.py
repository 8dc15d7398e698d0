"""What is ours to decide about the SCIM protocol: who may, which answers, which refusals."""

import logging
from http import HTTPStatus
from typing import Any, cast

from prometheus_client import Counter
from scim2_models import ForbiddenException, NotFoundException, Resource, ResourceType, ResponseParameters
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.routing import Operation, Target
from scim2_server.service import ScimService
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.auth import Caller
from app.scim.refusals import scim_error_of
from app.scim.resources import USER

log = logging.getLogger("ballast.scim")
REFUSED_IN_BULK = Counter("ballast_scim_bulk_refused_total", "Operations of SCIM bulk requests refused.", ["status"])
READS = frozenset({Operation.query, Operation.search, Operation.search_with_body})


class Service(ScimService):
    """What is ours to decide about the protocol: who may, which errors, which answers."""

    def me_target(self, request: ScimRequest) -> tuple[ResourceType, str]:
        """Return the calling person. Raise NotFoundException for a client, who is nobody."""
        caller = cast("Caller", request.subject)
        if caller.kind != "person":
            raise NotFoundException(detail="A client is no user: /Me is for people.")
        return USER, str(caller.id)

    def authorize(self, request: ScimRequest, target: Target, _resource_type: ResourceType) -> None:
        """Let clients do what their scopes allow, and people read themselves. Raise ForbiddenException."""
        caller = cast("Caller", request.subject)
        if caller.kind == "person":
            if not (target.me and target.operation is Operation.query):
                raise ForbiddenException(detail="A person may read themself, at /Me, and nothing else.")
            return
        scope = "scim:read" if target.operation in READS else "scim:write"
        if scope not in caller.scopes:
            raise ForbiddenException(detail=f"The client lacks the scope {scope}.")

    def patch_response(
        self, base_url: str, resource: Resource[Any], response_parameters: ResponseParameters[Any]
    ) -> ScimResponse:
        """Answer a user's PATCH with the user, and a group's, which may be large, with nothing."""
        if self.get_resource_type_of(resource) is USER:
            return self.replacement_response(base_url, resource, response_parameters)
        return super().patch_response(base_url, resource, response_parameters)

    def bulk_failure(self, outcome: dict[str, Any], exception: Exception) -> dict[str, Any]:
        """Return the outcome of a refused operation, logged and counted. Raise again what is no refusal."""
        known = scim_error_of(exception)
        if known is None or (isinstance(exception, DBAPIError) and not isinstance(exception, IntegrityError)):
            raise exception
        REFUSED_IN_BULK.labels(known.status).inc()
        extra = {"method": str(outcome.get("method")), "status": known.status, "kind": known.scim_type}
        log.info("bulk operation refused", extra=extra)
        return super().bulk_failure(outcome, known)

    def bulk_success(
        self, base_url: str, operation: Any, outcome: dict[str, Any], resource: Resource[Any] | None
    ) -> dict[str, Any]:
        """Return the outcome of an operation without publishing the whole resource, of which only two things show."""
        if resource is None:
            return super().bulk_success(base_url, operation, outcome, None)
        kind = self.get_resource_type_of(resource)
        status = HTTPStatus.CREATED if operation.method == "POST" else HTTPStatus.OK
        location = self.resource_location(base_url, kind, str(resource.id))
        return {**outcome, "status": status, "location": location, "version": resource.meta and resource.meta.version}
