"""Request bodies, read strictly: bounded, UTF-8, JSON without duplicates, and nothing that PostgreSQL cannot keep."""

import json
import re
from typing import Any

from fastapi import Request

from app.errors import BadRequest, TooLarge, Unprocessable, UnsupportedMediaType

JSON = re.compile(r"application/(?:[\w.-]+\+)?json(?:\s*;\s*charset\s*=\s*\"?utf-8\"?)?\s*", re.IGNORECASE)
SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class StrictRequest(Request):
    """A request whose JSON body is UTF-8, has no duplicate keys, no NaN, no NUL and no lone surrogate."""

    content: bytes = b""
    _parsed: Any = None

    async def load(self, limit: int) -> None:
        """Read and parse the body. Raise TooLarge, UnsupportedMediaType, BadRequest or Unprocessable."""
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType("unsupported_encoding", "Send the body uncompressed.")
        declared = self.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared[:18]) > limit:
            raise TooLarge
        body = bytearray()
        async for chunk in self.stream():
            body += chunk
            if len(body) > limit:
                raise TooLarge
        self.content = self._body = bytes(body)
        if body:
            if not JSON.fullmatch(self.headers.get("content-type", "")):
                raise UnsupportedMediaType
            self._parsed = parse_json(self.content)

    async def json(self) -> Any:
        """Return the parsed body."""
        return self._parsed


def parse_json(body: bytes) -> Any:
    """Return strict JSON. Raise BadRequest for what is not, Unprocessable for text that PostgreSQL could not keep."""
    try:
        text = body.decode("utf-8")
        parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRequest from None
    if SUSPICIOUS.search(text) and not _is_storable(parsed):
        raise Unprocessable("invalid_text", "A text holds a NUL character or half of a surrogate pair.")
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key")
    return members


def _no_constant(_name: str) -> None:
    raise ValueError("not JSON")


def _is_storable(parsed: Any) -> bool:
    dumped = json.dumps(parsed, ensure_ascii=False)
    return "\\u0000" not in dumped and not any("\ud800" <= character <= "\udfff" for character in dumped)
