"""What was delivered to an endpoint, what is delivered once more, and what a message looks like."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from app import clock
from app.models.webhook import MessageFormat
from app.webhooks import message as event_message
from tests.test_conventions_access import assert_problem
from tests.webhooks import WEBHOOKS, about, change, done, endpoint, happen, queued, read_on, rows, work
from tests.world import World, etag

SCOPES = ("webhooks:read", "webhooks:write", "pillars:read")
OF_EVENT = {"state": None, "version": 1}


@pytest.fixture
async def mine(world: World) -> httpx.AsyncClient:
    return await world.client(*SCOPES)


class TestDeliveries:
    async def test_a_test_is_a_message_of_its_own(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine, "pillar.created")

        told = await done(await mine.post(f"{WEBHOOKS}/{made['id']}/test"), 202)

        (delivery,) = await queued(world, made)
        assert (str(delivery.id), str(delivery.event_id)) == (told["delivery_id"], told["event_id"])
        assert (delivery.type, delivery.kind) == ("webhook_endpoint.test", "test")
        assert delivery.data == {"id": made["id"], "version": made["version"]}
        assert (await done(await mine.get(f"{WEBHOOKS}/{made['id']}/history")))["data"][0][
            "action"
        ] == "webhook_endpoint.tested"

    async def test_are_listed_with_every_attempt(self, world: World, mine: httpx.AsyncClient) -> None:
        made, other = await endpoint(mine, "pillar.*"), await endpoint(mine, "pillar.*")
        await happen(world, "pride", "calm")
        await work(world)
        first, second = await queued(world, made)
        url = f"{WEBHOOKS}/{made['id']}/deliveries"
        finished = "state = 'delivered', due_at = NULL, finished_at = now(), attempts = 2"
        await change(world, f"UPDATE webhook_delivery SET {finished} WHERE id = :id", id=first.id)
        attempt = (
            "INSERT INTO webhook_attempt VALUES (:delivery, :number, now(), 40, :status, :failure, :answer, :org, :id)"
        )
        for number, status, failure in ((2, 204, None), (1, None, "timed_out")):
            values = {"number": number, "status": status, "failure": failure, "answer": "busy" if failure else None}
            await change(world, attempt, delivery=first.id, id=UUID(int=number), org=world.id, **values)

        listed = (await done(await mine.get(url)))["data"]
        assert [each["id"] for each in listed] == [str(second.id), str(first.id)]
        assert [(each["state"], each["attempts"]) for each in listed] == [("pending", 0), ("delivered", 2)]
        for query in ({"state": "delivered"}, {"event_id": str(first.event_id)}):
            assert [each["id"] for each in (await done(await mine.get(url, params=query)))["data"]] == [str(first.id)]
        for query in ({"type": "goal.created"}, {"kind": "replay"}, {"state": "failed"}):
            assert (await done(await mine.get(url, params=query)))["data"] == []
        whole = await done(await mine.get(f"{url}/{first.id}"))
        assert [(each["number"], each["status"], each["failure"]) for each in whole["tries"]] == [
            (1, None, "timed_out"),
            (2, 204, None),
        ]
        assert whole["tries"][0]["answer"] == "busy"
        elsewhere = await mine.get(f"{WEBHOOKS}/{other['id']}/deliveries/{first.id}")
        assert_problem(elsewhere, 404, "not_found")

    async def test_go_with_the_endpoint(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine)
        await mine.post(f"{WEBHOOKS}/{made['id']}/test")

        assert (await mine.delete(f"{WEBHOOKS}/{made['id']}", headers=etag(made))).status_code == 204

        assert await queued(world, made) == []
        assert_problem(await mine.get(f"{WEBHOOKS}/{made['id']}"), 404)


class TestReplay:
    async def test_of_a_time_delivers_again_under_the_same_ids(self, world: World, mine: httpx.AsyncClient) -> None:
        happened = await happen(world, "pride", "calm", "courage")
        await work(world)
        shown, _ = await read_on(mine, type="pillar.created")
        shown = [each for each in shown if each["data"]["id"] in happened]
        made = await endpoint(mine, "pillar.*")
        url = f"{WEBHOOKS}/{made['id']}/replay"
        since, until = shown[0]["timestamp"], shown[2]["timestamp"]

        told = await done(await mine.post(url, json={"since": since, "until": until}), 202)
        assert told == {"queued": 2, "continue_from": None}
        assert [str(row.event_id) for row in await queued(world, made)] == [each["id"] for each in shown[:2]]
        assert {row.kind for row in await queued(world, made)} == {"replay"}
        assert (await done(await mine.post(url, json={"since": until}), 202))["queued"] == 1
        assert [row.data["id"] for row in await queued(world, made)] == happened
        history = (await done(await mine.get(f"{WEBHOOKS}/{made['id']}/history")))["data"]
        assert [entry["action"] for entry in history[:2]] == ["webhook_endpoint.replayed"] * 2

    async def test_of_some_by_their_ids_passes_over_what_is_not_the_clients(
        self, world: World, mine: httpx.AsyncClient, client: httpx.AsyncClient
    ) -> None:
        start = clock.now().isoformat()
        (wanted,) = await happen(world, "pride")
        await done(await client.post("/v1/teams", json={"name": "Day line"}), 201)
        unwanted, theirs = await endpoint(mine, "goal.*"), await endpoint(client, "goal.*")
        rotated = await mine.post(f"{WEBHOOKS}/{unwanted['id']}/rotate-secret")
        await work(world)
        found = await rows(world, "SELECT id, type, resource_id FROM outgoing_event")
        ids = {(row.type, str(row.resource_id)): str(row.id) for row in found}
        made = await endpoint(mine, "pillar.*", "team.*", "webhook_endpoint.created")
        url = f"{WEBHOOKS}/{made['id']}/replay"
        passed = [ids["pillar.created", wanted], ids["webhook_endpoint.created", unwanted["id"]]]
        asked = [*ids.values(), made["id"]]
        assert {theirs["id"], rotated.json()["id"]} <= {about_ for _, about_ in ids}

        assert (await done(await mine.post(url, json={"event_ids": asked}), 202))["queued"] == 2
        assert [str(row.event_id) for row in await queued(world, made)] == passed
        assert (await done(await mine.post(url, json={"since": start}), 202))["queued"] == 2
        assert [str(row.event_id) for row in await queued(world, made)] == passed * 2
        wrong: tuple[dict[str, Any], ...] = (
            {},
            {"event_ids": []},
            {"event_ids": asked, "since": "2026-11-20T10:00:00Z"},
            {"until": "2026-11-20T10:00:00Z"},
        )
        for bad in wrong:
            assert_problem(await mine.post(url, json=bad), 422)
        backwards = {"since": "2026-11-20T10:00:00Z", "until": "2026-11-20T10:00:00Z"}
        assert_problem(await mine.post(url, json=backwards), 422)

    async def test_of_too_many_says_where_to_go_on(
        self, world: World, mine: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.services.webhook_endpoint.REPLAYED_AT_ONCE", 2)
        start = clock.now().isoformat()
        happened = await happen(world, *(f"p{number}" for number in range(5)))
        await work(world)
        made = await endpoint(mine, "pillar.*")
        told: list[int] = []
        since: Any = start
        while since is not None:
            answer = await done(await mine.post(f"{WEBHOOKS}/{made['id']}/replay", json={"since": since}), 202)
            told.append(answer["queued"])
            since = answer["continue_from"]

        assert told == [2, 2, 1]
        assert [row.data["id"] for row in await queued(world, made)] == happened


class TestMessage:
    """The body, in each format, is thin and the same wherever it is made."""

    async def test_says_the_same_as_the_feed(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine, "pillar.*")
        await happen(world, "pride")
        await work(world)
        ((delivery,), (event,)) = await queued(world, made), (await read_on(mine, type="pillar.created"))[0][-1:]
        public_url = world.app.state.settings.public_url
        item = delivery._asdict()

        standard = event_message.message(item, MessageFormat.standard, public_url, world.id)
        assert standard == {name: event[name] for name in ("type", "timestamp", "data")}
        cloud = event_message.message(item, MessageFormat.cloudevents, public_url, world.id)
        assert cloud == {
            "specversion": "1.0",
            "id": event["id"],
            "source": f"urn:ballast:organisation:{world.id}",
            "type": event["type"],
            "time": event["timestamp"],
            "subject": event["data"]["id"],
            "datacontenttype": "application/json",
            "data": event["data"],
        }
        assert about([standard]) == about([cloud])
        longest = event_message.body(item, MessageFormat.cloudevents, public_url, world.id)
        assert len(longest) < 1000  # of the 20,000 that receivers may count on
        assert b": " not in longest.replace(b'": ', b"")

    def test_the_test_message_leads_to_the_endpoint(self) -> None:
        item = {
            "event_id": UUID(int=1),
            "type": "webhook_endpoint.test",
            "occurred_at": clock.now(),
            "data": {"id": str(UUID(int=2)), "version": 1},
        }
        message = event_message.message(item, "standard", "https://ballast.example/", UUID(int=3))
        assert message["data"] == {
            **OF_EVENT,
            "id": str(UUID(int=2)),
            "url": f"https://ballast.example{WEBHOOKS}/{UUID(int=2)}",
        }
        assert event_message.event_id(item) == str(UUID(int=1))
