"""Makes the application: lifespan, handlers, routers. Nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope

from app import crypto, openapi
from app.auth import DevelopmentIssuer
from app.authenticator import Authenticator
from app.background import background
from app.database import Database
from app.docs_page import add_docs
from app.live.hub import Hub
from app.middleware import Draining, RateLimiter, RequestContext
from app.oidc import Issuers
from app.outgoing.rules import Rules
from app.problems import add_handlers
from app.readiness import Readiness
from app.routers import ROUTERS
from app.scim.endpoint import add_scim
from app.settings import Settings, get_settings
from app.telemetry import leaves_no_trace
from app.wakeup import Wakeup
from app.webhooks import routes as webhook_routes

# How long a stop waits for transactions whose callers are gone; those of requests have ended by then.
PATIENCE_SECONDS = 2.0
# Of one calendar's address. Clients ask every few minutes at most.
CALENDAR_READS_PER_MINUTE = 60
ALLOWED = (
    *("Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key", "X-Request-Id"),
    "Last-Event-ID",
)
EXPOSED = (
    "ETag",
    "Location",
    "X-Request-Id",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "Idempotency-Replayed",
    "Allow",
    "WWW-Authenticate",
)


def create_app(settings: Settings | None = None, database: Database | None = None) -> FastAPI:
    """Return the application. Without a database it can describe itself, not serve."""
    settings = settings or get_settings()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if database is None:
            yield
            return
        async with background(app.state):
            yield
            app.state.stopped = True
            await app.state.live.close()
        await database.close(app.state.patience_seconds)

    app = FastAPI(
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        telemetry={
            "tracing": settings.telemetry,
            "metrics": settings.telemetry,
            "logs": False,
            "auto_configure": settings.telemetry,
            "exclude": lambda scope: holds_a_secret(scope) or leaves_no_trace(scope),
        },
    )
    app.state.settings, app.state.database, app.state.stopped = settings, database, False
    app.state.wake = app.state.wakeup = Wakeup()
    app.state.readiness, app.state.patience_seconds = Readiness(database), PATIENCE_SECONDS
    app.state.live = Hub(database, settings.max_streams, lambda: app.state.readiness.draining)
    if database is not None:
        add_secrets(app, settings)
    app.state.limiter = RateLimiter(settings.rate_limit_per_minute)
    app.state.calendar_limiter = RateLimiter(CALENDAR_READS_PER_MINUTE)
    add_handlers(app)
    app.add_middleware(Draining)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=ALLOWED,
            expose_headers=EXPOSED,
            max_age=600,
        )
    app.add_middleware(RequestContext)
    for router in ROUTERS:
        app.router.routes.extend(router.routes)  # flat: an included router is matched route by route, twice
    app.webhooks.routes.extend(webhook_routes.routes())
    if database is not None:
        add_scim(app, app.state.vault.secret("scim cursors"))
    if settings.docs:
        add_docs(app)
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def holds_a_secret(scope: Scope) -> bool:
    """Whether the address of a request holds a secret, as that of a calendar does, which a trace would keep."""
    return "blst_" in scope.get("path", "") or b"blst_" in scope.get("query_string", b"")


def add_secrets(app: FastAPI, settings: Settings) -> None:
    """Give the application its vault and its issuers. Raise MasterKeyError where production has no key."""
    vault = app.state.vault = crypto.Vault(crypto.master_keys(settings))
    if app.state.database.vault is None:
        app.state.database.vault = lambda: vault
    development = None if settings.is_production else DevelopmentIssuer.load(settings.data_dir)
    issuers = Issuers(settings.oidc_issuers, app.state.database, Rules.for_operator(settings))
    app.state.authenticator = Authenticator(app.state.vault, development, issuers)
