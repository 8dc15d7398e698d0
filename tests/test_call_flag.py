"""Call flags: a person's own word counts, and nobody else sees that it was given."""

from datetime import datetime
from uuid import UUID

import httpx
import pytest

from app import clock
from tests.flags import OWN_WORD, TWO, data, flag
from tests.strain import EASY, NOW, ago, change, event_id, only, post, told
from tests.world import World


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return NOW


@pytest.fixture
def person(world: World) -> UUID:
    return world.people["amira"]


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
