"""Serves the API: takes the port, finds and prepares the database, says what it did, and stops cleanly."""

import asyncio
import errno
import importlib.util
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from fastapi import FastAPI
from prometheus_client import start_http_server
from pydantic import SecretStr
from sqlalchemy import make_url, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import banner, crypto, demo, launch, listener, master_keys, migrate, processes, telemetry
from app.anchoring import Anchoring
from app.database import Database
from app.erasure_ledger import Filing
from app.job_runner import JobRunner
from app.launch import Ground, StartError
from app.listener import Listener
from app.main import create_app
from app.models import DirectoryEntry
from app.services import organisation as organisations
from app.settings import Settings, get_settings
from app.wakeup import Wakeup
from app.webhooks.deliverer import Deliverer
from app.worker import Worker

log = logging.getLogger("ballast.server")

# How many connections the embedded server has room for, beside those of commands that join it.
EMBEDDED_CONNECTIONS = 90


def application() -> FastAPI:
    """Return the application of one of several serving processes, whose settings come through the environment."""
    settings = get_settings()
    telemetry.configure_logging(settings.log_level)
    with launch.ground(settings) as ground:  # given, by the process that started this one
        return create_app(settings, ground.database(settings))


def serve(settings: Settings, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until asked to stop. Raises one of ``launch.REFUSALS``, before anything slow where it can."""
    telemetry.configure_logging(settings.log_level)
    for name in launch.unknown_variables():
        log.warning("not a setting", extra={"variable": name})
    _require_usable(settings)
    with (
        suppress(KeyboardInterrupt),  # asked to stop before it began to serve
        bind(host, port) as listening,
        exposed_metrics(settings, host),
        launch.ground(settings, exclusive=True) as ground,
    ):
        settings, text = asyncio.run(prepare(settings, ground, url_of(listening)))
        _listen(listening, port)
        _run(settings, ground, listening, lambda: say(text))
    log.info("stopped")


def work(settings: Settings, host: str) -> None:
    """Run the worker alone until asked to stop. Raises one of ``launch.REFUSALS``."""
    telemetry.configure_logging(settings.log_level)
    stopped = suppress(KeyboardInterrupt, asyncio.CancelledError)
    with stopped, exposed_metrics(settings, host), launch.ground(settings) as ground:
        asyncio.run(_work(settings, ground))
    log.info("stopped")


async def _work(settings: Settings, ground: Ground) -> None:
    database = ground.database(settings)
    try:
        await migrate.check(database.engine, settings)
        await database.run(master_keys.require)
        wakeup, deliverer, hears = Wakeup(), Deliverer(database, settings), Listener(database.engine)
        hears.subscribe(listener.WORK, wakeup)
        hears.subscribe(listener.DELIVER, deliverer.wake)
        _cancel_when_asked_to_stop()
        log.info("working")
        await asyncio.gather(
            Worker(database, wakeup, settings.worker_interval_seconds).run(),
            deliverer.run(),
            hears.run(),
            JobRunner(database, settings.worker_interval_seconds).run(),
            Anchoring.of(database, settings).run(),
            Filing.of(database, settings).run(),
        )
    finally:
        await database.close(2)


def _cancel_when_asked_to_stop() -> None:
    """Let a stop cancel this task, which lets its parts end in order; the program's own way cuts everything off."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        for number in launch.stop_signals():
            with suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, task.cancel)


def _require_usable(settings: Settings) -> None:
    if settings.master_keys or settings.is_production:
        crypto.master_keys(settings)
    if settings.database_url is None and settings.workers * settings.pool_size > EMBEDDED_CONNECTIONS:
        raise StartError(
            "BALLAST_WORKERS times BALLAST_POOL_SIZE is more than the embedded PostgreSQL has room for "
            f"({EMBEDDED_CONNECTIONS} connections)."
        )
    exports = settings.telemetry and any(name.startswith("OTEL_EXPORTER_OTLP") for name in os.environ)
    if exports and importlib.util.find_spec("opentelemetry.sdk") is None:
        raise StartError(
            "BALLAST_TELEMETRY is on, but nothing here can export: pip install 'fastapi[opentelemetry]' first."
        )


def _run(settings: Settings, ground: Ground, listening: socket.socket, say_ready: Callable[[], None]) -> None:
    if settings.workers == 1:
        app = create_app(settings, ground.database(settings))
        say_ready()  # whoever calls now is answered in a moment: the port is open
        processes.run_one(app, settings, listening)
        return
    os.environ["BALLAST_DATABASE_URL"] = ground.urls.application
    if settings.metrics_key is not None:
        os.environ["BALLAST_METRICS_KEY"] = settings.metrics_key.get_secret_value()
    processes.run_several("app.server:application", settings, listening, say_ready)


def bind(host: str, port: int) -> socket.socket:
    """Take the port, so that a taken one is found out before anything slow. Raises StartError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with ExitStack() as refused:
            refused.callback(bound.close)
            bound.bind(address)
            refused.pop_all()
    except OSError as error:
        raise _of_port(error, host, port) from error
    return bound


def _listen(bound: socket.socket, port: int) -> None:
    try:
        bound.listen(processes.BACKLOG)
    except OSError as error:
        raise _of_port(error, "", port) from error


def _of_port(error: OSError, host: str, port: int) -> StartError:
    if error.errno == errno.EADDRINUSE:
        return StartError(
            f"Port {port} is taken: stop the program that uses it, or choose another with --port or the variable PORT."
        )
    if error.errno == errno.EACCES:
        return StartError(f"Port {port} is not open to this account: choose one above 1023 (--port, PORT).")
    return StartError(f"{host} is not an address of this machine: choose another with --host or the variable HOST.")


def url_of(bound: socket.socket) -> str:
    """Return where a caller on this machine reaches a socket."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def exposed_metrics(settings: Settings, host: str) -> Iterator[None]:
    """Serve the metrics on their own port, where one is set. Several processes share theirs in a folder."""
    with ExitStack() as stack:
        if settings.workers > 1:
            folder = tempfile.TemporaryDirectory(prefix="ballast-metrics-")
            os.environ[telemetry.SHARED_FOLDER] = stack.enter_context(folder)
        if settings.metrics_port is not None:
            stack.enter_context(metrics_server(settings.metrics_port, host))
        yield


@contextmanager
def metrics_server(port: int, host: str) -> Iterator[None]:
    """Serve the metrics on a port of their own. Raises StartError when it is taken."""
    try:
        server, _ = start_http_server(port, host, telemetry.registry())
    except OSError as error:
        raise StartError(f"Port {port} is taken: choose another with BALLAST_METRICS_PORT.") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


async def prepare(settings: Settings, ground: Ground, url: str) -> tuple[Settings, str]:
    """Migrate where that may be done unasked, check, make the demo organisation, and say what was done.

    A production database of one's own is only checked: who deploys decides when it is migrated.
    """
    facts = [("database", _describe(settings, ground))]
    if ground.is_embedded or not settings.is_production:
        before, after = await migrate.migrate(ground.urls)
        facts.append(("schema", f"at {after} already" if before == after else f"migrated to {after}"))
    database, text = ground.database(settings), ""
    try:
        await migrate.check(database.engine, settings)
        await database.run(master_keys.require)
        if not settings.is_production:
            found, made = await _demo(database, settings)
            facts += (
                [("demo", f'organisation "{demo.SLUG}" {"created" if made else "is there already"}')] if found else []
            )
            text = await database.run(banner.examples, url, found, settings.data_dir) if found else ""
    finally:
        await database.close()
    settings = _with_metrics_key(settings)
    return settings, banner.welcome(url, [*facts, *_places(settings, url)], text)


async def _demo(database: Database, settings: Settings) -> tuple[demo.Demo | None, bool]:
    """Return the demo organisation where its keys are known here, and whether it was made just now."""
    if await database.run(_has_organisations):
        organisation_id = await database.run(organisations.find, demo.SLUG)
        return demo.recall(settings.data_dir, organisation_id), False
    try:
        made = await database.run(demo.create)
    except IntegrityError:  # another process that starts on the same database was faster
        return None, False
    demo.keep(made, settings.data_dir)
    return made, True


def _has_organisations(session: Session) -> bool:
    return session.scalar(select(DirectoryEntry.organisation_id).limit(1)) is not None


def _describe(settings: Settings, ground: Ground) -> str:
    if ground.is_embedded:
        return f"embedded PostgreSQL, data in {settings.data_dir.absolute()}"
    url = make_url(ground.urls.application)
    return f"{url.database} on {url.host or url.query.get('host') or 'this machine'}"


def _with_metrics_key(settings: Settings) -> Settings:
    """Give a development service a key for its metrics, kept in the data directory."""
    if settings.is_production or settings.metrics_key is not None or settings.metrics_port is not None:
        return settings
    key = crypto.private_file(settings.data_dir / "metrics.key", lambda: secrets.token_urlsafe(24).encode())
    return settings.model_copy(update={"metrics_key": SecretStr(key.decode())})


def _places(settings: Settings, url: str) -> list[tuple[str, str]]:
    places = [("API", f"{url}/docs (as OpenAPI: {url}/openapi.json)")] if settings.docs else []
    places.append(("health", f"{url}/healthz, {url}/readyz"))
    if settings.metrics_port is not None:
        places.append(("metrics", f"on port {settings.metrics_port}"))
    elif settings.metrics_key is not None and not settings.is_production:
        places.append(("metrics", banner.metrics(url, settings.metrics_key.get_secret_value())))
    return places
