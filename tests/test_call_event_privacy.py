"""What must never come in with a call event, and that it is refused with a reason."""

from typing import Any

import httpx
import pytest

from tests.calls import call, make_source, post_batch, statuses


def faults(response: httpx.Response) -> dict[str, str]:
    """Return the code of each fault by its pointer."""
    assert response.status_code == 422, response.text
    return {fault["pointer"]: fault["code"] for fault in response.json()["errors"]}


@pytest.fixture
async def source_id(client: httpx.AsyncClient) -> str:
    return await make_source(client)


PERSONAL: list[tuple[dict[str, Any], str, str]] = [
    ({"phone": "x"}, "/phone", "Phone numbers"),
    ({"caller_phone_number": "x"}, "/caller_phone_number", "Phone numbers"),
    ({"ani": "x"}, "/ani", "Phone numbers"),
    ({"DNIS": "x"}, "/DNIS", "Phone numbers"),
    ({"from": "x"}, "/from", "Phone numbers"),
    ({"To": "x"}, "/To", "Phone numbers"),
    ({"callerName": "x"}, "/callerName", "Who the customer is"),
    ({"customer_name": "x"}, "/customer_name", "Who the customer is"),
    ({"customername": "x"}, "/customername", "Who the customer is"),
    ({"email": "x"}, "/email", "Who the customer is"),
    ({"notes": "x"}, "/notes", "What was said"),
    ({"wrapupNotes": "x"}, "/wrapupNotes", "What was said"),
    ({"comment": "x"}, "/comment", "What was said"),
    ({"transcript": "x"}, "/transcript", "What was said"),
    ({"recording_url": "x"}, "/recording_url", "What was said"),
    ({"agent_sentiment": -0.5}, "/agent_sentiment", "Nothing is inferred"),
    ({"AgentSentimentScore": -0.5}, "/AgentSentimentScore", "Nothing is inferred"),
    ({"agent": {"ref": "amira", "name": "x"}}, "/agent/name", "Of the agent"),
    ({"agent": {"ref": "amira", "sentiment": "x"}}, "/agent/sentiment", "Nothing is inferred"),
    ({"disposition": {"code": "RES", "notes": "x"}}, "/disposition/notes", "What was said"),
    ({"sentiment": {"subject": "agent"}}, "/sentiment/subject", "Nothing is inferred"),
]
NUMBERS = [
    "+15551234567",
    "+44 20 7946 0958",
    "+44 (0)20 7946 0958",
    "tel:+1-555-123-4567",
    "0044 20 7946 0958",
    "00442079460958",
    "(212) 555-1234",
    "212-555-1234",
    "1 212.555.1234",
    "Called from 020 7946 0958",
    "sip:+14155550100@example",
]
PLACES = [
    "contact_id",
    "root_contact_id",
    "leg_id",
    "team_ref",
    "platform",
    "event_id",
    "agent/ref",
    "queue/ref",
    "queue/name",
    "disposition/code",
    "disposition/label",
    "disposition/scheme",
    "markers/0/rule",
    "sentiment/label",
    "sentiment/provider",
]
IDS = [
    "1000234",
    "2125551234",
    "0001000234",
    "550e8400-e29b-41d4-a716-446655440000",
    "arn:aws:connect:us-west-2:123456789012:instance/1234/contact/5678",
    "CA1234567890abcdef1234567890abcdef",
    "1700000000.1234",
    "2026-03-04T10:05:00+0100",
    "20260304100500",
]


def placed(place: str, value: Any) -> dict[str, Any]:
    """Return the members of an event that hold a value at a place."""
    first, *rest = place.split("/")
    for part in reversed(rest):
        value = [{"kind": "abuse", **value}] if part == "0" else {part: value}
    needed: dict[str, Any] = {"disposition": {"code": "RES"}, "sentiment": {"subject": "customer"}}
    return {first: {**needed[first], **value} if first in needed else value}


class TestPrivacy:
    async def test_a_member_about_people_is_refused_with_a_reason(
        self, client: httpx.AsyncClient, source_id: str
    ) -> None:
        answer = await post_batch(client, *(call(source_id, **fields) for fields, _, _ in PERSONAL))

        for result, (_, pointer, reason) in zip(answer["results"], PERSONAL, strict=True):
            (fault,) = result["errors"]
            assert (fault["pointer"], fault["code"]) == (pointer, "personal_data")
            assert fault["detail"].startswith(reason)
        assert (await client.get("/v1/call-events")).json()["data"] == []

    async def test_any_other_unknown_member_is_refused_too(self, client: httpx.AsyncClient, source_id: str) -> None:
        response = await client.post("/v1/call-events", json=call(source_id, weather="fine", queue={"size": 3}))

        assert faults(response) == {"/queue/size": "unknown_field", "/weather": "unknown_field"}

    async def test_what_looks_like_a_phone_number_is_refused_everywhere(
        self, client: httpx.AsyncClient, source_id: str
    ) -> None:
        tried = [(place, number) for place in PLACES for number in NUMBERS]

        response = await client.post(
            "/v1/call-events/batch",
            json={"events": [call(source_id, **placed(place, number)) for place, number in tried]},
        )

        for result, (place, number) in zip(response.json()["results"], tried, strict=True):
            found = {fault["pointer"]: fault["code"] for fault in result["errors"]}
            assert found == {f"/{place}": "personal_data"}, number
        assert not any(number in response.text for number in NUMBERS)

    async def test_an_ordinary_id_is_none(self, client: httpx.AsyncClient, source_id: str) -> None:
        answer = await post_batch(client, *(call(source_id, contact_id=contact_id) for contact_id in IDS))

        assert statuses(answer) == ["created"] * len(IDS)
