"""Streams of support prompts: what happens is told at once, nothing is missed, and nobody learns what is not theirs."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import insert, update
from uuid_utils.compat import uuid7

from app import clock, migrate
from app.database import Database, make_engine
from app.live import hub as hubs
from app.live import stream as streams
from app.main import create_app, holds_a_secret
from app.models import Employee, RoleGrant, Team, TeamMember
from app.models.strain import PromptKind
from app.services import live_prompts
from app.settings import Settings
from app.telemetry import STREAM_EVENTS, STREAMS, STREAMS_ENDED, JsonLines, exposition
from app.worker import WHEN_DUE, Worker
from tests.streams import MINE, Event, Follower, numbered, of_team, offer, until
from tests.world import World

PROMPTS = "/v1/support-prompts"


@pytest.fixture(autouse=True)
def as_long_as_anyone_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "OPEN_SECONDS", 3600.0)


def mine(world: World, who: str = "amira", **options: Any) -> Follower:
    return Follower(world.app, token=world.token(who), **options)


def of_her_team(world: World, who: str = "theo", **options: Any) -> Follower:
    return Follower(world.app, of_team(world.team_id), world.token(who), **options)


async def shown(caller: httpx.AsyncClient, prompt_id: UUID) -> Any:
    return (await caller.get(f"{PROMPTS}/{prompt_id}")).json()


async def answered(world: World, caller: httpx.AsyncClient, prompt_id: UUID, verb: str) -> None:
    answer = await caller.post(f"{PROMPTS}/{prompt_id}/{verb}")
    assert answer.status_code == 200, answer.text
    await numbered(world)


async def swept(world: World) -> None:
    await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, WHEN_DUE)
    world.app.state.live.wake(world.id)


async def leave_team(world: World, person: str) -> None:
    theo = world.person("hana")
    members = (await theo.get(f"/v1/teams/{world.team_id}/members")).json()["data"]
    (member,) = [m["id"] for m in members if m["employee_id"] == str(world.people[person])]
    gone = await theo.delete(f"/v1/teams/{world.team_id}/members/{member}", headers={"If-Match": "*"})
    assert gone.status_code == 204, gone.text
    await numbered(world)


async def change(world: World, statement: Any) -> None:
    await world.run(lambda session: session.execute(statement))


class TestOwn:
    async def test_it_begins_with_what_is_open_and_goes_on_with_every_change(
        self, world: World, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, other = await offer(world, "amira"), await offer(world, "amira", private=True)
        await offer(world, "theo")
        await amira.post(f"{PROMPTS}/{old}/decline")
        await numbered(world)
        async with mine(world) as stream:
            begin = await stream.next()
            assert (begin.name, begin.data) == ("snapshot", {"data": [await shown(amira, other)]})

            new = await offer(world, "amira")
            await offer(world, "theo")
            await numbered(world)
            assert await stream.next() == Event("support_prompt.offered", await shown(amira, new), stream.last_id)
            for prompt_id, verb, name in (
                (new, "accept", "accepted"),
                (new, "complete", "done"),
                (other, "decline", "declined"),
            ):
                await answered(world, amira, prompt_id, verb)
                told = await stream.next()
                assert (told.name, told.data) == (f"support_prompt.{name}", await shown(amira, prompt_id))

            last = await offer(world, "amira", lasts=timedelta(minutes=5))
            await numbered(world)
            await stream.next()
            later = clock.now() + timedelta(minutes=6)
            monkeypatch.setattr(clock, "now", lambda: later)
            await swept(world)
            told = await stream.next()
            assert (told.name, told.data["id"], told.data["state"]) == ("support_prompt.expired", str(last), "expired")
            assert await stream.nothing()

    async def test_its_headers_suit_a_browser_and_a_proxy(self, world: World) -> None:
        async with mine(world) as stream:
            await stream.next()
            assert stream.status == 200
            assert stream.answer["content-type"] == "text/event-stream; charset=utf-8"
            assert stream.answer["cache-control"] == "no-store"
            assert stream.answer["x-accel-buffering"] == "no"
            assert stream.answer["x-request-id"]
            assert stream.retry == str(streams.RETRY_MILLISECONDS)

    async def test_it_looks_by_itself_where_nobody_says_when(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hubs, "POLL_SECONDS", 0.1)
        async with mine(world) as stream:
            await stream.next()
            await asyncio.sleep(0.3)
            monkeypatch.setattr(hubs.Hub, "wake", lambda *_: None)
            await offer(world, "amira")
            await numbered(world)
            assert (await stream.next()).name == "support_prompt.offered"

    async def test_each_of_two_streams_is_told_what_it_was_not_told_before(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hubs, "POLL_SECONDS", 60.0)
        async with mine(world) as early:
            await early.next()
            await asyncio.sleep(0.4)  # so that it has looked for the last time
            prompt_id = await offer(world, "amira")
            await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, WHEN_DUE)
            async with mine(world) as late:
                assert [each["id"] for each in (await late.next()).data["data"]] == [str(prompt_id)]
                assert (await early.next()).data["id"] == str(prompt_id)
                assert await late.nothing()

    async def test_a_comment_keeps_a_quiet_one_open(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
        async with mine(world) as stream:
            await stream.next()
            await until(lambda: stream.comments >= 3)
            assert stream.told.empty()


class TestResume:
    async def test_what_happened_meanwhile_is_told_once_and_in_order(
        self, world: World, amira: httpx.AsyncClient
    ) -> None:
        async with mine(world) as stream:
            await stream.next()
            first = await offer(world, "amira")
            await numbered(world)
            seen = await stream.next()

        second = await offer(world, "amira")
        await answered(world, amira, first, "accept")
        await answered(world, amira, second, "decline")
        expected = [
            ("support_prompt.offered", str(second)),
            ("support_prompt.accepted", str(first)),
            ("support_prompt.declined", str(second)),
        ]

        ways: list[dict[str, Any]] = [
            {"headers": {"Last-Event-ID": seen.id}},
            {"query": {"last_event_id": seen.id}},
            {"headers": {"Last-Event-ID": seen.id}, "query": {"last_event_id": "an older one"}},
        ]
        for way in ways:
            async with mine(world, **way) as stream:
                told = [await stream.next() for _ in expected]
                assert [(each.name, each.data["id"]) for each in told] == expected
                assert await stream.nothing(0.1)
            async with mine(world, headers={"Last-Event-ID": told[1].id}) as stream:
                assert (await stream.next()).data["id"] == str(second)
                assert await stream.nothing(0.1)

    async def test_what_is_numbered_between_the_beginning_and_the_first_look_is_told(self, world: World) -> None:
        async with mine(world) as stream:
            await stream.next()
            seen = stream.last_id

        async with mine(world, headers={"Last-Event-ID": seen}) as stream:
            prompt_id = await offer(world, "amira")
            await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, WHEN_DUE)  # and nobody says so
            assert (await stream.next()).data["id"] == str(prompt_id)

    async def test_from_a_place_that_is_not_theirs_it_begins_anew(self, world: World, elsewhere: World) -> None:
        foreign = []
        for follower in (mine(world, "theo"), of_her_team(world), mine(elsewhere)):
            async with follower as stream:
                await stream.next()
                foreign.append(stream.last_id)
        async with mine(world) as stream:
            await stream.next()
            own = stream.last_id
        await offer(world, "amira")
        await numbered(world)

        for place in (*foreign, own[:-4] + "AAAA", "é", "x", "1"):
            async with mine(world, headers={"Last-Event-ID": place}) as stream:
                assert (await stream.next()).name == "snapshot"

    async def test_who_missed_too_much_begins_anew(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live_prompts, "MOST_RESUMED", 2)
        monkeypatch.setattr(live_prompts, "MOST_ENTRIES", 2)
        places = {}
        for name, follower in (("own", mine(world)), ("team", of_her_team(world))):
            async with follower as stream:
                await stream.next()
                places[name] = stream.last_id
        for _ in range(3):
            await offer(world, "amira")
        await numbered(world)

        for follower in (
            mine(world, headers={"Last-Event-ID": places["own"]}),
            of_her_team(world, headers={"Last-Event-ID": places["team"]}),
        ):
            async with follower as stream:
                begin = await stream.next()
                assert (begin.name, len(begin.data["data"])) == ("snapshot", 3)

    async def test_a_place_counts_nothing(self, world: World) -> None:
        async with mine(world) as first, mine(world) as second:
            places = {(await first.next()).id, (await second.next()).id}
            await offer(world, "amira")
            await numbered(world)
            places |= {(await first.next()).id, (await second.next()).id}

        assert len(places) == 4
        assert len({len(place) for place in places}) == 1

    async def test_one_who_is_told_nothing_is_told_where_they_are(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hubs, "CHECK_SECONDS", 0.05)
        monkeypatch.setattr(hubs, "POLL_SECONDS", 0.05)
        async with mine(world) as stream:
            await stream.next()
            place = stream.last_id
            await until(lambda: stream.last_id != place)
            assert stream.told.empty()


class TestTeam:
    async def test_a_lead_sees_what_is_open_and_that_it_is_gone_but_not_what_became_of_it(
        self, world: World, amira: httpx.AsyncClient, theo: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = [await offer(world, "amira", lasts=timedelta(minutes=5 + n)) for n in range(3)]
        await numbered(world)
        async with of_her_team(world) as stream:
            begin = await stream.next()
            listed = (await theo.get(PROMPTS, params={"team_id": str(world.team_id)})).json()["data"]
            assert (begin.name, begin.data) == ("snapshot", {"data": listed})
            assert len(listed) == 3
            new = await offer(world, "amira")
            await numbered(world)
            told = await stream.next()
            assert (told.name, told.data) == ("support_prompt.offered", await shown(theo, new))
            assert told.data["signal_id"] is None

            await answered(world, amira, given[2], "accept")
            gone = [await stream.next()]
            await answered(world, amira, given[1], "decline")
            gone.append(await stream.next())
            later = clock.now() + timedelta(minutes=5, seconds=30)
            monkeypatch.setattr(clock, "now", lambda: later)
            await swept(world)
            gone.append(await stream.next())
            for event, prompt_id in zip(gone, reversed(given), strict=True):
                assert (event.name, event.data) == ("support_prompt.removed", {"id": str(prompt_id), "removed": True})
            await answered(world, amira, given[2], "complete")  # or it would tell a yes from a no
            assert await stream.nothing()

    async def test_what_is_over_by_the_time_that_it_is_numbered_stays_on_no_screen(
        self, world: World, amira: httpx.AsyncClient
    ) -> None:
        """Of such an offer nothing is told: so it must not have stood in the snapshot either."""
        prompt_id = await offer(world, "amira")
        async with of_her_team(world) as stream:
            assert (await stream.next()).data == {"data": []}
            await answered(world, amira, prompt_id, "decline")
            assert await stream.nothing()

    async def test_what_is_private_never_passes_it(self, world: World, amira: httpx.AsyncClient) -> None:
        """Neither the offer, nor its answer; not on resuming, not in the snapshot; nor what is the lead's own."""
        async with of_her_team(world) as stream:
            await stream.next()
            place = stream.last_id
        await change(world, insert(TeamMember).values(**membership(world, "theo")))
        hidden = [await offer(world, "amira", private=True)]
        await numbered(world)
        async with of_her_team(world) as stream:
            assert (await stream.next()).data == {"data": []}
            place = stream.last_id
            hidden += [await offer(world, "amira", private=True), await offer(world, "theo")]
            hidden.append(await offer(world, "theo", private=True))
            await answered(world, amira, hidden[0], "accept")
            assert await stream.nothing()
        async with of_her_team(world, headers={"Last-Event-ID": place}) as resumed, of_her_team(world) as anew:
            assert (await anew.next()).data == {"data": []}
            seen = await offer(world, "amira")
            await numbered(world)
            assert (await resumed.next()).data["id"] == str(seen)
            assert await resumed.nothing()
            assert not any(str(prompt_id).encode() in resumed.body + anew.body + stream.body for prompt_id in hidden)

    async def test_what_came_and_went_between_two_looks_is_not_told(
        self, world: World, amira: httpx.AsyncClient
    ) -> None:
        async with of_her_team(world) as stream:
            await stream.next()
            prompt_id = await offer(world, "amira")
            await answered(world, amira, prompt_id, "decline")
            assert await stream.nothing()

    async def test_when_the_team_changes_it_begins_anew(self, world: World, theo: httpx.AsyncClient) -> None:
        prompt_id = await offer(world, "amira")
        await numbered(world)
        async with of_her_team(world) as stream:
            assert [each["id"] for each in (await stream.next()).data["data"]] == [str(prompt_id)]
            place = stream.last_id
            await leave_team(world, "amira")
            assert await stream.next() == Event("snapshot", {"data": []}, stream.last_id)
            await offer(world, "amira")
            await numbered(world)
            assert await stream.nothing()
        async with of_her_team(world, headers={"Last-Event-ID": place}) as stream:
            assert (await stream.next()).name == "snapshot"

    async def test_the_programme_lead_follows_what_is_about_the_team(
        self, world: World, noor: httpx.AsyncClient
    ) -> None:
        async with of_her_team(world, "noor") as stream:
            assert (await stream.next()).data == {"data": []}
            await offer(world, "amira")
            asked = await offer(world, None, team_id=world.team_id, kind=PromptKind.team_review)
            await numbered(world)
            told = await stream.next()
            assert (told.name, told.data) == ("support_prompt.offered", await shown(noor, asked))
            await answered(world, noor, asked, "accept")
            told = await stream.next()
            assert (told.name, told.data) == ("support_prompt.accepted", await shown(noor, asked))
            assert await stream.nothing()

    async def test_nobody_else_opens_it(self, world: World, elsewhere: World) -> None:
        for follower, status in (
            (of_her_team(world, "amira"), 403),
            (of_her_team(world, "grace"), 403),
            (of_her_team(elsewhere, "theo"), 200),
            (Follower(world.app, of_team(elsewhere.team_id), world.token("theo")), 404),
            (Follower(world.app, of_team(uuid7()), world.token("theo")), 404),
            (Follower(world.app, of_team(world.team_id), await world.key()), 403),
            (Follower(world.app, MINE, await world.key()), 403),
            (Follower(world.app, MINE), 401),
        ):
            async with follower as stream:
                assert stream.status == status, stream.body


def membership(world: World, person: str) -> dict[str, Any]:
    return {
        "organisation_id": world.id,
        "id": uuid7(),
        "team_id": world.team_id,
        "employee_id": world.people[person],
        "created_at": clock.now(),
    }


class TestAccess:
    @pytest.fixture(autouse=True)
    def often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hubs, "CHECK_SECONDS", 0.1)
        monkeypatch.setattr(hubs, "POLL_SECONDS", 0.1)

    async def test_ends_while_it_is_open(self, world: World) -> None:
        """Nothing has to happen for it: every stream is looked at."""
        leaver = update(Employee).where(Employee.organisation_id == world.id, Employee.id == world.people["amira"])
        successor = update(Team).where(Team.organisation_id == world.id).values(lead_id=world.people["grace"])
        role = update(RoleGrant).where(RoleGrant.organisation_id == world.id, RoleGrant.role == "programme_lead")
        for follower, loss in (
            (mine(world), leaver.values(active=False)),
            (of_her_team(world), successor),
            (of_her_team(world, "noor"), role.values(state="revoked")),
        ):
            async with follower as stream, mine(world, "jonas") as another:
                await stream.next()
                await another.next()
                await change(world, loss)
                assert await stream.next() == Event("closed", {"reason": "access_ended"}, stream.last_id)
                await stream.ended()
                assert not another.is_over

    async def test_is_asked_for_at_each_event(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hubs, "CHECK_SECONDS", 60.0)
        async with of_her_team(world) as stream:
            await stream.next()
            successor = update(Team).where(Team.organisation_id == world.id)
            await change(world, successor.values(lead_id=world.people["grace"]))
            prompt_id = await offer(world, "amira")
            await numbered(world)
            assert (await stream.next()).name == "closed"
            assert str(prompt_id).encode() not in stream.body

    async def test_that_cannot_be_asked_for_ends_it_in_time(
        self, world: World, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While the database is away for a moment it stays, and then goes on."""
        async with mine(world) as stream:
            await stream.next()
            run, hub = database.run, world.app.state.live

            async def away(*_: Any) -> None:
                raise ConnectionRefusedError

            monkeypatch.setattr(database, "run", away)
            await asyncio.sleep(0.4)
            monkeypatch.setattr(database, "run", run)
            await offer(world, "amira")
            await numbered(world)
            assert (await stream.next()).name == "support_prompt.offered"
            assert len(hub) == 1

            monkeypatch.setattr(hubs, "UNCHECKED_SECONDS", 0.2)
            monkeypatch.setattr(database, "run", away)
            assert (await stream.next()).data == {"reason": "unavailable"}
            monkeypatch.setattr(database, "run", run)


class TestLimits:
    async def test_streams_of_one_person(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hubs, "MOST_OF_A_PERSON", 2)
        async with mine(world) as first, mine(world):
            async with mine(world) as refused:
                assert refused.status == 429
                assert b"too_many_streams" in refused.body
                assert refused.answer["retry-after"]
            async with mine(world, "theo") as other:
                assert other.status == 200
            assert first.status == 200
        async with mine(world) as again:
            assert again.status == 200

    async def test_streams_of_one_process(self, world: World, database: Database, settings: Settings) -> None:
        small = create_app(settings.model_copy(update={"max_streams": 1}), database)
        async with Follower(small, token=world.token("amira")) as stream:
            assert stream.status == 200
            async with Follower(small, token=world.token("theo")) as refused:
                assert refused.status == 503
                assert b"too_many_streams" in refused.body
                assert refused.answer["retry-after"]
        async with Follower(small, token=world.token("theo")) as stream:
            assert stream.status == 200

    async def test_a_slow_reader_is_cut_off_and_nobody_waits_for_them(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streams, "MOST_WAITING", 3)
        async with mine(world) as slow, mine(world) as other, of_her_team(world) as lead:
            place = (await slow.next()).id
            await other.next()
            await lead.next()
            slow.stop_reading()
            given = []
            for _ in range(12):
                given.append(str(await offer(world, "amira")))
                await numbered(world)
                assert (await other.next(within=1)).data["id"] == given[-1]
                assert (await lead.next(within=1)).data["id"] == given[-1]
            await slow.ended()
            assert slow.told.empty()
            assert not other.is_over
        async with mine(world, headers={"Last-Event-ID": place}) as again:
            assert [(await again.next()).data["id"] for _ in given] == given

    async def test_time(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streams, "OPEN_SECONDS", 0.2)
        async with mine(world) as stream:
            await stream.next()
            assert (await stream.next()).data == {"reason": "time_over"}
            await stream.ended()

    async def test_a_service_that_stops_ends_them_at_once(
        self, world: World, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streams, "CUT_SECONDS", 0.1)
        app = create_app(settings, database)
        async with (
            Follower(app, token=world.token("amira")) as stream,
            Follower(app, token=world.token("theo")) as slow,
        ):
            await stream.next()
            slow.stop_reading()
            app.state.readiness.draining = True
            assert (await stream.next(within=1)).data == {"reason": "stopping"}
            await stream.ended(within=1)
            await slow.ended(within=1)
            async with Follower(app, token=world.token("amira")) as refused:
                assert refused.status == 503


async def ticket_of(world: World, who: str, path: str = "/v1/me/support-prompts") -> str:
    made = await world.person(who).post(f"{path}/stream-tickets")
    assert made.status_code == 201, made.text
    return str(made.json()["ticket"])


class TestTickets:
    @pytest.mark.parametrize("path", ["/v1/me/support-prompts", "/v1/teams/{team_id}/support-prompts"])
    async def test_one_opens_its_stream_without_a_header(self, world: World, path: str) -> None:
        path = path.format(team_id=world.team_id)
        theo = world.person("theo")
        before = clock.now()
        made = await theo.post(f"{path}/stream-tickets")

        assert made.status_code == 201, made.text
        ticket = made.json()
        assert ticket["url"] == f"{world.app.state.settings.public_url}{path}/stream"
        lifetime = datetime.fromisoformat(ticket["expires_at"]) - before
        assert timedelta(seconds=60) <= lifetime < timedelta(seconds=65)
        prompt_id = await offer(world, "theo" if "/me/" in path else "amira")
        await numbered(world)
        for _ in range(2):  # as often as the connection is lost within the minute
            async with Follower(world.app, f"{path}/stream", query={"ticket": ticket["ticket"]}) as stream:
                assert [each["id"] for each in (await stream.next()).data["data"]] == [str(prompt_id)]

    async def test_is_nothing_to_any_other_stream_or_operation(
        self, world: World, elsewhere: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        theirs = f"/v1/teams/{world.team_id}/support-prompts"
        own, of_it = await ticket_of(world, "theo"), await ticket_of(world, "theo", theirs)
        foreign = await ticket_of(elsewhere, "theo")
        prefix = own[: len("blst_ticket_") + 22]
        for path, ticket in (
            (MINE, of_it),
            (of_team(world.team_id), own),
            (of_team(uuid7()), of_it),
            (of_team(elsewhere.team_id), of_it),
            ("/v1/teams/no-id/support-prompts/stream", of_it),
            (MINE, own[:-3] + "AAA"),
            (MINE, prefix + foreign[len(prefix) :]),
            (MINE, foreign[: len(prefix)] + own[len(prefix) :]),
            (MINE, own + "A" * 400),
            (MINE, world.token("theo")),
            (MINE, await world.key()),
            (MINE, ""),
            (MINE, "blst_ticket_"),
        ):
            async with Follower(world.app, path, query={"ticket": ticket}) as stream:
                assert stream.status == 401, (path, ticket)
        for url in ("/v1/me", f"/v1/me?ticket={own}", "/v1/support-prompts", MINE):
            answer = await world.http(own).get(url)
            assert answer.status_code == 401
        assert (await world.http().get(f"/v1/me?ticket={own}")).status_code == 401
        soon = clock.now() + timedelta(seconds=61)
        monkeypatch.setattr(clock, "now", lambda: soon)
        async with Follower(world.app, MINE, query={"ticket": own}) as stream:
            assert stream.status == 401

    async def test_is_worth_what_the_person_is(self, world: World) -> None:
        path = f"/v1/teams/{world.team_id}/support-prompts"
        own, of_it = await ticket_of(world, "theo"), await ticket_of(world, "theo", path)
        await change(world, update(Team).where(Team.organisation_id == world.id).values(lead_id=None))
        async with Follower(world.app, f"{path}/stream", query={"ticket": of_it}) as stream:
            assert stream.status == 403
        leaver = update(Employee).where(Employee.organisation_id == world.id, Employee.id == world.people["theo"])
        await change(world, leaver.values(active=False))
        async with Follower(world.app, MINE, query={"ticket": own}) as stream:
            assert stream.status == 401

    async def test_is_not_made_for_who_may_not_follow(self, world: World, elsewhere: World) -> None:
        for who, team_id, status in (
            ("amira", world.team_id, 403),
            ("theo", elsewhere.team_id, 404),
            ("noor", world.team_id, 201),
        ):
            made = await world.person(who).post(f"/v1/teams/{team_id}/support-prompts/stream-tickets")
            assert made.status_code == status, made.text

    async def test_stands_in_no_log_trace_or_metric(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        ticket = await ticket_of(world, "amira")
        with caplog.at_level(logging.DEBUG):
            for each in (ticket, ticket[:-2] + "AA"):
                async with Follower(world.app, MINE, query={"ticket": each}) as stream:
                    assert each.encode() not in stream.body
                assert holds_a_secret({"path": MINE, "query_string": urlencode({"ticket": each}).encode()})
        lines = [JsonLines().format(record) for record in caplog.records]
        assert sum(MINE in line for line in lines) == 2
        assert not any("ticket" in line for line in lines)
        assert "blst_" not in exposition().decode()


class TestOtherOrigins:
    async def test_a_trusted_one_may_follow(self, world: World, database: Database, settings: Settings) -> None:
        origin = "https://app.harbour.example"
        app = create_app(settings.model_copy(update={"cors_origins": (origin,)}), database)
        here = World(app, database, id=world.id)
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "last-event-id"}
        preflight = await here.http().options(MINE, headers={"Origin": origin, **asked})
        async with Follower(app, token=world.token("amira"), headers={"Origin": origin}) as stream:
            assert stream.answer["access-control-allow-origin"] == origin
        async with Follower(app, token=world.token("amira"), headers={"Origin": "https://x.example"}) as stream:
            assert "access-control-allow-origin" not in stream.answer
        assert preflight.status_code == 200
        await here.close()


class TestFigures:
    async def test_count_what_is_open_told_and_ended(self, world: World) -> None:
        def figures() -> tuple[float, float, float]:
            left = STREAMS_ENDED.labels("left")
            return STREAMS._value.get(), STREAM_EVENTS._value.get(), left._value.get()

        open_before, told_before, left_before = figures()
        async with mine(world) as stream:
            await stream.next()
            await offer(world, "amira")
            await numbered(world)
            await stream.next()
            assert figures() == (open_before + 1, told_before + 1, left_before)
        assert figures() == (open_before, told_before + 1, left_before + 1)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application on a free port, with all that runs beside it, and return its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        app.state.readiness.draining = server.should_exit = True
        await serving


class TestSoon:
    async def test_a_change_is_seen_at_once(self, world: World, urls: migrate.Urls, settings: Settings) -> None:
        """Through a socket, from a person's word to the last event, with the worker beside: told, not polled."""
        await world.alone()
        database = Database(make_engine(urls.application, settings, role=urls.application_role))
        app = create_app(settings.model_copy(update={"worker": "inline"}), database)
        headers = {"Authorization": f"Bearer {world.token('amira')}"}
        async with (
            served(app) as url,
            httpx.AsyncClient(base_url=url, headers=headers) as amira,
            httpx.AsyncClient(base_url=url) as browser,
            browser.stream("GET", MINE, params={"ticket": await ticket_of(world, "amira")}) as stream,
        ):
            lines = stream.aiter_lines()
            assert await seen(lines, "snapshot") == {"data": []}
            started = time.monotonic()
            assert (await amira.post("/v1/me/call-flags", json={})).status_code == 201
            prompt = await seen(lines, "support_prompt.offered")
            assert time.monotonic() - started < hubs.LISTENING_POLL_SECONDS / 2
            for verb, name in (("accept", "accepted"), ("complete", "done")):
                started = time.monotonic()
                assert (await amira.post(f"{PROMPTS}/{prompt['id']}/{verb}")).status_code == 200
                assert (await seen(lines, f"support_prompt.{name}"))["state"] == name
                assert time.monotonic() - started < hubs.LISTENING_POLL_SECONDS / 2
            app.state.readiness.draining = True
            assert await seen(lines, "closed") == {"reason": "stopping"}


async def seen(lines: AsyncIterator[str], name: str) -> Any:
    """Return the data of the next event of that name."""
    async with asyncio.timeout(5):
        while await anext(lines) != f"event: {name}":
            pass
        return json.loads((await anext(lines)).removeprefix("data: "))
