"""What has been kept long enough goes by itself, in small batches, and the report of it says how much."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app import clock
from app.auth import Caller
from app.personal_data_classes import CLASSES, CountsFrom
from app.services import retention
from tests.examples_of_resources import furnish
from tests.plans import done
from tests.test_conventions_access import assert_problem
from tests.world import World

URL = "/v1/retention-rules"


async def rule_of(world: World, data_class: str) -> dict[str, Any]:
    listed = (await done(await world.person("grace").get(URL)))["data"]
    return next(rule for rule in listed if rule["data_class"] == data_class)


async def keep(world: World, data_class: str, **change: Any) -> httpx.Response:
    rule = await rule_of(world, data_class)
    headers = {"If-Match": f'"{rule["version"]}"'}
    return await world.person("noor").patch(f"{URL}/{rule['id']}", json=change, headers=headers)


async def count(world: World, *tables: str) -> dict[str, int]:
    def read(session: Any) -> dict[str, int]:
        return {name: session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables}

    found: dict[str, int] = await world.run(read)
    return found


async def run_out(world: World, days: float = 0) -> int:
    """Let the worker's duty run until nothing is left to do, and return in how many batches."""
    batches, more = 0, True
    while more:
        now = clock.now() + timedelta(days=days)
        done = await world.run(lambda s, at=now: retention.apply(s, Caller(world.id, "system", None), at))
        more, batches = done.more, batches + done.more
    return batches


class TestRules:
    async def test_start_with_values_that_say_their_ground(self, world: World) -> None:
        for rule in (await done(await world.person("amira").get(URL)))["data"]:
            about = CLASSES[rule["data_class"]]
            assert (rule["keep_days"], rule["basis"], rule["basis_label"]) == (about.keep_days, about.why, about.basis)

    async def test_are_changed_with_a_ground_of_ones_own(self, world: World) -> None:
        changed = await done(await keep(world, "calls", keep_days=400, basis="Agreed with the works council."))

        assert (changed["keep_days"], changed["basis_label"]) == (400, None)
        assert (changed["basis"], changed["starting_keep_days"]) == ("Agreed with the works council.", 730)
        history = (await done(await world.person("noor").get(f"{URL}/{changed['id']}/history")))["data"]
        assert history[0]["details"]["keep_days"] == 400
        assert (await done(await keep(world, "calls", keep_days=None)))["in_words"] == "Until it is erased."

    async def test_are_changed_by_a_lead_or_the_officer_alone(self, world: World) -> None:
        rule = await rule_of(world, "calls")
        for name in ("amira", "theo", "hana"):
            answer = await world.person(name).patch(f"{URL}/{rule['id']}", json={}, headers={"If-Match": "*"})
            assert answer.status_code == 403, name

    async def test_of_what_the_service_needs_cannot_be_changed(self, world: World) -> None:
        for name, about in CLASSES.items():
            if about.counts_from is CountsFrom.fixed:
                assert_problem(await keep(world, name, keep_days=30), 409, "retention_is_fixed")
        assert_problem(await keep(world, "calls", keep_days=CLASSES["calls"].least_days - 1), 409, "too_short")  # type: ignore[index]  # a StrEnum is its text
        assert (await keep(world, "calls", keep_days=0)).status_code == 422


class TestRecords:
    async def test_go_when_their_time_is_over_and_not_before(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in (1, 2, 3):
            await world.run(furnish, world, number)
        monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
        tables = ("call_event", "strain_signal", "support_prompt", "call_flag", "goal", "thought_record")
        before = await count(world, *tables)

        await run_out(world, days=300)
        assert await count(world, *tables) == before
        batches = await run_out(world, days=800)

        after = await count(world, *tables)
        gone = dict.fromkeys(("call_event", "strain_signal", "support_prompt", "call_flag"), 0)
        assert after == before | gone
        assert batches > 2, "in small batches"

    async def test_are_reported_by_number(self, world: World) -> None:
        await world.run(furnish, world)
        await run_out(world, days=800)

        rule = await rule_of(world, "calls")
        assert rule["last_run_records"] == 1
        latest = (await done(await world.person("noor").get(f"{URL}/{rule['id']}/history")))["data"][0]
        assert (latest["action"], latest["details"]) == ("retention_rule.applied", {"records": {"call_event": 1}})
        assert latest["actor_kind"] == "system"

    async def test_stay_where_there_is_no_limit(self, world: World) -> None:
        await world.run(furnish, world)
        await done(await keep(world, "calls", keep_days=None))
        await run_out(world, days=5000)

        assert await count(world, "call_event") == {"call_event": 1}


class TestLeavers:
    async def leave(self, world: World) -> None:
        await world.run(furnish, world)
        await done(await world.person("hana").post(f"/v1/employees/{world.people['amira']}/deactivate"))

    async def test_deactivation_starts_the_clock(self, world: World) -> None:
        await self.leave(world)

        await run_out(world, days=80)
        assert await count(world, "thought_record") == {"thought_record": 1}
        await run_out(world, days=100)

        assert await count(world, "thought_record", "thought_share") == {"thought_record": 0, "thought_share": 0}
        assert (await rule_of(world, "wellbeing"))["last_run_at"] is not None
        shown = await done(await world.person("hana").get(f"/v1/employees/{world.people['amira']}"))
        assert shown["display_name"] == "Amira"
        assert await run_out(world, days=101) == 0, "each class once"

    async def test_who_is_still_there_loses_nothing(self, world: World) -> None:
        await world.run(furnish, world)
        before = await count(world, "thought_record", "goal", "eap_referral", "session_note_copy")
        await run_out(world, days=10_000)

        assert await count(world, "thought_record", "goal", "eap_referral", "session_note_copy") == before

    async def test_words_go_and_numbers_stay_and_in_the_end_the_name(self, world: World) -> None:
        await self.leave(world)
        await run_out(world, days=740)

        titles = text("SELECT DISTINCT title FROM goal WHERE employee_id = :id")
        found = await world.run(lambda s: s.execute(titles, {"id": world.people["amira"]}).scalars().all())
        assert found == ["Erased"]
        await run_out(world, days=6 * 365 + 1)
        shown = await done(await world.person("hana").get(f"/v1/employees/{world.people['amira']}"))
        assert shown["display_name"].startswith("Erased person ")
        kept = text("SELECT count(*) FROM erasure WHERE employee_id = :id AND erased_by_id IS NULL")
        assert await world.run(lambda s: s.execute(kept, {"id": world.people["amira"]}).scalar_one()) == 1

    async def test_who_comes_back_begins_anew(self, world: World) -> None:
        await self.leave(world)
        await run_out(world, days=100)
        await done(await world.person("hana").post(f"/v1/employees/{world.people['amira']}/reactivate"))

        marks = text("SELECT forgotten FROM employee WHERE id = :id")
        assert await world.run(lambda s: s.execute(marks, {"id": world.people["amira"]}).scalar_one()) == []
