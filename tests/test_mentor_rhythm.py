"""When a pair is to meet, when it is flagged, what a meeting changes, and when the worker wakes for it."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session

from app import duties
from app.auth import Caller
from tests.mentors import PAIRS, Time, act, history, ids, look, make_pair, meet, work
from tests.plans import done
from tests.world import World, etag


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


async def health(who: httpx.AsyncClient, world: World, pair: dict[str, Any]) -> str | None:
    await work(world)
    found: str | None = (await look(who, pair))["health"]
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class TestFlags:
    async def test_amber_at_the_cadence_and_red_at_one_and_a_half_times(
        self, amira: httpx.AsyncClient, world: World, time: Time
    ) -> None:
        pair = await make_pair(world)

        seen = []
        for days, seconds in ((14, -1), (0, 1), (7, -1), (0, 1), (50, 0)):
            time.pass_by(days=days, seconds=seconds)
            seen.append(await health(amira, world, pair))

        assert seen == [None, "amber", "amber", "red", "red"]
        assert [details for action, details in await history(amira, pair) if action.endswith("flagged")] == [
            {"health": "amber"},
            {"health": "red"},
        ]
        flagged = await look(amira, pair)
        assert moment(flagged["flagged_at"]) == moment(pair["activated_at"]) + timedelta(days=21)

    async def test_count_from_the_latest_meeting(self, amira: httpx.AsyncClient, world: World, time: Time) -> None:
        pair = await make_pair(world)
        time.pass_by(days=22)
        assert await health(amira, world, pair) == "red"

        await meet(amira, pair, met_at=(time.now - timedelta(days=16)).isoformat())
        assert (await look(amira, pair))["health"] == "amber", "that was sixteen days ago"
        await meet(world.person("grace"), pair)
        answered = await look(amira, pair)
        time.pass_by(days=13)

        assert (answered["health"], answered["flagged_at"], answered["meetings_held"]) == (None, None, 2)
        assert await health(amira, world, pair) is None
        time.pass_by(days=1)
        assert await health(amira, world, pair) == "amber"

    async def test_after_two_months_the_later_rhythm_counts(
        self, amira: httpx.AsyncClient, world: World, time: Time
    ) -> None:
        pair = await make_pair(world)
        time.pass_by(days=59)
        await meet(amira, pair)
        assert moment((await look(amira, pair))["meeting_due_at"]) == time.now + timedelta(days=14)
        time.pass_by(days=14)

        await meet(amira, pair)

        assert moment((await look(amira, pair))["meeting_due_at"]) == time.now + timedelta(days=30)

    async def test_a_paused_pair_is_never_flagged_and_begins_anew(
        self, amira: httpx.AsyncClient, world: World, time: Time
    ) -> None:
        pair = await make_pair(world)
        time.pass_by(days=15)
        assert await health(amira, world, pair) == "amber"
        paused = await act(amira, pair, "pause")
        time.pass_by(days=30)

        assert (paused["health"], paused["meeting_due_at"]) == (None, None)
        assert await health(amira, world, pair) is None
        assert await ids(amira, overdue=True) == set()
        await act(amira, pair, "resume")
        time.pass_by(days=13)
        assert await health(amira, world, pair) is None
        time.pass_by(days=1)
        assert await health(amira, world, pair) == "amber"

    async def test_one_that_has_met_once_for_one_question_is_not(
        self, amira: httpx.AsyncClient, world: World, time: Time
    ) -> None:
        pair = await make_pair(world, kind="one_off")
        time.pass_by(days=14)
        assert await health(amira, world, pair) == "amber"
        await meet(amira, pair)
        time.pass_by(days=100)

        assert await health(amira, world, pair) is None

    async def test_a_start_that_is_ahead_is_what_counts(
        self, amira: httpx.AsyncClient, world: World, time: Time
    ) -> None:
        starts_on = (time.now + timedelta(days=10)).date()
        pair = await make_pair(world, starts_on=str(starts_on))

        due = moment(pair["meeting_due_at"])

        assert due.date() == starts_on + timedelta(days=14)

    async def test_both_and_the_programme_lead_list_them_and_the_team_lead_does_not(
        self, world: World, time: Time
    ) -> None:
        pair = await make_pair(world)
        await make_pair(world, mentee="ines", mentor="grace")
        time.pass_by(days=15)
        await work(world)

        for name, count in (("amira", 1), ("grace", 2), ("noor", 2), ("theo", 0), ("ines", 1), ("jonas", 0)):
            who = world.person(name)
            for filters in ({"health": "amber"}, {"overdue": True}, {"due_before": time.now.isoformat()}):
                assert len(await ids(who, **filters)) == count, (name, filters)
            assert await ids(who, health="red") == set()
        assert (await look(world.person("theo"), pair))["health"] is None
        assert len(await ids(world.person("noor"), overdue=False)) == 0


class TestWorker:
    async def test_wakes_when_the_next_flag_or_answer_is_due(self, world: World, time: Time) -> None:
        def next_due(session: Session) -> datetime:
            return duties.next_due(session, Caller(world.id, "system", None), time.now)

        pair = await make_pair(world)
        soon = timedelta(minutes=10)
        for due in (timedelta(days=14), timedelta(days=21)):
            time.now = moment(pair["activated_at"]) + due - soon
            assert await world.run(next_due) == time.now + soon
            time.pass_by(minutes=10)
            await work(world)
            assert await world.run(next_due) == time.now + duties.LOOKED_AT_LEAST_EVERY

    async def test_twice_says_it_once(self, amira: httpx.AsyncClient, world: World, time: Time) -> None:
        pair = await make_pair(world)
        time.pass_by(days=15)

        await work(world)
        await work(world)

        assert len([action for action, _ in await history(amira, pair) if action.endswith("flagged")]) == 1


class TestMeetings:
    async def test_are_noted_by_either_and_say_nothing_of_what_was_spoken(
        self, amira: httpx.AsyncClient, world: World, time: Time
    ) -> None:
        pair = await make_pair(world)
        time.pass_by(days=3)
        planned = (time.now + timedelta(days=12)).isoformat()

        meeting = await meet(amira, pair, duration_seconds=2700, next_planned_at=planned)

        now = await look(world.person("grace"), pair)
        assert moment(meeting["met_at"]) == moment(now["last_met_at"]) == time.now
        assert (now["meetings_held"], moment(now["next_planned_at"])) == (1, moment(planned))
        assert meeting["noted_by_id"] == str(world.people["amira"])
        answer = await amira.post(f"{PAIRS}/{pair['id']}/meetings", json={"note": "We spoke about my sleep."})
        assert answer.status_code == 422
        assert (await history(amira, pair))[-1] == ("mentor_assignment.met", {"meeting": meeting["id"], "health": None})

    async def test_not_ahead_and_not_before_the_pair(self, amira: httpx.AsyncClient, world: World, time: Time) -> None:
        pair = await make_pair(world)
        for at, fault in (
            ({"met_at": (time.now + timedelta(minutes=1)).isoformat()}, "in_the_future"),
            ({"met_at": (time.now - timedelta(days=2)).isoformat()}, "before_start"),
            ({"next_planned_at": time.now.isoformat()}, "before_meeting"),
            ({"duration_seconds": 59}, "greater_than_equal"),
        ):
            answer = await amira.post(f"{PAIRS}/{pair['id']}/meetings", json=at)
            assert [each["code"] for each in answer.json()["errors"]] == [fault]

    async def test_a_pair_from_before_brings_its_meetings(
        self, amira: httpx.AsyncClient, world: World, time: Time
    ) -> None:
        pair = await make_pair(world, starts_on=str((time.now - timedelta(days=40)).date()))

        await meet(amira, pair, met_at=(time.now - timedelta(days=20)).isoformat())

        now = await look(amira, pair)
        assert now["meetings_held"] == 1
        assert moment(now["meeting_due_at"]) == time.now + timedelta(days=14), "what is written down late flags nobody"

    async def test_a_withdrawn_one_counts_no_longer_and_stays(
        self, amira: httpx.AsyncClient, world: World, time: Time
    ) -> None:
        pair = await make_pair(world)
        time.pass_by(days=10)
        kept = await meet(amira, pair)
        time.pass_by(days=12)
        wrong = await meet(amira, pair)
        url = f"{PAIRS}/{pair['id']}/meetings"

        withdrawn = await done(
            await world.person("grace").post(f"{url}/{wrong['id']}/withdraw", json={"reason": "Another week."})
        )

        now = await look(amira, pair)
        assert (withdrawn["state"], withdrawn["allowed_actions"]) == ("withdrawn", [])
        assert (now["meetings_held"], now["last_met_at"]) == (1, kept["met_at"])
        assert moment(now["meeting_due_at"]) == moment(kept["met_at"]) + timedelta(days=14)
        listed = await done(await amira.get(url))
        assert {row["id"]: row["state"] for row in listed["data"]} == {
            kept["id"]: "recorded",
            wrong["id"]: "withdrawn",
        }
        assert (await amira.post(f"{url}/{wrong['id']}/withdraw")).json()["code"] == "wrong_state"

    async def test_of_another_pair_are_not_found_here(self, amira: httpx.AsyncClient, world: World) -> None:
        pair = await make_pair(world)
        other = await make_pair(world, mentor="jonas", focus_pillars=["inner_drive"])
        meeting = await meet(amira, other)

        for url in (f"{PAIRS}/{pair['id']}/meetings/{meeting['id']}",):
            assert (await amira.get(url)).status_code == 404
            assert (await amira.post(f"{url}/withdraw")).status_code == 404

    async def test_only_while_it_is_open(self, amira: httpx.AsyncClient, world: World) -> None:
        pair = await make_pair(world)
        await act(amira, pair, "pause")
        await meet(amira, pair)
        await act(amira, pair, "complete")

        answer = await amira.post(f"{PAIRS}/{pair['id']}/meetings", json={})

        assert answer.json()["code"] == "wrong_state"


async def test_a_new_rhythm_counts_from_where_it_counted(amira: httpx.AsyncClient, world: World, time: Time) -> None:
    pair = await make_pair(world)
    time.pass_by(days=15)
    assert await health(amira, world, pair) == "amber"

    body = {"agreed_cadence_days": 28}
    changed = await done(await amira.patch(f"{PAIRS}/{pair['id']}", json=body, headers=etag(await look(amira, pair))))

    assert (changed["health"], moment(changed["meeting_due_at"])) == (
        None,
        moment(pair["activated_at"]) + timedelta(days=28),
    )
