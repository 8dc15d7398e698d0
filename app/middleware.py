"""What surrounds every request, as pure ASGI: request id, safe headers, log line, metrics; and the rate limits."""

import logging
import re
import time
from collections.abc import Hashable
from functools import cache
from typing import Any
from uuid import uuid4

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth import ClientKeyCredential
from app.errors import Busy, TooManyRequests
from app.problems import METHODS, respond
from app.telemetry import NEVER_COUNTED, REQUESTS, SECONDS, leaves_no_trace

log = logging.getLogger("ballast.access")

ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class RequestContext:
    """Gives each request an id and safe headers, and writes one log line and one measurement for it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _given_id(scope) or str(uuid4())
        context: dict[str, Any] = {"request_id": request_id}
        scope["ballast.request_id"], scope["ballast.context"] = request_id, context

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                context["status"] = message["status"]
                context["seconds"] = time.perf_counter() - started
                _add_headers(message, scope, request_id)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            _report(scope, context)


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            return text if REQUEST_ID.fullmatch(text) else None
    return None


def _add_headers(message: Message, scope: Scope, request_id: str) -> None:
    headers: list[tuple[bytes, bytes]] = message["headers"]
    given = {name for name, _ in headers}
    headers.append((b"x-request-id", request_id.encode()))
    headers += [header for header in ALWAYS if header[0] not in given]
    headers += scope.get("ballast.limits", ())


def _report(scope: Scope, context: dict[str, Any]) -> None:
    route = getattr(scope.get("route"), "path", None) or "none"
    status, seconds = context.get("status", 499), context.pop("seconds", 0.0)
    method = scope["method"] if route != "none" and scope["method"] in METHODS else "any"
    if leaves_no_trace(scope):
        log.info("request", extra={"status": status, "method": method, "route": route})
        return
    if route not in ("/healthz", "/readyz", "/metrics") and not route.startswith(NEVER_COUNTED):
        requests, durations = _measures(method, route, status)
        requests.inc()
        durations.observe(seconds)
    log.info(
        "request",
        extra={**context, "method": method, "route": route, "milliseconds": round(seconds * 1000, 2)},
    )


@cache
def _measures(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), SECONDS.labels(method, route)


class Draining:
    """Answers 503 to what arrives once the service has begun to stop, so that a proxy turns elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["app"].state.stopped and scope["path"] != "/healthz":
            await respond(Busy("stopping", "The service is stopping."), scope)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class RateLimiter:
    """The generic cell rate algorithm: one number a caller, in this process. The burst is one whole minute's worth."""

    WINDOW = 60.0
    MOST_CALLERS = 100_000

    def __init__(self, per_minute: int) -> None:
        self.per_minute, self.interval = per_minute, self.WINDOW / per_minute
        self.policy = f'"caller";q={per_minute};w=60'.encode()
        self._next: dict[object, float] = {}

    def spend(self, credential: Hashable, scope: Scope) -> None:
        """Count one request and note the RateLimit headers. Raise TooManyRequests where the minute is used up."""
        key = credential.digest if isinstance(credential, ClientKeyCredential) else credential
        now = time.monotonic()
        arrival = max(self._next.get(key, now), now) + self.interval
        remaining = int((self.WINDOW - (arrival - now)) / self.interval + 1e-9)
        limit = f'"caller";r={max(remaining, 0)};t={max(int(arrival - now), 1)}'
        scope["ballast.limits"] = ((b"ratelimit-policy", self.policy), (b"ratelimit", limit.encode()))
        if arrival - now > self.WINDOW + 1e-9:
            wait = max(1, int(arrival - now - self.WINDOW) + 1)
            raise TooManyRequests(headers={"Retry-After": str(wait)})
        if len(self._next) >= self.MOST_CALLERS and key not in self._next:
            del self._next[next(iter(self._next))]  # made-up keys are as many as a stranger likes
        self._next[key] = arrival
