"""Batches about the same calls at the same time: nothing is counted twice or lost, and nobody waits in a circle."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from app import database
from app.intake import canonical
from app.services import call_event_intake as intake
from app.services import call_event_rows as rows
from app.services import outcome
from tests.calls import Held, call, count, make_source, post, post_batch
from tests.world import World


@pytest.fixture
async def source_id(client: httpx.AsyncClient) -> str:
    return await make_source(client)


class TestSideBySide:
    async def test_overlapping_batches_neither_deadlock_nor_count_twice(
        self, client: httpx.AsyncClient, world: World, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "RETRIED", ())  # a deadlock would be retried, and so be missed here
        people = ["amira", "theo", "grace", "noor"]
        events = [
            call(source_id, agent={"ref": people[n % 4]}, contact_id=f"c-{n // 2}", disposition={"code": f"N{n % 7}"})
            for n in range(60)
        ]
        later = [
            {**event, "event_id": event["event_id"] + "-later", "as_of": "2026-03-04T12:00:00Z", "result": "failed"}
            for event in events
        ]
        batches = [events, events[::-1], [*later, *events], [*events, *later][::-1], later[::-1], events[::2] + later]

        answers = await asyncio.gather(
            *(client.post("/v1/call-events/batch", json={"events": batch}) for batch in batches)
        )

        assert [answer.status_code for answer in answers] == [202] * len(batches)
        created = sum(answer.json()["created"] for answer in answers)
        assert created == await count(world, "call_event") == 60
        assert await count(world, "call_event_receipt") == 120
        rows = (await client.get("/v1/call-events", params={"limit": 200})).json()["data"]
        assert {row["result"] for row in rows} == {"failed"}
        codes = (await client.get(f"/v1/sources/{source_id}/unmapped-codes")).json()["data"]
        assert sum(code["count"] for code in codes) == 120

        def dangling(session: Session) -> int:
            query = (
                "SELECT count(*) FROM call_event_receipt r LEFT JOIN call_event c"
                " ON c.organisation_id = r.organisation_id AND c.id = r.call_event_id"
                " WHERE r.organisation_id = :id AND c.id IS NULL"
            )
            return int(session.scalar(text(query), {"id": world.id}))

        assert await world.run(dangling) == 0

    async def test_what_two_say_at_the_same_time_is_both_kept(
        self, client: httpx.AsyncClient, world: World, noor: httpx.AsyncClient
    ) -> None:
        event = call(await make_source(noor), as_of="2026-03-04T11:00:00Z")
        await post(client, event)
        one = canonical.read({**event, "event_id": "one", "as_of": "2026-03-04T12:00:00Z", "team_ref": "t"})
        other = {**event, "event_id": "other", "as_of": "2026-03-04T13:00:00Z", "result": "busy"}

        held = Held(world, intake.receive, [one])
        found = await held.while_waiting(post(client, other))

        assert (found["team_ref"], found["result"], found["version"]) == ("t", "busy", 3)

    async def test_what_is_said_between_two_statements_is_kept_too(
        self, client: httpx.AsyncClient, world: World, noor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = call(await make_source(noor), as_of="2026-03-04T11:00:00Z")
        await post(client, event)
        one = canonical.read({**event, "event_id": "one", "as_of": "2026-03-04T12:00:00Z", "team_ref": "t"})
        execute, held = database.execute, list[Held]()

        def interrupted(session: Session, statement: Any, values: Any) -> Any:
            if statement is rows.LOCK and not held:
                held.append(Held(world, intake.receive, [one]))
                await_only(held[0].done.wait())
                asyncio.get_running_loop().call_later(0.3, held[0].go.set)
            return execute(session, statement, values)

        monkeypatch.setattr(intake, "execute", interrupted)
        found = await post(client, {**event, "event_id": "other", "as_of": "2026-03-04T13:00:00Z", "result": "busy"})
        await held[0].task

        assert (found["team_ref"], found["result"], found["version"]) == ("t", "busy", 3)

    async def test_whatever_the_order_of_a_batch_it_takes_its_rows_in_one(
        self, client: httpx.AsyncClient, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execute, seen = database.execute, list[tuple[Any, Any]]()

        def noting(session: Session, statement: Any, values: Any) -> Any:
            seen.append((statement, values))
            return execute(session, statement, values)

        monkeypatch.setattr(intake, "execute", noting)
        monkeypatch.setattr(outcome, "execute", noting)
        other = await make_source(client, "Other")
        events = [
            call(source, contact_id=f"c-{n % 5}", event_id=f"e-{n}", disposition={"code": f"N{n}"})
            for source in (source_id, other)
            for n in range(10)
        ]
        await post_batch(client, *events[::-1])
        await post_batch(client, *({**event, "event_id": event["event_id"] + "-later"} for event in events[::-1]))

        def taken(statement: Any, *columns: str) -> list[list[Any]]:
            return [
                list(zip(*(values[column] for column in columns), strict=True))
                for each, values in seen
                if each is statement
            ]

        for statement, columns in (
            (rows.RECEIPTS, ("source_ids", "event_ids")),
            (rows.INSERT, ("source_id", "contact_id", "agent_key")),
            (outcome.COUNT_UNMAPPED, ("source_ids", "kinds", "keys")),
        ):
            batches = taken(statement, *columns)
            assert len(batches) == 2
            assert all(batch == sorted(batch) and len(batch) >= 10 for batch in batches)

    async def test_the_same_event_at_the_same_time_is_taken_once(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        event = call(source_id)

        answers = await asyncio.gather(*(client.post("/v1/call-events", json=event) for _ in range(20)))

        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
        assert await count(world, "call_event") == await count(world, "call_event_receipt") == 1

    async def test_a_mapping_made_meanwhile_reaches_every_call(
        self, client: httpx.AsyncClient, source_id: str, world: World
    ) -> None:
        mapping = {"kind": "disposition", "code": "NEW", "outcomes": ["abusive"]}

        def batch(number: int) -> Any:
            events = [call(source_id, contact_id=f"{number}-{n}", disposition={"code": "new"}) for n in range(30)]
            return client.post("/v1/call-events/batch", json={"events": events})

        answers = await asyncio.gather(
            *(batch(number) for number in range(4)),
            client.post(f"/v1/sources/{source_id}/outcome-mappings", json=mapping),
            *(batch(number) for number in range(4, 6)),
        )

        assert sorted(answer.status_code for answer in answers) == [201, *[202] * 6]

        def unmapped(session: Session) -> tuple[int, int]:
            query = (
                "SELECT (SELECT count(*) FROM call_event WHERE organisation_id = :id AND outcomes <> '{abusive}'),"
                " (SELECT count(*) FROM unmapped_code WHERE organisation_id = :id)"
            )
            calls, codes = session.execute(text(query), {"id": world.id}).one()
            return calls, codes

        assert await world.run(unmapped) == (0, 0)
