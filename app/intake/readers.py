"""Which reader reads which kind of source. A kind's module is loaded when a source of it first delivers."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import cast

from app.intake.adapter import Reader
from app.models.call_event import SourceKind

READERS: Mapping[SourceKind, str] = {
    SourceKind.cloudevents: "app.intake.cloudevents",
    SourceKind.eventbridge: "app.intake.eventbridge",
    SourceKind.twilio: "app.intake.twilio",
    SourceKind.mapping: "app.intake.mapping",
}


@cache
def reader_of(kind: SourceKind) -> Reader:
    """Return how deliveries of a kind are read. Raise KeyError for one that has no address of its own."""
    return cast(Reader, import_module(READERS[kind]).read)
