"""When a delivery is tried again, and when it is given up."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest

from app.models.webhook import DeliveryKind, DeliveryState
from app.outgoing.connections import Answer
from app.outgoing.guard import Failure
from app.webhooks import outcome as webhook_outcome
from app.webhooks.outcome import SCHEDULE, judge

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def _delivery(**fields: Any) -> Any:
    values = {"id": uuid4(), "kind": DeliveryKind.event, "attempts": 0, **fields}
    return type("Delivery", (), values)()


def test_attempts_are_as_far_apart_as_promised() -> None:
    seconds = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert [each.total_seconds() for each in SCHEDULE] == seconds
    for number in range(1, 10):
        waits = [webhook_outcome.planned_wait("event", number) for _ in range(200)]
        ratios = [wait / SCHEDULE[number] for wait in waits if wait is not None]
        assert 0.8 <= min(ratios) < 0.9
        assert 1.1 < max(ratios) <= 1.2
    assert webhook_outcome.planned_wait("event", 10) is None
    assert webhook_outcome.planned_wait("test", 1) is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        ("1", 5),  # no sooner than planned
        ("0", 5),
        ("999999", 86_400),
        ("9" * 400, 86_400),
        (format_datetime(NOW + timedelta(hours=2), usegmt=True), 7200),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 5),
        ("Fri, 31 Dec 1999 23:59:59 -0000", 5),
        *((odd, 5) for odd in ("", "-5", "soon", "1.5", "١٢٠", "Fri, 99 Dec 1999 23:59:59 GMT", "\x00")),
    ],
)
def test_attempts_wait_as_long_as_the_receiver_asks(said: str, seconds: int) -> None:
    for status in (429, 503, 400):
        came = Answer(status, {"retry-after": said}, is_inner=False)
        outcome = judge(_delivery(), came, NOW, 0)
        assert outcome.attempt.due_at is not None
        assert (outcome.attempt.due_at - NOW).total_seconds() == pytest.approx(seconds, abs=3)
        assert (outcome.pause_until is not None) == (status != 400)


def test_attempts_are_over_after_the_last_whatever_the_receiver_asks() -> None:
    came = Answer(503, {"retry-after": "60"}, is_inner=False)
    outcome = judge(_delivery(attempts=9), came, NOW, 0.1)
    assert (outcome.attempt.state, outcome.attempt.due_at) == (DeliveryState.failed, None)
    once = judge(_delivery(kind=DeliveryKind.test), Failure.timed_out, NOW, 15)
    assert (once.attempt.state, once.attempt.failure) == (DeliveryState.failed, "timed_out")
