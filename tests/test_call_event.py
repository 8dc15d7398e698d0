"""One call event: what is taken and what is refused, who sees it, and what may be said of it afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from uuid_utils.compat import uuid7

from app import clock
from app.models.client import Role
from tests.calls import Followed, call, count, make_source, post, post_batch, statuses
from tests.world import World

WHOLE = {
    "root_contact_id": "root-1",
    "leg_id": "leg-1",
    "platform": "amazon_connect",
    "queue": {"ref": "q-1", "name": "Legal advice"},
    "team_ref": "team-1",
    "channel": "voice",
    "direction": "inbound",
    "started_at": "2026-03-04T10:00:00Z",
    "answered_at": "2026-03-04T10:00:20Z",
    "ended_at": "2026-03-04T10:05:00Z",
    "wrapup_ended_at": "2026-03-04T10:06:00Z",
    "durations": {"queue_s": 20, "talk_s": 280, "hold_s": 0, "wrapup_s": 60},
    "result": "answered",
    "ended_by": "customer",
    "disposition": {"code": "RES", "label": "Resolved", "scheme": "wrap-up"},
    "markers": [{"kind": "abuse", "origin": "rule", "rule": "Loud", "confidence": 0.5, "at": "2026-03-04T10:01:00Z"}],
    "sentiment": {"subject": "customer", "score": -0.5, "label": "angry", "provider": "lens"},
    "as_of": "2026-03-04T10:06:00Z",
}


def faults(response: httpx.Response) -> dict[str, str]:
    """Return the code of each fault by its pointer."""
    assert response.status_code == 422, response.text
    return {fault["pointer"]: fault["code"] for fault in response.json()["errors"]}


@pytest.fixture
async def source_id(client: httpx.AsyncClient) -> str:
    return await make_source(client)


class TestForm:
    async def test_the_whole_canonical_event_comes_back(self, client: httpx.AsyncClient, source_id: str) -> None:
        event = call(source_id, **WHOLE)
        response = await client.post("/v1/call-events", json=event)

        assert response.status_code == 201, response.text
        found = response.json()
        told = {name: value for name, value in event.items() if name != "event_id"}
        assert {name: found[name] for name in told} == told
        assert found["outcomes"] == ["resolved", "abusive"]
        assert response.headers["Location"] == f"/v1/call-events/{found['id']}"
        assert (await client.get(response.headers["Location"])).json() == found

    async def test_what_is_needed_is_little(self, client: httpx.AsyncClient, source_id: str) -> None:
        found = await post(client, call(source_id))

        assert found["as_of"] == found["ended_at"]
        assert found["markers"] == []
        assert found["queue"] is found["disposition"] is found["sentiment"] is None

    async def test_null_says_as_little_as_absence(self, client: httpx.AsyncClient, source_id: str) -> None:
        event = call(source_id, **WHOLE)
        nothing = dict.fromkeys(name for name in WHOLE if name != "ended_at")
        await post(client, event)

        response = await client.post(
            "/v1/call-events",
            json={**event, **nothing, "event_id": "later", "ended_at": "2026-03-04T10:05:30Z"},
        )

        assert response.status_code == 200
        assert response.json()["queue"] == WHOLE["queue"]

    @pytest.mark.parametrize("name", ["contact_id", "agent", "ended_at", "event_id", "source_id"])
    async def test_what_is_needed_is_missed(self, client: httpx.AsyncClient, source_id: str, name: str) -> None:
        event = call(source_id)
        del event[name]

        assert faults(await client.post("/v1/call-events", json=event)) == {f"/{name}": "missing"}

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"channel": "pigeon"}, "/channel"),
            ({"direction": "up"}, "/direction"),
            ({"result": "won"}, "/result"),
            ({"ended_by": "me"}, "/ended_by"),
            ({"ended_at": "yesterday"}, "/ended_at"),
            ({"ended_at": "2026-03-04T10:05:00"}, "/ended_at"),
            ({"ended_at": 1_700_000_000}, "/ended_at"),
            ({"ended_at": "1700000000"}, "/ended_at"),
            ({"ended_at": "9999-12-31T23:59:59Z"}, "/ended_at"),
            ({"durations": {"talk_s": 1.5}}, "/durations/talk_s"),
            ({"durations": {"talk_s": -1}}, "/durations/talk_s"),
            ({"durations": {"talk_s": 2**63}}, "/durations/talk_s"),
            ({"durations": {"talk_s": True}}, "/durations/talk_s"),
            ({"durations": "long"}, "/durations"),
            ({"contact_id": ""}, "/contact_id"),
            ({"contact_id": "  "}, "/contact_id"),
            ({"contact_id": "x" * 201}, "/contact_id"),
            ({"contact_id": 7}, "/contact_id"),
            ({"agent": {"ref": "ﷺ" * 200}}, "/agent/ref"),
            ({"markers": [{"kind": "bad"}]}, "/markers/0/kind"),
            ({"markers": [{"kind": "abuse", "confidence": 2}]}, "/markers/0/confidence"),
            ({"markers": [{"kind": "abuse"}] * 33}, "/markers"),
            ({"sentiment": {"subject": "customer", "score": "bad"}}, "/sentiment/score"),
            ({"source_id": "mine"}, "/source_id"),
        ],
    )
    async def test_a_wrong_value_is_pointed_at(
        self, client: httpx.AsyncClient, source_id: str, fields: dict[str, Any], pointer: str
    ) -> None:
        response = await client.post("/v1/call-events", json={**call(source_id), **fields})

        assert list(faults(response)) == [pointer]

    async def test_the_longest_names_fit_their_key(self, client: httpx.AsyncClient, source_id: str) -> None:
        fields = {"contact_id": "😀" * 200, "agent": {"ref": "😀" * 200}, "event_id": "😀" * 200}

        assert (await post(client, call(source_id, disposition={"code": "😀" * 200}, **fields)))["contact_id"]

    async def test_anything_but_an_object_is_refused(self, client: httpx.AsyncClient) -> None:
        bodies: list[Any] = [[], "call", 7, True]
        for body in bodies:
            assert (await client.post("/v1/call-events", json=body)).status_code == 422


class TestTimes:
    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"started_at": "2026-03-04T10:06:00Z"}, "/ended_at"),
            ({"answered_at": "2026-03-04T10:06:00Z"}, "/ended_at"),
            ({"started_at": "2026-03-04T10:02:00Z", "answered_at": "2026-03-04T10:01:00Z"}, "/answered_at"),
        ],
    )
    async def test_they_do_not_run_backwards(
        self, client: httpx.AsyncClient, source_id: str, fields: dict[str, Any], pointer: str
    ) -> None:
        response = await client.post("/v1/call-events", json=call(source_id, **fields))

        assert faults(response) == {pointer: "out_of_order"}

    async def test_offsets_are_understood(self, client: httpx.AsyncClient, source_id: str) -> None:
        fields = {"started_at": "2026-03-04T12:00:00+02:00", "ended_at": "2026-03-04T09:30:00-01:00"}

        found = await post(client, call(source_id, **fields))

        assert (found["started_at"], found["ended_at"]) == ("2026-03-04T10:00:00Z", "2026-03-04T10:30:00Z")

    async def test_a_clock_may_be_a_day_ahead_and_no_more(
        self, client: httpx.AsyncClient, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = datetime(2026, 3, 4, 12, tzinfo=UTC)
        monkeypatch.setattr(clock, "now", lambda: now)
        near, far = (now + timedelta(hours=hours) for hours in (23, 25))

        await post(client, call(source_id, ended_at=near.isoformat()))
        response = await client.post("/v1/call-events", json=call(source_id, ended_at=far.isoformat()))
        later = await client.post("/v1/call-events", json=call(source_id, as_of=far.isoformat()))

        assert faults(response) == {"/ended_at": "in_the_future"}
        assert faults(later) == {"/as_of": "in_the_future"}


class TestExactlyOnce:
    async def test_a_repeat_counts_nothing_twice(
        self, client: httpx.AsyncClient, world: World, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = call(source_id, disposition={"code": "NEW"})
        first = await client.post("/v1/call-events", json=event)
        followed, entries = Followed(monkeypatch), await count(world, "audit_entry")

        second = await client.post("/v1/call-events", json=event)
        changed = await client.post("/v1/call-events", json={**event, "contact_id": "another", "result": "busy"})

        assert (first.status_code, second.status_code, changed.status_code) == (201, 200, 200)
        assert first.json() == second.json() == changed.json()
        assert followed == []
        assert await count(world, "call_event") == await count(world, "call_event_receipt") == 1
        assert await count(world, "audit_entry") == entries
        codes = (await client.get(f"/v1/sources/{source_id}/unmapped-codes")).json()["data"]
        assert [code["count"] for code in codes] == [1]

    async def test_the_same_id_of_another_source_is_another_event(self, client: httpx.AsyncClient) -> None:
        one, two = await make_source(client, "One"), await make_source(client, "Two")
        event = call(one)

        assert (await post(client, event))["id"] != (await post(client, {**event, "source_id": two}))["id"]

    async def test_an_agent_is_one_whatever_the_case(self, client: httpx.AsyncClient, source_id: str) -> None:
        event = call(source_id)

        first = await post(client, event)
        second = await post(client, {**event, "event_id": "later", "agent": {"ref": " AMIRA "}})
        another = await post(client, {**event, "event_id": "third", "agent": {"ref": "theo"}})

        assert first["id"] == second["id"] != another["id"]

    async def test_a_later_word_wins_member_by_member(
        self, client: httpx.AsyncClient, world: World, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = call(source_id, result="answered", queue={"ref": "q-1"}, as_of="2026-03-04T10:06:00Z")
        created = await post(client, event)
        followed = Followed(monkeypatch)

        later = {**event, "event_id": "b", "as_of": "2026-03-04T10:09:00Z", "ended_at": "2026-03-04T10:04:00Z"}
        after = await post(client, {**later, "result": "failed", "queue": None})
        earlier = {**event, "event_id": "c", "as_of": "2026-03-04T10:01:00Z", "ended_at": "2026-03-04T10:01:00Z"}
        last = await post(client, {**earlier, "result": "busy", "team_ref": "t-1", "queue": {"name": "Old"}})
        nothing = await post(client, {**earlier, "event_id": "d", "team_ref": "t-1"})

        assert (after["result"], after["queue"], after["version"]) == ("failed", {"ref": "q-1", "name": None}, 2)
        assert last["ended_at"] == "2026-03-04T10:04:00Z"
        assert (last["result"], last["team_ref"], last["queue"]) == ("failed", "t-1", {"ref": "q-1", "name": None})
        assert last["as_of"] == "2026-03-04T10:09:00Z"
        assert (last["version"], nothing["version"]) == (3, 4)
        assert created["id"] == last["id"]
        amira = world.people["amira"]
        assert followed == [
            {amira: ("2026-03-04T10:04:00+00:00", "2026-03-04T10:05:00+00:00")},
            {amira: ("2026-03-04T10:04:00+00:00", "2026-03-04T10:04:00+00:00")},
        ]

    async def test_what_says_nothing_new_changes_nothing(self, client: httpx.AsyncClient, source_id: str) -> None:
        event = call(source_id, as_of="2026-03-04T10:06:00Z", result="answered")
        first = await post(client, event)

        older = {**event, "event_id": "older", "as_of": "2026-03-04T10:05:30Z", "result": "busy"}
        answer = await post_batch(client, older)

        assert statuses(answer) == ["duplicate"]
        assert answer["results"][0]["id"] == first["id"]
        assert (await client.get(f"/v1/call-events/{first['id']}")).json() == first

    async def test_one_request_writes_one_audit_entry_and_nothing_leaves(
        self, client: httpx.AsyncClient, world: World, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Followed(monkeypatch)
        before = await count(world, "audit_entry"), await count(world, "outgoing_event")

        found = await post(client, call(source_id))

        assert (await count(world, "audit_entry"), await count(world, "outgoing_event")) == (before[0] + 1, before[1])
        (entry,) = (await client.get(f"/v1/call-events/{found['id']}/history")).json()["data"]
        assert (entry["action"], entry["details"]) == ("call_event.received", {"created": 1, "sources": [source_id]})


class TestSeeing:
    async def test_a_person_and_their_leads_see_it_and_others_do_not(
        self,
        client: httpx.AsyncClient,
        world: World,
        source_id: str,
        amira: httpx.AsyncClient,
        theo: httpx.AsyncClient,
        grace: httpx.AsyncClient,
        noor: httpx.AsyncClient,
        mallory: httpx.AsyncClient,
        stranger: httpx.AsyncClient,
    ) -> None:
        event = await post(client, call(source_id))
        await post(client, call(source_id, agent={"ref": "nobody"}))
        await world.grant("jonas", Role.auditor)
        url = f"/v1/call-events/{event['id']}"

        for person in (amira, theo):
            assert (await person.get(url)).status_code == 200
            assert [each["id"] for each in (await person.get("/v1/call-events")).json()["data"]] == [event["id"]]
        for person in (grace, noor, mallory, world.person("jonas")):
            assert (await person.get(url)).status_code == 404
            assert (await person.get(f"{url}/history")).status_code == 404
            assert (await person.get("/v1/call-events")).json()["data"] == []
        assert (await stranger.get(url)).status_code == 401

    async def test_a_list_is_filtered(self, client: httpx.AsyncClient, world: World, source_id: str) -> None:
        other = await make_source(client, "Other")
        a = await post(client, call(source_id, disposition={"code": "ABUSE"}, ended_at="2026-03-01T10:00:00Z"))
        b = await post(client, call(other, contact_id="c-b", ended_at="2026-03-02T10:00:00Z"))
        c = await post(client, call(source_id, agent={"ref": "nobody"}, ended_at="2026-03-03T10:00:00Z"))
        await client.post(f"/v1/call-events/{b['id']}/void", json={"reason": "A test call."})

        async def found(**params: Any) -> list[str]:
            response = await client.get("/v1/call-events", params={"sort": "ended_at", **params})
            assert response.status_code == 200, response.text
            return ["abc"[[a["id"], b["id"], c["id"]].index(each["id"])] for each in response.json()["data"]]

        assert await found() == ["a", "b", "c"]
        assert await found(sort="-ended_at") == ["c", "b", "a"]
        assert await found(source_id=other) == ["b"]
        assert await found(employee_id=str(world.people["amira"])) == ["a", "b"]
        assert await found(matched=False) == ["c"]
        assert await found(matched=True) == ["a", "b"]
        assert await found(outcome="abusive") == ["a"]
        assert await found(contact_id="c-b") == ["b"]
        assert await found(ended_after="2026-03-02T10:00:00Z") == ["b", "c"]
        assert await found(ended_before="2026-03-02T10:00:00Z") == ["a"]
        assert await found(voided=True) == ["b"]
        assert await found(voided=False, source_id=source_id) == ["a", "c"]
        assert (await client.get("/v1/call-events", params={"outcome": "fun"})).status_code == 422
        assert (await client.get("/v1/call-events", params={"phone": "1"})).status_code == 422

    async def test_pages_are_complete(self, client: httpx.AsyncClient, source_id: str) -> None:
        await post_batch(client, *(call(source_id, ended_at=f"2026-03-0{1 + n % 3}T10:00:00Z") for n in range(7)))
        for sort in ("id", "-id", "ended_at", "-ended_at"):
            seen: list[str] = []
            params: dict[str, Any] = {"limit": 2, "sort": sort, "matched": True}
            while True:
                page = (await client.get("/v1/call-events", params=params)).json()
                seen += [each["id"] for each in page["data"]]
                if page["next_cursor"] is None:
                    break
                params["cursor"] = page["next_cursor"]
            assert len(seen) == len(set(seen)) == 7

    async def test_only_who_may_post_posts(
        self, world: World, amira: httpx.AsyncClient, stranger: httpx.AsyncClient, source_id: str
    ) -> None:
        reader = await world.client("call-events:read")

        assert (await reader.post("/v1/call-events", json=call(source_id))).status_code == 403
        assert (await amira.post("/v1/call-events", json=call(source_id))).status_code == 403
        assert (await stranger.post("/v1/call-events", json={"phone": "1"})).status_code == 401
        assert (await stranger.post("/v1/call-events/batch", json={"events": "none"})).status_code == 401

    async def test_another_organisation_sees_and_reaches_nothing(
        self, client: httpx.AsyncClient, mallory: httpx.AsyncClient, source_id: str
    ) -> None:
        event = await post(client, call(source_id))
        absent = await mallory.get(f"/v1/call-events/{uuid7()}")

        theirs = await mallory.get(f"/v1/call-events/{event['id']}")
        voided = await mallory.post(f"/v1/call-events/{event['id']}/void", json={"reason": "Mine now."})

        assert theirs.status_code == voided.status_code == 404
        assert theirs.json() == absent.json()
