"""Strain signals: raised by what happened, explained by it, and taken back with it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select

from app import clock
from app.models import AuditEntry, OutgoingEvent, StrainSignal
from tests.strain import (
    EASY,
    NOW,
    ago,
    change,
    event_id,
    live,
    only,
    post,
    signals,
    source,
    told,
)
from tests.world import World, etag

HOURS = 60


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return NOW


@pytest.fixture
def person(world: World) -> UUID:
    return world.people["amira"]


class TestRaise:
    async def test_a_signal_explains_itself(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        (rule,) = await only(world)
        first, second = told(person, 30), told(person, 10)

        await post(world, first, told(person, 20, EASY), second)

        (signal,) = await signals(amira)
        assert signal["rule_id"] == rule["id"]
        assert signal["rule_version"] == 1
        assert {name: signal["rule"][name] for name in signal["rule"]} == {n: rule[n] for n in signal["rule"]}
        assert (signal["measure"], signal["threshold"]) == (2, 2)
        assert signal["call_event_ids"] == [str(await event_id(world, first)), str(await event_id(world, second))]
        assert datetime.fromisoformat(signal["triggered_at"]) == ago(10)
        assert datetime.fromisoformat(signal["window_from"]) == ago(30)
        assert datetime.fromisoformat(signal["window_to"]) == ago(10)
        assert signal["explanation"] == (
            "2 hard calls between 14:30 and 14:50 on 4 March 2026. The rule looks for 2 within 1 hour."
        )
        assert not signal["private"]

    async def test_it_speaks_in_the_time_zone_of_the_organisation(
        self, world: World, amira: httpx.AsyncClient, noor: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world)
        await noor.patch("/v1/organisation", json={"time_zone": "Asia/Tokyo"}, headers={"If-Match": "*"})

        await post(world, told(person, 30), told(person, 0))

        (signal,) = await signals(amira)
        assert signal["explanation"].startswith("2 hard calls between 23:30 on 4 March 2026 and 00:00 on 5 March 2026.")

    async def test_each_kind_of_condition_is_evaluated_and_put_into_words(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        streak = {"condition": {"kind": "hard_call_streak", "count": 2, "window_seconds": 600}}
        share = {"condition": {"kind": "unresolved_share", "share": 0.5, "minimum_calls": 4, "window_seconds": 5400}}
        talk = {"condition": {"kind": "talk_without_pause", "talk_seconds": 3600, "pause_seconds": 300}}
        one = {"condition": {"kind": "hard_call_count", "count": 1, "window_seconds": 60}, "hard_severity": 10}
        made = await only(world, streak, share, talk, one)

        await post(
            world,
            told(person, 60, ("unresolved",), talk_seconds=1200),
            told(person, 40, ("abusive",), talk_seconds=1200),
            told(person, 35, ("abusive",), talk_seconds=240),
            told(person, 2, ("unresolved", "threatening"), talk_seconds=1900),
        )

        told_by = {signal["rule_id"]: signal["explanation"] for signal in await signals(amira)}
        assert [told_by[rule["id"]] for rule in made] == [
            "2 hard calls in a row, between 14:20 and 14:25 on 4 March 2026. The rule looks for 2 within 10 minutes.",
            (
                "2 of 4 calls stayed unresolved between 14:00 and 14:58 on 4 March 2026."
                " The rule looks for 50 % of at least 4 calls."
            ),
            (
                "75 minutes on calls without a pause of 5 minutes, between 13:40 and 14:58 on 4 March 2026."
                " The rule looks for 1 hour."
            ),
            "A hard call ended at 14:58 on 4 March 2026.",
        ]

    async def test_only_people_of_the_named_service_areas(
        self, world: World, client: httpx.AsyncClient, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        area = (await client.post("/v1/service-areas", json={"name": "Legal advice"})).json()
        await only(world, {"service_area_ids": [area["id"]]})

        await post(world, told(person, 30), told(person, 20))
        assert await signals(amira) == []

        await client.patch(f"/v1/employees/{person}", json={"service_area_id": area["id"]}, headers={"If-Match": "*"})
        await post(world, told(person, 10))
        assert len(await signals(amira)) == 1

    async def test_a_disabled_rule_raises_nothing(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        await only(world, {"enabled": False})

        await post(world, told(person, 30), told(person, 20))

        assert await signals(amira) == []

    async def test_a_repeat_raises_nothing_and_writes_nothing(self, world: World, person: UUID) -> None:
        await only(world)
        calls = [told(person, 30), told(person, 20)]
        await post(world, *calls)
        before = await counts(world)

        await post(world, *calls)
        await change(world, calls[0], queue_name="Legal")

        assert await counts(world) == before

    async def test_a_call_that_is_nobodys_yet_does_not_stop_anything(self, world: World) -> None:
        await only(world)

        await post(world)

        assert await live(world) == []

    async def test_raising_is_recorded_and_may_leave(self, world: World, person: UUID) -> None:
        await only(world)

        await post(world, told(person, 30), told(person, 20))

        def entries(session: Any) -> list[Any]:
            mine = AuditEntry.organisation_id == world.id, AuditEntry.resource == "strain_signal"
            return list(session.execute(select(AuditEntry.action, AuditEntry.subject_id).where(*mine)))

        def events(session: Any) -> list[Any]:
            return list(session.scalars(select(OutgoingEvent.type).where(OutgoingEvent.organisation_id == world.id)))

        assert await world.run(entries) == [("strain_signal.raised", person)]
        assert "strain_signal.raised" in await world.run(events)


async def counts(world: World) -> tuple[int, int, int]:
    """Return how many signals, audit entries and outgoing events there are."""

    def count(session: Any) -> tuple[int, int, int]:
        one, two, three = (
            session.scalar(select(func.count()).select_from(model).where(model.organisation_id == world.id))
            for model in (StrainSignal, AuditEntry, OutgoingEvent)
        )
        return one, two, three

    found: tuple[int, int, int] = await world.run(count)
    return found


class TestSupersede:
    async def test_a_voided_call_takes_its_signal_back_and_it_is_kept(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world)
        first, second = told(person, 30), told(person, 20)
        await post(world, first, second)

        await change(world, first, voided_at=NOW)

        assert await signals(amira) == []
        (signal,) = await signals(amira, state="superseded")
        assert signal["state"] == "superseded"
        assert datetime.fromisoformat(signal["superseded_at"]) == NOW
        assert signal["version"] == 2
        history = (await amira.get(f"/v1/strain-signals/{signal['id']}/history")).json()["data"]
        assert [entry["action"] for entry in history] == ["strain_signal.superseded", "strain_signal.raised"]

    async def test_a_disputed_call_does_not_count(self, world: World, amira: httpx.AsyncClient, person: UUID) -> None:
        await only(world)
        first, second = told(person, 30), told(person, 20)
        await post(world, first, second)

        await change(world, second, disputed_at=NOW)
        assert await signals(amira) == []

        await change(world, second, disputed_at=None)
        assert len(await signals(amira)) == 1

    async def test_what_is_true_again_is_a_new_signal(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world)
        first, second = told(person, 30), told(person, 20)
        await post(world, first, second)
        (before,) = await signals(amira)

        await change(world, first, voided_at=NOW)
        await change(world, first, voided_at=None)

        (after,) = await signals(amira)
        assert after["id"] != before["id"]
        assert {s["id"] for s in await signals(amira, state="any")} == {before["id"], after["id"]}

    async def test_a_late_call_supersedes_what_it_makes_untrue(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world, {"condition": {"kind": "hard_call_streak", "count": 2, "window_seconds": 3600}})
        await post(world, told(person, 30), told(person, 20))

        await post(world, told(person, 25, EASY))

        assert await signals(amira) == []
        assert len(await signals(amira, state="superseded")) == 1

    async def test_an_earlier_one_takes_the_place_of_a_later_one(
        self, world: World, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        await only(world)
        await post(world, told(person, 30), told(person, 10))

        await post(world, told(person, 20))

        (signal,) = await signals(amira)
        assert datetime.fromisoformat(signal["triggered_at"]) == ago(20)

    async def test_signals_of_an_older_rule_stay_and_keep_counting(
        self, world: World, amira: httpx.AsyncClient, noor: httpx.AsyncClient, person: UUID
    ) -> None:
        (rule,) = await only(world)
        await post(world, told(person, 40), told(person, 30))
        patch = {"condition": {"count": 1}}
        await noor.patch(f"/v1/strain-rules/{rule['id']}", json=patch, headers=etag(rule))

        await post(world, told(person, 35), told(person, 10))

        assert [(s["rule_version"], s["measure"]) for s in await signals(amira, sort="triggered_at")] == [
            (2, 2),
            (1, 2),
        ]

    async def test_a_signal_of_an_older_rule_goes_with_the_call_it_rests_on(
        self, world: World, amira: httpx.AsyncClient, noor: httpx.AsyncClient, person: UUID
    ) -> None:
        (rule,) = await only(world)
        first, second = told(person, 40), told(person, 30)
        await post(world, first, second)
        await noor.patch(f"/v1/strain-rules/{rule['id']}", json={"enabled": False}, headers=etag(rule))

        await change(world, first, queue_name="Legal")
        assert len(await signals(amira)) == 1
        await change(world, first, voided_at=NOW)

        assert await signals(amira) == []


class TestSeen:
    async def test_by_the_person_and_clients_not_by_leads(
        self,
        world: World,
        amira: httpx.AsyncClient,
        theo: httpx.AsyncClient,
        noor: httpx.AsyncClient,
        client: httpx.AsyncClient,
        mallory: httpx.AsyncClient,
        person: UUID,
    ) -> None:
        await only(world)
        await post(world, told(person, 30), told(person, 20))
        (signal,) = await signals(amira)

        assert [s["id"] for s in await signals(client)] == [signal["id"]]
        assert await signals(theo) == await signals(noor) == await signals(mallory) == []
        for caller in (theo, noor, mallory):
            assert (await caller.get(f"/v1/strain-signals/{signal['id']}")).status_code == 404

    async def test_filters(self, world: World, client: httpx.AsyncClient, person: UUID) -> None:
        one, other = await only(world, {}, {"condition": {"kind": "hard_call_count", "count": 1, "window_seconds": 60}})
        await post(world, told(person, 30), told(person, 20), told(world.people["grace"], 20))

        assert len(await signals(client)) == 3
        assert {s["rule_id"] for s in await signals(client, rule_id=one["id"])} == {one["id"]}
        assert len(await signals(client, rule_id=other["id"])) == 2
        assert len(await signals(client, employee_id=str(person))) == 2
        assert len(await signals(client, triggered_after=ago(20).isoformat())) == 2
        assert len(await signals(client, triggered_before=ago(20).isoformat())) == 1


class TestThroughTheIntake:
    async def test_posted_calls_raise_signals(self, world: World, client: httpx.AsyncClient, person: UUID) -> None:
        await only(world)
        source_id = str(await source(world))
        for code, outcome in (("ABU", "abusive"),):
            body = {"kind": "disposition", "code": code, "outcomes": [outcome]}
            answer = await client.post(f"/v1/sources/{source_id}/outcome-mappings", json=body)
            assert answer.status_code == 201, answer.text
        events = [
            {
                "source_id": source_id,
                "event_id": f"e{n}",
                "contact_id": f"c{n}",
                "agent": {"ref": "amira"},
                "ended_at": ago(minutes).isoformat(),
                "disposition": {"code": "ABU"},
            }
            for n, minutes in enumerate((30, 20))
        ]

        answer = await client.post("/v1/call-events/batch", json={"events": events})

        assert answer.status_code == 202, answer.text
        assert len(await live(world, person)) == 1
