"""What an attempt to deliver makes of its delivery: done, to be tried again and when, or given up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from random import uniform
from typing import Any

from app.models.webhook import DeliveryKind, DeliveryState, DisabledReason
from app.outgoing.connections import Answer
from app.outgoing.guard import Failure
from app.services.webhook_sending import Attempt

# How long after the attempt before each one comes: the schedule of Standard Webhooks 1.0, over 75 hours.
SCHEDULE = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 5 * 60, 30 * 60, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)))
)
JITTER = 0.2
LONGEST_WAIT = timedelta(hours=24)
# Whoever answers so has too much to do: their other deliveries wait, too, but not for long.
OVERLOADED = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
LONGEST_PAUSE, LONGEST_PAUSE_UNASKED = timedelta(minutes=5), timedelta(minutes=1)
MOST_OF_ANSWER = 4096


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt, and until when the endpoint is left in peace."""

    attempt: Attempt
    pause_until: datetime | None = None


def judge(delivery: Any, came: Answer | Failure | str, attempted_at: datetime, seconds: float) -> Outcome:
    """Return what an answer, or why there is none, makes of a delivery (``id``, ``kind``, ``attempts``)."""
    ended_at, number = attempted_at + timedelta(seconds=seconds), delivery.attempts + 1
    answer = came if isinstance(came, Answer) else None
    state, due_at, pause_until = DeliveryState.delivered, None, None
    if answer is None or not 200 <= answer.status < 300:
        asked = wanted_wait(answer.headers, ended_at) if answer else None
        planned = planned_wait(delivery.kind, number)
        if planned is None:
            state = DeliveryState.failed
        else:
            state, due_at = DeliveryState.pending, ended_at + max(planned, asked or planned)
        if answer and answer.status in OVERLOADED:
            unasked = min(planned or LONGEST_PAUSE_UNASKED, LONGEST_PAUSE_UNASKED)
            pause_until = ended_at + min(asked or unasked, LONGEST_PAUSE)
    attempt = Attempt(
        delivery_id=delivery.id,
        number=number,
        attempted_at=attempted_at,
        duration_ms=round(seconds * 1000),
        status=answer.status if answer else None,
        failure=None if isinstance(came, Answer) else str(came),
        answer=text_of(answer) if answer else None,
        state=state,
        due_at=due_at,
        disables=DisabledReason.gone if answer and answer.status == HTTPStatus.GONE else None,
    )
    return Outcome(attempt, pause_until)


def planned_wait(kind: str, number: int) -> timedelta | None:
    """Return how long to wait after attempt ``number``, give or take a fifth, or None where it was the last.

    A message that somebody tries an endpoint out with is sent once.
    """
    if number >= len(SCHEDULE) or kind == DeliveryKind.test:
        return None
    return SCHEDULE[number] * uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret


def wanted_wait(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return for how long a receiver wants to be left alone by its ``Retry-After``, in either form: at most a day."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(timedelta(seconds=int(said[:9])), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), LONGEST_WAIT)


def text_of(answer: Answer) -> str | None:
    """Return what may be kept of an answer: its beginning as text, and nothing of what an inner service said."""
    if answer.is_inner:
        return None
    return answer.body[:MOST_OF_ANSWER].decode("utf-8", "replace").replace("\x00", "")
