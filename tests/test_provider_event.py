"""What an EAP provider learns of its cases, and that nobody else learns there was anything to learn."""

from typing import Any

import httpx
import pytest

from app.events import OF_PROVIDERS
from tests.eap import REASON, REFERRALS, Eap
from tests.test_conventions_access import assert_problem
from tests.webhooks import (
    EVENTS,
    RECEIVER,
    WEBHOOKS,
    at_the_end,
    change,
    done,
    endpoint,
    happen,
    id_of,
    queued,
    read_on,
    rows,
    types,
    work,
)
from tests.world import World, etag

SCOPES = ("eap:read", "eap:write", "webhooks:read", "webhooks:write")


async def provider(world: World, name: str = "Lighthouse") -> Eap:
    """Return a provider whose client may also be told of events."""
    eap = await Eap.build(world, name)
    admin, url = await world.client(), f"/v1/clients/{await id_of(eap.client)}"
    await done(await admin.patch(url, json={"scopes": list(SCOPES)}, headers=etag(await admin.get(url))))
    return eap


@pytest.fixture
async def eap(world: World) -> Eap:
    return await provider(world)


async def of_cases(client: httpx.AsyncClient, **query: Any) -> list[tuple[str, str]]:
    shown, _ = await read_on(client, **query)
    return [(event["type"], event["data"]["id"]) for event in shown if event["type"].startswith("eap_")]


async def leave(world: World, eap: Eap, client_id: str) -> None:
    """Let a client act for the provider no more."""
    url = f"/v1/eap-providers/{eap.provider['id']}/clients"
    (binding,) = [each for each in (await done(await eap.noor.get(url)))["data"] if each["client_id"] == client_id]
    assert (await eap.noor.delete(f"{url}/{binding['id']}", headers={"If-Match": "*"})).status_code == 204


class TestFeed:
    async def test_tells_a_provider_what_becomes_of_its_cases(
        self, world: World, eap: Eap, amira: httpx.AsyncClient, grace: httpx.AsyncClient
    ) -> None:
        start = await at_the_end(eap.client)
        one, two = await eap.sent(amira, "name"), await eap.sent(grace)
        case, other = await eap.case(one), await eap.case(two)
        await eap.move(case, "accept", "start")
        url = f"/v1/eap-cases/{case['id']}"
        await done(await eap.client.post(f"{url}/record-attendance", json={"sessions_used": 2}))
        await eap.move(case, "hold", "resume", "complete")
        await done(await grace.post(f"{REFERRALS}/{two['id']}/cancel", json=REASON))
        assert (await read_on(eap.client, start))[0] == []  # not numbered yet

        await work(world)

        shown, cursor = await read_on(eap.client, start, limit=2)
        assert [(event["type"].removeprefix("eap_case."), event["data"]["id"]) for event in shown] == [
            ("sent", case["id"]),
            ("sent", other["id"]),
            *(
                (each, case["id"])
                for each in ("accepted", "in_progress", "attendance_recorded", "on_hold", "in_progress", "completed")
            ),
            ("cancelled", other["id"]),
        ]
        last = next(event for event in shown if event["type"] == "eap_case.completed")["data"]
        assert (last["state"], last["url"]) == ("completed", f"{world.app.state.settings.public_url}{url}")
        assert (await done(await eap.client.get(url)))["version"] == last["version"]
        assert (await read_on(eap.client, cursor))[0] == []
        assert len({len(at) for at in (start, cursor)}) == 1
        for row in await rows(world, "SELECT data FROM provider_event"):
            assert row.data.keys() == {"id", "version", "state"}

    async def test_mixes_it_with_what_else_the_client_may_know(
        self, world: World, eap: Eap, amira: httpx.AsyncClient
    ) -> None:
        """In the order in which it happened, however small the pages are."""
        start = await at_the_end(eap.client)
        made = [await endpoint(eap.client, "eap_case.*")]
        case = await eap.case(await eap.sent(amira))
        made.append(await endpoint(eap.client))
        await eap.move(case, "accept")
        await work(world)

        for limit in (1, 2, 3, 50):
            shown, _ = await read_on(eap.client, start, limit=limit)
            assert types(shown) == [
                "webhook_endpoint.created",
                "eap_case.sent",
                "webhook_endpoint.created",
                "eap_case.accepted",
            ], limit
        only = await read_on(eap.client, type="eap_case.accepted")
        assert types(only[0]) == ["eap_case.accepted"]

    async def test_ends_with_the_consent(self, world: World, eap: Eap, amira: httpx.AsyncClient) -> None:
        """That it was taken back is told, as the case is not there any more; what came before is told no more."""
        hook = await endpoint(eap.client, "eap_case.*")
        sent = await eap.sent(amira, "name")
        case = await eap.case(sent)
        await work(world)
        assert [row.type for row in await queued(world, hook)] == ["eap_case.sent"]
        url = f"{REFERRALS}/{sent['id']}"

        await done(await amira.post(f"{url}/withdraw-consent", json={"recipient": "provider"}))

        assert await queued(world, hook) == []
        await work(world)
        assert [row.type for row in await queued(world, hook)] == ["eap_case.consent_withdrawn"]
        assert await of_cases(eap.client) == [("eap_case.consent_withdrawn", case["id"])]
        assert (await eap.client.get(f"/v1/eap-cases/{case['id']}")).status_code == 404
        await done(await amira.post(f"{url}/cancel", json=REASON))
        await work(world)
        assert [each for each, _ in await of_cases(eap.client)] == ["eap_case.consent_withdrawn"]

    async def test_goes_on_with_a_new_consent(self, world: World, eap: Eap, amira: httpx.AsyncClient) -> None:
        sent = await eap.sent(amira, "name")
        url = f"{REFERRALS}/{sent['id']}"
        await done(await amira.post(f"{url}/withdraw-consent", json={"recipient": "provider"}))
        given = {**await eap.words("provider"), "recipient": "provider", "scope": "reference_only"}
        await done(await amira.post(f"{url}/give-consent", json=given))
        await work(world)

        told = [each for each, _ in await of_cases(eap.client)]
        assert told == ["eap_case.sent", "eap_case.consent_withdrawn", "eap_case.consent_given"]

    async def test_what_the_referrer_may_know_is_not_the_providers(
        self, world: World, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        await eap.suggest(theo, world.people["amira"])
        sent = await eap.send(amira, await eap.proposed(amira), to_referrer="attendance")
        await done(await amira.post(f"{REFERRALS}/{sent['id']}/withdraw-consent", json={"recipient": "referrer"}))
        await work(world)

        assert [each for each, _ in await of_cases(eap.client)] == ["eap_case.sent"]


class TestNobodyElse:
    async def test_is_told_anything(self, world: World, eap: Eap, amira: httpx.AsyncClient) -> None:
        """Not a client with every scope, not another provider; not by a feed, an endpoint, a cursor or a number."""
        everything, other = await world.client(), await provider(world, "Beacon")
        hooks = [await endpoint(each) for each in (everything, other.client)]
        await happen(world, "pride")
        await work(world)
        before = [await _seen(each) for each in (everything, other.client)]
        shared = await rows(world, "SELECT * FROM outgoing_event ORDER BY id")
        counters = "SELECT * FROM feed_counter WHERE feed = 'events'"
        count = await rows(world, counters)
        waiting = [len(await queued(world, hook)) for hook in hooks]

        sent, gone = await eap.sent(amira), await eap.sent(amira)
        await eap.move(await eap.case(sent), "accept")
        url = f"{REFERRALS}/{gone['id']}/withdraw-consent"
        await done(await amira.post(url, json={"recipient": "provider"}))
        await work(world)

        assert [await _seen(each) for each in (everything, other.client)] == before
        assert await rows(world, "SELECT * FROM outgoing_event ORDER BY id") == shared
        assert await rows(world, counters) == count
        assert [len(await queued(world, hook)) for hook in hooks] == waiting
        assert [each for each, _ in await of_cases(eap.client)] == [
            "eap_case.sent",
            "eap_case.accepted",
            "eap_case.consent_withdrawn",
        ]
        for refused in (await amira.get(EVENTS), await world.person("noor").get(EVENTS)):
            assert_problem(refused, 403)

    async def test_sees_the_endpoints_of_a_provider(
        self, world: World, eap: Eap, noor: httpx.AsyncClient, amira: httpx.AsyncClient
    ) -> None:
        """Not who leads the programme: when something was delivered there, somebody had asked for help."""
        made = await endpoint(eap.client)
        await eap.sent(amira)
        await work(world)
        (waiting,) = [row for row in await queued(world, made) if row.type == "eap_case.sent"]

        assert made["id"] not in (await noor.get(WEBHOOKS)).text
        url = f"{WEBHOOKS}/{made['id']}"
        for answer in (
            await noor.get(url),
            await noor.get(f"{url}/deliveries"),
            await noor.get(f"{url}/deliveries/{waiting.id}"),
            await noor.get(f"{url}/history"),
            await noor.post(f"{url}/test"),
            await noor.delete(url, headers=etag(made)),
        ):
            assert_problem(answer, 404, "not_found")
        body = {"url": RECEIVER, "event_types": ["*"], "client_id": made["client_id"]}
        assert_problem(await noor.post(WEBHOOKS, json=body), 409, "client_of_provider")
        shown = await done(await eap.client.get(f"{url}/deliveries/{waiting.id}"))
        assert shown["type"] == "eap_case.sent"

    async def test_learns_of_it_from_a_client_that_acts_for_it_no_more(
        self, world: World, eap: Eap, noor: httpx.AsyncClient, amira: httpx.AsyncClient
    ) -> None:
        """Its endpoints are people's to see then: what was told to them, and when, is gone before."""
        made = await endpoint(eap.client)
        referral = await eap.sent(amira)
        await work(world)
        delivered = "UPDATE webhook_endpoint SET last_delivered_at = now(), failing_since = now()"
        await change(world, delivered)
        finished = "UPDATE webhook_delivery SET state = 'delivered', due_at = NULL, finished_at = now()"
        await change(world, f"{finished} WHERE type = 'eap_case.sent'")

        await leave(world, eap, made["client_id"])

        await done(await amira.post(f"{REFERRALS}/{referral['id']}/cancel", json=REASON))
        await work(world)
        shown = await done(await noor.get(f"{WEBHOOKS}/{made['id']}"))
        assert (shown["last_delivered_at"], shown["failing_since"]) == (None, None)
        assert shown["updated_at"] == made["updated_at"]
        listed = (await done(await noor.get(f"{WEBHOOKS}/{made['id']}/deliveries")))["data"]
        assert types(listed) == ["webhook_endpoint.created"]
        assert await of_cases(eap.client) == []
        assert not await rows(world, "SELECT 1 FROM webhook_delivery WHERE type LIKE 'eap%'")


class TestScopes:
    async def test_a_providers_client_may_be_told_of_events_and_of_nothing_else(self, world: World, eap: Eap) -> None:
        admin, url = await world.client(), f"/v1/clients/{await id_of(eap.client)}"
        wide = {"scopes": [*SCOPES, "employees:read"]}
        refused = await admin.patch(url, json=wide, headers=etag(await admin.get(url)))
        assert_problem(refused, 409, "client_has_other_scopes")

        deaf = await Eap.build(world, "Harbour EAP")
        assert_problem(await deaf.client.get(EVENTS), 403, "missing_scope")
        silent = await world.client("webhooks:read")
        assert await of_cases(silent) == []

    def test_every_change_that_the_provider_may_read_is_told(self) -> None:
        """The states that a case can get into, and what else moves its version."""
        states = {"accepted", "rejected", "in_progress", "on_hold", "completed", "failed", "cancelled"}
        others = {"sent", "attendance_recorded", "consent_given", "consent_withdrawn"}

        assert {f"eap_case.{each}" for each in states | others} == OF_PROVIDERS


async def _seen(client: httpx.AsyncClient) -> Any:
    """Return what somebody sees of the feed, and how long its cursor is."""
    page = await client.get(EVENTS, params={"limit": 200})
    told = page.json()
    return told["data"], told["has_more"], len(told["next_cursor"]), len(page.content), page.headers["ETag"]
