"""The one clock of the service, so that a test can move it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment, aware, in UTC. Call it as ``clock.now()``, never by an imported name."""
    return datetime.now(UTC)
