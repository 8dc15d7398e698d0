"""CloudEvents 1.0 in its three modes, as the HTTP binding has them."""

import json
from typing import Any

import httpx
import pytest

from app.intake.cloudevents import decoded
from tests.calls import call, count, make_source, post_batch, statuses
from tests.world import World

STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCHED = {"Content-Type": "application/cloudevents-batch+json; charset=UTF-8"}


@pytest.fixture
async def source_id(client: httpx.AsyncClient) -> str:
    return await make_source(client)


def data(**fields: Any) -> dict[str, Any]:
    """Return what a CloudEvent about a call says: everything but what the envelope says."""
    event = call("", **fields)
    return {name: value for name, value in event.items() if name not in ("source_id", "event_id")}


def envelope(source_id: str, **attributes: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": "event-1",
        "source": f"/v1/sources/{source_id}",
        "type": "com.example.contact.completed.v1",
        "data": data(),
        **attributes,
    }
    return {name: value for name, value in event.items() if value is not None}


async def send(
    client: httpx.AsyncClient, body: Any, headers: dict[str, str], path: str = "/v1/call-events"
) -> httpx.Response:
    return await client.post(path, content=json.dumps(body), headers=headers)


def faults(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 422, response.text
    return {fault["pointer"]: fault["code"] for fault in response.json()["errors"]}


class TestStructured:
    async def test_it_is_taken_once_by_source_and_id(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        event = envelope(source_id, datacontenttype="2026-03-04T10:05:00Z", traceparent="00-abc", dataschema="urn:x")

        first = await send(client, event, STRUCTURED)
        second = await send(client, event, STRUCTURED)
        plain = await client.post("/v1/call-events", json={**data(), "source_id": source_id, "event_id": "event-1"})

        assert (first.status_code, second.status_code, plain.status_code) == (201, 200, 200)
        assert first.json() == second.json() == plain.json()
        assert first.json()["contact_id"] == event["data"]["contact_id"]
        assert await count(world, "call_event") == 1

    @pytest.mark.parametrize(
        "source",
        [
            "/v1/sources/{}",
            "/sources/{}",
            "https://calls.example/v1/sources/{}",
            "https://calls.example/ballast/sources/{}/",
        ],
    )
    async def test_its_source_is_ours(self, client: httpx.AsyncClient, source_id: str, source: str) -> None:
        event = envelope(source_id, source=source.format(source_id))

        response = await send(client, event, STRUCTURED)

        assert response.status_code == 201, response.text
        assert response.json()["source_id"] == source_id

    @pytest.mark.parametrize("source", ["/sources/1", "urn:x", "{}", "https://calls.example/?x=/sources/{}", "//"])
    async def test_any_other_source_is_refused(self, client: httpx.AsyncClient, source_id: str, source: str) -> None:
        response = await send(client, envelope(source_id, source=source.format(source_id)), STRUCTURED)

        assert faults(response) == {"/source": "unknown_source"}

    async def test_a_source_that_is_not_there_is_pointed_at(self, client: httpx.AsyncClient) -> None:
        event = envelope("0192f0c1-2b3c-7d4e-8f50-617283940a1b")

        assert faults(await send(client, event, STRUCTURED)) == {"/source": "unknown_source"}

    async def test_the_envelope_fills_what_the_data_leaves_out(self, client: httpx.AsyncClient, source_id: str) -> None:
        little = {"agent": {"ref": "amira"}}
        event = envelope(source_id, data=little, subject="contact-7", time="2026-03-04T11:00:00+01:00")
        whole = envelope(source_id, id="event-2", subject="not this", time="2026-03-04T12:00:00Z", data=data())

        filled = (await send(client, event, STRUCTURED)).json()
        kept = (await send(client, whole, STRUCTURED)).json()

        assert filled["contact_id"] == "contact-7"
        assert filled["ended_at"] == filled["as_of"] == "2026-03-04T10:00:00Z"
        assert kept["contact_id"] == whole["data"]["contact_id"]
        assert (kept["ended_at"], kept["as_of"]) == ("2026-03-04T10:05:00Z", "2026-03-04T12:00:00Z")

    @pytest.mark.parametrize(
        ("attributes", "expected"),
        [
            ({"specversion": None}, {"/specversion": "missing"}),
            ({"specversion": "0.3"}, {"/specversion": "unknown_version"}),
            ({"type": None}, {"/type": "missing"}),
            ({"type": ""}, {"/type": "string_type"}),
            ({"id": None}, {"/id": "missing"}),
            ({"id": 7}, {"/id": "string_type"}),
            ({"id": ""}, {"/id": "string_type"}),
            ({"source": None}, {"/source": "missing"}),
            ({"source": 7}, {"/source": "string_type"}),
            ({"data": None}, {"/data/contact_id": "missing", "/data/agent": "missing", "/data/ended_at": "missing"}),
            ({"data": None, "data_base64": "e30="}, {"/data_base64": "unknown_field"}),
            ({"data": "text"}, {"/data": "not_an_event"}),
            ({"data": {**data(), "ani": "x"}}, {"/data/ani": "personal_data"}),
            ({"data": {**data(), "channel": "pigeon"}}, {"/data/channel": "literal_error"}),
            ({"data": {**data(), "event_id": "x"}}, {"/data/event_id": "unknown_field"}),
            ({"subject": "+15551234567", "data": data(contact_id=None)}, {"/subject": "personal_data"}),
            ({"subject": 7, "data": data(contact_id=None)}, {"/subject": "string_type"}),
            ({"time": "soon"}, {"/time": "string_pattern_mismatch"}),
        ],
    )
    async def test_what_is_wrong_is_pointed_at_where_it_stood(
        self, client: httpx.AsyncClient, source_id: str, attributes: dict[str, Any], expected: dict[str, str]
    ) -> None:
        response = await send(client, envelope(source_id, **attributes), STRUCTURED)

        found = faults(response)
        assert expected.items() <= found.items()

    async def test_headers_do_not_make_it_binary(self, client: httpx.AsyncClient, source_id: str) -> None:
        headers = {**STRUCTURED, "ce-id": "another", "ce-specversion": "1.0", "ce-source": "/x", "ce-type": "t"}

        response = await send(client, envelope(source_id), headers)

        assert response.status_code == 201

    async def test_it_is_one(self, client: httpx.AsyncClient, source_id: str) -> None:
        listed = await send(client, [envelope(source_id)], STRUCTURED)
        batched = await send(client, [envelope(source_id)], BATCHED)
        in_batch = await send(client, envelope(source_id), STRUCTURED, "/v1/call-events/batch")

        assert listed.status_code == 422
        assert (batched.status_code, in_batch.status_code) == (415, 415)


class TestBinary:
    def headers(self, source_id: str, **others: str | None) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": "event-1",
            "ce-source": f"/v1/sources/{source_id}",
            "ce-type": "com.example.contact.completed.v1",
            **{name.replace("_", "-"): value for name, value in others.items()},
        }
        return {name: value for name, value in headers.items() if value is not None}

    async def test_attributes_are_headers_and_the_body_is_the_data(
        self, client: httpx.AsyncClient, source_id: str
    ) -> None:
        headers = self.headers(source_id, ce_subject="contact%20%22%C3%A9%22", ce_time="2026-03-04T10:00:00Z")

        response = await send(client, {"agent": {"ref": "amira"}}, headers)
        again = await send(client, envelope(source_id), STRUCTURED)

        assert response.status_code == 201, response.text
        assert response.json()["contact_id"] == 'contact "é"'
        assert response.json()["ended_at"] == "2026-03-04T10:00:00Z"
        assert again.json() == response.json()

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("ce_id", None, "missing"),
            ("ce_specversion", None, "missing"),
            ("ce_source", None, "missing"),
            ("ce_type", None, "missing"),
            ("ce_specversion", "2.0", "unknown_version"),
            ("ce_id", "%C0%A0", "invalid_text"),
            ("ce_id", "%ED%A0%80", "invalid_text"),
            ("ce_id", "a%00b", "invalid_text"),
            ("ce_source", "/v1/elsewhere", "unknown_source"),
            ("ce_id", "%2B15551234567", "personal_data"),
        ],
    )
    async def test_a_wrong_header_is_pointed_at(
        self, client: httpx.AsyncClient, source_id: str, name: str, value: str | None, code: str
    ) -> None:
        response = await send(client, data(), self.headers(source_id, **{name: value}))

        assert faults(response)[f"header:{name.replace('_', '-')}"] == code

    async def test_a_wrong_member_is_pointed_at_in_the_body(self, client: httpx.AsyncClient, source_id: str) -> None:
        response = await send(client, {**data(), "channel": "pigeon"}, self.headers(source_id))

        assert faults(response) == {"/channel": "literal_error"}

    async def test_data_that_is_not_json_is_not_read(self, client: httpx.AsyncClient, source_id: str) -> None:
        headers = self.headers(source_id) | {"Content-Type": "text/plain"}

        assert (await send(client, data(), headers)).status_code == 415

    async def test_a_value_is_unquoted_and_then_decoded_once(self) -> None:
        assert decoded(b"plain") == "plain"
        assert decoded(b'"a b"') == "a b"
        assert decoded(b'"a \\"b\\""') == 'a "b"'
        assert decoded(b"%25%20") == "% "
        assert decoded(b"%2520") == "%20"
        assert decoded("é".encode()) == "é"
        for wrong in (b"%C0%A0", b"\xff", b"%00"):
            with pytest.raises(ValueError, match=r"."):
                decoded(wrong)


class TestBatched:
    async def test_each_is_taken_on_its_own(self, client: httpx.AsyncClient, source_id: str) -> None:
        events = [
            envelope(source_id),
            envelope(source_id, id="event-2", data={**data(), "notes": "x"}),
            "nonsense",
            envelope(source_id),
            envelope("0192f0c1-2b3c-7d4e-8f50-617283940a1b", id="event-3"),
            envelope(source_id, id="event-4", subject="+44 20 7946 0958", data=data(contact_id=None)),
        ]

        response = await send(client, events, BATCHED, "/v1/call-events/batch")

        assert response.status_code == 202, response.text
        answer = response.json()
        assert statuses(answer) == ["created", "refused", "refused", "duplicate", "refused", "refused"]
        assert [[fault["pointer"] for fault in result["errors"]] for result in answer["results"]] == [
            [],
            ["/data/notes"],
            ["/"],
            [],
            ["/source"],
            ["/subject"],
        ]

    async def test_a_refused_one_is_replayed_in_our_own_form(self, client: httpx.AsyncClient, source_id: str) -> None:
        event = envelope(source_id, id="event-2", subject="contact-9", data={**data(contact_id=None), "channel": "owl"})
        answer = (await send(client, [event], BATCHED, "/v1/call-events/batch")).json()
        url = f"/v1/call-events/refused/{answer['results'][0]['refused_id']}"

        payload = (await client.get(url)).json()["payload"]
        replayed = await client.post(f"{url}/replay")

        assert (payload["source_id"], payload["event_id"]) == (source_id, "event-2")
        assert replayed.status_code == 200
        assert replayed.json()["contact_id"] == "contact-9"

    async def test_it_is_a_list_of_a_thousand_at_most(self, client: httpx.AsyncClient, source_id: str) -> None:
        single = await send(client, envelope(source_id), BATCHED, "/v1/call-events/batch")
        many = await send(client, [7] * 1001, BATCHED, "/v1/call-events/batch")
        none = await send(client, [], BATCHED, "/v1/call-events/batch")

        assert (single.status_code, many.status_code, none.status_code) == (422, 422, 202)

    async def test_our_own_form_goes_to_the_same_address(self, client: httpx.AsyncClient, source_id: str) -> None:
        assert statuses(await post_batch(client, call(source_id))) == ["created"]


class TestDescription:
    async def test_every_media_type_is_described(self, client: httpx.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()
        schemas = document["components"]["schemas"]

        for path, media_type in (
            ("/v1/call-events", "application/cloudevents+json"),
            ("/v1/call-events/batch", "application/cloudevents-batch+json"),
        ):
            content = document["paths"][path]["post"]["requestBody"]["content"]
            assert set(content) == {"application/json", media_type}
            for reference in _references(content):
                assert reference.removeprefix("#/components/schemas/") in schemas
        single = document["paths"]["/v1/call-events"]["post"]["requestBody"]["content"]
        assert single["application/json"]["schema"] == {"$ref": "#/components/schemas/CallEventCreate"}
        assert "contact_id" not in single["application/cloudevents+json"]["schema"]["properties"]["data"]["required"]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for member in node.values() for found in _references(member)]
    return [found for member in node for found in _references(member)] if isinstance(node, list) else []
