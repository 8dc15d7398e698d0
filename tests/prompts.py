"""Support prompts for the tests: offered for one hard call, and minutes that pass until they are answered."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import clock
from tests.strain import NOW, only, post, told
from tests.world import World

ONE = {"condition": {"kind": "hard_call_count", "count": 1, "window_seconds": 60}, "cooldown_seconds": 600}
STREAK = {"condition": {"kind": "hard_call_streak", "count": 2, "window_seconds": 3600}}
Move = Callable[[float], None]


def passing(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Return what lets minutes pass."""
    moment = [NOW]
    monkeypatch.setattr(clock, "now", lambda: moment[0])

    def move(minutes: float) -> None:
        moment[0] += timedelta(minutes=minutes)

    return move


async def listed(caller: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    answer = await caller.get("/v1/support-prompts", params=filters)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def one_offer(world: World, caller: httpx.AsyncClient, person: UUID) -> dict[str, Any]:
    """Have a break offered that can be answered for 20 minutes more."""
    await only(world, ONE)
    await post(world, told(person, 10))
    (prompt,) = await listed(caller)
    return prompt
