"""Calls that people flag, for the tests, and the rules that count them."""

from typing import Any

import httpx

TWO: dict[str, Any] = {"condition": {"kind": "hard_call_count", "count": 2, "window_seconds": 3600}}
OWN_WORD: dict[str, Any] = {"condition": {"kind": "self_flag"}, "hard_severity": 1, "cooldown_seconds": 0}


async def flag(caller: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await caller.post("/v1/me/call-flags", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def data(caller: httpx.AsyncClient, path: str, **filters: str) -> list[dict[str, Any]]:
    answer = await caller.get(path, params=filters)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])
