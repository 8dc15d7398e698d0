"""Nobody but the person learns of a flag, by no road."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import clock
from app.models import AuditEntry, CallEvent, Employee, OutgoingEvent, StrainRule
from app.models.client import Role
from tests.flags import OWN_WORD, TWO, data, flag
from tests.strain import EASY, NOW, Told, ago, event_id, live, only, post, team_of, told
from tests.world import World, etag


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return NOW


@pytest.fixture
def person(world: World) -> UUID:
    return world.people["amira"]


Look = Callable[[], Awaitable[Any]]
MEDIAN: dict[str, Any] = {
    "condition": {"kind": "above_team_median", "multiple": 1.5, "shifts": 1, "minimum_hard_calls": 2},
    "prompt": {"kind": "mentor", "expires_seconds": 604_800},
}


async def rename(world: World, person: UUID, name: str) -> None:
    """Give somebody a user name to sign in with."""
    statement = update(Employee).where(Employee.organisation_id == world.id, Employee.id == person)
    await world.run(lambda session: session.execute(statement.values(user_name=name, user_name_key=name)))


class TestNobodyElse:
    """What anybody else can see is the same with and without a flag."""

    @pytest.fixture
    async def look(
        self,
        world: World,
        theo: httpx.AsyncClient,
        noor: httpx.AsyncClient,
        hana: httpx.AsyncClient,
        client: httpx.AsyncClient,
        person: UUID,
    ) -> Look:
        """Return what reads everything that others can see: every list and row, every event, every figure."""
        manager = update(Employee).where(Employee.organisation_id == world.id, Employee.id == person)
        await world.run(lambda session: session.execute(manager.values(manager_id=world.people["theo"])))
        paths = [
            "/v1/call-events",
            "/v1/strain-signals?state=any",
            "/v1/support-prompts",
            "/v1/strain-rules",
            f"/v1/employees/{person}",
            f"/v1/employees/{person}/history",
            "/v1/teams",
        ]

        def events(session: Session) -> list[Any]:
            mine = OutgoingEvent.organisation_id == world.id
            return list(session.execute(select(OutgoingEvent.type, OutgoingEvent.resource_id).where(mine)))

        def rows(session: Session) -> list[Any]:
            return [
                list(
                    session.execute(
                        select(model.id, model.version, model.updated_at).where(model.organisation_id == world.id)
                    )
                )
                for model in (CallEvent, StrainRule, Employee)
            ]

        async def read() -> Any:
            seen: list[Any] = [await world.run(events), await world.run(rows)]
            for caller in (theo, noor, hana, client):
                for path in paths:
                    answer = await caller.get(path)
                    body = answer.json()
                    body.pop("next_watermark", None)
                    seen.append((path, answer.status_code, body))
            return seen

        return read

    async def flag_twice(self, world: World, amira: httpx.AsyncClient, call: Told) -> None:
        await flag(amira, call_event_id=str(await event_id(world, call)), kind="threat_or_hate")
        await flag(amira, occurred_at=ago(12).isoformat())

    async def test_sees_a_flag_its_signal_or_its_prompt(
        self, world: World, amira: httpx.AsyncClient, look: Look, person: UUID
    ) -> None:
        await only(world, OWN_WORD, TWO)
        call = told(person, 20, EASY)
        await post(world, call, told(person, 15, EASY))
        before = await look()

        await self.flag_twice(world, amira, call)

        assert len(await data(amira, "/v1/strain-signals")) == 3
        assert len(await data(amira, "/v1/support-prompts")) == 2
        assert await look() == before

    async def test_sees_one_by_what_is_missing(
        self, world: World, amira: httpx.AsyncClient, theo: httpx.AsyncClient, client: httpx.AsyncClient, person: UUID
    ) -> None:
        """A flag neither swallows a public signal by its cool-down nor its offer by an open one."""
        await only(world, TWO)
        await flag(amira, occurred_at=ago(25).isoformat())
        await post(world, told(person, 24))
        assert [(s["private"]) for s in await data(amira, "/v1/strain-signals")] == [True]

        await post(world, told(person, 10))

        assert [s["private"] for s in await data(client, "/v1/strain-signals")] == [False]
        assert [p["state"] for p in await data(theo, "/v1/support-prompts")] == ["offered"]
        mine = await data(amira, "/v1/support-prompts")
        assert [(p["private"], p["state"]) for p in mine] == [(True, "superseded"), (False, "offered")]

    async def test_sees_one_by_a_public_signal_that_changes(
        self, world: World, amira: httpx.AsyncClient, look: Look, person: UUID
    ) -> None:
        await only(world, TWO)
        calls = [told(person, 30), told(person, 20), told(person, 5)]
        await post(world, *calls)
        before = await look()

        await flag(amira, call_event_id=str(await event_id(world, calls[0])))
        made = await flag(amira, occurred_at=ago(35).isoformat())
        await amira.post(f"/v1/me/call-flags/{made['id']}/take-back")

        assert await look() == before

    async def test_sees_one_by_a_rule_that_has_changed_since(
        self, world: World, amira: httpx.AsyncClient, noor: httpx.AsyncClient, look: Look, person: UUID
    ) -> None:
        """A flag is no occasion to apply a changed rule to calls of others' sight."""
        (rule,) = await only(world, {**TWO, "cooldown_seconds": 60})
        await post(world, told(person, 30), told(person, 20, EASY))
        await noor.patch(f"/v1/strain-rules/{rule['id']}", json={"condition": {"count": 1}}, headers=etag(rule))
        before = await look()

        made = await flag(amira, occurred_at=ago(31).isoformat())
        await amira.post(f"/v1/me/call-flags/{made['id']}/take-back")

        assert await look() == before
        assert await live(world, person, private=False) == []

    async def test_sees_one_by_a_changed_rule_that_flags_are_nothing_to(
        self, world: World, amira: httpx.AsyncClient, noor: httpx.AsyncClient, look: Look, person: UUID
    ) -> None:
        (rule,) = await only(world, {**TWO, "severity": {"abusive": 8}})
        await post(world, told(person, 30))
        await noor.patch(f"/v1/strain-rules/{rule['id']}", json={"condition": {"count": 1}}, headers=etag(rule))
        before = await look()

        made = await flag(amira, occurred_at=ago(31).isoformat())
        await amira.post(f"/v1/me/call-flags/{made['id']}/take-back")

        assert await look() == before
        assert await data(amira, "/v1/strain-signals", state="any") == []

    async def test_sees_one_by_a_comparison_that_it_sets_going(self, world: World, look: Look) -> None:
        """A day before the rule was made is not looked at, and a flag does not make it looked at."""
        await only(world, TWO)
        people = await team_of(world, 5)
        await post(world, *(told(person, 1440 + 90 * n) for n, person in enumerate(people)))
        call = told(people[0], 1440 + 30)
        await post(world, call, *(told(people[0], 1440 + 90 * n) for n in range(2, 6)))
        await only(world, MEDIAN)
        await rename(world, people[0], "someone-who-flags")

        await flag(world.person("someone-who-flags"), call_event_id=str(await event_id(world, call)))
        await post(world, told(people[1], 5, EASY))

        assert [one for one in await live(world, *people, private=False) if one[4] > 2] == []

    async def test_is_asked_about_a_team_by_a_flag_when_its_signals_are_past(
        self, world: World, noor: httpx.AsyncClient
    ) -> None:
        await only(world, {"condition": {"kind": "hard_call_count", "count": 1, "window_seconds": 60}}, OWN_WORD)
        people = await team_of(world, 5)
        await post(world, *(told(person, 60) for person in people))
        await rename(world, people[0], "someone-who-flags")

        await flag(world.person("someone-who-flags"))

        assert await data(noor, "/v1/support-prompts") == []

    async def test_sees_one_in_a_comparison_with_the_team(self, world: World, look: Look) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 5)
        await post(world, *(told(person, 2 * 1440 + n) for person in people for n in range(2)))
        await post(world, *(told(person, 5, EASY) for person in people))
        name = "someone-who-flags"
        await rename(world, people[0], name)
        before = await look()

        await flag(world.person(name), occurred_at=ago(2 * 1440 + 9).isoformat())
        await flag(world.person(name), occurred_at=ago(2 * 1440 + 8).isoformat())

        assert [(one[1], one[4], one[-1]) for one in await live(world, *people)] == [(0, 4, True)]
        assert await look() == before

    async def test_sees_one_in_a_dry_run(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world, TWO)
        people = [await world.hire(f"agent-{n}") for n in range(6)]
        await post(world, *(told(person, 10) for person in people[:5]))
        body = {
            "name": "One",
            "description": "One hard call.",
            "prompt": {"kind": "mentor", "expires_seconds": 60},
            "condition": {"kind": "hard_call_count", "count": 1, "window_seconds": 60},
            "cooldown_seconds": 0,
        }
        before = (await noor.post("/v1/strain-rules/dry-run", json=body)).json()

        for n in range(6):
            await flag(world.person(f"agent-{n}"), occurred_at=ago(30).isoformat())

        assert (await noor.post("/v1/strain-rules/dry-run", json=body)).json() == before
        assert before["signals"] == 5
        own_word = {**body, "condition": {"kind": "self_flag"}}
        assert (await noor.post("/v1/strain-rules/dry-run", json=own_word)).json()["suppressed"] is True

    async def test_sees_one_in_the_audit(
        self, world: World, amira: httpx.AsyncClient, client: httpx.AsyncClient
    ) -> None:
        await only(world, OWN_WORD)
        await world.grant("ines", Role.auditor)

        def mark(session: Session) -> set[Any]:
            return set(session.scalars(select(AuditEntry.id).where(AuditEntry.organisation_id == world.id)))

        before = await world.run(mark)
        made = await flag(amira)
        (prompt,) = await data(amira, "/v1/support-prompts")
        await amira.post(f"/v1/support-prompts/{prompt['id']}/accept")
        await amira.post(f"/v1/me/call-flags/{made['id']}/take-back")

        entries = [e for e in await data(world.person("ines"), "/v1/audit-entries") if UUID(e["id"]) not in before]
        assert len(entries) == 6
        person, known = str(world.people["amira"]), {made["id"]}
        for entry in entries:
            assert person not in str(entry)
            assert not known & {entry["resource_id"]}
            assert entry["actor_id"] is None
            assert entry["subject_id"] is None
            assert entry["request_id"] is None
            assert "flag" not in str(entry)
        assert {entry["action"] for entry in entries if entry["resource"] == "own_record"} == {"own_record.changed"}

    async def test_reads_or_takes_back_anothers_flag(
        self, world: World, amira: httpx.AsyncClient, theo: httpx.AsyncClient, client: httpx.AsyncClient
    ) -> None:
        made = await flag(amira)
        path = f"/v1/me/call-flags/{made['id']}"

        assert (await theo.get(path)).status_code == (await theo.post(f"{path}/take-back")).status_code == 404
        assert (await client.get(path)).status_code == (await client.get("/v1/me/call-flags")).status_code == 403
        assert await data(theo, "/v1/me/call-flags") == []

    async def test_sees_one_by_deleting_the_rule(
        self, world: World, amira: httpx.AsyncClient, noor: httpx.AsyncClient
    ) -> None:
        (rule,) = await only(world, OWN_WORD)
        await flag(amira)

        answer = await noor.delete(f"/v1/strain-rules/{rule['id']}", headers=etag(rule))

        assert answer.status_code == 204
        assert len(await data(amira, "/v1/strain-signals")) == 1

    async def test_is_asked_about_a_team_because_of_flags(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world, OWN_WORD)
        people = await team_of(world, 5)

        def names(session: Session) -> list[str]:
            query = select(Employee.user_name).where(Employee.organisation_id == world.id, Employee.id.in_(people))
            return list(session.scalars(query))

        for name in await world.run(names):
            await flag(world.person(name), occurred_at=(NOW - timedelta(minutes=1)).isoformat())

        assert await data(noor, "/v1/support-prompts") == []
