"""Batches of call events: one bad item sinks nothing, and a batch costs as many statements as one event."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import event as sqlalchemy_event

from tests.calls import Followed, call, count, make_source, post, post_batch, statuses
from tests.world import World


@pytest.fixture
async def source_id(client: httpx.AsyncClient) -> str:
    return await make_source(client)


class TestResults:
    async def test_one_bad_item_sinks_nothing(self, client: httpx.AsyncClient, world: World, source_id: str) -> None:
        known = call(source_id)
        stored = await post(client, known)
        new, unmatched = call(source_id, disposition={"code": "NEW"}), call(source_id, agent={"ref": "nobody"})

        answer = await post_batch(
            client,
            new,
            {"event_id": "x"},
            known,
            "nonsense",
            unmatched,
            {**known, "event_id": "later", "as_of": "2026-03-04T11:00:00Z", "result": "answered"},
            new,
            call(source_id, ended_at="soon"),
        )

        assert statuses(answer) == [
            "created",
            "refused",
            "duplicate",
            "refused",
            "created",
            "updated",
            "duplicate",
            "refused",
        ]
        assert {name: answer[name] for name in ("created", "updated", "duplicate", "refused")} == {
            "created": 2,
            "updated": 1,
            "duplicate": 2,
            "refused": 3,
        }
        results = answer["results"]
        assert [result["index"] for result in results] == list(range(8))
        assert results[2]["id"] == results[5]["id"] == stored["id"]
        assert results[6]["id"] == results[0]["id"]
        assert [result["matched"] for result in results] == [True, None, True, None, False, True, True, None]
        assert results[0]["unmapped_codes"] is True
        assert results[4]["unmapped_codes"] is False
        assert {fault["pointer"] for fault in results[1]["errors"]} >= {"/contact_id", "/agent", "/ended_at"}
        assert [fault["pointer"] for fault in results[3]["errors"]] == ["/"]
        assert await count(world, "call_event") == 3

    async def test_events_about_one_call_become_one(self, client: httpx.AsyncClient, source_id: str) -> None:
        event = call(source_id)
        later = {**event, "event_id": "later", "as_of": "2026-03-04T11:00:00Z", "result": "answered"}

        answer = await post_batch(client, later, event)

        assert statuses(answer) == ["created", "updated"]
        first, second = (result["id"] for result in answer["results"])
        assert first == second
        assert (await client.get(f"/v1/call-events/{first}")).json()["result"] == "answered"

    async def test_an_empty_batch_is_one(self, client: httpx.AsyncClient, world: World) -> None:
        before = await count(world, "audit_entry")

        answer = await post_batch(client)

        assert answer == {"created": 0, "updated": 0, "duplicate": 0, "refused": 0, "results": []}
        assert await count(world, "audit_entry") == before

    @pytest.mark.parametrize("body", [[], {}, {"events": None}, {"events": {}}, {"events": [], "mode": "all"}])
    async def test_what_is_no_batch_is_refused_whole(self, client: httpx.AsyncClient, body: Any) -> None:
        assert (await client.post("/v1/call-events/batch", json=body)).status_code == 422

    async def test_more_than_a_thousand_are_refused_whole(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        response = await client.post("/v1/call-events/batch", json={"events": [call(source_id) for _ in range(1001)]})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/events"
        assert await count(world, "call_event") == 0

    async def test_a_thousand_go_in_at_once(
        self, client: httpx.AsyncClient, world: World, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        followed = Followed(monkeypatch)
        events = [call(source_id, disposition={"code": "RES", "label": "x" * 200}) for _ in range(1000)]
        assert len(json.dumps(events)) > 300_000  # more than a single request may bring

        answer = await post_batch(client, *events)

        assert answer["created"] == await count(world, "call_event") == 1000
        assert len(followed) == 1

    async def test_one_request_writes_one_audit_entry_and_nothing_leaves(
        self, client: httpx.AsyncClient, world: World, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Followed(monkeypatch)
        before = await count(world, "audit_entry"), await count(world, "outgoing_event")

        await post_batch(client, *(call(source_id) for _ in range(20)), "nonsense")

        assert (await count(world, "audit_entry"), await count(world, "outgoing_event")) == (before[0] + 1, before[1])
        entry = (await client.get("/v1/audit-entries", params={"sort": "-id"})).json()["data"][0]
        assert entry["action"] == "call_event.received"
        assert entry["details"] == {"created": 20, "refused": 1, "sources": [source_id]}

    async def test_signals_follow_once_for_each_person_touched(
        self, client: httpx.AsyncClient, world: World, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = call(source_id, ended_at="2026-03-04T09:00:00Z")
        await post(client, known)
        followed = Followed(monkeypatch)

        await post_batch(
            client,
            call(source_id, ended_at="2026-03-04T10:00:00Z"),
            call(source_id, ended_at="2026-03-04T08:00:00Z"),
            call(source_id, agent={"ref": "theo"}, ended_at="2026-03-04T07:00:00Z"),
            call(source_id, agent={"ref": "nobody"}, ended_at="2026-03-04T06:00:00Z"),
            {**known, "event_id": "moved", "as_of": "2026-03-04T12:00:00Z", "ended_at": "2026-03-04T11:00:00Z"},
            call("0192f0c1-2b3c-7d4e-8f50-617283940a1b", ended_at="2026-03-04T05:00:00Z"),
        )
        await post_batch(client, known)

        assert followed == [
            {
                world.people["amira"]: ("2026-03-04T08:00:00+00:00", "2026-03-04T11:00:00+00:00"),
                world.people["theo"]: ("2026-03-04T07:00:00+00:00", "2026-03-04T07:00:00+00:00"),
            }
        ]


class TestSetBased:
    @pytest.fixture
    def statements(self, world: World) -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        engine = world.database.engine.sync_engine
        sqlalchemy_event.listen(engine, "before_cursor_execute", note)
        yield seen
        sqlalchemy_event.remove(engine, "before_cursor_execute", note)

    async def test_the_number_of_statements_does_not_grow_with_the_batch(
        self, client: httpx.AsyncClient, source_id: str, statements: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Followed(monkeypatch)
        counts = []
        for size in (3, 200):
            known = [call(source_id, contact_id=f"{size}-{n}", disposition={"code": f"C{n}"}) for n in range(size)]
            await post_batch(client, *known)
            later = [{**event, "event_id": event["event_id"] + "-later", "result": "busy"} for event in known]
            new = [call(source_id, agent={"ref": f"agent {n}"}, markers=[{"kind": "other"}]) for n in range(size)]
            statements.clear()
            answer = await post_batch(client, *known, *later, *new, *(["nonsense"] * size))
            assert statuses(answer) == [
                *["duplicate"] * size,
                *["updated"] * size,
                *["created"] * size,
                *["refused"] * size,
            ]
            counts.append(len(statements))

        assert counts[0] == counts[1]
