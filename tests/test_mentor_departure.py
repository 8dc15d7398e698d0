"""What becomes of a pair when one of the two leaves, by hand or by the HR sync, and when they come back."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session

from app.models import Employee
from tests.mentors import (
    Time,
    act,
    code,
    deactivate,
    history,
    look,
    make_mentor,
    make_pair,
    propose,
    switch,
    verb,
    work,
)
from tests.plans import done
from tests.world import World

LEFT, BACK = "One of the two is no longer active.", "Both are active again."


async def by_hand(world: World, name: str, *, active: bool) -> None:
    await switch(world, name, "reactivate" if active else "deactivate")


async def by_batch(world: World, name: str, *, active: bool) -> None:
    hr = await world.client("employees:write", "employees:read")
    item = {"external_id": f"hr-{name}", "active": active}
    await done(await hr.post("/v1/employees/batch", json={"employees": [item]}))


async def by_absence(world: World, name: str, *, active: bool) -> None:
    """Be left out of a complete list, and be in the next one."""
    hr = await world.client("employees:write", "employees:read")
    present = [{"external_id": f"hr-{each}", "active": True} for each in world.people if active or each != name]
    body = {"employees": present, "mode": "complete", "deactivate_missing": True}
    await done(await hr.post("/v1/employees/batch", json=body))


Way = Callable[..., Awaitable[None]]
WAYS = pytest.mark.parametrize("turn", [by_hand, by_batch, by_absence])


@WAYS
@pytest.mark.parametrize("leaver", ["amira", "grace"])
async def test_the_pair_is_paused_says_so_to_the_other_and_goes_on_when_they_are_back(
    world: World, turn: Way, leaver: str
) -> None:
    pair = await make_pair(world)
    other = world.person("grace" if leaver == "amira" else "amira")

    await turn(world, leaver, active=False)

    paused = await look(other, pair)
    assert (paused["state"], paused["paused_because"]) == ("paused", "person_inactive")
    assert paused["away_until"] is not None
    assert (await history(other, pair))[-1] == (
        "mentor_assignment.paused",
        {"from": "active", "state": "paused", "reason": LEFT},
    )
    assert code(await verb(other, pair, "resume")) == "person_inactive"

    await turn(world, leaver, active=True)

    back = await look(other, pair)
    assert (back["state"], back["paused_because"], back["away_until"]) == ("active", None, None)
    assert (await history(other, pair))[-1][1]["reason"] == BACK


async def test_what_was_paused_before_stays_paused(world: World) -> None:
    amira = world.person("amira")
    pair = await make_pair(world)
    await act(amira, pair, "pause")

    await deactivate(world, "grace")
    assert (await look(amira, pair))["away_until"] is not None
    await switch(world, "grace", "reactivate")

    now = await look(amira, pair)
    assert (now["state"], now["paused_because"], now["away_until"]) == ("paused", "asked", None)
    assert (await act(amira, pair, "resume"))["state"] == "active"


async def test_both_have_to_be_back(world: World) -> None:
    noor, pair = world.person("noor"), await make_pair(world)
    for name in ("amira", "grace"):
        await deactivate(world, name)

    await switch(world, "amira", "reactivate")
    assert (await look(noor, pair))["state"] == "paused"
    await switch(world, "grace", "reactivate")
    assert (await look(noor, pair))["state"] == "active"


async def test_it_stays_paused_where_the_mentor_has_become_the_line_manager(world: World) -> None:
    pair = await make_pair(world)
    await deactivate(world, "grace")

    def promote(session: Session) -> None:
        session.get_one(Employee, (world.id, world.people["amira"])).manager_id = world.people["grace"]

    await world.run(promote)
    await switch(world, "grace", "reactivate")

    now = await look(world.person("amira"), pair)
    assert (now["state"], now["paused_because"]) == ("paused", "asked")


async def test_what_was_proposed_runs_out(amira: httpx.AsyncClient, world: World) -> None:
    await make_mentor(world.person("grace"))
    pair = await propose(amira, world.people["grace"])

    await deactivate(world, "grace")

    assert (await look(amira, pair))["state"] == "expired"
    assert (await history(amira, pair))[-1][1] == {"from": "proposed", "state": "expired", "reason": LEFT}


async def test_who_does_not_come_back_is_no_longer_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(monkeypatch)
    grace = world.person("grace")
    await make_mentor(grace, capacity=1)
    pair = await make_pair(world)
    await deactivate(world, "amira")
    time.pass_by(days=29)
    await work(world)
    assert (await look(grace, pair))["state"] == "paused"

    time.pass_by(days=1)
    await work(world)

    ended = await look(grace, pair)
    assert (ended["state"], ended["ended_reason"]) == ("ended_early", "One of the two has left and not come back.")
    await switch(world, "amira", "reactivate")
    assert (await look(grace, pair))["state"] == "ended_early"
    assert (await make_pair(world, mentee="ines"))["state"] == "active", "the place is free again"


async def test_a_dry_run_and_what_is_closed_change_nothing(world: World) -> None:
    grace = world.person("grace")
    closed = await act(grace, await make_pair(world), "complete")
    pair = await make_pair(world)
    hr = await world.client("employees:write")
    body: dict[str, Any] = {"employees": [{"external_id": "hr-amira", "active": False}], "dry_run": True}

    await done(await hr.post("/v1/employees/batch", json=body))
    assert (await look(grace, pair))["state"] == "active"
    await deactivate(world, "amira")

    assert (await look(grace, closed))["version"] == closed["version"]
