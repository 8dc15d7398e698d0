"""The address of a source: what is delivered there, in each format, is taken in, or answered with why not."""

import itertools
import json
import time
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from app import clock
from app.intake import canonical as canonical_form
from app.intake import readers
from app.intake.adapter import Delivery, Item, SourceSettings
from tests.calls import count, post
from tests.intake_sources import (
    CLOUD_EVENT,
    PUBLIC,
    Platform,
    add_credential,
    canonical,
    make_intake,
    platform,
    rows,
    ticket,
    twilio_headers,
)
from tests.test_conventions_access import assert_problem
from tests.world import World

BATCHED = {"Content-Type": "application/cloudevents-batch+json"}


@pytest.fixture
async def zendesk(noor: httpx.AsyncClient, stranger: httpx.AsyncClient) -> Platform:
    return await platform(noor, stranger)


@pytest.fixture
async def pbx(noor: httpx.AsyncClient, stranger: httpx.AsyncClient) -> Platform:
    return await platform(noor, stranger, "cloudevents")


class TestAddress:
    async def test_it_carries_the_organisation_and_only_some_kinds_have_one(
        self, noor: httpx.AsyncClient, world: World
    ) -> None:
        made = await make_intake(noor)
        plain = (await noor.post("/v1/sources", json={"name": "Plain"})).json()

        assert made["intake_url"] == f"{PUBLIC}/v1/intake/{world.id}/{made['id']}"
        assert (plain["kind"], plain["intake_url"], plain["options"]) == ("api", None, {})
        refused = await noor.post(f"/v1/sources/{plain['id']}/credentials", json={"kind": "bearer"})
        assert_problem(refused, 409, "no_address")

    async def test_strangers_are_all_answered_the_same(
        self, zendesk: Platform, world: World, mallory: httpx.AsyncClient, elsewhere: World, noor: httpx.AsyncClient
    ) -> None:
        """Whatever is wrong: the organisation, the source, the credential; and before the body is looked at."""
        plain = (await noor.post("/v1/sources", json={"name": "Plain"})).json()
        theirs = await platform(mallory, zendesk.http)
        unguarded = await make_intake(noor, "cloudevents")
        here = f"/v1/intake/{world.id}"
        tried = [
            (zendesk.url, {}),
            (zendesk.url, {"Authorization": "Bearer wrong"}),
            (zendesk.url, {"Authorization": "Basic Og=="}),
            (zendesk.url, {"Authorization": "Basic !"}),
            (zendesk.url, {"Authorization": mallory.headers["Authorization"]}),
            (zendesk.url, theirs.headers),
            (theirs.url, zendesk.headers),
            (f"{here}/{theirs.id}", theirs.headers),
            (f"/v1/intake/{elsewhere.id}/{zendesk.id}", zendesk.headers),
            (f"{here}/{plain['id']}", zendesk.headers),
            (f"{here}/{unguarded['id']}", zendesk.headers),
            (f"{here}/{world.id}", zendesk.headers),
            (f"{here}/nonsense", zendesk.headers),
            (f"/v1/intake/nonsense/{zendesk.id}", zendesk.headers),
        ]
        before = await rows(world)
        answers = set()
        for (url, headers), content in itertools.product(tried, (b"{", json.dumps(ticket()).encode())):
            response = await zendesk.http.post(url, content=content, headers=headers)
            assert_problem(response, 401, "unknown_sender")
            problem = response.json()
            answers.add((json.dumps({**problem, "instance": None}), response.headers["WWW-Authenticate"]))

        assert len(answers) == 1
        assert "Basic" in next(iter(answers))[1]
        assert await rows(world) == before

    async def test_a_client_key_does_not_open_it_and_its_credential_opens_nothing_else(
        self, zendesk: Platform, client: httpx.AsyncClient
    ) -> None:
        assert_problem(await client.post(zendesk.url, json=ticket()), 401, "unknown_sender")
        for path in ("/v1/call-events", "/v1/sources", "/v1/me"):
            assert_problem(await zendesk.http.get(path, headers=zendesk.headers), 401)

    async def test_only_what_is_no_delivery_at_all_is_refused_whole(self, zendesk: Platform, world: World) -> None:
        for body, status, code in (
            (b"{", 400, "not_json"),
            (b"\xff", 400, "not_json"),
            (b"7", 400, "not_an_event"),
            (json.dumps([ticket()] * 1001).encode(), 400, "too_many"),
            (b" " * 4_194_305, 413, "too_large"),
        ):
            assert_problem(await zendesk.send(body), status, code)
        squeezed = await zendesk.send(b"\x1f\x8b", **{"Content-Encoding": "gzip"})
        assert_problem(squeezed, 415, "unsupported_encoding")
        assert await count(world, "call_event") == 0

    async def test_it_is_limited_for_each_source(self, zendesk: Platform, pbx: Platform) -> None:
        limiter = zendesk.http._transport.app.state.limiter  # type: ignore[attr-defined]  # httpx.ASGITransport
        before, limiter.interval = limiter.interval, limiter.WINDOW / 3
        try:
            answers = [await zendesk.send([]) for _ in range(4)]
            other = await pbx.send([], **BATCHED)
        finally:
            limiter.interval = before

        assert [each.status_code for each in answers] == [202, 202, 202, 429]
        assert answers[-1].headers["Retry-After"]
        assert other.status_code == 202

    async def test_any_query_is_fine(self, zendesk: Platform) -> None:
        response = await zendesk.http.post(f"{zendesk.url}?code=1&x=%00", json=ticket(), headers=zendesk.headers)

        assert response.status_code == 202

    async def test_a_query_may_be_any_bytes(self, zendesk: Platform, world: World) -> None:
        async def odd(scope: Any, receive: Any, send: Any) -> None:
            await world.app({**scope, "query_string": b"x=\xff"}, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=odd), base_url="http://x") as http:
            assert_problem(await http.post(zendesk.url, json=ticket()), 401, "unknown_sender")
            assert (await http.post(zendesk.url, json=ticket(), headers=zendesk.headers)).status_code == 202


class TestTakingIn:
    async def test_everything_is_answered_with_what_became_of_it(self, zendesk: Platform, world: World) -> None:
        bad = ticket(3, ended="soon")
        first = await zendesk.deliver([ticket(1), ticket(2, type="ringing"), bad, "nonsense", ticket(4, agent=None)])
        again = await zendesk.deliver([ticket(1), ticket("x", event="later", ticket={"id": 4201, "via": "Mail"})])

        assert {name: first[name] for name in ("accepted", "updated", "duplicates", "dropped")} == {
            "accepted": 1,
            "updated": 0,
            "duplicates": 0,
            "dropped": 1,
        }
        assert [each["index"] for each in first["refused"]] == [2, 3, 4]
        assert first["refused"][0]["errors"][0]["pointer"] == "/ended"
        assert {name: again[name] for name in ("accepted", "updated", "duplicates")} == {
            "accepted": 0,
            "updated": 1,
            "duplicates": 1,
        }
        assert await count(world, "call_event") == 1

    async def test_the_audit_says_that_the_source_did_it(self, zendesk: Platform, client: httpx.AsyncClient) -> None:
        await zendesk.deliver(ticket())

        (entry, *_) = (await client.get("/v1/audit-entries?sort=-id")).json()["data"]
        assert (entry["action"], entry["actor_kind"], entry["actor_id"]) == (
            "call_event.received",
            "source",
            zendesk.id,
        )

    async def test_support_is_offered_right_away(self, zendesk: Platform, amira: httpx.AsyncClient) -> None:
        told = ticket(1, ended=clock.now().replace(tzinfo=None).isoformat())
        told["ticket"] |= {"tags": "threat"}
        await zendesk.deliver(told)

        for path in ("/v1/strain-signals", "/v1/support-prompts?state=offered"):
            assert (await amira.get(path)).json()["data"], path

    async def test_a_source_of_one_client_is_delivered_to_all_the_same(
        self, world: World, stranger: httpx.AsyncClient
    ) -> None:
        poster = await world.client("sources:read", "sources:write", "call-events:read", "call-events:write")
        own = await platform(poster, stranger)

        assert (await own.deliver(ticket()))["accepted"] == 1
        assert own.source["client_id"] is not None

    async def test_what_is_assumed_loses_against_what_is_said(
        self, noor: httpx.AsyncClient, stranger: httpx.AsyncClient, client: httpx.AsyncClient, monkeypatch: Any
    ) -> None:
        """A rule match knows no end of the call: whichever comes first, the real one stands."""

        def read(delivery: Delivery, source: SourceSettings) -> list[Item]:
            sent = json.loads(delivery.body)
            raw = {"source_id": str(source.source_id), **sent["event"]}
            return [canonical_form.read(raw, assumed=frozenset(sent["assumed"]))]

        monkeypatch.setattr("app.intake.eventbridge.read", read)
        readers.reader_of.cache_clear()
        connect = await platform(noor, stranger, "eventbridge")
        about = {"contact_id": "c", "agent": {"ref": "amira"}}
        told = [
            {"event": {**about, "event_id": "rule", "ended_at": "2026-03-04T10:20:00Z"}, "assumed": ["ended_at"]},
            {"event": {**about, "event_id": "late", "ended_at": "2026-03-04T10:30:00Z"}, "assumed": ["ended_at"]},
            {"event": {**about, "event_id": "end", "ended_at": "2026-03-04T10:05:00Z"}, "assumed": []},
        ]
        for number, order in enumerate(itertools.permutations(told)):
            for each in order:
                event = {**each["event"], "contact_id": f"c-{number}"}  # type: ignore[dict-item]  # of a test
                await connect.deliver({**each, "event": {**event, "event_id": f"{event['event_id']}-{number}"}})
        only = await connect.deliver({**told[0], "event": {**told[0]["event"], "contact_id": "alone"}})  # type: ignore[dict-item]
        readers.reader_of.cache_clear()

        ends = {each["contact_id"]: each["ended_at"] for each in (await client.get("/v1/call-events")).json()["data"]}
        assert only["accepted"] == 1
        assert ends.pop("alone") == "2026-03-04T10:20:00Z"
        assert set(ends.values()) == {"2026-03-04T10:05:00Z"}
        assert len(ends) == 6

    async def test_a_batch_of_a_hundred_is_answered_in_time(self, zendesk: Platform) -> None:
        await zendesk.deliver([ticket(number) for number in range(1000, 1100)])
        spent = []
        for batch in range(5):
            body = json.dumps([ticket(number) for number in range(batch * 100, batch * 100 + 100)]).encode()
            started = time.perf_counter()
            assert (await zendesk.deliver(body))["accepted"] == 100
            spent.append(time.perf_counter() - started)

        assert min(spent) < 0.2


class TestCloudEvents:
    async def test_all_three_modes_as_the_sdk_writes_them(self, pbx: Platform, client: httpx.AsyncClient) -> None:
        def event(number: int) -> CloudEvent:
            told = canonical(pbx.id, number)
            attributes = {name: told[name] for name in ("id", "source", "type", "specversion")}
            return CloudEvent(attributes | {"datacontenttype": "application/json"}, told["data"])

        for number, message in ((1, to_binary_event(event(1))), (2, to_structured_event(event(2)))):
            answer = await pbx.deliver(message.body, **message.headers)
            assert answer["accepted"] == 1, number
        one = json.loads(JSONFormat().write(event(3)))
        batch = await pbx.deliver([one, one, canonical(pbx.id, 4)], **BATCHED)

        assert (batch["accepted"], batch["duplicates"]) == (2, 1)
        found = (await client.get("/v1/call-events")).json()["data"]
        assert {each["contact_id"] for each in found} == {f"contact-{number}" for number in range(1, 5)}

    async def test_the_address_says_the_source_and_two_sources_of_events_are_told_apart(self, pbx: Platform) -> None:
        first = await pbx.deliver(canonical(pbx.id) | {"source": "urn:pbx:1"}, **CLOUD_EVENT)
        other = canonical(pbx.id) | {"source": "urn:pbx:2"}
        other["data"] |= {"contact_id": "another"}

        assert first["accepted"] == 1
        assert (await pbx.deliver(other, **CLOUD_EVENT))["accepted"] == 1
        assert (await pbx.deliver(other, **CLOUD_EVENT))["duplicates"] == 1

    async def test_whoever_asks_beforehand_may_deliver(self, pbx: Platform, world: World) -> None:
        """The abuse protection of senders: it is answered alike everywhere, so that it tells of no source."""
        asked = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "120"}
        nowhere = f"/v1/intake/{world.id}/{world.id}"
        here, there = [await pbx.http.options(url, headers=asked) for url in (pbx.url, nowhere)]
        odd = await pbx.http.options(pbx.url, headers={"WebHook-Request-Origin": 'a"b c'})

        assert here.status_code == 200
        assert here.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
        assert here.headers["WebHook-Allowed-Rate"] == "*"
        assert "POST" in here.headers["Allow"]
        own = {"x-request-id"}
        assert {n: v for n, v in here.headers.items() if n not in own} == {
            n: v for n, v in there.headers.items() if n not in own
        }
        assert "WebHook-Allowed-Origin" not in odd.headers


class TestTwilio:
    async def test_a_signed_form_is_answered_without_a_word(
        self, noor: httpx.AsyncClient, stranger: httpx.AsyncClient
    ) -> None:
        source, token = await make_intake(noor, "twilio"), "0123456789abcdef0123456789abcdef"
        made = await add_credential(noor, source["id"], kind="twilio", secret=token)
        fields = {"CallSid": "CA1", "CallStatus": "ringing", "From": "+15550100"}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        path = source["intake_url"].removeprefix(PUBLIC)
        good = twilio_headers(token, source["intake_url"], fields)

        taken = await stranger.post(path, content=urlencode(fields), headers=form | good)
        forged = await stranger.post(path, content=urlencode(fields | {"CallStatus": "busy"}), headers=form | good)

        assert (made["secret"], made["last_four"]) == (None, "cdef")
        assert (taken.status_code, taken.content) == (204, b"")
        assert_problem(forged, 401, "unknown_sender")


class TestOtherSources:
    async def test_an_ordinary_source_goes_on_as_before(self, client: httpx.AsyncClient, zendesk: Platform) -> None:
        """And a client with the scope may post about any source that it may use, whatever its kind."""
        event = {"source_id": zendesk.id, "event_id": "1", "contact_id": "1", "agent": {"ref": "amira"}}

        assert (await post(client, {**event, "ended_at": "2026-03-04T10:05:00Z"}))["source_id"] == zendesk.id
