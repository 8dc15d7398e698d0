"""Coaching sessions through their life: asked for, agreed, moved, held, acknowledged."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app import clock
from app.services.session_reading import EARLY
from tests.examples_of_resources import furnish
from tests.plans import done, made, outgoing, trail
from tests.sessions import SESSIONS, at, attempt, body, do, found, look, plan, second_coach, with_people
from tests.world import World, etag

NOW = datetime(2027, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def jonas(world: World) -> httpx.AsyncClient:
    """Holds the role coach."""
    return world.person("jonas")


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that lets the clock stand at so many minutes after NOW."""

    def stand(minutes: float = 0) -> None:
        monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(minutes=minutes))

    stand()
    return stand


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


class TestAsking:
    async def test_anyone_asks_and_the_coach_agrees(
        self, amira: httpx.AsyncClient, jonas: httpx.AsyncClient, world: World
    ) -> None:
        asked = await made(await amira.post(SESSIONS, json=body(world, "jonas", **at())))
        assert (asked["state"], asked["scheduled_at"]) == ("requested", None)
        assert asked["requested_by_id"] == str(world.people["amira"])
        assert "cancel" in asked["allowed_actions"]
        assert "schedule" not in asked["allowed_actions"]
        assert {"schedule", "decline"} <= set((await look(jonas, asked))["allowed_actions"])

        agreed = await do(jonas, asked, "schedule")

        assert (agreed["state"], agreed["starts_at"]) == ("scheduled", asked["starts_at"])
        assert [(a["employee_id"], a["answer"]) for a in agreed["attendees"]] == [
            (str(world.people["amira"]), "accepted")
        ]
        assert [row.action for row in await trail(world, asked)] == [
            "coaching_session.requested",
            "coaching_session.scheduled",
        ]
        assert [type_ for type_, _ in await outgoing(world)][-2:] == [
            "coaching_session.requested",
            "coaching_session.scheduled",
        ]

    async def test_is_declined_with_a_word(
        self, amira: httpx.AsyncClient, jonas: httpx.AsyncClient, world: World
    ) -> None:
        asked = await made(await amira.post(SESSIONS, json=body(world, "jonas")))

        assert await attempt(amira, asked, "decline") == (403, "not_allowed")
        declined = await do(jonas, asked, "decline", reason="I am away until May. Lena has room.")

        assert (declined["state"], declined["allowed_actions"]) == ("declined", [])
        assert (await look(amira, asked))["reason"] == "I am away until May. Lena has room."
        history = await done(await amira.get(f"{SESSIONS}/{asked['id']}/history"))
        assert history["data"][0]["details"]["reason"] == "I am away until May. Lena has room."
        assert await attempt(jonas, asked, "schedule") == (409, "wrong_state")

    async def test_of_no_coach_in_particular_waits_for_any(
        self, amira: httpx.AsyncClient, jonas: httpx.AsyncClient, grace: httpx.AsyncClient, world: World
    ) -> None:
        asked = await made(await amira.post(SESSIONS, json=body(world, None, subject="Who has time?")))
        assert (asked["coach_id"], asked["starts_at"]) == (None, None)
        assert await found(grace) == []
        assert (await look(jonas, asked))["subject"] == "Who has time?"
        assert await attempt(jonas, asked, "schedule") == (409, "no_time")

        agreed = await do(jonas, asked, "schedule", **at())

        assert agreed["coach_id"] == str(world.people["jonas"])
        assert await found(await second_coach(world)) == []

    async def test_only_for_oneself_or_people_whom_one_leads(
        self, theo: httpx.AsyncClient, amira: httpx.AsyncClient, jonas: httpx.AsyncClient, world: World
    ) -> None:
        await world.hire("bo")
        for names in (("jonas", "bo"), ("bo", "amira")):
            response = await amira.post(SESSIONS, json=body(world, *names))
            assert code_of(response) == (422, "invalid")
            assert "bo" not in response.text.lower()
        response = await amira.post(SESSIONS, json=body(world, "jonas", "theo"))
        assert code_of(response) == (403, "not_allowed")

        asked = await made(await theo.post(SESSIONS, json=body(world, "jonas", "amira", agenda="Her evenings.")))
        assert (asked["state"], asked["agenda"]) == ("requested", "Her evenings.")
        await do(jonas, asked, "schedule", **at())
        seen = await look(theo, asked)
        assert (seen["state"], seen["agenda"], seen["subject"]) == ("scheduled", None, None)

    async def test_refuses_who_does_not_fit(
        self, jonas: httpx.AsyncClient, client: httpx.AsyncClient, world: World
    ) -> None:
        gone = await world.hire("gone", active=False)
        cases = [
            (jonas, body(world, "jonas", "jonas"), "own_coach"),
            (jonas, body(world, "jonas", "amira", "theo"), "too_many_people"),
            (client, {"subject": "x", "coach_id": str(world.people["jonas"])}, "nobody_invited"),
            (
                client,
                {"subject": "x", "coach_id": str(world.people["jonas"]), "attendee_ids": [str(gone)]},
                "employee_inactive",
            ),
        ]
        for who, content, code in cases:
            assert code_of(await who.post(SESSIONS, json={**content, **at()})) == (409, code)
        both = await jonas.post(SESSIONS, json=body(world, "jonas", "amira", starts_at=at()["starts_at"]))
        assert both.status_code == 422

    async def test_limits_of_time(self, jonas: httpx.AsyncClient, world: World) -> None:
        for hours, minutes, status in ((24, 4, 422), (24, 721, 422), (-25, 60, 422), (732 * 24, 60, 422), (-1, 5, 201)):
            response = await jonas.post(SESSIONS, json=body(world, "jonas", "amira", **at(hours, minutes)))
            assert response.status_code == status, (hours, minutes)
        zone = await jonas.post(SESSIONS, json=body(world, "jonas", "amira", **at(), time_zone="Mars/Olympus"))
        assert zone.status_code == 422
        whole = await jonas.post(SESSIONS, json=body(world, "jonas", "amira", **at(30, 720), time_zone="Asia/Tokyo"))
        assert whole.json()["time_zone"] == "Asia/Tokyo"


class TestLife:
    async def test_from_start_to_acknowledgement_when_its_time_has_come(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, world: World, clockwork: Any
    ) -> None:
        session = await plan(jonas, world, **at(2))
        assert not {"start", "complete", "mark_no_show"} & set(session["allowed_actions"])
        assert await attempt(jonas, session, "start") == (409, "too_early")
        assert await attempt(jonas, session, "complete") == (409, "not_begun")
        assert await attempt(jonas, session, "mark-no-show") == (409, "not_begun")
        assert await found(jonas, due_to_start=True) == []

        clockwork(120 - EARLY.total_seconds() / 60)
        assert "start" in (await look(jonas, session))["allowed_actions"]
        assert "start" not in (await look(amira, session))["allowed_actions"]
        clockwork(121)
        assert await found(jonas, due_to_start=True) == await found(amira, due_to_start=True) == [session["id"]]
        assert {"complete", "mark_no_show"} <= set((await look(jonas, session))["allowed_actions"])
        begun = await do(jonas, session, "start")
        assert (begun["state"], begun["allowed_actions"]) == ("in_progress", ["update", "complete"])
        assert await found(jonas, due_to_start=True) == await found(jonas, overdue=True) == []
        clockwork(181)
        assert await found(jonas, overdue=True) == [session["id"]]
        assert await attempt(amira, session, "complete") == (403, "not_allowed")

        held = await do(jonas, session, "complete")

        assert (held["state"], held["attendees"][0]["attended"]) == ("completed", True)
        assert await found(amira, unacknowledged=True) == [session["id"]]
        assert await found(amira, overdue=True) == []
        assert "acknowledge" not in (await look(jonas, session))["allowed_actions"]
        assert await attempt(jonas, session, "acknowledge") == (403, "not_allowed")
        assert (await look(amira, session))["allowed_actions"] == ["acknowledge"]
        ended = await do(amira, session, "acknowledge")
        assert (ended["state"], ended["allowed_actions"]) == ("acknowledged", [])
        assert ended["acknowledged_at"] == ended["attendees"][0]["acknowledged_at"]
        assert await found(amira, unacknowledged=True) == []
        states = [row.details.get("state") for row in await trail(world, session)]
        assert states == ["scheduled", "in_progress", "completed", "acknowledged"]

    async def test_a_group_is_acknowledged_by_all_who_were_there(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World, clockwork: Any
    ) -> None:
        session = await plan(jonas, world, "jonas", "amira", "theo", "grace", "ines", **at(1))
        await do(world.person("ines"), session, "answer", answer="declined")
        clockwork(90)
        stranger = await attempt(jonas, session, "complete", absent_ids=[str(world.people["noor"])])
        assert stranger == (422, "invalid")
        everybody = [str(world.people[name]) for name in ("amira", "theo", "grace")]
        assert await attempt(jonas, session, "complete", absent_ids=everybody) == (409, "nobody_there")
        held = await do(jonas, session, "complete", absent_ids=[str(world.people["grace"])])
        assert [a["attended"] for a in held["attendees"]] == [True, True, False, False]

        for name in ("grace", "ines"):
            assert await attempt(world.person(name), session, "acknowledge") == (409, "not_attended")
        assert (await do(amira, session, "acknowledge"))["state"] == "completed"
        assert await attempt(amira, session, "acknowledge") == (409, "already_acknowledged")
        assert (await do(theo, session, "acknowledge"))["state"] == "acknowledged"

    async def test_nobody_came(self, jonas: httpx.AsyncClient, world: World, clockwork: Any) -> None:
        session = await plan(jonas, world, **at(1))
        clockwork(75)

        missed = await do(jonas, session, "mark-no-show", reason="The line was full.")

        assert (missed["state"], missed["reason"], missed["allowed_actions"]) == ("no_show", "The line was full.", [])
        assert await found(jonas, overdue=True) == []

    async def test_is_called_off_by_its_coach_and_a_request_by_who_made_it(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        asked = await made(await amira.post(SESSIONS, json=body(world)))
        assert (await do(amira, asked, "cancel", reason="It is solved."))["state"] == "cancelled"
        session = await plan(jonas, world)
        assert await attempt(amira, session, "cancel") == (403, "not_allowed")

        gone = await do(jonas, session, "cancel", reason="I am ill.")

        assert (gone["state"], gone["sequence"], gone["reason"]) == ("cancelled", 1, "I am ill.")
        assert (await plan(jonas, world))["state"] == "scheduled", "its time is free again"


class TestChanging:
    async def test_words_by_those_who_take_part(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        session = await plan(jonas, world)
        url = f"{SESSIONS}/{session['id']}"

        mine = await done(await amira.patch(url, json={"agenda": "The second call."}, headers=etag(session)))
        assert mine["agenda"] == "The second call."
        refused = await amira.patch(url, json={"subject": "Mine"}, headers=etag(mine))
        assert code_of(refused) == (403, "not_allowed")
        place = {"location": "Room 4", "meeting_url": "https://meet.example/4", "pillars": ["relationships"]}
        moved = await done(await jonas.patch(url, json=place, headers=etag(mine)))

        assert moved["sequence"] == 1, "where to go is what a calendar has to show anew"
        assert await found(jonas, pillar="relationships") == [session["id"]]
        for bad in ({"meeting_url": "http://meet.example"}, {"pillars": ["no_such"]}, {"subject": None}, at()):
            assert (await jonas.patch(url, json=bad, headers=etag(moved))).status_code == 422

    async def test_of_time_asks_everybody_again_and_keeps_the_history(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        session = await plan(jonas, world)
        await do(amira, session, "answer", answer="accepted", note="Gladly.")
        assert (await look(jonas, session))["attendees"][0]["note"] == "Gladly."
        assert await attempt(amira, session, "reschedule", **at(48)) == (403, "not_allowed")

        moved = await do(jonas, session, "reschedule", **at(48), reason="The early shift was moved.")

        assert moved["sequence"] == 1
        assert (moved["attendees"][0]["answer"], moved["attendees"][0]["note"]) == ("needs_action", None)
        history = (await done(await amira.get(f"{SESSIONS}/{session['id']}/history")))["data"]
        assert [entry["action"].partition(".")[2] for entry in history] == ["rescheduled", "answered", "scheduled"]
        before, after = (datetime.fromisoformat(history[0]["details"][name]) for name in ("from", "to"))
        assert after - before == timedelta(hours=24)
        assert history[0]["actor_id"] == str(world.people["jonas"])
        again = await do(jonas, session, "reschedule", starts_at=moved["starts_at"], ends_at=moved["ends_at"])
        assert again["version"] == moved["version"]

    async def test_of_people_in_one_step(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        """Coach and attendees change after scheduling; who is taken off knows it no more, and their time is free."""
        lena = await second_coach(world)
        session = await plan(jonas, world, kind="group")
        change = {"add_ids": with_people(world, None, "theo")["attendee_ids"], "coach_id": str(world.people["lena"])}
        change["remove_ids"] = with_people(world, None, "amira")["attendee_ids"]
        assert await attempt(amira, session, "change-people", **change) == (403, "not_allowed")

        await done(
            await jonas.post(f"{SESSIONS}/{session['id']}/change-people", json={**change, "reason": "On leave."})
        )

        assert (await jonas.get(f"{SESSIONS}/{session['id']}")).status_code == 404
        assert (await amira.get(f"{SESSIONS}/{session['id']}")).status_code == 404
        seen = await look(lena, session)
        assert [a["employee_id"] for a in seen["attendees"]] == change["add_ids"]
        assert seen["coach_id"] == change["coach_id"]
        details = (await trail(world, session))[-1].details
        assert {k: details[k] for k in ("added", "removed", "coach_id")} == {
            "added": change["add_ids"],
            "removed": change["remove_ids"],
            "coach_id": change["coach_id"],
        }
        await plan(jonas, world)  # both are free again
        back = await do(lena, session, "change-people", add_ids=with_people(world, None, "grace")["attendee_ids"])
        assert len(back["attendees"]) == 2
        assert await attempt(lena, session, "change-people", remove_ids=change["remove_ids"]) == (422, "invalid")

    async def test_who_was_taken_off_can_come_back(
        self, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        session = await plan(jonas, world, "jonas", "amira", "theo")
        amiras = {"ids": with_people(world, None, "amira")["attendee_ids"]}
        await do(amira, session, "answer", answer="accepted")
        await do(jonas, session, "change-people", remove_ids=amiras["ids"])

        back = await do(jonas, session, "change-people", add_ids=amiras["ids"])

        assert {a["employee_id"]: a["answer"] for a in back["attendees"]}[amiras["ids"][0]] == "needs_action"


class TestDebrief:
    async def accepted(self, world: World, *, private: bool = False) -> str:
        ids = await world.run(furnish, world)
        if private:
            for table in ("support_prompt", "strain_signal"):
                await world.run(
                    lambda s, t=table: s.execute(text(f"UPDATE {t} SET private = true"))  # two names
                )
        return str(ids["accepted_prompt"])

    @pytest.mark.parametrize("private", [False, True])
    async def test_grows_out_of_an_accepted_prompt_in_one_call(
        self, amira: httpx.AsyncClient, jonas: httpx.AsyncClient, theo: httpx.AsyncClient, world: World, private: bool
    ) -> None:
        prompt_id = await self.accepted(world, private=private)
        prompt = await done(await amira.get(f"/v1/support-prompts/{prompt_id}"))
        assert "request_debrief" in prompt["allowed_actions"]

        asked = await made(
            await amira.post(f"/v1/support-prompts/{prompt_id}/debrief", json=with_people(world, "jonas"))
        )

        assert (asked["kind"], asked["state"], asked["prompt_id"]) == ("debrief", "requested", prompt_id)
        assert asked["signal_id"] == prompt["signal_id"] is not None
        again = await amira.post(f"/v1/support-prompts/{prompt_id}/debrief")
        assert code_of(again) == (409, "debrief_exists")
        agreed = await do(jonas, asked, "schedule", **at(50))
        client = await world.client()
        for seen in (agreed, await look(theo, asked), await look(client, asked)):
            assert (seen["prompt_id"], seen["signal_id"]) == (None, None), "shown to the prompt's person alone"
        assert (await look(amira, asked))["prompt_id"] == prompt_id
        assert prompt_id not in str(await trail(world, asked))

        await do(jonas, asked, "cancel")
        await made(await amira.post(f"/v1/support-prompts/{prompt_id}/debrief"))

    async def test_of_others_and_of_what_was_not_accepted_is_refused(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        ids = await world.run(furnish, world)
        offered, accepted = (
            f"/v1/support-prompts/{ids['support_prompt']}",
            f"/v1/support-prompts/{ids['accepted_prompt']}",
        )

        assert code_of(await amira.post(f"{offered}/debrief")) == (409, "wrong_state")
        assert (await theo.post(f"{accepted}/debrief")).status_code in (403, 404)
