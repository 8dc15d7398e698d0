"""What operators see: JSON log lines and Prometheus metrics, without personal data."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from app import clock

# Who watches the figures must not see that somebody just asked for help, or answered a suggestion.
NEVER_COUNTED = ("/v1/eap-", "/v1/consent-texts", "/v1/thought-records")
EAP_DIRECTORY = ("/v1/eap-providers", "/v1/eap-directory")
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

REQUESTS = Counter("ballast_requests", "Requests answered.", ("method", "route", "status"))
SECONDS = Histogram(
    "ballast_request_seconds",
    "Time to the first byte of the answer.",
    ("method", "route"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
POOL_IN_USE = Gauge(
    "ballast_pool_connections_in_use", "Database connections that are in use.", multiprocess_mode="livesum"
)
POOL_SIZE = Gauge(
    "ballast_pool_connections", "Database connections that the pools may open.", multiprocess_mode="livesum"
)
INGESTED = Counter("ballast_call_events", "Call events taken in, by what became of them.", ("status",))
SIGNALS = Counter("ballast_strain_signals", "Strain signals raised or superseded.", ("state",))
PROMPTS = Counter("ballast_support_prompts", "Support prompts, by the state they moved to.", ("state",))
STREAMS = Gauge("ballast_streams", "Streams of support prompts that are open.", multiprocess_mode="livesum")
STREAM_EVENTS = Counter("ballast_stream_events", "Events told on streams of support prompts.")
STREAMS_ENDED = Counter("ballast_streams_ended", "Streams that have ended, by why.", ("reason",))
WEBHOOKS = Counter("ballast_webhook_attempts", "Attempts to deliver a webhook, by what came of them.", ("outcome",))
WEBHOOK_SECONDS = Histogram(
    "ballast_webhook_seconds",
    "Time to the answer of a receiver of webhooks, or until it was given up.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
DUTY_LAG = Gauge(
    "ballast_worker_lag_seconds", "How late each duty of the worker is.", ("duty",), multiprocess_mode="livemax"
)
DUTY_RUNS = Counter("ballast_worker_runs", "Runs of each duty of the worker.", ("duty", "result"))

RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event, and the ``extra`` fields. Messages are static texts."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": clock.now().isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in RESERVED}
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _trace(record.exc_info[1])
        return json.dumps(line, default=str)


def _trace(error: BaseException) -> dict[str, Any]:
    """Return the kind of an error and where it rose, without its message: that may quote what a caller sent."""
    frames, traceback = [], error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    cause = type(error.__cause__).__name__ if error.__cause__ else None
    return {"kind": type(error).__name__, "cause": cause, "at": frames[-12:]}


def configure_logging(level: str) -> None:
    """Send every log line of the process to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel("WARNING")
    logging.getLogger("alembic").setLevel("WARNING")
    logging.getLogger("httpx").setLevel("WARNING")


def note_organisation(scope: Mapping[str, Any], organisation_id: UUID) -> None:
    """Remember for the request's log line whose request it was."""
    context = scope.get("ballast.context")
    if context is not None:
        context["organisation_id"] = organisation_id


def leaves_no_trace(scope: Mapping[str, Any]) -> bool:
    """Return whether a request looks something up in the EAP directory: of that there is no count, trace or caller."""
    path = scope.get("path", "")
    return scope.get("method") in ("GET", "HEAD") and any(
        path == root or path.startswith(f"{root}/") for root in EAP_DIRECTORY
    )


def observe_pool(engine: AsyncEngine) -> None:
    """Measure the connections of an engine's pool."""
    pool = engine.sync_engine.pool
    if isinstance(pool, QueuePool):
        POOL_IN_USE.set(pool.checkedout())
        POOL_SIZE.set(pool.size())


def registry() -> CollectorRegistry:
    """Return where the metrics are: in this process, or, where several serve side by side, in their shared folder."""
    folder = os.environ.get(SHARED_FOLDER)
    if folder is None:
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared, folder)  # type: ignore[no-untyped-call]  # the library has no types for it
    return shared


def exposition() -> bytes:
    """Return the metrics in Prometheus' text format."""
    return generate_latest(registry())
