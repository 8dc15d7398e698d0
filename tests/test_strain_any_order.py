"""Strain signals of many calls: the same in whatever order they come, at a cost that stays the same."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.event import listen, remove
from sqlalchemy.orm import Session

from app import clock
from app.models import StrainRule
from app.services import strain, strain_calls
from tests.strain import (
    EASY,
    HARD,
    NOW,
    Told,
    ago,
    live,
    only,
    post,
    row_of,
    source,
    system,
    team_of,
    told,
)
from tests.world import World

HOURS = 60


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return NOW


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
