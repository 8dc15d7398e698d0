"""What could not be taken is kept for a week and replayed; what would become of a payload is told beforehand."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app import clock
from tests.calls import count
from tests.intake_sources import (
    Platform,
    canonical,
    everything,
    platform,
    rows,
    ticket,
)
from tests.test_conventions_access import assert_problem
from tests.world import World, etag


@pytest.fixture
async def zendesk(noor: httpx.AsyncClient, stranger: httpx.AsyncClient) -> Platform:
    return await platform(noor, stranger)


@pytest.fixture
async def pbx(noor: httpx.AsyncClient, stranger: httpx.AsyncClient) -> Platform:
    return await platform(noor, stranger, "cloudevents")


class TestParked:
    async def test_they_are_listed_and_replayed_for_a_week(
        self, zendesk: Platform, noor: httpx.AsyncClient, client: httpx.AsyncClient, world: World, monkeypatch: Any
    ) -> None:
        answer = await zendesk.deliver([ticket(1, ended="soon"), ticket(2, ended="soon")])
        ids = [each["refused_id"] for each in answer["refused"]]
        url = f"/v1/sources/{zendesk.id}/refused"

        listed = (await noor.get(url)).json()["data"]
        by_client = (await client.get(f"{url}/{ids[0]}")).json()
        again = await noor.post(f"{url}/{ids[0]}/replay")
        fix = {"corrections": {"ended_at": "2026-03-04T10:05:00Z"}}
        replayed = await noor.post(f"{url}/{ids[0]}/replay", json=fix)
        twice = await noor.post(f"{url}/{ids[0]}/replay", json=fix)

        assert [each["id"] for each in listed] == ids
        assert listed[0]["errors"][0]["pointer"] == "/ended"
        assert "agent" not in listed[0]["payload"]  # who leads the programme does not read whose call it was
        assert by_client["payload"]["agent"] == {"ref": "amira"}
        assert again.status_code == 422
        assert replayed.status_code == 200, replayed.text
        assert replayed.json()["call_event_id"] == twice.json()["call_event_id"]
        assert replayed.json()["allowed_actions"] == []
        found = (await client.get(f"/v1/call-events/{replayed.json()['call_event_id']}")).json()
        assert (found["contact_id"], found["employee_id"]) == ("4201", str(world.people["amira"]))
        assert await count(world, "call_event") == 1
        assert len((await noor.get(url, params={"replayed": False})).json()["data"]) == 1
        entries = (await client.get("/v1/audit-entries?sort=-id")).json()["data"]
        acted = {entry["action"]: entry["actor_kind"] for entry in entries[:2]}
        assert acted == {"call_event.received": "source", "refused_call_event.replayed": "person"}
        later = clock.now() + timedelta(days=7, seconds=1)
        monkeypatch.setattr(clock, "now", lambda: later)
        assert (await noor.get(url)).json()["data"] == []
        assert_problem(await noor.post(f"{url}/{ids[1]}/replay", json=fix), 409, "too_old")

    async def test_of_corrections_only_members_are_written_down(
        self, zendesk: Platform, noor: httpx.AsyncClient, world: World
    ) -> None:
        """A null may stand beside any name: it takes nothing away, and is no fault."""
        (refused,) = (await zendesk.deliver(ticket(ended="soon")))["refused"]
        fix = {"ended_at": "2026-03-04T10:05:00Z", "Jane Doe, +44 20 7946 0000": None, "team_ref": None}
        replayed = await noor.post(
            f"/v1/sources/{zendesk.id}/refused/{refused['refused_id']}/replay", json={"corrections": fix}
        )

        assert replayed.status_code == 200, replayed.text
        kept = await everything(world)
        assert "Jane Doe" not in kept
        assert '[""ended_at"", ""team_ref""]' in kept

    async def test_what_came_while_it_was_switched_off_is_replayed_as_it_is(
        self, zendesk: Platform, noor: httpx.AsyncClient
    ) -> None:
        url = f"/v1/sources/{zendesk.id}"
        off = await noor.patch(url, json={"active": False}, headers=etag(zendesk.source))
        answer = await zendesk.deliver(ticket())
        await noor.patch(url, json={"active": True}, headers=etag(off))

        (refused,) = answer["refused"]
        assert refused["errors"][0]["code"] == "source_inactive"
        assert (await noor.post(f"{url}/refused/{refused['refused_id']}/replay")).status_code == 200

    async def test_they_are_nobody_elses(
        self, zendesk: Platform, pbx: Platform, world: World, amira: httpx.AsyncClient, mallory: httpx.AsyncClient
    ) -> None:
        """Not an employee's, another organisation's, a client's whose source it is not, another source's."""
        poster = await world.client("sources:read", "call-events:read", "call-events:write")
        narrow = await world.client("sources:read", "sources:write")
        owner = await world.client("sources:read", "sources:write", "call-events:read", "call-events:write")
        own = await platform(owner, zendesk.http, name="Own")
        parked = (await own.deliver(ticket(ended="soon")))["refused"][0]["refused_id"]
        url = f"/v1/sources/{own.id}/refused"

        assert len((await owner.get(url)).json()["data"]) == 1
        assert (await owner.get("/v1/call-events/refused")).json()["data"] == []
        for who, status in ((amira, 403), (mallory, 404), (poster, 404), (narrow, 403)):
            assert (await who.get(url)).status_code == status
            assert (await who.get(f"{url}/{parked}")).status_code == status
            assert (await who.post(f"{url}/{parked}/replay")).status_code == status
        assert (await owner.get(f"/v1/sources/{pbx.id}/refused/{parked}")).status_code == 404
        assert (await owner.get(f"/v1/call-events/refused/{parked}")).status_code == 404


class TestTrial:
    async def test_it_tells_what_a_payload_would_become_and_stores_nothing(
        self, zendesk: Platform, noor: httpx.AsyncClient, world: World
    ) -> None:
        await zendesk.deliver(ticket(9))
        told = ticket(1) | {"caller": {"phone": "+44 20 7946 0000"}, "extra": 1}
        unknown = ticket(2, agent={"email": "nobody"}) | {"event": "e-2"}
        unknown["ticket"] |= {"disposition": "NEW", "tags": ""}
        body = [told, unknown, ticket(3, type="ringing"), ticket(4, ended="soon"), ticket(9)]
        before, url = await rows(world), f"/v1/sources/{zendesk.id}/test"

        response = await noor.post(url, json={"body": body})
        as_text = await noor.post(url, json={"body": json.dumps(body), "headers": {"Content-Type": "text/json"}})
        broken = await noor.post(url, json={"body": "{"})

        assert response.status_code == 200, response.text
        found = response.json()
        items = found["items"]
        assert [item["status"] for item in items] == ["taken", "taken", "dropped", "refused", "taken"]
        assert items[0]["event"]["contact_id"] == "4201"
        assert items[0]["outcomes"] == ["unresolved", "abusive"]
        assert [item["employee_id"] for item in items[:2]] == [str(world.people["amira"]), None]
        assert (items[0]["unmapped_codes"], items[1]["unmapped_codes"]) == ([], ["NEW"])
        assert items[2]["reason"] == "not_wanted"
        assert items[3]["errors"][0]["pointer"] == "/ended"
        assert [items[place]["received_before"] for place in (0, 4)] == [False, True]
        left_out = {each["pointer"]: each["reason"] for each in found["left_out"]}
        assert left_out["/0/caller/phone"] == "Phone numbers are never kept."
        assert left_out["/0/extra"] == "No rule of the declaration reads it."
        assert "/0/ticket/group" not in left_out
        assert "7946" not in response.text
        assert as_text.json() == found
        assert (broken.json()["readable"], broken.json()["code"]) == (False, "not_json")
        assert await rows(world) == before

    async def test_it_takes_headers_and_a_query_into_account(self, pbx: Platform, noor: httpx.AsyncClient) -> None:
        told = canonical(pbx.id)
        headers = {f"ce-{name}": told[name] for name in ("id", "source", "type", "specversion")}
        tried = {"body": told["data"], "headers": headers, "query": "a=b"}

        (item,) = (await noor.post(f"/v1/sources/{pbx.id}/test", json=tried)).json()["items"]

        assert item["status"] == "taken"

    async def test_of_a_form_it_tells_what_is_left_out(
        self, noor: httpx.AsyncClient, stranger: httpx.AsyncClient
    ) -> None:
        twilio = await platform(noor, stranger, "twilio")
        fields = {"CallSid": "CA1", "CallStatus": "ringing", "Caller": "+442079460000", "CallerName": "Jane Doe"}
        tried = {"body": urlencode(fields), "headers": {"Content-Type": "application/x-www-form-urlencoded"}}

        response = await noor.post(f"/v1/sources/{twilio.id}/test", json=tried)

        assert {each["pointer"] for each in response.json()["left_out"]} == {"/Caller", "/CallerName"}
        assert "7946" not in response.text

    async def test_only_who_may_change_the_source_tries_it(
        self, zendesk: Platform, amira: httpx.AsyncClient, world: World, noor: httpx.AsyncClient
    ) -> None:
        reader = await world.client("sources:read", "call-events:write")
        plain = (await noor.post("/v1/sources", json={"name": "Plain"})).json()

        for who in (amira, reader):
            assert_problem(await who.post(f"/v1/sources/{zendesk.id}/test", json={"body": {}}), 403)
        assert_problem(await noor.post(f"/v1/sources/{plain['id']}/test", json={"body": {}}), 409, "no_address")
