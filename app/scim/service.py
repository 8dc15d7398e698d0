"""What is ours to decide about the SCIM protocol: who may, which answers, which refusals."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from prometheus_client import Counter
from pydantic import ValidationError
from scim2_models import (
    Context,
    ForbiddenException,
    NotFoundException,
    PatchOp,
    Resource,
    ResourceType,
    SearchRequest,
)
from scim2_server.conditions import Conditions
from scim2_server.requests import ScimRequest
from scim2_server.routing import Operation, Target
from scim2_server.service import ModelT, ScimService, scim_exception_of
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.auth import Caller
from app.scim.refusals import scim_error_of
from app.scim.resources import POLICY, TOLERANT, USER
from app.scim.spelling import standard_filter, standard_patch

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

    def read_body(self, model: type[ModelT], body: bytes, content_type: str | None, scim_ctx: Context) -> ModelT:
        """Read a body. That each of its texts can be compared is not tried out: every text can."""
        self.ensure_json(content_type)
        try:
            return model.model_validate_json(body, scim_ctx=scim_ctx, scim_policy=TOLERANT)
        except ValidationError as error:
            raise scim_exception_of(error) from error

    def apply_patch(
        self, current: Resource[Any], patch_op: "PatchOp[Any]", conditions: Conditions
    ) -> Resource[Any] | None:
        """Apply a PATCH, and return the resource where that changes it. Only what selects by texts compares them."""
        self.check_preconditions(current, "PATCH", conditions)
        compares = any(each.op == "remove" or "[" in str(each.path or "") for each in patch_op.operations or ())
        return current if patch_op.patch(current, POLICY if compares else TOLERANT) else None

    def read_patch(self, resource_type: ResourceType, body: bytes, content_type: str | None) -> "PatchOp[Any]":
        """Read a PATCH body, in the spelling of the standard or in Microsoft Entra's."""
        spelt = standard_patch(body) if resource_type is USER else body
        return super().read_patch(resource_type, spelt, content_type)

    def read_search(self, resource_types: list[ResourceType], payload: Any) -> tuple[SearchRequest[Any], Any]:
        """Read a search, in the spelling of the standard or in Microsoft Entra's."""
        if isinstance(payload, Mapping) and isinstance(payload.get("filter"), str):
            payload = {**payload, "filter": standard_filter(payload["filter"])}
        return super().read_search(resource_types, payload)

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
