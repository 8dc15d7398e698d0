"""The feed of events: nothing is skipped, nothing hidden can be counted, and every page leads on."""

import asyncio
import base64
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from app import clock, duties, events
from app.auth import Caller
from app.policy import POLICY
from app.webhooks import access as event_access
from app.webhooks.catalogue import TEST
from tests.test_conventions_access import assert_problem
from tests.webhooks import (
    EVENTS,
    about,
    add_pillar,
    at_the_end,
    change,
    done,
    endpoint,
    happen,
    read_on,
    rows,
    types,
    work,
)
from tests.world import World, etag

NARROW = ("webhooks:read", "pillars:read")


async def listener(world: World, *scopes: str) -> httpx.AsyncClient:
    """Return a client that reads events, of what these scopes open."""
    return await world.client("webhooks:read", *scopes)


class TestPages:
    async def test_show_what_happened_in_order_and_lead_on(self, world: World) -> None:
        client = await listener(world, "pillars:read")
        start = await at_the_end(client)
        made = await happen(world, "pride", "calm", "courage")
        assert about((await read_on(client, start))[0]) == []  # not numbered yet

        await work(world)

        shown, cursor = await read_on(client, start)
        assert about(shown) == made
        assert shown[0].keys() == {"id", "type", "timestamp", "data"}
        assert shown[0]["data"] == {
            "id": made[0],
            "version": 1,
            "state": None,
            "url": f"{world.app.state.settings.public_url}/v1/pillars/{made[0]}",
        }
        assert shown[0]["timestamp"].endswith("Z")
        assert (await client.get(f"/v1/pillars/{made[0]}")).status_code == 200
        assert (await read_on(client, cursor))[0] == []
        for limit in (1, 2, 3):
            assert (await read_on(client, start, limit=limit))[0] == shown, limit
        more = await happen(world, "wit")
        await work(world)
        assert about((await read_on(client, cursor))[0]) == more

    async def test_a_transaction_that_commits_late_is_not_skipped(self, world: World) -> None:
        """Its event is older by id and by time than those that the reader has seen by then."""
        client = await listener(world, "pillars:read")
        await work(world)
        cursor = await at_the_end(client)
        written, may_commit = asyncio.Event(), asyncio.Event()

        def late(session: Session) -> str:
            made = add_pillar(session, world, "late")
            written.set()
            await_only(may_commit.wait())
            return made

        transaction = asyncio.create_task(world.run(late))
        await written.wait()
        early = await happen(world, "early")
        await work(world)
        shown, cursor = await read_on(client, cursor)
        assert about(shown) == early

        may_commit.set()
        late_id = await transaction
        await work(world)

        shown, cursor = await read_on(client, cursor)
        assert about(shown) == [late_id]
        assert (await read_on(client, cursor))[0] == []

    async def test_begin_where_they_are_told_to(self, world: World) -> None:
        client = await listener(world, "pillars:read")
        made = await happen(world, "old", "new")
        await work(world)
        now = clock.now()
        for identifier, ago in zip(made, (timedelta(days=20), timedelta(hours=1)), strict=True):
            moved = "UPDATE outgoing_event SET occurred_at = :at WHERE resource_id = :id"
            await change(world, moved, at=now - ago, id=UUID(identifier))

        async def since(**ago: Any) -> list[str]:
            shown, _ = await read_on(client, since=(now - timedelta(**ago)).isoformat())
            return [each for each in about(shown) if each in made]

        assert await since(days=21) == made
        assert await since(days=19) == made[1:]
        assert await since(minutes=10) == []
        assert await since(days=-1) == []
        assert_problem(await client.get(EVENTS, params={"since": "2026-11-20T10:00:00"}), 422)

    async def test_that_are_wanted_by_type(self, world: World, client: httpx.AsyncClient) -> None:
        reader = await listener(world, "pillars:read", "teams:read", "employees:read")
        cursors = {query: await at_the_end(reader, type=query) for query in ("pillar.*", "team.created", "*")}
        (pillar,) = await happen(world, "pride")
        team = await done(await client.post("/v1/teams", json={"name": "Day line"}), 201)
        await client.patch(f"/v1/teams/{team['id']}", json={"name": "Noon line"}, headers=etag(team))
        await work(world)

        assert about((await read_on(reader, cursors["pillar.*"], type="pillar.*"))[0]) == [pillar]
        assert types((await read_on(reader, cursors["team.created"], type="team.created"))[0]) == ["team.created"]
        whole = (await read_on(reader, cursors["*"], type="*"))[0]
        assert types(whole) == ["pillar.created", "team.created", "team.updated"]
        both = [("type", "pillar.*"), ("type", "team.updated"), ("since", whole[0]["timestamp"])]
        assert types((await done(await reader.get(EVENTS, params=both)))["data"]) == ["pillar.created", "team.updated"]
        for unknown in ("team", "team.*.created", "canary.created", "eap_referral.*", TEST, ""):
            refused = await reader.get(EVENTS, params={"type": unknown})
            assert_problem(refused, 422)
            assert "canary" not in refused.text


class TestNothingBetrays:
    async def test_what_others_may_see(self, world: World, elsewhere: World) -> None:
        """With many events that the client may not see, and with none, it is told the same, byte by byte."""
        told = []
        for here, hidden in ((world, 0), (elsewhere, 120)):
            client = await here.client(*NARROW)
            await work(here)
            cursor = await at_the_end(client)
            for key in ("pride", "calm"):
                await here.run(_hide, here, hidden)
                await happen(here, key)
            await here.run(_hide, here, hidden)
            await work(here)
            pages = []
            for _ in range(4):
                page = await client.get(EVENTS, params={"after": cursor, "limit": 1})
                cursor = page.json()["next_cursor"]
                assert f'"next_cursor":"{cursor}"' in page.text
                pages.append((len(cursor), types(page.json()["data"]), page.json()["has_more"], len(page.content)))
            told.append(pages)

        assert told[0] == told[1]
        lengths = {length for length, *_ in told[0]}
        assert len(lengths) == 1
        assert [page[1:3] for page in told[0]] == [
            (["pillar.created"], True),
            (["pillar.created"], False),
            ([], False),
            ([], False),
        ]

    async def test_a_cursor_looks_new_each_time_and_says_nothing(self, world: World) -> None:
        client = await world.client(*NARROW)
        await happen(world, "pride")
        await work(world)
        cursors = {await at_the_end(client) for _ in range(5)}
        numbers = {row.value for row in await rows(world, "SELECT value FROM feed_counter WHERE feed <> 'audit'")}

        assert len(cursors) == 5
        for cursor in cursors:
            opened = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            assert not any(number.to_bytes(8, "big") in opened for number in numbers)
            assert (await read_on(client, cursor))[0] == []

    async def test_the_number_of_an_event_is_nowhere(self, world: World) -> None:
        client = await world.client(*NARROW)
        await happen(world, "pride")
        await work(world)

        answer = await client.get(EVENTS)

        assert "number" not in answer.text
        assert answer.headers.keys() == (await client.get("/v1/pillars")).headers.keys()


def _hide(session: Session, world: World, count: int) -> None:
    """Record many things that a client with few scopes may not see."""
    caller = Caller(world.id, "system", None)
    changes = [events.Change("team.updated", world.team_id, each) for each in range(count)]
    events.record_changes(session, caller, "team", changes)


class TestCursors:
    async def test_of_other_types_another_organisation_or_nobody_are_refused(
        self, world: World, elsewhere: World
    ) -> None:
        client, other = await world.client(*NARROW), await elsewhere.client(*NARROW)
        cursor = await at_the_end(client)
        wrong = [
            (client, {"after": cursor, "type": "pillar.*"}),
            (other, {"after": cursor}),
            (client, {"after": cursor[:-4] + "AAAA"}),
            (client, {"after": cursor[:-1]}),
            (client, {"after": "canary"}),
            (client, {"after": (await done(await client.get("/v1/pillars", params={"limit": 1})))["next_cursor"]}),
        ]
        for caller, query in wrong:
            refused = await caller.get(EVENTS, params=query)
            assert_problem(refused, 400, "invalid_cursor")
            assert "canary" not in refused.text

    async def test_are_good_for_90_days_and_then_refused(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """By then some of what came after one may be gone, which must not pass unnoticed."""
        client = await world.client(*NARROW)
        await happen(world, "pride", "calm")
        await work(world)
        start = clock.now()
        middle = (await done(await client.get(EVENTS, params={"limit": 1})))["next_cursor"]
        end = await at_the_end(client)

        with monkeypatch.context() as patch:
            patch.setattr(clock, "now", lambda: start + timedelta(days=89, hours=23))
            await world.run(duties.purge, Caller(world.id, "system", None), clock.now())
            assert types((await read_on(client, middle))[0])[-1] == "pillar.created"
            assert (await read_on(client, end))[0] == []
            patch.setattr(clock, "now", lambda: start + timedelta(days=90, minutes=1))
            for old in (middle, end):
                assert_problem(await client.get(EVENTS, params={"after": old}), 410, "cursor_too_old")
            shown, _ = await read_on(client)
            assert shown == []
            patch.setattr(clock, "now", lambda: start + timedelta(days=90, hours=2))
            await world.run(duties.purge, Caller(world.id, "system", None), clock.now())
        assert await rows(world, "SELECT 1 FROM outgoing_event") == []

    async def test_of_a_walk_through_old_events_age_with_the_events(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that was given out yesterday in the middle of what is 89 days old is too old tomorrow."""
        client = await world.client(*NARROW)
        await happen(world, "pride", "calm")
        await work(world)
        start = clock.now()
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=89))
        middle = (await done(await client.get(EVENTS, params={"limit": 1})))["next_cursor"]
        end = await at_the_end(client)
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=91))

        assert_problem(await client.get(EVENTS, params={"after": middle}), 410, "cursor_too_old")
        assert (await read_on(client, end))[0] == []


class TestWhoSeesWhat:
    async def test_each_client_what_its_scopes_open_wildcards_or_not(
        self, world: World, client: httpx.AsyncClient
    ) -> None:
        pillars, people = await world.client(*NARROW), await listener(world, "employees:read")
        nothing, no_feed = await listener(world), await world.client("pillars:read")
        at = {each: await at_the_end(each) for each in (pillars, people, nothing)}
        await happen(world, "pride")
        hired = await done(
            await client.post("/v1/employees", json={"display_name": "Robin", "user_name": "robin"}), 201
        )
        await work(world)

        for wanted in ("*", None):
            query = {"type": wanted} if wanted else {}
            assert types((await read_on(pillars, at[pillars], **query))[0]) == ["pillar.created"]
            assert about((await read_on(people, at[people], **query))[0]) == [hired["id"]]
            assert (await read_on(nothing, at[nothing], **query))[0] == []
        assert (await read_on(pillars, type="employee.*"))[0] == []
        assert_problem(await no_feed.get(EVENTS), 403, "missing_scope")
        assert_problem(await world.person("noor").get(EVENTS), 403, "missing_role")

    async def test_a_scope_counts_from_the_next_page(self, world: World) -> None:
        client = await world.client(*NARROW, name="narrowed")
        await happen(world, "pride")
        await work(world)
        assert "pillar.created" in types((await read_on(client))[0])

        await change(world, "UPDATE client SET scopes = ARRAY['webhooks:read'] WHERE name = 'narrowed'")
        assert (await read_on(client))[0] == []

    async def test_what_became_private_is_not_told_of_any_more(self, world: World, amira: httpx.AsyncClient) -> None:
        client = await listener(world, "plans:read")
        body = {"title": "Leave on time", "pillars": ["physical_health"]}
        open_ = await done(await amira.post("/v1/goals", json=body), 201)
        private = await done(await amira.post("/v1/goals", json={**body, "private": True}), 201)
        await work(world)
        assert about((await read_on(client))[0]) == [open_["id"]]
        assert private["id"] not in (await client.get(EVENTS)).text

        hidden = await amira.patch(f"/v1/goals/{open_['id']}", json={"private": True}, headers=etag(open_))
        assert hidden.status_code == 200
        await work(world)
        assert (await read_on(client))[0] == []

    async def test_what_is_gone_is_told_of_by_its_scope(self, world: World, noor: httpx.AsyncClient) -> None:
        """A deleted profile and a retired rule cannot be read any more; a leaver's profile is hidden."""
        client = await listener(world, "mentors:read", "strain:read", "pillars:read")
        rule = (await done(await noor.get("/v1/strain-rules")))["data"][0]
        assert (await noor.delete(f"/v1/strain-rules/{rule['id']}", headers=etag(rule))).status_code == 204
        pillar = await done(await noor.post("/v1/pillars", json={"key": "wit", "name": "Wit", "description": "."}), 201)
        assert (await noor.delete(f"/v1/pillars/{pillar['id']}", headers=etag(pillar))).status_code == 204
        of_grace, of_jonas = [await _profile(world, noor, name) for name in ("grace", "jonas")]
        assert (await noor.delete(f"/v1/mentor-profiles/{of_grace['id']}", headers=etag(of_grace))).status_code == 204
        await work(world)

        shown, _ = await read_on(client)
        assert {"strain_rule.deleted", "pillar.deleted"} <= set(types(shown))
        profiles = [(each["type"], each["data"]["id"]) for each in shown if each["type"].startswith("mentor_profile")]
        assert profiles == [
            ("mentor_profile.created", of_grace["id"]),
            ("mentor_profile.created", of_jonas["id"]),
            ("mentor_profile.deleted", of_grace["id"]),
        ]
        await change(world, "UPDATE employee SET active = false WHERE user_name = 'jonas'")
        left = {each["data"]["id"] for each in (await read_on(client, type="mentor_profile.*"))[0]}
        assert left == {of_grace["id"]}

    async def test_a_source_is_told_of_to_its_own_client_and_to_who_administers(self, world: World) -> None:
        scopes = ("sources:read", "sources:write", "call-events:write")
        mine, theirs = [await listener(world, *scopes) for _ in range(2)]
        administers = await listener(world, "sources:read")
        source = await done(await mine.post("/v1/sources", json={"name": "Switchboard"}), 201)
        own = f"UPDATE source SET client_id = '{(await done(await mine.get('/v1/me')))['client']['id']}' WHERE id = :id"
        await change(world, own, id=UUID(source["id"]))
        await work(world)

        assert [about((await read_on(each))[0]) for each in (mine, theirs, administers)] == [
            [source["id"]],
            [],
            [source["id"]],
        ]

    async def test_an_endpoint_is_told_of_to_its_own_client_alone(self, world: World) -> None:
        mine, theirs = [await world.client("webhooks:read", "webhooks:write") for _ in range(2)]
        made = await endpoint(mine, "goal.*")
        assert (await mine.delete(f"/v1/webhook-endpoints/{made['id']}", headers=etag(made))).status_code == 204
        await work(world)

        shown, _ = await read_on(mine)
        assert types(shown) == ["webhook_endpoint.created", "webhook_endpoint.deleted"]
        assert shown[0]["data"].keys() == {"id", "version", "state", "url"}
        assert (await read_on(theirs))[0] == []

    def test_every_narrowed_rule_was_thought_of(self) -> None:
        """Of a resource whose rows are not all shown to every client it is said how its events are let through."""
        known = {*event_access.ASKED_OF_THE_ROW, *event_access.UNLESS_HIDDEN, *event_access.BY_SCOPE_ALONE}
        resources = {event_access.resource_of(each) for each in events.PUBLISHED}
        narrowed = {each for each in resources if POLICY[each, "read"].client_sees is not None}

        assert narrowed == known | {"webhook_endpoint"}
        deletable = {event_access.resource_of(each) for each in events.PUBLISHED if each.endswith(".deleted")}
        assert not deletable & set(event_access.ASKED_OF_THE_ROW)


async def _profile(world: World, noor: httpx.AsyncClient, name: str) -> dict[str, Any]:
    body = {"employee_id": str(world.people[name]), "pillars": ["physical_health"], "capacity": 2}
    return await done(await noor.post("/v1/mentor-profiles", json=body), 201)
