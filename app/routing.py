"""The route class that gives every operation the API's manners, and the decorators that tie it to the policy."""

import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from app.auth import Credential
from app.call import Call
from app.errors import (
    BadRequest,
    Fault,
    NotAcceptable,
    PreconditionRequired,
    TooLarge,
    Unprocessable,
    UnsupportedMediaType,
)
from app.openapi import problem_responses
from app.policy import POLICY
from app.policy.rule import Rule

# What is wrong with the form of a request: a stranger learns of it only that they are a stranger.
FORM_REFUSALS = (
    RequestValidationError,
    Unprocessable,
    BadRequest,
    NotAcceptable,
    PreconditionRequired,
    TooLarge,
    UnsupportedMediaType,
)

E = TypeVar("E", bound=Callable[..., Any])

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Repeat the request safely with the same key for 24 hours.",
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string", "maxLength": 1024},
    "description": "The ETag of the representation that the change was made from.",
}


def allows(
    resource: str, action: str, *, secret: str | None = None, batch: bool = False, unversioned: bool = False
) -> Callable[[E], E]:
    """Tie an operation to its row of the policy. ``secret`` names the field of the answer that is shown only once.

    A row that is ``unversioned`` (made and deleted, never changed) is deleted without If-Match.
    """

    def tie(endpoint: E) -> E:
        if (resource, action) not in POLICY:
            raise LookupError(f"{endpoint.__name__}: the policy has no row for {resource} {action}")
        endpoint.__dict__.update(action=(resource, action), secret=secret, batch=batch, unversioned=unversioned)
        return endpoint

    return tie


def public(endpoint: E) -> E:
    """Mark an operation that needs no credential."""
    endpoint.__dict__.update(action=None, secret=None, batch=False)
    return endpoint


def own_protocol(endpoint: E) -> E:
    """Mark an operation that proves by itself who calls, and takes what it is sent as another standard writes it."""
    endpoint.__dict__.update(action=None, secret=None, batch=False, own_protocol=True)
    return endpoint


class Route(APIRoute):
    """An operation with the API's manners. One that is neither public nor tied to the policy stops the start."""

    action: tuple[str, str] | None
    rule: Rule | None
    secret: str | None
    adapter: TypeAdapter[Any] | None

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "action" not in endpoint.__dict__:
            raise LookupError(f"{endpoint.__name__}: say who may call it, with @allows(resource, action) or @public")
        self.action, self.secret = endpoint.__dict__["action"], endpoint.__dict__["secret"]
        self.rule = POLICY[self.action] if self.action else None
        self.batch = bool(endpoint.__dict__["batch"])
        options["operation_id"] = options.get("operation_id") or endpoint.__name__
        super().__init__(path, endpoint, **options)
        self.stem = path.partition("{")[0]
        (self.verb,) = self.methods or set()
        model = self.response_model
        self.adapter = TypeAdapter(model) if model is not None else None
        self.success = self.status_code or 200
        self.target = re.findall(r"{(\w+)}", path)[-1] if "{" in path else None
        versioned = self.rule is not None and not endpoint.__dict__.get("unversioned")
        self.needs_if_match = versioned and self.verb in ("PATCH", "PUT", "DELETE")
        self.own_protocol = bool(endpoint.__dict__.get("own_protocol"))
        self.known_queries = self._query_names()
        self._document()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match by the fixed start of the path first: with a hundred routes, their patterns cost more than a query."""
        return super().matches(scope) if scope["path"].startswith(self.stem) else (Match.NONE, {})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            call = Call(request, self, await self._identified(request))
            try:
                await self._check(call)
                return await handler(call)
            except FORM_REFUSALS:
                await call.turn_strangers_away()
                raise

        return handle

    async def _identified(self, request: Request) -> Credential | None:
        if self.rule is None:
            return None
        state = request.app.state
        credential: Credential = await state.authenticator.identify(request)
        state.limiter.spend(credential, request.scope)
        return credential

    async def _check(self, call: Call) -> None:
        if self.needs_if_match and "if-match" not in call.headers:
            raise PreconditionRequired
        if call.scope["query_string"] and not self.own_protocol:
            self._refuse_unknown_queries(call)
        if self.body_field is not None:
            await call.load(self._body_limit(call), by_item=self.batch)

    def _body_limit(self, request: Request) -> int:
        settings = request.app.state.settings
        return settings.max_batch_bytes if self.batch else settings.max_body_bytes  # type: ignore[no-any-return]

    def _query_names(self) -> frozenset[str]:
        fields = get_flat_params(self.dependant)
        return frozenset(field.alias for field in fields if isinstance(field.field_info, Query))

    def _refuse_unknown_queries(self, request: Request) -> None:
        if "\x00" in str(request.query_params):
            raise Unprocessable("invalid_text", "A query parameter holds a NUL character.")
        if b"%00" in request.scope["query_string"]:
            raise Unprocessable("invalid_text", "A query parameter holds a NUL character.")
        unknown = [name for name in request.query_params if name not in self.known_queries]
        if unknown:
            known = ", ".join(sorted(self.known_queries)) or "none"
            raise Unprocessable(
                faults=[Fault("?", "unknown_parameter", f"An unknown query parameter. Known here: {known}.")]
            )

    def _document(self) -> None:
        if self.own_protocol:
            return  # it says itself how it answers
        statuses = {422, 429, 500, 503}
        if not self.known_queries and self.body_field is None:
            statuses.discard(422)
        if "{" in self.path:
            statuses.add(404)
        if "cursor" in self.known_queries:
            statuses |= {400, 406}
        if self.body_field is not None:
            statuses |= {400, 413, 415, 422}
        if self.rule is not None:
            statuses |= {401, 403}
            if self.verb != "GET":
                statuses |= {409, 412} if self.target or self.verb == "POST" else {409}
            statuses |= {412, 428} if self.needs_if_match else set()
        self.responses = {**problem_responses(*sorted(statuses)), **self.responses}
        self.openapi_extra = {**self._security(), **(self.openapi_extra or {})}

    def _security(self) -> dict[str, Any]:
        if self.rule is None:
            return {"security": []}
        security: list[dict[str, list[str]]] = []
        if self.rule.scope is not None:
            security.append({"client_key": []})
        if self.rule.relations:
            security.append({"person": []})
        parameters: list[dict[str, Any]] = []
        if self.verb == "POST":
            parameters.append(IDEMPOTENCY_KEY)
        if self.needs_if_match or (self.verb == "POST" and self.target):
            parameters.append({**IF_MATCH, "required": self.needs_if_match})
        extra: dict[str, Any] = {"security": security}
        if parameters:
            extra["parameters"] = parameters
        if self.rule.scope not in (None, "*"):
            extra["x-required-scope"] = self.rule.scope
        if self.rule.relations:
            extra["x-allowed-relations"] = sorted(relation.name for relation in self.rule.relations)
        return extra
