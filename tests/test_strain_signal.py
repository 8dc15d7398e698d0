"""Strain signals: raised by what happened, explained by it, and taken back with it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.event import listen, remove
from sqlalchemy.orm import Session

from app import clock
from app.models import AuditEntry, OutgoingEvent, StrainRule, StrainSignal, Team
from app.services import strain, strain_calls
from tests.strain import (
    EASY,
    HARD,
    NOW,
    Told,
    ago,
    change,
    event_id,
    live,
    only,
    post,
    row_of,
    source,
    system,
    team_of,
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


async def signals(caller: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    answer = await caller.get("/v1/strain-signals", params=filters)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


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


WEEK = 7 * 24 * HOURS
MEDIAN = {
    "condition": {"kind": "above_team_median", "multiple": 1.5, "shifts": 2, "minimum_hard_calls": 3},
    "cooldown_seconds": 86_400,
    "prompt": {"kind": "mentor", "expires_seconds": 604_800},
}


def shifts(people: Sequence[UUID], hard: Sequence[int], days_ago: int) -> list[Told]:
    """Return a shift of each person with so many hard calls and one easy one."""
    start = days_ago * 24 * HOURS
    calls = [told(person, start, EASY) for person in people]
    return calls + [told(p, start + n + 1) for p, count in zip(people, hard, strict=True) for n in range(count)]


class TestAboveTeamMedian:
    async def test_a_day_is_looked_at_when_the_team_has_begun_another(self, world: World) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 6)
        await post(world, *shifts(people, [3, 1, 1, 1, 1, 1], 3))
        await post(world, *shifts(people, [3, 1, 1, 1, 1, 1], 2))
        assert await live(world, *people) == []

        await post(world, told(people[4], 0, EASY))

        ((_, who, triggered_at, window_from, measure, threshold, calls, _, private),) = await live(world, *people)
        assert (who, measure, threshold, private) == (0, 6, 3, False)
        assert triggered_at == datetime(2026, 3, 3, tzinfo=NOW.tzinfo)
        assert window_from == datetime(2026, 3, 1, tzinfo=NOW.tzinfo)
        assert len(calls) == 6

    async def test_it_tells_the_teams_middle_value_and_names_nobody(
        self, world: World, client: httpx.AsyncClient
    ) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 6)
        await post(world, *shifts(people, [3, 1, 1, 1, 1, 1], 3), *shifts(people, [3, 1, 1, 1, 1, 1], 2))

        await post(world, told(people[4], 0, EASY))

        (signal,) = await signals(client)
        assert signal["explanation"] == (
            "6 hard calls on the last 2 shifts since 1 March 2026."
            " That is more than 1.5 times the middle value of the team, 2."
        )

    async def test_a_late_call_of_a_colleague_supersedes_it(self, world: World) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 6)
        await post(world, *shifts(people, [3, 1, 1, 1, 1, 1], 3), *shifts(people, [3, 1, 1, 1, 1, 1], 2))
        await post(world, told(people[4], 0, EASY))
        assert len(await live(world, *people)) == 1

        await post(world, *(told(person, 3 * 24 * HOURS + 30 + n) for person in people[1:4] for n in range(3)))

        assert await live(world, *people) == []

    async def test_a_team_of_four_gives_none(self, world: World) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 4)

        await post(world, *shifts(people, [9, 1, 1, 1], 3), *shifts(people, [9, 1, 1, 1], 2))
        await post(world, told(people[1], 0, EASY))

        assert await live(world, *people) == []

    async def test_nor_one_smaller_than_the_organisation_shows(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world, MEDIAN)
        await noor.patch("/v1/organisation", json={"minimum_group_size": 7}, headers={"If-Match": "*"})
        people = await team_of(world, 6)

        await post(world, *shifts(people, [9, 1, 1, 1, 1, 1], 3), *shifts(people, [9, 1, 1, 1, 1, 1], 2))
        await post(world, told(people[1], 0, EASY))

        assert await live(world, *people) == []

    async def test_noting_the_day_is_no_change_of_the_team(
        self, world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await only(world, MEDIAN)
        people = await team_of(world, 6)
        before = (await client.get("/v1/teams")).json()["data"]
        monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=1))

        await post(world, *shifts(people, [1] * 6, 0))

        query = select(Team.last_call_on).where(Team.organisation_id == world.id, Team.id != world.team_id)
        assert await world.run(lambda session: session.scalar(query)) == NOW.date()
        assert (await client.get("/v1/teams")).json()["data"] == before


Spoken = tuple[int, int, int, tuple[str, ...], int, str]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Spoken], list[list[Spoken]]]:
    """Draw calls of a team (who, day, minute, outcomes, talk time, contact), and the same in another order, split."""
    outcomes = st.sampled_from([HARD, ("threatening", "unresolved"), EASY, ("unresolved",), ()])
    minutes = st.integers(0, 36).map(lambda n: n * 10)
    one = st.tuples(st.integers(0, 5), st.integers(0, 3), minutes, outcomes, st.integers(0, 2000))
    drawn = [(*told_, f"c{n}") for n, told_ in enumerate(draw(st.lists(one, min_size=1, max_size=24)))]
    drawn += [(who, day, 400, EASY, 60, f"d{who}{day}") for who in range(6) for day in range(4)]
    order = draw(st.permutations(drawn))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    return drawn, [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]


ALL_KINDS: list[dict[str, Any]] = [
    {"condition": {"kind": "hard_call_count", "count": 2, "window_seconds": 7200}, "cooldown_seconds": 3600},
    {"condition": {"kind": "hard_call_streak", "count": 2, "window_seconds": 3600}, "cooldown_seconds": 7200},
    {"condition": {"kind": "unresolved_share", "share": 0.5, "minimum_calls": 3, "window_seconds": 7200}},
    {"condition": {"kind": "talk_without_pause", "talk_seconds": 2400, "pause_seconds": 300}},
    {
        "condition": {"kind": "above_team_median", "multiple": 1.1, "shifts": 1, "minimum_hard_calls": 1},
        "cooldown_seconds": 86_400,
    },
]


class TestAnyOrder:
    @pytest.mark.anyio
    @pytest.mark.parametrize("bounded", [False, True])
    @given(history=histories())
    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    async def test_any_permutation_and_split_leaves_the_same_signals(
        self, world: World, history: tuple[list[Spoken], list[list[Spoken]]], bounded: bool
    ) -> None:
        if not await live_rules(world):
            await only(world, *ALL_KINDS)
        whole, parts = await team_of(world, 6), await team_of(world, 6)
        drawn, batches = history

        await post(world, *(spoken(whole, one) for one in drawn), bounded=bounded)
        for batch in batches:
            await post(world, *(spoken(parts, one) for one in batch), bounded=bounded)

        assert await live(world, *parts) == await live(world, *whole)

    async def test_later_word_of_a_call_in_any_order(self, world: World) -> None:
        await only(world, *ALL_KINDS)
        first, second = await team_of(world, 5), await team_of(world, 5)
        early = [(0, 1, 10 * n, HARD, 300, f"{n}") for n in range(4)]
        late = [(0, 1, 10 * n + 200, EASY if n % 2 else HARD, 300, f"{n}") for n in range(4)]

        await post(world, *(spoken(first, one) for one in early))
        await post(world, *(spoken(first, one, as_of=1) for one in late))
        await post(world, *(spoken(second, one, as_of=1) for one in late))
        await post(world, *(spoken(second, one) for one in early))

        assert await live(world, *first) == await live(world, *second) != []


def spoken(people: Sequence[UUID], one: Any, as_of: int = 0) -> Told:
    who, day, minute, outcomes, talked, contact = one
    at = ago(day * 24 * HOURS) - timedelta(minutes=minute)
    return Told(people[who], at, outcomes, contact, talked, as_of)


async def live_rules(world: World) -> int:
    mine = StrainRule.organisation_id == world.id, StrainRule.enabled, StrainRule.key.is_(None)
    return int(await world.run(lambda s: s.scalar(select(func.count()).select_from(StrainRule).where(*mine))))


class TestCost:
    """What a batch costs grows neither with what is stored nor, in statements, with how many people it is about."""

    async def test_each_persons_own_calls_are_read_by_their_index(self, world: World) -> None:
        crowd = [await world.hire(f"agent-{n}") for n in range(20)]
        await only(world)
        await post(world, *(told(person, 60 * n) for person in crowd for n in range(100)))
        reach = strain_calls.Reach(ago(90), ago(90), NOW)
        plans = text("EXPLAIN (ANALYZE, FORMAT JSON) " + strain_calls.CALLS.text)

        def explain(session: Session) -> dict[str, Any]:
            values = strain_calls.call_values(system(world), dict.fromkeys(crowd[:3], reach), HARD, ())
            return dict(session.connection().execute(plans, values).scalar_one()[0]["Plan"])

        nodes = list(flat(await world.run(explain)))
        (scan,) = (node for node in nodes if node.get("Relation Name") == "call_event")
        assert scan["Index Name"] == "ix_call_event_employee"
        assert "employee_id" in scan["Index Cond"]
        assert "ended_at" in scan["Index Cond"]
        assert scan["Actual Rows"] * scan["Actual Loops"] <= 6

    async def test_as_many_statements_for_forty_people_as_for_six(self, world: World) -> None:
        await only(world, *ALL_KINDS, {"condition": {"kind": "self_flag"}})
        seen: list[str] = []

        def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        engine, source_id, figures = world.database.engine.sync_engine, await source(world), []
        for size in (6, 40):
            people = await team_of(world, size)
            calls = [told(person, 30 - n, talk_seconds=400) for person in people for n in range(3)]

            def work(session: Session, calls: Sequence[Told] = calls) -> None:
                first = {call.employee_id: ago(30) for call in calls}
                session.add_all(row_of(world, source_id, call) for call in calls)
                session.flush()
                seen.clear()
                strain.follow(session, system(world), first, first)

            listen(engine, "before_cursor_execute", note)
            await world.run(work)
            remove(engine, "before_cursor_execute", note)
            figures.append(len(seen))

        assert figures[0] == figures[1] < 25


def flat(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes."""
    yield node
    for child in node.get("Plans", ()):
        yield from flat(child)


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
