"""Call flags: a person's own word counts, and nobody else sees that it was given."""

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
from tests.strain import EASY, NOW, Told, ago, change, event_id, live, only, post, team_of, told
from tests.world import World, etag

TWO: dict[str, Any] = {"condition": {"kind": "hard_call_count", "count": 2, "window_seconds": 3600}}
OWN_WORD: dict[str, Any] = {"condition": {"kind": "self_flag"}, "hard_severity": 1, "cooldown_seconds": 0}


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return NOW


@pytest.fixture
def person(world: World) -> UUID:
    return world.people["amira"]


async def flag(caller: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await caller.post("/v1/me/call-flags", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def data(caller: httpx.AsyncClient, path: str, **filters: str) -> list[dict[str, Any]]:
    answer = await caller.get(path, params=filters)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


class TestFlag:
    async def test_one_request_without_a_word(self, world: World, amira: httpx.AsyncClient) -> None:
        await only(world, OWN_WORD)

        made = await flag(amira)

        assert datetime.fromisoformat(made["occurred_at"]) == NOW
        assert (made["kind"], made["call_event_id"], made["taken_back_at"]) == (None, None, None)
        assert made["allowed_actions"] == ["take_back"]
        (signal,) = await data(amira, "/v1/strain-signals")
        assert signal["private"]
        assert signal["call_flag_ids"] == [made["id"]]
        assert signal["call_event_ids"] == []
        assert signal["explanation"] == (
            "You flagged the call that ended at 15:00 on 4 March 2026 as hard."
            " It counts calls that you flagged yourself, so only you can see it."
        )
        (prompt,) = await data(amira, "/v1/support-prompts")
        assert prompt["private"]

    async def test_with_a_call_and_a_kind(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        await only(world, OWN_WORD)
        call = told(person, 25, EASY)
        await post(world, call)

        made = await flag(amira, call_event_id=str(await event_id(world, call)), kind="aimed_at_me")

        assert made["kind"] == "aimed_at_me"
        assert datetime.fromisoformat(made["occurred_at"]) == ago(25)
        (signal,) = await data(amira, "/v1/strain-signals")
        assert signal["call_event_ids"] == [made["call_event_id"]]
        assert [f["id"] for f in await data(amira, "/v1/me/call-flags", call_event_id=made["call_event_id"])] == [
            made["id"]
        ]

    async def test_it_counts_like_a_coded_outcome(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        await only(world, TWO)
        await post(world, told(person, 30))

        made = await flag(amira, occurred_at=ago(10).isoformat())

        (signal,) = await data(amira, "/v1/strain-signals")
        assert (signal["measure"], signal["private"]) == (2, True)
        assert signal["call_flag_ids"] == [made["id"]]
        assert len(signal["call_event_ids"]) == 1

    async def test_a_flagged_call_counts_as_long_as_a_coded_one(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        """Of calls that lie long back only the hard ones are read: a flag makes an easy one hard."""
        await only(world, {"condition": {"kind": "hard_call_count", "count": 2, "window_seconds": 8 * 3600}})
        long_ago = told(person, 7 * 60, EASY)
        await post(world, long_ago)
        await flag(amira, call_event_id=str(await event_id(world, long_ago)))

        await post(world, told(person, 10))

        (signal,) = await data(amira, "/v1/strain-signals")
        assert len(signal["call_event_ids"]) == 2
        assert len(signal["call_flag_ids"]) == 1

    async def test_repeated_flags_point_at_the_work(self, world: World, amira: httpx.AsyncClient) -> None:
        await only(world, OWN_WORD)
        for minutes in (3 * 1440, 2 * 1440):
            await flag(amira, occurred_at=ago(minutes).isoformat())
        before = await data(amira, "/v1/support-prompts")

        await flag(amira)

        (prompt,) = await data(amira, "/v1/support-prompts")
        assert before == []
        assert "says more about the work than about you" in prompt["message"]

    async def test_its_kind_weighs_as_the_rule_says(self, world: World, amira: httpx.AsyncClient) -> None:
        await only(world, {**OWN_WORD, "hard_severity": 10})

        await flag(amira, kind="angry_at_the_situation", occurred_at=ago(20).isoformat())
        assert await data(amira, "/v1/strain-signals") == []

        await flag(amira, kind="threat_or_hate", occurred_at=ago(10).isoformat())
        assert len(await data(amira, "/v1/strain-signals")) == 1

    async def test_taking_it_back_takes_back_what_followed(self, world: World, amira: httpx.AsyncClient) -> None:
        await only(world, OWN_WORD)
        made = await flag(amira)
        path = f"/v1/me/call-flags/{made['id']}/take-back"

        first, again = await amira.post(path), await amira.post(path)

        assert first.status_code == 200
        assert first.json() == again.json()
        assert datetime.fromisoformat(first.json()["taken_back_at"]) == NOW
        assert first.json()["allowed_actions"] == []
        assert await data(amira, "/v1/strain-signals") == []
        assert [s["state"] for s in await data(amira, "/v1/strain-signals", state="any")] == ["superseded"]
        assert [p["state"] for p in await data(amira, "/v1/support-prompts")] == ["superseded"]
        assert len(await data(amira, "/v1/me/call-flags", taken_back="true")) == 1
        assert await data(amira, "/v1/me/call-flags", taken_back="false") == []

    async def test_after_that_it_can_be_flagged_again(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world, OWN_WORD)
        call = told(person, 25, EASY)
        await post(world, call)
        body = {"call_event_id": str(await event_id(world, call))}
        made = await flag(amira, **body)

        twice = await amira.post("/v1/me/call-flags", json=body)
        await amira.post(f"/v1/me/call-flags/{made['id']}/take-back")

        assert (twice.status_code, twice.json()["code"]) == (409, "already_exists")
        assert (await flag(amira, **body))["id"] != made["id"]

    async def test_the_word_stands_when_the_call_is_voided(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world, OWN_WORD)
        call = told(person, 25, EASY)
        await post(world, call)
        made = await flag(amira, call_event_id=str(await event_id(world, call)))

        await change(world, call, voided_at=NOW)

        (signal,) = await data(amira, "/v1/strain-signals")
        assert (signal["call_event_ids"], signal["call_flag_ids"]) == ([], [made["id"]])

    async def test_a_call_that_is_posted_later_finds_the_flag(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world, TWO)
        await flag(amira, occurred_at=ago(10).isoformat())

        await post(world, told(person, 30))

        assert [s["private"] for s in await data(amira, "/v1/strain-signals")] == [True]

    @pytest.mark.parametrize("minutes", [-6, 60 * 24 * 32])
    async def test_not_for_a_moment_far_away(self, amira: httpx.AsyncClient, minutes: float) -> None:
        answer = await amira.post("/v1/me/call-flags", json={"occurred_at": ago(minutes).isoformat()})

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/occurred_at")

    async def test_not_for_somebody_elses_call(
        self, world: World, amira: httpx.AsyncClient, mallory: httpx.AsyncClient
    ) -> None:
        call = told(world.people["grace"], 10)
        await post(world, call)

        for wrong in (str(await event_id(world, call)), "0192f0c1-2b3c-7d4e-8f50-617283940a1b"):
            answer = await amira.post("/v1/me/call-flags", json={"call_event_id": wrong})
            assert answer.status_code == 422
            assert answer.json()["errors"] == [
                {"pointer": "/call_event_id", "code": "unknown_reference", "detail": "There is no such row."}
            ]

    async def test_a_named_call_says_itself_when_it_was(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        call = told(person, 10)
        await post(world, call)
        body = {"call_event_id": str(await event_id(world, call)), "occurred_at": ago(10).isoformat()}

        assert (await amira.post("/v1/me/call-flags", json=body)).status_code == 422

    async def test_only_people_flag(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/v1/me/call-flags", json={})).status_code == 403


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
