"""Feedback of those who were coached: to their coach; to the programme lead only where nobody can be singled out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock, texts
from app.auth import Caller
from app.models import SessionFeedback
from app.models.base import new_id
from app.models.coaching_session import Answer
from tests.held_sessions import alter, alter_attendee, hold_session, rows
from tests.plans import done, made, outgoing
from tests.world import World, etag

SUMMARY = "/v1/session-feedback-summary"
WORDS = "canary: I could say what was on my mind"


@pytest.fixture
def jonas(world: World) -> httpx.AsyncClient:
    """Coaches."""
    return world.person("jonas")


@pytest.fixture
async def session_id(world: World) -> UUID:
    """Jonas has coached Amira and Grace."""
    return await hold_session(world, "amira", "grace", kind="group", state="completed", completed_at=clock.now())


def feedback_on(session_id: UUID) -> str:
    return f"/v1/coaching-sessions/{session_id}/feedback"


async def give(who: httpx.AsyncClient, session_id: UUID, **fields: Any) -> dict[str, Any]:
    return await made(await who.post(feedback_on(session_id), json={"rating": 4, "words": WORDS, **fields}))


class TestGiving:
    async def test_is_for_the_coach_and_its_giver(
        self, world: World, amira: httpx.AsyncClient, grace: httpx.AsyncClient, session_id: UUID
    ) -> None:
        jonas = world.person("jonas")
        hers, graces = await give(amira, session_id), await give(grace, session_id, rating=5, words=None)

        found = (await done(await jonas.get(feedback_on(session_id))))["data"]
        assert [(each["rating"], each["words"]) for each in found] == [(4, WORDS), (5, None)]
        assert {each["coach_id"] for each in found} == {str(world.people["jonas"])}
        assert [each["id"] for each in (await done(await amira.get(feedback_on(session_id))))["data"]] == [hers["id"]]
        assert (await amira.get(f"{feedback_on(session_id)}/{graces['id']}")).status_code == 404
        for name in ("theo", "noor", "hana", "ines"):
            who = world.person(name)
            assert (await who.get(f"{feedback_on(session_id)}/{hers['id']}")).status_code == 404
            listed = await who.get(feedback_on(session_id))
            assert listed.status_code == 404 or listed.json()["data"] == []
        assert (await (await world.client()).get(feedback_on(session_id))).json()["code"] == "people_only"
        refused = await jonas.patch(f"{feedback_on(session_id)}/{hers['id']}", json={"rating": 5}, headers=etag(hers))
        assert refused.status_code == 403

    async def test_once_by_each(self, amira: httpx.AsyncClient, session_id: UUID) -> None:
        await give(amira, session_id)

        again = await amira.post(feedback_on(session_id), json={"rating": 1})

        assert (again.status_code, again.json()["code"]) == (409, "already_exists")

    async def test_only_when_it_is_over(self, world: World, amira: httpx.AsyncClient, session_id: UUID) -> None:
        for state in ("scheduled", "in_progress", "no_show", "cancelled"):
            await alter(world, session_id, state=state)
            refused = await amira.post(feedback_on(session_id), json={"rating": 1})
            assert (refused.status_code, refused.json()["code"]) == (409, "session_not_completed")
        await alter(world, session_id, state="acknowledged")
        assert (await give(amira, session_id))["rating"] == 4

    async def test_only_by_who_was_there(self, world: World, amira: httpx.AsyncClient, session_id: UUID) -> None:
        refused = [await world.person("jonas").post(feedback_on(session_id), json={"rating": 5})]
        for change in ({"answer": Answer.declined}, {"answer": Answer.accepted, "attended": False}):
            await alter_attendee(world, session_id, "amira", **change)
            refused.append(await amira.post(feedback_on(session_id), json={"rating": 1}))
        for each in refused:
            assert (each.status_code, each.json()["code"]) == (403, "did_not_attend")

        for rating in (0, 6, 2.5, "4", None):
            assert (await amira.post(feedback_on(session_id), json={"rating": rating})).status_code == 422

    async def test_can_be_changed_for_two_weeks(
        self, amira: httpx.AsyncClient, session_id: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given, start = await give(amira, session_id), clock.now()
        url = f"{feedback_on(session_id)}/{given['id']}"
        changed = await done(await amira.patch(url, json={"rating": 2, "words": None}, headers=etag(given)))
        assert (changed["rating"], changed["words"], changed["allowed_actions"]) == (2, None, ["update"])

        monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=14, seconds=1))

        refused = await amira.patch(url, json={"rating": 5}, headers=etag(changed))
        assert (refused.status_code, refused.json()["code"]) == (409, "feedback_settled")
        assert (await done(await amira.get(url)))["allowed_actions"] == []

    async def test_stays_with_who_coached_then(self, world: World, amira: httpx.AsyncClient, session_id: UUID) -> None:
        given = await give(amira, session_id)
        await alter(world, session_id, coach_id=world.people["ines"])

        url = f"{feedback_on(session_id)}/{given['id']}"
        assert (await world.person("jonas").get(url)).status_code == 200
        assert (await world.person("ines").get(url)).status_code == 404


class TestSealed:
    async def test_no_row_no_audit_and_no_event_holds_the_words(
        self, world: World, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        given = await give(amira, session_id)
        url = f"{feedback_on(session_id)}/{given['id']}"
        await done(await amira.patch(url, json={"words": "canary again"}, headers=etag(given)))

        assert await rows(world, "SELECT 1 FROM session_feedback WHERE encode(words, 'escape') LIKE '%canary%'") == []
        assert await rows(world, "SELECT 1 FROM audit_entry e WHERE e::text LIKE '%canary%'") == []
        assert await outgoing(world) == []
        trail = (await done(await amira.get(f"{url}/history")))["data"]
        assert [entry["action"] for entry in trail] == ["session_feedback.updated", "session_feedback.created"]

    async def test_the_words_go_with_their_givers_key_and_the_mark_stays(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        await give(amira, session_id)

        await world.run(texts.destroy_key, Caller(world.id, "system", None), world.people["amira"])

        (found,) = (await done(await jonas.get(feedback_on(session_id))))["data"]
        assert (found["rating"], found["words"]) == (4, None)

    async def test_that_the_coach_looked_is_recorded(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        given = await give(amira, session_id)
        await amira.get(f"{feedback_on(session_id)}/{given['id']}")
        looks = "SELECT actor_id, subject_id, access_right FROM audit_entry WHERE action = 'session_feedback.read'"
        assert await rows(world, looks) == []

        await jonas.get(feedback_on(session_id))

        wanted = (world.people["jonas"], world.people["amira"], "coach_of_feedback")
        assert [tuple(row) for row in await rows(world, looks)] == [wanted]


Q2, NOW = datetime(2026, 5, 10, tzinfo=UTC), datetime(2026, 7, 20, tzinfo=UTC)


class TestSummary:
    @pytest.fixture(autouse=True)
    def in_july(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clock, "now", lambda: NOW)

    async def say(
        self, world: World, ratings: Sequence[int], coach: str, *, at: datetime = Q2, kind: str = "debrief"
    ) -> list[UUID]:
        """Let as many new people as there are ratings give feedback to a coach."""
        session_id = await hold_session(world, coach=coach, state="completed", kind=kind)
        givers = [await world.hire(f"giver-{new_id()}") for _ in ratings]

        def write(session: Session) -> None:
            for giver, rating in zip(givers, ratings, strict=True):
                session.add(
                    SessionFeedback(
                        organisation_id=world.id,
                        session_id=session_id,
                        employee_id=giver,
                        coach_id=world.people[coach],
                        kind=kind,
                        rating=rating,
                        created_at=at,
                    )
                )

        await world.run(write)
        return givers

    async def cells(self, world: World) -> list[dict[str, Any]]:
        return list((await done(await world.person("noor").get(SUMMARY)))["cells"])

    async def shown(self, world: World) -> list[tuple[Any, ...]]:
        """Return what is not suppressed: quarter, kind, givers, mean."""
        return [
            (cell["starts_on"], cell["kind"], cell["givers"], cell["mean_rating"])
            for cell in await self.cells(world)
            if not cell["suppressed"]
        ]

    async def test_a_cell_is_told_once_five_are_left_without_any_one_coachs(self, world: World) -> None:
        await self.say(world, [3, 4, 4, 5, 5], "jonas")
        assert await self.shown(world) == [], "all of one coach's: it would be a mark of that coach"
        await self.say(world, [3, 3, 3, 4], "grace")
        assert await self.shown(world) == [], "Jonas knows his, and could work out the four others'"
        await self.say(world, [3], "grace")

        assert await self.shown(world) == [("2026-04-01", "debrief", 10, 3.5)]

    async def test_one_person_counts_once_however_much_they_say(self, world: World) -> None:
        await self.say(world, [3, 3, 3, 3, 3], "jonas")
        (giver,) = await self.say(world, [3], "grace")
        move = text("UPDATE session_feedback SET employee_id = :giver WHERE employee_id = :other")
        for _ in range(5):
            (other,) = await self.say(world, [3], "grace")
            await world.run(lambda session, other=other: session.execute(move, {"giver": giver, "other": other}))

        assert await self.shown(world) == []

    async def test_small_and_none_look_the_same(self, world: World) -> None:
        before = await self.cells(world)
        await self.say(world, [1, 1], "jonas")
        await self.say(world, [1, 2], "grace")

        assert await self.cells(world) == before
        assert {(cell["suppressed"], cell["givers"], cell["mean_rating"]) for cell in before} == {(True, None, None)}

    async def test_that_all_said_the_same_is_not_told(self, world: World) -> None:
        for kind, rating, told in (("debrief", 5, 4.5), ("peer", 1, 1.5)):
            for coach in ("jonas", "grace"):
                await self.say(world, [rating] * 5, coach, kind=kind)
            assert (("2026-04-01", kind, 10, told)) in await self.shown(world)

    async def test_the_breakdown_is_fixed_and_disjoint(self, world: World) -> None:
        """No filter, no total: nothing can be subtracted from anything."""
        cells = await self.cells(world)

        assert [cell["starts_on"] for cell in cells[::5]] == ["2025-07-01", "2025-10-01", "2026-01-01", "2026-04-01"]
        assert [cell["ends_on"] for cell in cells[::5]] == ["2025-09-30", "2025-12-31", "2026-03-31", "2026-06-30"]
        assert len({(cell["starts_on"], cell["kind"]) for cell in cells}) == len(cells) == 20
        for query in ("kind=debrief", "coach_id=1", "from=2026-01-01", "team_id=1"):
            assert (await world.person("noor").get(f"{SUMMARY}?{query}")).status_code == 422

    async def test_a_quarter_is_told_when_nothing_in_it_can_change(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for coach in ("jonas", "grace"):
            await self.say(world, [4] * 5, coach, at=datetime(2026, 6, 30, 23, 59, tzinfo=UTC))
            await self.say(world, [4] * 5, coach, at=datetime(2026, 7, 1, tzinfo=UTC))
        settled = datetime(2026, 7, 15, tzinfo=UTC)

        monkeypatch.setattr(clock, "now", lambda: settled - timedelta(seconds=1))
        assert await self.shown(world) == []
        monkeypatch.setattr(clock, "now", lambda: settled)
        assert await self.shown(world) == [("2026-04-01", "debrief", 10, 4.0)]
        monkeypatch.setattr(clock, "now", lambda: settled + timedelta(days=90))
        assert await self.shown(world) == [("2026-04-01", "debrief", 10, 4.0)]

    async def test_an_organisation_can_ask_for_more_never_for_fewer(
        self, world: World, client: httpx.AsyncClient
    ) -> None:
        for coach in ("jonas", "grace"):
            await self.say(world, [4] * 6, coach)
        assert len(await self.shown(world)) == 1
        at = {"If-Match": "*"}
        await done(await client.patch("/v1/organisation", json={"minimum_group_size": 7}, headers=at))

        assert await self.shown(world) == []
        assert (await done(await world.person("noor").get(SUMMARY)))["threshold"] == 7
        assert (await client.patch("/v1/organisation", json={"minimum_group_size": 4}, headers=at)).status_code == 422

    async def test_is_for_the_programme_lead_alone(self, world: World, client: httpx.AsyncClient) -> None:
        for name in ("amira", "theo", "jonas", "hana", "ines"):
            assert (await world.person(name).get(SUMMARY)).status_code == 403
        assert (await client.get(SUMMARY)).status_code == 403
