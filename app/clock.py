"""The one clock of the service, so that a test can move it and the demo can tell of days that are past."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_standing: ContextVar[datetime | None] = ContextVar("standing", default=None)


def now() -> datetime:
    """Return the present moment, aware, in UTC. Call it as ``clock.now()``, never by an imported name."""
    return _standing.get() or datetime.now(UTC)


@contextmanager
def standing_at(moment: datetime) -> Iterator[None]:
    """Let the clock stand at a moment, for what this one task does within the block."""
    token = _standing.set(moment)
    try:
        yield
    finally:
        _standing.reset(token)
