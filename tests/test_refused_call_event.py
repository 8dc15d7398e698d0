"""Items that were refused: what is kept of them, who reads it, and trying them again."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock
from tests.calls import call, count, make_source, post, post_batch, statuses
from tests.world import World

CANARY = "Canary-Nightingale-4711"


@pytest.fixture
async def source_id(client: httpx.AsyncClient) -> str:
    return await make_source(client)


class TestRefused:
    async def test_they_can_be_read_back(self, client: httpx.AsyncClient, source_id: str) -> None:
        answer = await post_batch(client, call(source_id, channel="pigeon", result="busy"))
        refused_id = answer["results"][0]["refused_id"]

        listed = (await client.get("/v1/call-events/refused")).json()["data"]

        assert [each["id"] for each in listed] == [refused_id]
        (refused,) = listed
        assert refused["payload"]["result"] == "busy"
        assert "channel" not in refused["payload"]
        assert refused["errors"] == answer["results"][0]["errors"]
        assert (refused["source_id"], refused["event_id"]) == (source_id, refused["payload"]["event_id"])
        assert refused["allowed_actions"] == ["replay"]
        assert (await client.get(f"/v1/call-events/refused/{refused_id}")).json() == refused

    async def test_nothing_of_what_is_refused_is_kept(
        self, client: httpx.AsyncClient, source_id: str, world: World
    ) -> None:
        deep: Any = CANARY
        for _ in range(25):
            deep = {"x": [deep]}
        bad: list[dict[str, Any]] = [
            {"caller_name": CANARY},
            {CANARY: CANARY},
            {"weather": {"deep": deep}},
            {"agent": {"ref": "amira", "name": CANARY}},
            {"agent": {"ref": [CANARY]}},
            {"agent": CANARY},
            {"queue": {"ref": "q", "size": CANARY}},
            {"queue": deep},
            {"channel": CANARY},
            {"ended_at": CANARY},
            {"contact_id": f"{CANARY} +1 555 123 4567"},
            {"disposition": {"code": "RES", "label": f"{CANARY} (212) 555-1234"}},
            {"markers": [{"kind": "abuse"}, {"kind": CANARY}, {"kind": "abuse", "note": CANARY}]},
            {"markers": [{"kind": "abuse", "rule": f"{CANARY} +15551234567"}] * 2},
            {"sentiment": {"subject": "agent", "score": -0.5, "label": CANARY}},
            {"sentiment": {"score": -0.5, "label": CANARY}},
            {"source_id": CANARY},
            {"event_id": {CANARY: 1}},
            {"as_of": CANARY, "platform": "fine"},
            {"contact_id": CANARY * 20},
        ]

        response = await client.post(
            "/v1/call-events/batch",
            json={"events": [*({**call(source_id), **each} for each in bad), CANARY, [CANARY], None]},
        )

        assert statuses(response.json()) == ["refused"] * (len(bad) + 3)
        assert CANARY not in response.text

        def kept(session: Session) -> list[str]:
            query = "SELECT row_to_json(r)::text FROM refused_call_event AS r WHERE organisation_id = :id"
            return list(session.scalars(text(query), {"id": world.id}))

        rows = await world.run(kept)
        assert len(rows) == len(bad) + 3
        numbers = ("555 123", "555-1234", "15551234567")  # an id may hold three fives
        assert not [row for row in rows if CANARY in row or any(number in row for number in numbers)]
        assert sum('"ended_at"' in row for row in rows) == len(bad) - 1
        assert '"score"' not in "".join(rows)

    async def test_one_is_replayed_with_corrections(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        answer = await post_batch(client, call(source_id, channel="pigeon", queue={"ref": "q", "name": "x" * 201}))
        url = f"/v1/call-events/refused/{answer['results'][0]['refused_id']}/replay"

        still = await client.post(url, json={"corrections": {"channel": "letter", "phone": CANARY}})
        done = await client.post(url, json={"corrections": {"channel": "chat", "queue": {"name": "Desk", "ref": None}}})
        again = await client.post(url)

        assert still.status_code == 422
        assert {fault["pointer"] for fault in still.json()["errors"]} == {"/channel", "/phone"}
        assert done.status_code == again.status_code == 200
        assert done.json() == again.json()
        assert (done.json()["channel"], done.json()["queue"]) == ("chat", {"ref": None, "name": "Desk"})
        refused = (await client.get(url.removesuffix("/replay"))).json()
        assert refused["call_event_id"] == done.json()["id"]
        assert refused["replayed_at"] is not None
        assert refused["allowed_actions"] == []
        assert await count(world, "call_event") == 1
        for replayed, found in ((True, 1), (False, 0)):
            listed = await client.get("/v1/call-events/refused", params={"replayed": replayed})
            assert len(listed.json()["data"]) == found

    async def test_one_whose_source_came_later_is_replayed_as_it_is(
        self, world: World, noor: httpx.AsyncClient
    ) -> None:
        poster = await world.client("call-events:read", "call-events:write")
        source_id = await make_source(noor)
        await noor.patch(f"/v1/sources/{source_id}", json={"active": False}, headers={"If-Match": "*"})
        answer = await post_batch(poster, call(source_id))
        await noor.patch(f"/v1/sources/{source_id}", json={"active": True}, headers={"If-Match": "*"})

        response = await poster.post(f"/v1/call-events/refused/{answer['results'][0]['refused_id']}/replay")

        assert response.status_code == 200

    async def test_what_was_sent_again_and_taken_is_not_taken_twice(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        event = call(source_id)
        answer = await post_batch(client, {**event, "channel": "pigeon"})
        taken = await post(client, event)

        response = await client.post(f"/v1/call-events/refused/{answer['results'][0]['refused_id']}/replay")

        assert response.json()["id"] == taken["id"]
        assert await count(world, "call_event") == 1

    async def test_a_batch_that_is_sent_again_refuses_nothing_anew(
        self, client: httpx.AsyncClient, source_id: str
    ) -> None:
        bad = call(source_id, channel="pigeon")

        await post_batch(client, bad)
        await post_batch(client, bad)
        last = await post_batch(client, bad)

        listed = (await client.get("/v1/call-events/refused")).json()["data"]
        assert [each["id"] for each in listed] == [last["results"][0]["refused_id"]]

    async def test_they_are_their_clients_alone(
        self, world: World, client: httpx.AsyncClient, mallory: httpx.AsyncClient, source_id: str
    ) -> None:
        answer = await post_batch(client, call(source_id, channel="pigeon"))
        url = f"/v1/call-events/refused/{answer['results'][0]['refused_id']}"

        for other in (await world.client(), mallory):
            assert (await other.get(url)).status_code == 404
            assert (await other.post(f"{url}/replay")).status_code == 404
            assert (await other.get("/v1/call-events/refused")).json()["data"] == []

    async def test_a_week_later_they_are_gone(
        self, client: httpx.AsyncClient, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = await post_batch(client, call(source_id, channel="pigeon"))
        url = f"/v1/call-events/refused/{answer['results'][0]['refused_id']}"
        later = clock.now() + timedelta(days=7, seconds=1)
        monkeypatch.setattr(clock, "now", lambda: later)

        assert (await client.get("/v1/call-events/refused")).json()["data"] == []
        assert (await client.post(f"{url}/replay", json={"corrections": {"channel": "chat"}})).status_code == 409

    async def test_pages_of_them_are_complete(self, client: httpx.AsyncClient, source_id: str) -> None:
        await post_batch(client, *(call(source_id, channel="pigeon") for _ in range(5)))
        first = (await client.get("/v1/call-events/refused", params={"limit": 3})).json()

        rest = await client.get("/v1/call-events/refused", params={"limit": 3, "cursor": first["next_cursor"]})

        assert len({each["id"] for each in first["data"] + rest.json()["data"]}) == 5
