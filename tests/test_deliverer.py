"""Webhooks are delivered at least once, signed and in time; an endpoint is held by one worker, and may be disabled."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from standardwebhooks.webhooks import Webhook

from app import clock
from app.models import AuditEntry, OutgoingEvent
from app.outgoing import guard
from app.outgoing.connections import Answer
from app.services import webhook_hold as holds
from app.services import webhook_sending as sending
from app.webhooks import courier
from app.webhooks import keys as webhook_keys
from app.webhooks.outcome import SCHEDULE, judge
from tests import deliveries as made
from tests.deliveries import Made, delivering, make_endpoint, queue, taking, until_done, until_tried
from tests.receiver import Receiver, answer
from tests.world import World

GONE, BROKEN = answer("410 Gone"), answer("500 Internal Server Error")


@pytest.fixture(autouse=True)
async def two_organisations(world: World, elsewhere: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.alone(elsewhere)
    monkeypatch.setattr(courier, "LINGER_SECONDS", 0.1)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@dataclass
class Clock:
    """The service's clock, ahead of the real one."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def move_to(self, moment: datetime) -> None:
        self.ahead = moment - datetime.now(UTC)


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(clock, "now", moved.now)
    return moved


class TestMessage:
    @pytest.mark.parametrize("message_format", ["standard", "cloudevents"])
    async def test_is_what_the_receiver_can_verify(self, world: World, receiver: Receiver, message_format: str) -> None:
        endpoint = await make_endpoint(world, f"{receiver.url}?a=b", format=message_format)
        before = await made.row(world, endpoint)
        (event_id,) = await queue(world, endpoint)

        async with delivering(made.deliverer(world)):
            await until_done(world)

        (sent,) = receiver.received
        body = Webhook(endpoint.keys.secret_text).verify(sent.body, sent.headers)
        assert (sent.method, sent.path) == ("POST", "/hooks?a=b")
        assert sent.headers["webhook-id"] == str(event_id)
        assert sent.headers["user-agent"].startswith("ballast/")
        assert body["type"] == "goal.created"
        if message_format == "cloudevents":
            assert sent.headers["content-type"].startswith("application/cloudevents+json")
            assert (body["specversion"], body["id"]) == ("1.0", str(event_id))
        else:
            assert sent.headers["content-type"] == "application/json"
            assert body["data"]["id"] == str(event_id)
        ((delivery,), (attempt,)) = await made.deliveries(world, endpoint), await made.attempts(world, endpoint)
        assert (delivery.state, delivery.attempts, delivery.due_at) == ("delivered", 1, None)
        assert delivery.finished_at >= attempt.attempted_at
        assert (attempt.number, attempt.status, attempt.failure) == (1, 200, None)
        after = await made.row(world, endpoint)
        assert (after.version, after.updated_at) == (before.version, before.updated_at)
        assert (after.lease_token, after.failing_since) == (None, None)
        assert after.last_delivered_at >= delivery.created_at
        assert not await made.is_due(world)

    async def test_carries_the_signatures_of_both_keys_while_they_are_rotated(
        self, world: World, receiver: Receiver
    ) -> None:
        endpoint, new = await make_endpoint(world, receiver.url), webhook_keys.make()
        sealed = webhook_keys.seal_keys(world.app.state.vault, world.id, endpoint.id, new)
        rotate = "UPDATE webhook_endpoint SET previous_keys = keys, keys = :keys, previous_keys_until = :until"
        rotate += " WHERE organisation_id = :organisation"
        await queue(world, endpoint)
        async with delivering(made.deliverer(world)):
            await until_done(world)
            for seconds, secrets in ((60, {endpoint.keys, new}), (-60, {new})):
                keys = sealed if seconds > 0 else (await made.row(world, endpoint)).keys
                await made.execute(world, rotate, keys=keys, until=clock.now() + timedelta(seconds=seconds))
                await queue(world, endpoint)
                await until_done(world)
                sent = receiver.received[-1]
                assert sent.headers["webhook-signature"].count("v1,") == len(secrets)
                for keys in secrets:
                    Webhook(keys.secret_text).verify(sent.body, sent.headers)

    async def test_is_kept_from_who_is_not_public(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guard, "addresses_of", lambda host, port: [ip_address("127.0.0.1")])
        for changes, url in (
            ({"outgoing_networks": ()}, receiver.url),
            ({"outgoing_networks": ()}, receiver.url.replace("127.0.0.1", "hooks.example.com")),
            ({"outgoing_http": False}, receiver.url),
        ):
            endpoint = await make_endpoint(world, url)
            await queue(world, endpoint)
            async with delivering(made.deliverer(world, **changes)):
                await until_tried(world, endpoint)
            (attempt,) = await made.attempts(world, endpoint)
            assert (attempt.status, attempt.failure) == (None, "address_not_allowed")
        assert receiver.connections == 0

    async def test_is_answered_with_text_of_which_the_beginning_is_kept(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receiver.answer = answer("400 Bad Request", b"a\x00b\xff" + b"x" * 5000)
        endpoint = await make_endpoint(world, receiver.url)
        await queue(world, endpoint)
        async with delivering(made.deliverer(world)):
            await until_tried(world, endpoint)
        assert (await made.attempts(world, endpoint))[
            0
        ].answer is None  # what an inner service says is nobody's business

        monkeypatch.setattr(guard, "is_public", lambda _: True)
        endpoint = await make_endpoint(world, receiver.url)
        await queue(world, endpoint)
        async with delivering(made.deliverer(world)):
            await until_tried(world, endpoint)
        assert (await made.attempts(world, endpoint))[0].answer == "ab�" + "x" * 4092

    @pytest.mark.parametrize(
        ("said", "status", "failure"),
        [
            (answer("302 Found", Location="/elsewhere"), 302, None),
            (answer("404 Not Found"), 404, None),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", 200, None),
            (b"hello\r\n\r\n", None, "not_http"),
            (taking(5), None, "timed_out"),
        ],
    )
    async def test_is_delivered_by_an_answer_of_2xx_alone(
        self,
        world: World,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
        said: Any,
        status: int | None,
        failure: str | None,
    ) -> None:
        monkeypatch.setattr(courier, "SECONDS_TO_ANSWER", 0.3)
        receiver.answer = said
        endpoint = await make_endpoint(world, receiver.url)
        await queue(world, endpoint)
        async with delivering(made.deliverer(world)):
            await until_tried(world, endpoint)
        (attempt,), (delivery,) = await made.attempts(world, endpoint), await made.deliveries(world, endpoint)
        assert (attempt.status, attempt.failure) == (status, failure)
        assert delivery.state == ("delivered" if status == 200 else "pending")
        assert [each.path for each in receiver.received] == ["/hooks"]


class TestRetries:
    async def test_follow_the_schedule_with_the_same_id_and_body_and_then_end(
        self, world: World, receiver: Receiver, moved: Clock
    ) -> None:
        receiver.answer = BROKEN
        endpoint = await make_endpoint(world, receiver.url)
        await queue(world, endpoint)
        async with delivering(made.deliverer(world)):
            for number in range(1, 10):
                await until_tried(world, endpoint, number)
                (delivery,), tries = await made.deliveries(world, endpoint), await made.attempts(world, endpoint)
                assert 0.8 <= (delivery.due_at - tries[-1].attempted_at) / SCHEDULE[number] <= 1.4
                moved.move_to(delivery.due_at)
            await until_tried(world, endpoint, 10)
        (delivery,), tries = await made.deliveries(world, endpoint), await made.attempts(world, endpoint)
        assert (delivery.state, delivery.attempts, len(tries)) == ("failed", 10, 10)
        assert [each.number for each in tries] == list(range(1, 11))
        assert len({(each.headers["webhook-id"], each.body) for each in receiver.received}) == 1
        stamps = [int(each.headers["webhook-timestamp"]) for each in receiver.received]
        assert 75 * 3600 * 0.8 < stamps[-1] - stamps[0] < 76 * 3600 * 1.2
        assert (await made.row(world, endpoint)).failing_since == tries[0].attempted_at

    async def test_that_succeed_end_the_failing(self, world: World, receiver: Receiver, moved: Clock) -> None:
        receiver.answer = BROKEN
        endpoint = await make_endpoint(world, receiver.url)
        await queue(world, endpoint)
        async with delivering(made.deliverer(world)):
            await until_tried(world, endpoint)
            assert (await made.row(world, endpoint)).failing_since is not None
            receiver.answer = answer("204 No Content")
            moved.ahead = timedelta(seconds=7)
            await until_done(world)
        assert (await made.row(world, endpoint)).failing_since is None
        assert [each.status for each in await made.attempts(world, endpoint)] == [500, 204]

    async def test_of_all_wait_while_the_receiver_has_too_much_to_do(
        self, world: World, receiver: Receiver, moved: Clock
    ) -> None:
        receiver.answer = answer("429 Too Many Requests", Retry_After="120")
        endpoint = await make_endpoint(world, receiver.url, concurrency=1)
        await queue(world, endpoint, 5)
        async with delivering(made.deliverer(world)):
            await until_tried(world, endpoint)
            await asyncio.sleep(0.4)
            assert len(receiver.received) == 1
            held = await made.row(world, endpoint)
            assert timedelta(seconds=110) < held.lease_until - clock.now() < timedelta(seconds=125)
            looked_at = await made.deliver_at(world)
            assert looked_at is not None
            assert looked_at <= held.lease_until
            receiver.answer = answer()
            assert (await world.run(holds.take_hold, world.id, 5)).taken == []
            assert await made.deliver_at(world) == held.lease_until
            moved.ahead = timedelta(seconds=150)
            await until_done(world)
        assert len(receiver.received) == 6


class TestDisabling:
    async def events(self, world: World, endpoint: Made) -> list[Any]:
        def read(session: Session) -> list[Any]:
            audit = select(AuditEntry.action, AuditEntry.details, AuditEntry.actor_kind).where(
                AuditEntry.organisation_id == world.id, AuditEntry.resource_id == endpoint.id
            )
            out = select(OutgoingEvent.type, OutgoingEvent.data).where(
                OutgoingEvent.organisation_id == world.id, OutgoingEvent.resource_id == endpoint.id
            )
            return [*session.execute(audit).all(), *session.execute(out).all()]

        return list(await world.run(read))

    async def test_comes_at_once_with_410_and_is_said(self, world: World, receiver: Receiver) -> None:
        receiver.answer = GONE
        endpoint = await make_endpoint(world, receiver.url, concurrency=1)
        await queue(world, endpoint, 3)
        async with delivering(made.deliverer(world)):
            await until_tried(world, endpoint)
            await asyncio.sleep(0.3)
        after = await made.row(world, endpoint)
        assert (after.active, after.disabled_reason, after.version) == (False, "gone", 2)
        assert after.disabled_at is not None
        assert len(receiver.received) < 3
        assert {each.state for each in await made.deliveries(world, endpoint)} == {"pending"}  # for when it is back
        entry, event = await self.events(world, endpoint)
        assert (entry.action, entry.actor_kind) == ("webhook_endpoint.disabled", "system")
        assert entry.details["reason"] == "gone"
        assert event.type == "webhook_endpoint.disabled"
        assert event.data["id"] == str(endpoint.id)

    @pytest.mark.parametrize(("days", "active"), [(4.9, True), (5.1, False)])
    async def test_comes_after_five_days_of_nothing_but_failures(
        self, world: World, receiver: Receiver, days: float, active: bool
    ) -> None:
        receiver.answer = BROKEN
        since = clock.now() - timedelta(days=days)
        endpoint = await make_endpoint(world, receiver.url, failing_since=since)
        await queue(world, endpoint, 2)
        async with delivering(made.deliverer(world)):
            await until_tried(world, endpoint, 1 if not active else 2)
        after = await made.row(world, endpoint)
        assert (after.active, after.disabled_reason) == (active, None if active else "failing")
        assert [each[0] for each in await self.events(world, endpoint)] == ["webhook_endpoint.disabled"] * (
            0 if active else 2
        )

    async def test_does_not_come_where_one_of_a_batch_succeeds(self, world: World, receiver: Receiver) -> None:
        said = [BROKEN, answer(), BROKEN]

        async def say(*_: Any) -> bytes:
            return said.pop(0)

        receiver.answer = say
        endpoint = await make_endpoint(world, receiver.url, failing_since=clock.now() - timedelta(days=9))
        await made.execute(
            world, "UPDATE webhook_endpoint SET lease_token = NULL WHERE organisation_id = :organisation"
        )
        at = clock.now()
        await queue(world, endpoint, 3)
        rows = await made.deliveries(world, endpoint)
        held = await _hold(world)
        came = [
            judge(row, Answer(status, {}, is_inner=True), at + timedelta(seconds=second), 0.1).attempt
            for second, (row, status) in enumerate(zip(rows, (500, 200, 500), strict=True))
        ]
        turn = await world.run(sending.exchange, held, came, [], 0)
        assert turn.endpoint is not None
        after = await made.row(world, endpoint)
        assert (after.active, after.failing_since) == (True, at + timedelta(seconds=2))


async def _hold(world: World) -> holds.Held:
    survey = await world.run(holds.take_hold, world.id, 1)
    (held,) = survey.taken
    assert isinstance(held, holds.Held)
    return held


class TestHold:
    async def test_is_of_one_worker_at_a_time_and_runs_out(
        self, world: World, receiver: Receiver, moved: Clock
    ) -> None:
        endpoint = await make_endpoint(world, receiver.url)
        await queue(world, endpoint, 2)
        first = await _hold(world)
        assert (await world.run(holds.take_hold, world.id, 1)).taken == []
        assert await made.deliver_at(world) == (await made.row(world, endpoint)).lease_until

        moved.ahead = holds.HELD + timedelta(seconds=1)
        assert await world.database.run(holds.due) == [world.id]
        second = await _hold(world)
        assert second.token != first.token

    async def test_that_was_lost_undoes_nothing(self, world: World, receiver: Receiver, moved: Clock) -> None:
        endpoint = await make_endpoint(world, receiver.url)
        await queue(world, endpoint, 3)
        first = await _hold(world)
        delivery, other, retried = await made.deliveries(world, endpoint)
        moved.ahead = holds.HELD + timedelta(seconds=1)
        second = await _hold(world)
        good = judge(delivery, Answer(200, {}, is_inner=True), clock.now(), 0.1).attempt
        again = judge(retried, Answer(500, {}, is_inner=True), clock.now(), 0.1).attempt
        assert (await world.run(sending.exchange, second, [good, again], [], 10)).endpoint is not None
        healthy = (await made.row(world, endpoint)).failing_since

        late = (delivery, other, retried)
        bad = [judge(each, Answer(410, {}, is_inner=True), clock.now(), 0.1).attempt for each in late]
        turn = await world.run(sending.exchange, first, bad, [], 10)

        assert (turn.endpoint, turn.deliveries) == (None, ())
        rows = await made.deliveries(world, endpoint)
        assert [(row.state, row.attempts) for row in rows] == [("delivered", 1), ("pending", 1), ("pending", 1)]
        assert [each.status for each in await made.attempts(world, endpoint)] == [200, 410, 500]  # each is told once
        after = await made.row(world, endpoint)
        assert (after.active, after.failing_since, after.lease_token) == (True, healthy, second.token)
        await world.run(holds.let_go, first, None)
        assert (await made.row(world, endpoint)).lease_token == second.token

    async def test_loses_no_mark_that_is_made_meanwhile(self, world: World, receiver: Receiver) -> None:
        """Whoever queues something marks the organisation last: the mark stands, whatever looks come between."""
        endpoint = await make_endpoint(world, receiver.url)
        at = clock.now()
        insert = text(
            "INSERT INTO webhook_delivery (organisation_id, id, endpoint_id, event_id, kind, type, occurred_at, data,"
            " state, due_at) VALUES (:organisation, :id, :endpoint, :id, 'event', 'x.y', :at, '{}', 'pending', :at)"
        )
        for _ in range(2):
            async with world.database.engine.connect() as late:
                await late.execute(text("SELECT set_tenant(:id)"), {"id": world.id})
                await late.execute(insert, {"organisation": world.id, "id": uuid4(), "endpoint": endpoint.id, "at": at})
                for held in (await world.run(holds.take_hold, world.id, 5)).taken:
                    await world.run(holds.let_go, held, None)  # they see nothing of it
                await late.execute(made.MARK, {"organisation": world.id, "at": at})
                assert (await world.run(holds.take_hold, world.id, 5)).taken == ()  # does not wait for the mark
                await late.commit()
            assert await made.is_due(world)
            await world.run(holds.let_go, await _hold(world), None)
            assert await made.is_due(world)

    async def test_of_many_goes_to_who_is_well_first(self, world: World, receiver: Receiver) -> None:
        ill = await make_endpoint(world, receiver.url, failing_since=clock.now())
        await queue(world, ill)
        well = await make_endpoint(world, receiver.url)
        await queue(world, well)
        assert (await _hold(world)).id == well.id

    async def test_is_not_taken_of_what_is_switched_off(self, world: World, receiver: Receiver) -> None:
        endpoint = await make_endpoint(world, receiver.url, active=False, paused_at=clock.now())
        await queue(world, endpoint)
        survey = await world.run(holds.take_hold, world.id, 5)
        assert (survey.taken, survey.due_since) == ([], None)
        assert await made.deliver_at(world) is None
