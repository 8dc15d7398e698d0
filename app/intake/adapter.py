"""What a reader of one format gets, and what it makes of it. A reader is pure: no database, no network, no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from app.intake.canonical import Refused, Taken


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to an intake address, as it came. ``url`` is the public one that the sender used, query included."""

    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    url: str
    method: str
    received_at: datetime

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, by its name in lower case."""
        return next((value for each, value in self.headers if each.lower() == name), None)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What a reader may know of the source: its id, its kind and the options of its kind."""

    source_id: UUID
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dropped:
    """An item that is no call of an agent, and no fault: another event type, a ringing status, a call without agent.

    ``reason`` is a code in lower_snake, ``detail`` a sentence that quotes nothing of what was sent.
    """

    reason: str
    detail: str
    event_id: str | None = None


Item = Taken | Refused | Dropped


class Unreadable(Exception):
    """The body as a whole is not of the format. ``code`` in lower_snake, ``detail`` a sentence that quotes nothing."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Reader(Protocol):
    """What each kind's module offers as ``read``."""

    def __call__(self, delivery: Delivery, source: SourceSettings) -> list[Item]:
        """Return what one delivery holds, in its order. Raise Unreadable where it is not of the format at all."""
