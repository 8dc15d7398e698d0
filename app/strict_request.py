"""Request bodies, read strictly: bounded, UTF-8, JSON without duplicates, and nothing that PostgreSQL cannot keep."""

import json
import re
from typing import Any

from fastapi import Request

from app.errors import BadRequest, TooLarge, Unprocessable, UnsupportedMediaType

JSON = re.compile(r"application/(?:[\w.-]+\+)?json(?:\s*;\s*charset\s*=\s*\"?utf-8\"?)?\s*", re.IGNORECASE)
DEEPEST = 64
SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class StrictRequest(Request):
    """A request whose JSON body is UTF-8, has no duplicate keys, no NaN, no NUL and no lone surrogate."""

    content: bytes = b""
    _parsed: Any = None

    async def load(self, limit: int, *, by_item: bool = False) -> None:
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
            self._parsed = parse_json(self.content, by_item=by_item)

    async def json(self) -> Any:
        """Return the parsed body."""
        return self._parsed


def parse_json(body: bytes, *, by_item: bool = False) -> Any:
    """Return strict JSON. Raise BadRequest for what is not, Unprocessable for text that PostgreSQL could not keep.

    ``by_item`` puts null in the place of an item of a batch that holds such text: it is refused without the others.
    """
    try:
        text = body.decode("utf-8")
        parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRequest from None
    if _is_deep(body, parsed):
        raise BadRequest("too_deep", f"The body is nested more than {DEEPEST} deep.")
    if SUSPICIOUS.search(text) and by_item:
        parsed = _storable_items(parsed)
    if SUSPICIOUS.search(text) and not _is_storable(parsed):
        raise Unprocessable("invalid_text", "A text holds a NUL character or half of a surrogate pair.")
    return parsed


def _is_deep(body: bytes, parsed: Any) -> bool:
    """Whether a value is nested deeper than recursive code can follow. One of few brackets is not looked at."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return False
    level = [parsed]
    for _ in range(DEEPEST):
        level = [
            member
            for node in level
            for member in (node.values() if isinstance(node, dict) else node)
            if isinstance(member, (dict, list))
        ]
        if not level:
            return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key")
    return members


def _no_constant(_name: str) -> None:
    raise ValueError("not JSON")


def _storable_items(parsed: Any) -> Any:
    if isinstance(parsed, dict):
        return {name: _storable_items(value) for name, value in parsed.items()}
    return [item if _is_storable(item) else None for item in parsed] if isinstance(parsed, list) else parsed


def _is_storable(parsed: Any) -> bool:
    dumped = json.dumps(parsed, ensure_ascii=False).replace("\\\\", "")  # an escaped backslash begins no other escape
    return "\\u0000" not in dumped and not any("\ud800" <= character <= "\udfff" for character in dumped)
