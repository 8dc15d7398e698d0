"""The SCIM protocol over our storage: the library's handler, with the paths that are asked most made short."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from scim2_models import Context, PatchOp, Resource, ResourceType, SCIMException
from scim2_server.bulk import BulkPlan, BulkStep
from scim2_server.conditions import Conditions
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.routing import Operation, Target

from app.scim import rendering
from app.scim.bulk import runs_of
from app.scim.group_patch import Step, steps_of
from app.scim.resources import GROUP, USER, USERS
from app.scim.service import Service
from app.scim.storage import Storage, wants_members

# What may change a key or a name of a person, their manager, or what their service area is named by: for that the
# directory is locked before the person is, so their row is read without a lock first.
NAMING = re.compile(
    rb"username|externalid|email|employeenumber|manager|costcenter|organization|division|department", re.IGNORECASE
)
NEW = 'W/"1"'
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


class Handler(ScimHandler):
    """Serves one request."""

    service: Service
    storage: Storage

    # -- Reads: straight from rows ----------------------------------------------------------------

    def query(self, request: ScimRequest) -> ScimResponse:
        """Read one resource."""
        with self.service.provider:
            target, kind = self._admitted(request, Operation.query)
            parameters = self.service.read_response_parameters(kind, request.query)
            row = self.storage.row(kind, cast("str", target.resource_id))
            version = rendering.version_of(kind, row)
            if not self.service.read_conditions(request).check(version, "GET"):
                return ScimResponse(HTTPStatus.NOT_MODIFIED, None, {"ETag": version})
            return self.service.me_response(request, target, self._answer(kind, row, parameters))

    def _answer(
        self, kind: ResourceType, row: Any, parameters: Any = None, status: HTTPStatus = HTTPStatus.OK
    ) -> ScimResponse:
        """Return the answer that holds a resource, straight from its row."""
        members = parameters is None or wants_members(parameters)
        named = parameters is not None and bool(parameters.attributes)
        shown = self.storage.render(kind, row, members=members, named=named)
        headers = {"Content-Location": shown["meta"]["location"], "ETag": shown["meta"]["version"]}
        return ScimResponse(status, shown if parameters is None else self._projected(kind, shown, parameters), headers)

    def search(self, request: ScimRequest) -> ScimResponse:
        """Search by query parameters."""
        return self._search(request, Operation.search)

    def search_with_body(self, request: ScimRequest) -> ScimResponse:
        """Search by a body."""
        return self._search(request, Operation.search_with_body)

    def _search(self, request: ScimRequest, operation: Operation) -> ScimResponse:
        with self.service.provider:
            target = self.service.route(request, operation)
            kinds = self.service.searched_types(target.endpoint)
            allowed = self.service.authorized_types(request, target, kinds)
            if operation is Operation.search:
                asked, position = self.service.read_search_query(kinds, request.query)
            else:
                asked, position = self.service.read_search_body(kinds, request.body, request.header("Content-Type"))
            total, pairs, following, before = self.storage.page(allowed, asked, position)
            shown = [self._projected(kind, each, asked) for kind, each in pairs]
            next_cursor = self.service._seal(kinds, asked, following)
            previous_cursor = self.service._seal(kinds, asked, before)
        answer = {
            "schemas": [LIST],
            "totalResults": total,
            "startIndex": asked.start_index if asked.cursor is None else None,
            "itemsPerPage": len(shown),
            "nextCursor": next_cursor,
            "previousCursor": previous_cursor,
            "Resources": shown,
        }
        return ScimResponse(HTTPStatus.OK, {name: value for name, value in answer.items() if value is not None})

    def _projected(self, kind: ResourceType, shown: dict[str, Any], parameters: Any) -> dict[str, Any]:
        """Return what ``attributes`` or ``excludedAttributes`` leave of an object."""
        excluded = {str(path).rpartition(":")[2].lower() for path in parameters.excluded_attributes or ()}
        if not parameters.attributes and excluded <= {"members"}:
            return shown  # the members were never read
        model = cast("Any", self.service.get_model(kind)).model_validate(shown)
        dumped = model.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=parameters)
        return cast("dict[str, Any]", dumped)

    # -- Bulk -------------------------------------------------------------------------------------

    def bulk(self, request: ScimRequest) -> ScimResponse:
        """Run many operations; creations of users that depend on nothing else at once."""
        with self.service.provider:
            self.service.route(request, Operation.bulk)
            plan = self.service.read_bulk(request.body, request.header("Content-Type"))
            for together, steps in runs_of(plan):
                if together and len(steps) > 1:
                    self._create_users(request, plan, steps)
                    continue
                for step in steps:
                    plan.record(step, *self.run_bulk_step(request, plan, step))
            return self.service.bulk_response(plan)

    def _create_users(self, request: ScimRequest, plan: BulkPlan, steps: Sequence[BulkStep]) -> None:
        ready = []
        hidden = self.storage.people.references.hidden(
            [cast("Any", plan.operation(step).data).user_name for step in steps]
        )
        for step in steps:
            operation = plan.operation(step)
            if cast("Any", operation.data).user_name in hidden:
                plan.record(step, *self.run_bulk_step(request, plan, step))
                continue
            self.service.authorize_bulk_operation(request, operation, USER)
            ready.append((step, operation))
        with self.storage.operation():
            made = self.storage.create_users([cast("Any", operation.data) for _, operation in ready])
        for (step, operation), result in zip(ready, made, strict=True):
            outcome = self.service.bulk_outcome(request.base_url, operation)
            if isinstance(result, SCIMException):
                plan.record(step, self.service.bulk_failure(outcome, result), None)
                continue
            location = self.service.resource_location(request.base_url, USER, str(result))
            done = {**outcome, "status": HTTPStatus.CREATED, "location": location, "version": NEW}
            plan.record(step, done, USERS.model_construct(id=str(result)))

    # -- Changes ----------------------------------------------------------------------------------

    def create(self, request: ScimRequest) -> ScimResponse:
        """Add a resource."""
        with self.service.provider:
            _, kind = self._admitted(request, Operation.create)
            resource = self.service.read_creation(kind, request.body, request.header("Content-Type"))
            answer = self._answer(kind, self.storage.add(kind, resource), status=HTTPStatus.CREATED)
            answer.headers["Location"] = answer.headers["Content-Location"]
            return answer

    def replace(self, request: ScimRequest) -> ScimResponse:
        """Make a resource what the request says."""
        with self.service.provider:
            target, kind = self._admitted(request, Operation.replace)
            parameters = self.service.read_response_parameters(kind, request.query)
            row = self.storage.row(kind, cast("str", target.resource_id), lock=kind is GROUP)
            resource = self.service.read_replacement(kind, request.body, request.header("Content-Type"))
            self.service.read_conditions(request).check(rendering.version_of(kind, row), "PUT")
            if kind is GROUP or resource.replace(self._current(kind, row)):
                row = self.storage.change(kind, row, resource)
            return self.service.me_response(request, target, self._answer(kind, row, parameters))

    def patch(self, request: ScimRequest) -> ScimResponse:
        """Change a resource. A group's answer, which may be large, holds it only where that is asked for."""
        with self.service.provider:
            target, kind = self._admitted(request, Operation.patch)
            parameters = self.service.read_response_parameters(kind, request.query)
            patch_op = self.service.read_patch(kind, request.body, request.header("Content-Type"))
            conditions = self.service.read_conditions(request)
            lock = kind is GROUP or NAMING.search(request.body) is None
            row = self._patched(kind, cast("str", target.resource_id), patch_op, conditions, lock=lock)
            if kind is USER or parameters.attributes or parameters.excluded_attributes:
                return self.service.me_response(request, target, self._answer(kind, row, parameters))
            return ScimResponse(HTTPStatus.NO_CONTENT, None, {"ETag": rendering.version_of(kind, row)})

    def patch_resource(
        self, resource_type: ResourceType, resource_id: str, patch_op: "PatchOp[Any]", conditions: Conditions
    ) -> Resource[Any]:
        """Change a resource in a bulk request, of which its members do not show."""
        row = self._patched(resource_type, resource_id, patch_op, conditions, lock=resource_type is GROUP)
        return rendering.resource_of(resource_type, self.storage.render(resource_type, row, members=False))

    def _patched(
        self, kind: ResourceType, resource_id: str, patch_op: "PatchOp[Any]", conditions: Conditions, *, lock: bool
    ) -> Any:
        """Change a resource and return its row; members of a group by statements that do not read the group."""
        steps = steps_of(patch_op) if kind is GROUP else None
        row = self.storage.row(kind, resource_id, lock=lock)
        if steps is None:
            resource = self.service.apply_patch(self._current(kind, row), patch_op, conditions)
            return row if resource is None else self.storage.change(kind, row, resource)
        conditions.check(rendering.version_of(kind, row), "PATCH")
        self.storage.require_groups(kind)
        for step in steps:
            self._take(step, row)
        return self.storage.row(kind, resource_id)

    def _current(self, kind: ResourceType, row: Any) -> Resource[Any]:
        return rendering.resource_of(kind, self.storage.render(kind, row, named=True))

    def _admitted(self, request: ScimRequest, operation: Operation) -> tuple[Target, ResourceType]:
        target = self.service.route(request, operation)
        kind = self.service.resource_type_at(cast("str", target.endpoint))
        self.service.authorize(request, target, kind)
        return target, kind

    def _take(self, step: Step, row: Mapping[str, Any]) -> None:
        groups = self.storage.groups
        if step.verb == "rename":
            names = {"name": row["name"], "external_id": row["external_id"], **step.names}
            groups.rename(row["id"], names["name"], names["external_id"], row)
        else:
            getattr(groups, step.verb)(row["id"], step.people)
