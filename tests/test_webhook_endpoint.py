"""Webhook endpoints: whose they are, what they take, their keys, and switching them off and on."""

import base64
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.models import Base, WebhookEndpoint
from app.webhooks import keys as webhook_keys
from app.webhooks.keys import WebhookKeys
from tests.test_conventions_access import assert_problem
from tests.webhooks import (
    RECEIVER,
    WEBHOOKS,
    change,
    done,
    endpoint,
    happen,
    id_of,
    queued,
    rows,
    work,
)
from tests.world import World, etag

SCOPES = ("webhooks:read", "webhooks:write", "pillars:read")
OF_EVENT = {"state": None, "version": 1}


@pytest.fixture
async def mine(world: World) -> httpx.AsyncClient:
    return await world.client(*SCOPES)


async def keys_of(world: World, made: dict[str, Any]) -> list[WebhookKeys]:
    """Return the keys that an endpoint's messages are signed with now, the new ones first."""

    def read(session: Session) -> list[bytes]:
        row = session.execute(select(WebhookEndpoint).where(WebhookEndpoint.id == UUID(made["id"]))).scalar_one()
        older = row.previous_keys if row.previous_keys_until and row.previous_keys_until > clock.now() else None
        return [row.keys, *([older] if older else [])]

    vault = world.app.state.vault
    return [webhook_keys.open_keys(vault, world.id, UUID(made["id"]), each) for each in await world.run(read)]


async def patched(client: httpx.AsyncClient, made: dict[str, Any], **fields: Any) -> dict[str, Any]:
    url = f"{WEBHOOKS}/{made['id']}"
    return await done(await client.patch(url, json=fields, headers=etag(await client.get(url))))


class TestMaking:
    async def test_shows_its_keys_once_and_keeps_them_sealed(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine, "pillar.*", description="Desktops")

        secret, public = made.pop("secret"), made.pop("public_key")
        (keys,) = await keys_of(world, made)
        assert (keys.secret_text, keys.public_text) == (secret, public)
        raw = base64.b64decode(secret.removeprefix("whsec_"))
        assert len(raw) == 32 == len(base64.b64decode(public.removeprefix("whpk_")))
        assert await done(await mine.get(f"{WEBHOOKS}/{made['id']}")) == made
        assert made["client_id"] == await id_of(mine)
        assert (made["format"], made["concurrency"], made["active"]) == ("standard", 2, True)
        assert set(made["allowed_actions"]) == {"update", "delete", "rotate_secret", "test", "replay"}
        told = [await mine.get(WEBHOOKS), await mine.get(f"{WEBHOOKS}/{made['id']}/history")]
        assert not [answer for answer in told if secret in answer.text or "keys" in answer.text]
        for table in Base.metadata.tables:
            for row in await rows(world, f"SELECT t::text FROM {table} t"):
                assert raw.hex() not in row[0], table
                assert secret[6:] not in row[0], table

    async def test_twice_with_a_key_shows_no_secret_again(self, mine: httpx.AsyncClient) -> None:
        once, body = {"Idempotency-Key": "once"}, {"url": RECEIVER, "event_types": ["*"]}
        first = await done(await mine.post(WEBHOOKS, json=body, headers=once), 201)
        again = await done(await mine.post(WEBHOOKS, json=body, headers=once), 201)
        assert again == first | {"secret": None}

        url = f"{WEBHOOKS}/{first['id']}/rotate-secret"
        rotated = await done(await mine.post(url, headers=once))
        assert await done(await mine.post(url, headers=once)) == rotated | {"secret": None}
        assert rotated["secret"] not in (first["secret"], None)

    @pytest.mark.parametrize(
        ("url", "code"),
        [
            ("http://hooks.example.com/", "url_not_https"),
            ("https://user:canary@hooks.example.com/", "url_with_credentials"),
            ("https://hooks.example.com/#canary", "url_malformed"),
            ("https:///canary", "url_malformed"),
            ("/canary", "url_malformed"),
            ("https://127.0.0.1/canary", "address_not_allowed"),
            ("https://2130706433/", "address_not_allowed"),
            ("https://localhost/", "address_not_allowed"),
            ("https://hooks.example.com:22/", "port_not_allowed"),
            ("https://hooks.example.com/a b", "string_pattern_mismatch"),
            ("https://" + "x" * 2000, "string_too_long"),
        ],
    )
    async def test_refuses_a_url_that_nothing_is_sent_to(self, mine: httpx.AsyncClient, url: str, code: str) -> None:
        made = await endpoint(mine)
        answers = [
            await mine.post(WEBHOOKS, json={"url": url, "event_types": ["*"]}),
            await mine.patch(f"{WEBHOOKS}/{made['id']}", json={"url": url}, headers=etag(made)),
        ]

        for refused in answers:
            assert_problem(refused, 422)
            assert [(each["pointer"], each["code"]) for each in refused.json()["errors"]] == [("/url", code)]
            assert "canary" not in refused.text

    async def test_takes_the_types_of_the_catalogue_and_wildcards(self, mine: httpx.AsyncClient) -> None:
        for good in (["*"], ["support_prompt.*", "goal.achieved"], ["eap_case.sent"], ["webhook_endpoint.disabled"]):
            assert (await endpoint(mine, *good))["event_types"] == good
        faults = {
            "/event_types": [[], ["*", "*"]],
            "/event_types/1": [
                ["*", "canary.created"],
                ["*", "webhook_endpoint.test"],
                ["*", "goal.ach*"],
                ["*", "GOAL.*"],
            ],
        }
        for pointer, bad in faults.items():
            for event_types in bad:
                refused = await mine.post(WEBHOOKS, json={"url": RECEIVER, "event_types": event_types})
                assert_problem(refused, 422)
                assert [each["pointer"] for each in refused.json()["errors"]] == [pointer], event_types
                assert "canary" not in refused.text
        for field, value in {"concurrency": 0, "format": "xml"}.items():
            body = {"url": RECEIVER, "event_types": ["*"], field: value}
            assert_problem(await mine.post(WEBHOOKS, json=body), 422)
        assert (await endpoint(mine, concurrency=10))["concurrency"] == 10

    async def test_stops_at_twenty_for_each_client(self, world: World, mine: httpx.AsyncClient) -> None:
        made = [await endpoint(mine) for _ in range(20)]
        body = {"url": RECEIVER, "event_types": ["*"]}
        assert_problem(await mine.post(WEBHOOKS, json=body), 409, "too_many_endpoints")
        assert (await endpoint(await world.client(*SCOPES)))["id"]

        assert (await mine.delete(f"{WEBHOOKS}/{made[0]['id']}", headers=etag(made[0]))).status_code == 204
        assert (await endpoint(mine))["id"]


class TestWhose:
    async def test_a_client_has_its_own_alone(self, world: World, mine: httpx.AsyncClient) -> None:
        other = await world.client(*SCOPES)
        made, theirs = await endpoint(mine), await endpoint(other)

        assert [each["id"] for each in (await done(await mine.get(WEBHOOKS)))["data"]] == [made["id"]]
        url = f"{WEBHOOKS}/{theirs['id']}"
        for answer in (
            await mine.get(url),
            await mine.patch(url, json={"url": RECEIVER}, headers=etag(theirs)),
            await mine.delete(url, headers=etag(theirs)),
            await mine.post(f"{url}/rotate-secret"),
            await mine.post(f"{url}/test"),
            await mine.post(f"{url}/replay", json={"since": "2026-11-20T10:00:00Z"}),
            await mine.get(f"{url}/deliveries"),
            await mine.get(f"{url}/history"),
        ):
            assert_problem(answer, 404, "not_found")
        body = {"url": RECEIVER, "event_types": ["*"], "client_id": theirs["client_id"]}
        refused = await mine.post(WEBHOOKS, json=body)
        assert_problem(refused, 422)
        assert refused.json()["errors"][0]["code"] == "unknown_reference"

    async def test_who_leads_the_programme_keeps_those_of_every_client(
        self, world: World, mine: httpx.AsyncClient, noor: httpx.AsyncClient, amira: httpx.AsyncClient
    ) -> None:
        body = {"url": RECEIVER, "event_types": ["*"]}
        nameless = await noor.post(WEBHOOKS, json=body)
        assert [each["pointer"] for each in nameless.json()["errors"]] == ["/client_id"]
        deaf, revoked = [await id_of(await world.client(scope)) for scope in ("pillars:read", "webhooks:read")]
        await change(world, f"UPDATE client SET revoked_at = now() WHERE id = '{revoked}'")
        for client_id, code in ((deaf, "client_lacks_scope"), (revoked, "client_revoked")):
            assert_problem(await noor.post(WEBHOOKS, json=body | {"client_id": client_id}), 409, code)
        made = await endpoint(noor, client_id=await id_of(mine))

        assert made["secret"].startswith("whsec_")
        assert (await done(await mine.get(f"{WEBHOOKS}/{made['id']}")))["client_id"] == made["client_id"]
        assert (await patched(noor, made, concurrency=5))["concurrency"] == 5
        assert_problem(await amira.get(WEBHOOKS), 403, "missing_role")
        found = await done(await noor.get(WEBHOOKS, params={"client_id": made["client_id"], "active": True}))
        assert [each["id"] for each in found["data"]] == [made["id"]]
        assert (await done(await noor.get(WEBHOOKS, params={"active": False})))["data"] == []

    async def test_needs_the_scopes(self, world: World, mine: httpx.AsyncClient) -> None:
        made, reader = await endpoint(mine), await world.client("webhooks:read")
        for answer in (
            await reader.post(WEBHOOKS, json={"url": RECEIVER, "event_types": ["*"]}),
            await reader.post(f"{WEBHOOKS}/{made['id']}/rotate-secret"),
        ):
            assert_problem(answer, 403, "missing_scope")
        assert (await reader.get(WEBHOOKS)).status_code == 200


class TestRotation:
    async def test_signs_with_both_for_a_day(
        self, world: World, mine: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = await endpoint(mine)

        rotated = await done(await mine.post(f"{WEBHOOKS}/{made['id']}/rotate-secret"))

        assert rotated["version"] > made["version"]
        until = clock.now() + timedelta(days=1)
        assert rotated["previous_secret_until"][:16] == until.isoformat()[:16]
        assert [each.secret_text for each in await keys_of(world, made)] == [rotated["secret"], made["secret"]]
        assert [each.public_text for each in await keys_of(world, made)] == [rotated["public_key"], made["public_key"]]
        monkeypatch.setattr(clock, "now", lambda: until + timedelta(seconds=60))
        assert [each.secret_text for each in await keys_of(world, made)] == [rotated["secret"]]
        assert (await done(await mine.get(f"{WEBHOOKS}/{made['id']}")))["previous_secret_until"] is None

    async def test_ends_the_old_ones_when_it_is_told_to(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine)
        url = f"{WEBHOOKS}/{made['id']}/rotate-secret"
        for seconds in (-1, 7 * 86_400 + 1, "60"):
            assert_problem(await mine.post(url, json={"overlap_seconds": seconds}), 422)
        stale = await mine.post(url, json={"overlap_seconds": 0}, headers={"If-Match": '"99"'})
        assert_problem(stale, 412)
        second = await done(await mine.post(url, json={"overlap_seconds": 7 * 86_400}))
        third = await done(await mine.post(url, json={"overlap_seconds": 60}))
        assert [each.secret_text for each in await keys_of(world, made)] == [third["secret"], second["secret"]]

        fourth = await done(await mine.post(url, json={"overlap_seconds": 0}))
        assert fourth["previous_secret_until"] is None
        assert [each.secret_text for each in await keys_of(world, made)] == [fourth["secret"]]
        history = (await done(await mine.get(f"{WEBHOOKS}/{made['id']}/history")))["data"]
        assert [entry["action"] for entry in history] == [
            *["webhook_endpoint.secret_rotated"] * 3,
            "webhook_endpoint.created",
        ]

    async def test_keys_open_for_their_endpoint_alone(self, world: World, mine: httpx.AsyncClient) -> None:
        one, other = await endpoint(mine), await endpoint(mine)
        swap = f"UPDATE webhook_endpoint SET keys = (SELECT keys FROM webhook_endpoint WHERE id = '{one['id']}')"
        await change(world, f"{swap} WHERE id = '{other['id']}'")

        with pytest.raises(ValueError, match="not sealed here"):
            await keys_of(world, other)


class TestSwitching:
    async def test_off_keeps_what_happens_and_on_delivers_it_at_once(
        self, world: World, mine: httpx.AsyncClient
    ) -> None:
        made = await endpoint(mine, "pillar.*")
        off = await patched(mine, made, active=False)
        assert off["paused_at"] is not None
        assert set(off["allowed_actions"]) == {"update", "delete", "rotate_secret"}
        happened = await happen(world, "pride")
        await work(world)
        await change(world, "UPDATE webhook_delivery SET due_at = now() + interval '10 hours', attempts = 7")
        for verb, body in (("test", None), ("replay", {"since": "2026-11-20T10:00:00Z"})):
            refused = await mine.post(f"{WEBHOOKS}/{made['id']}/{verb}", json=body)
            assert_problem(refused, 409, "endpoint_inactive")

        on = await patched(mine, made, active=True)

        assert (on["paused_at"], on["active"]) == (None, True)
        (delivery,) = await queued(world, made)
        assert delivery.data["id"] == happened[0]
        assert delivery.due_at <= clock.now()
        (row,) = await rows(
            world, f"SELECT deliver_at FROM organisation_directory WHERE organisation_id = '{world.id}'"
        )
        assert row.deliver_at <= clock.now()

    async def test_on_again_after_we_disabled_it(self, world: World, mine: httpx.AsyncClient) -> None:
        made = await endpoint(mine)
        disable = "UPDATE webhook_endpoint SET active = false, disabled_at = now(), disabled_reason = 'failing'"
        await change(world, f"{disable}, failing_since = now(), last_delivered_at = now()")
        shown = await done(await mine.get(f"{WEBHOOKS}/{made['id']}"))
        assert (shown["disabled_reason"], shown["active"], shown["version"]) == ("failing", False, made["version"])
        assert None not in {shown[name] for name in ("disabled_at", "failing_since", "last_delivered_at")}
        assert (await patched(mine, made, active=False))["paused_at"] is None

        on = await patched(mine, made, active=True)

        assert {on[name] for name in ("disabled_at", "disabled_reason", "failing_since", "paused_at")} == {None}

    async def test_on_after_more_than_a_week_begins_anew(
        self, world: World, mine: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = await endpoint(mine, "pillar.*")
        await patched(mine, made, active=False)
        start = clock.now()
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=8))
        await happen(world, "pride")
        await work(world)
        assert await queued(world, made) == []

        await patched(mine, made, active=True)
        happened = await happen(world, "calm")
        await work(world)

        assert [row.data["id"] for row in await queued(world, made)] == happened


class TestClients:
    async def test_that_is_revoked_is_told_of_nothing_more(
        self, world: World, mine: httpx.AsyncClient, noor: httpx.AsyncClient
    ) -> None:
        made = await endpoint(mine, "pillar.*")
        await happen(world, "pride")
        await work(world)
        await mine.post(f"{WEBHOOKS}/{made['id']}/test")
        assert len(await queued(world, made)) == 2

        await done(await noor.post(f"/v1/clients/{made['client_id']}/revoke"))
        await happen(world, "calm")
        await work(world)

        assert await queued(world, made) == []
        shown = await done(await noor.get(f"{WEBHOOKS}/{made['id']}"))
        assert shown["active"] is False
        switched = await noor.patch(f"{WEBHOOKS}/{made['id']}", json={"active": True}, headers=etag(shown))
        assert_problem(switched, 409, "client_revoked")

    async def test_that_loses_a_scope_is_not_told_of_what_waits(
        self, world: World, mine: httpx.AsyncClient, client: httpx.AsyncClient
    ) -> None:
        made = await endpoint(mine)
        await happen(world, "pride")
        await work(world)
        await mine.post(f"{WEBHOOKS}/{made['id']}/test")
        url = f"/v1/clients/{made['client_id']}"

        fewer = {"scopes": ["webhooks:read", "webhooks:write"]}
        await done(await client.patch(url, json=fewer, headers=etag(await client.get(url))))

        left = {row.type for row in await queued(world, made)}
        assert left == {"webhook_endpoint.created", "webhook_endpoint.test"}
