"""Call events that are taken back by who sent them, or disputed by whom they are about."""

import httpx
import pytest

from tests.calls import Followed, call, make_source, post
from tests.world import World


@pytest.fixture
async def source_id(client: httpx.AsyncClient) -> str:
    return await make_source(client)


class TestVoid:
    async def test_a_wrong_one_is_voided_with_a_reason_and_signals_follow(
        self, client: httpx.AsyncClient, world: World, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = await post(client, call(source_id))
        followed = Followed(monkeypatch)
        url = f"/v1/call-events/{event['id']}/void"

        voided = await client.post(url, json={"reason": "A test call."})
        again = await client.post(url, json={"reason": "Another reason."})

        assert (voided.status_code, again.status_code) == (200, 200)
        assert voided.json() == again.json()
        assert voided.json()["void_reason"] == "A test call."
        assert voided.json()["allowed_actions"] == []
        assert list(followed[0]) == [world.people["amira"]]
        assert len(followed) == 1
        entries = (await client.get(f"/v1/call-events/{event['id']}/history")).json()["data"]
        assert [entry["action"] for entry in entries] == ["call_event.voided", "call_event.received"]
        assert entries[0]["details"] == {"reason": "A test call."}

    async def test_a_reason_is_needed(self, client: httpx.AsyncClient, source_id: str) -> None:
        event = await post(client, call(source_id))

        for body in ({}, {"reason": None}, {"reason": " "}):
            assert (await client.post(f"/v1/call-events/{event['id']}/void", json=body)).status_code == 422

    async def test_what_is_said_of_it_later_moves_no_signal(
        self, client: httpx.AsyncClient, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = call(source_id)
        found = await post(client, event)
        await client.post(f"/v1/call-events/{found['id']}/void", json={"reason": "A test call."})
        followed = Followed(monkeypatch)

        later = await post(client, {**event, "event_id": "later", "disposition": {"code": "ABUSE"}})

        assert later["voided_at"] is not None
        assert followed == []

    async def test_people_do_not(self, client: httpx.AsyncClient, amira: httpx.AsyncClient, source_id: str) -> None:
        event = await post(client, call(source_id))

        response = await amira.post(f"/v1/call-events/{event['id']}/void", json={"reason": "I do not like it."})

        assert response.status_code == 403


class TestDispute:
    async def test_a_person_disputes_their_own_and_takes_it_back(
        self,
        client: httpx.AsyncClient,
        amira: httpx.AsyncClient,
        world: World,
        source_id: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        event = await post(client, call(source_id))
        followed, url = Followed(monkeypatch), f"/v1/call-events/{event['id']}"

        disputed = await amira.post(f"{url}/dispute", json={"reason": "It was Theo's."})
        again = await amira.post(f"{url}/dispute")
        withdrawn = await amira.post(f"{url}/withdraw-dispute")
        twice = await amira.post(f"{url}/withdraw-dispute")

        assert disputed.status_code == 200
        assert disputed.json()["dispute_reason"] == "It was Theo's."
        assert disputed.json()["allowed_actions"] == ["withdraw_dispute"]
        assert again.json() == disputed.json()
        assert withdrawn.json()["disputed_at"] is withdrawn.json()["dispute_reason"] is None
        assert withdrawn.json()["allowed_actions"] == ["dispute"]
        assert twice.json() == withdrawn.json()
        assert [list(each) for each in followed] == [[world.people["amira"]]] * 2

    async def test_nobody_else_sees_it(
        self, client: httpx.AsyncClient, amira: httpx.AsyncClient, theo: httpx.AsyncClient, source_id: str
    ) -> None:
        event = await post(client, call(source_id))
        url = f"/v1/call-events/{event['id']}"
        paths = (url, f"{url}/history", "/v1/call-events")
        before = [[await other.get(path) for path in paths] for other in (theo, client)]

        await amira.post(f"{url}/dispute", json={"reason": "It was Theo's."})

        after = [[await other.get(path) for path in paths] for other in (theo, client)]
        for was, now in zip(before, after, strict=True):
            assert [each.json() for each in was] == [each.json() for each in now]
            assert [each.headers["ETag"] for each in was] == [each.headers["ETag"] for each in now]
        own = (await amira.get(f"{url}/history")).json()["data"]
        assert own[0]["action"] == "call_event.disputed"
        assert own[0]["details"] == {}

    async def test_what_is_said_of_it_later_moves_no_signal(
        self, client: httpx.AsyncClient, amira: httpx.AsyncClient, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = call(source_id)
        found = await post(client, event)
        await amira.post(f"/v1/call-events/{found['id']}/dispute")
        followed = Followed(monkeypatch)

        await post(client, {**event, "event_id": "later", "disposition": {"code": "ABUSE"}})

        assert followed == []

    async def test_others_do_not(
        self, client: httpx.AsyncClient, theo: httpx.AsyncClient, grace: httpx.AsyncClient, source_id: str
    ) -> None:
        event = await post(client, call(source_id))
        url = f"/v1/call-events/{event['id']}/dispute"

        assert (await theo.post(url)).status_code == 403
        assert (await grace.post(url)).status_code == 404
        assert (await client.post(url)).status_code == 403

    async def test_a_voided_one_needs_none(
        self, client: httpx.AsyncClient, amira: httpx.AsyncClient, source_id: str
    ) -> None:
        event = await post(client, call(source_id))
        await client.post(f"/v1/call-events/{event['id']}/void", json={"reason": "A test call."})

        assert (await amira.post(f"/v1/call-events/{event['id']}/dispute")).status_code == 409
