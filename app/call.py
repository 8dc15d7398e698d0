"""The door of a request to the unit of work: authenticate, check, run, render, commit, answer, in one transaction."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from fastapi import Request
from pydantic import TypeAdapter
from sqlalchemy.orm import Session
from starlette.responses import Response, StreamingResponse

from app import access, idempotency
from app.auth import Caller, Credential
from app.database import Database
from app.errors import NotAcceptable, Unauthenticated
from app.queries import Paging
from app.strict_request import StrictRequest
from app.telemetry import note_organisation

if TYPE_CHECKING:
    from app.routing import Route

STREAM_PAGE = 1000
JSON_LINES = "application/jsonl"


@dataclass(frozen=True)
class Answer:
    """A result with another status than the route's usual one."""

    content: Any
    status: int
    headers: dict[str, str] = field(default_factory=dict)


class Call(StrictRequest):
    """The request itself, as a router function gets it: ``await call(plans.activate, plan_id)``."""

    def __init__(self, request: Request, route: "Route", credential: Credential | None) -> None:
        super().__init__(request.scope, request.receive)
        self.route, self.credential = route, credential
        self.database: Database = request.app.state.database

    async def __call__(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run ``work(session, caller, *args)`` and return its result as a response, committed."""
        return await self.database.run(self._perform, work, args, kwargs)

    async def page(self, work: Callable[..., Any], paging: Paging, *args: Any) -> Any:
        """Run a list: one page as JSON, or, where JSON lines are asked for, all of it in flat memory."""
        accept = self.headers.get("accept", "*/*")
        if JSON_LINES not in accept:
            if not any(kind in accept for kind in ("*/*", "application/*", "application/json")):
                raise NotAcceptable
            return await self(work, paging, *args)
        first = await self.database.run(self._rows, work, replace(paging, limit=STREAM_PAGE), args)
        return StreamingResponse(self._lines(first, work, paging, args), media_type=JSON_LINES)

    async def fetch(self, work: Callable[..., Any], *args: Any) -> Any:
        """Run ``work(session, caller, *args)`` and return its result as it is: what no single answer is made of."""
        return await self.database.run(lambda session: work(session, self._admit(session), *args))

    async def turn_strangers_away(self) -> None:
        """Authenticate and check the policy alone, so that a stranger's bad body is 401 and a refused scope 403."""
        if self.route.rule is not None:
            await self.database.run(self._admit)

    def _admit(self, session: Session) -> Caller:
        """Find the caller and set the tenant in the transaction's first statement; check the route's policy."""
        route, rule, credential = self.route, self.route.rule, self.credential
        if credential is None or rule is None:
            raise Unauthenticated
        caller = credential.find(session)
        note_organisation(self.scope, caller.organisation_id)
        access.admit(caller, rule)
        caller.request_id = self.scope.get("ballast.request_id")
        if route.verb != "GET":
            caller.if_match = self.headers.get("if-match")
            caller.target_id = _uuid(self.path_params.get(route.target or ""))
        return caller

    def _perform(self, session: Session, work: Callable[..., Any], args: Any, kwargs: Any) -> Response:
        if self.route.rule is None:
            return self._render(work(session, *args, **kwargs))
        caller = self._admit(session)
        stored = idempotency.begin(session, caller, self) if self.route.verb == "POST" else None
        if isinstance(stored, Response):
            return stored
        result = work(session, caller, *args, **kwargs)
        session.flush()
        response = self._render(result)
        if stored is not None:
            stored.keep(session, response, self._without_secret(result))
        if caller.has_written:
            self.app.state.wake(caller.organisation_id)
        return response

    def _render(self, result: Any) -> Response:
        """Return the response, made inside the transaction: what cannot be rendered rolls back."""
        status, headers = self.route.success, {}
        if isinstance(result, Answer):
            status, headers, result = result.status, dict(result.headers), result.content
        if self.route.adapter is None or result is None:
            return Response(status_code=status, headers=headers)
        body = self.route.adapter.dump_json(self.route.adapter.validate_python(result, from_attributes=True))
        self._describe(result, body, status, headers)
        if self.route.verb == "GET" and _matches(self.headers.get("if-none-match"), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(body, status, headers, media_type="application/json")

    def _describe(self, result: Any, body: bytes, status: int, headers: dict[str, str]) -> None:
        values = result if isinstance(result, dict) else getattr(result, "__dict__", {})
        version = values.get("version")
        if version is not None:
            headers["ETag"] = f'"{version}"'
        elif self.route.verb == "GET":
            headers["ETag"] = f'W/"{blake2b(_told(body), digest_size=12).hexdigest()}"'
        if status == 201 and "id" in values and "Location" not in headers:
            headers["Location"] = f"{self.url.path.rstrip('/')}/{values['id']}"

    def _without_secret(self, result: Any) -> bytes | None:
        if self.route.secret is None or self.route.adapter is None:
            return None
        content = result.content if isinstance(result, Answer) else result
        return self.route.adapter.dump_json(
            self.route.adapter.validate_python({**content, self.route.secret: None}, from_attributes=True)
        )

    def _rows(self, session: Session, work: Callable[..., Any], paging: Paging, args: Any) -> tuple[bytes, str | None]:
        caller = self._admit(session)
        page = work(session, caller, paging, *args)
        if caller.has_written:
            self.app.state.wake(caller.organisation_id)
        adapter = self._item_adapter()
        lines = [adapter.dump_json(adapter.validate_python(row, from_attributes=True)) for row in page["data"]]
        return b"".join(line + b"\n" for line in lines), page["next_cursor"]

    def _item_adapter(self) -> TypeAdapter[Any]:
        adapter = getattr(self.route, "item_adapter", None)
        if adapter is None:
            (item,) = self.route.response_model.model_fields["data"].annotation.__args__
            adapter = TypeAdapter(item)
            self.route.__dict__["item_adapter"] = adapter
        return cast(TypeAdapter[Any], adapter)

    async def _lines(
        self, first: tuple[bytes, str | None], work: Callable[..., Any], paging: Paging, args: Any
    ) -> AsyncIterator[bytes]:
        lines, cursor = first
        yield lines
        while cursor is not None:
            page = replace(paging, limit=STREAM_PAGE, cursor=cursor)
            lines, cursor = await self.database.run(self._rows, work, page, args)
            yield lines


def _told(body: bytes) -> bytes:
    """Return what of a list its ETag stands for: its rows. Cursors and watermarks look new each time they are given."""
    return body.rpartition(b',"next_cursor":')[0] or body


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _matches(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    given = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in given or etag.removeprefix("W/") in given
