"""The route class of streams: opened by a ticket, too, and cut where the reader does not read."""

from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from anyio import BrokenResourceError, CancelScope
from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.auth import Credential
from app.errors import Unauthenticated
from app.live import ticket as tickets
from app.live.stream import Stream
from app.routing import Route

STREAM = "ballast.stream"  # what the scope of a request holds once its stream is open


class CutOff(Response):
    """The answer that carries a stream, until the stream has it cancelled."""

    def __init__(self, answer: Response, stream: Stream) -> None:
        self.answer, self.stream = answer, stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with CancelScope() as connection:
            self.stream.carried_by(connection)
            await self.answer(scope, receive, send)


class LiveRoute(Route):
    """An operation that answers with a stream of server-sent events."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().handle(scope, receive, send)
        except* BrokenResourceError:
            pass  # FastAPI's own, where a reader leaves before all is sent: it closes what its task still sends to

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            answer = await handler(request)
            answer.headers["Cache-Control"] = "no-store"
            return CutOff(answer, request.scope[STREAM])

        return handle

    async def _identified(self, request: Request) -> Credential | None:
        ticket = request.query_params.get("ticket")
        if ticket is None:
            return await super()._identified(request)
        state = request.app.state
        credential = tickets.parse(state.vault, ticket, _team_of(request))
        state.limiter.spend(credential, request.scope)
        return credential


def _team_of(request: Request) -> UUID | None:
    """Return the team in the path; None where there is none to be. Raise Unauthenticated for what no ticket opens."""
    given = request.path_params.get("team_id")
    try:
        return None if given is None else UUID(str(given))
    except ValueError:
        raise Unauthenticated from None
