"""Every recorded delivery, as the documentation's commands send it, over HTTP with real credentials."""

import itertools
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.intake.twilio_signature import signature
from tests.calls import count
from tests.platform_commands import command, page
from tests.platforms import FORM, PERSONAL, RECORDINGS, Recording, changed
from tests.test_intake_permutations import CONNECT
from tests.world import World

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "platform-payloads.md"
CREDENTIALS: Mapping[str, dict[str, Any]] = {
    "eventbridge": {"kind": "header", "header": "X-Api-Key"},
    "twilio": {"kind": "basic"},
    "mapping": {"kind": "bearer"},
}
TOKEN = "a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5"
MAPPINGS = [
    {"kind": "disposition", "code": "ABUSE", "outcomes": ["abusive"]},
    {"kind": "marker", "code": "THREAT", "outcomes": ["threatening"]},
]
# What a delivery of each recording makes: new call events, items that say more of them, items that are dropped.
MAKES = dict.fromkeys(RECORDINGS, (1, 0, 0)) | {
    "genesys_customer_end": (0, 0, 1),
    "twilio_event_stream": (1, 1, 1),
    "twilio_voice_callback": (0, 0, 1),
}


async def make(client: httpx.AsyncClient, recording: Recording, **credential: Any) -> tuple[str, str]:
    """Make the source of a recording with a credential, and return its address and the secret."""
    source = {
        "name": recording.name,
        "kind": recording.kind,
        "options": recording.options,
        "outcome_mappings": MAPPINGS,
    }
    made = await client.post("/v1/sources", json=source)
    assert made.status_code == 201, made.text
    told = credential or CREDENTIALS[recording.kind]
    given = await client.post(f"/v1/sources/{made.json()['id']}/credentials", json=told)
    assert given.status_code == 201, given.text
    return made.json()["intake_url"], given.json()["secret"]


class Curl:
    """What one of the documentation's commands says, with the variables in it filled in."""

    def __init__(self, text: str, **variables: str) -> None:
        head, _, rest = text.partition(" <<'END'\n")
        for name, value in variables.items():
            head = head.replace(f"${name}", value)
        self.headers: dict[str, str] = {}
        self.auth: httpx.BasicAuth | None = None
        fields: list[tuple[str, str]] = []
        words = iter(shlex.split(head.replace("\\\n", " "))[1:])
        for word in words:
            if word == "-H":
                name, _, value = next(words).partition(": ")
                self.headers[name] = value
            elif word == "-u":
                self.auth = httpx.BasicAuth(*next(words).split(":", 1))
            elif word == "--data-urlencode":
                name, _, value = next(words).partition("=")
                fields.append((name, value))
            elif word in ("-X", "--data-binary"):
                next(words)
            elif word != "-sS":
                self.url = word
        self.body = rest.removesuffix("\nEND").encode()
        if fields:
            self.headers["Content-Type"], self.body = FORM, urlencode(fields).encode()

    async def send(self, sender: httpx.AsyncClient) -> httpx.Response:
        auth = self.auth or httpx.USE_CLIENT_DEFAULT
        return await sender.post(self.url, content=self.body, headers=self.headers, auth=auth)


def test_the_page_shows_what_is_recorded() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.platform_commands > docs/platform-payloads.md"
    commands = re.findall(r"```sh\n(curl .*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert commands == [command(recording) for recording in RECORDINGS.values()]


def test_the_declarations_that_the_page_shows_are_those_that_are_tried() -> None:
    blocks = re.findall(r"```json\n(.*?)```", (DOCS / "platforms.md").read_text(encoding="utf-8"), re.DOTALL)
    shown = [json.loads(block) for block in blocks]

    for recording in RECORDINGS.values():
        if recording.kind == "mapping":
            assert recording.options in shown, recording.name


@pytest.mark.parametrize("recording", RECORDINGS.values(), ids=lambda recording: recording.name)
async def test_the_command_delivers(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, world: World, recording: Recording
) -> None:
    address, secret = await make(client, recording)
    organisation, source = address.rsplit("/", 2)[1:]
    curl = Curl(command(recording), URL="", ORGANISATION=organisation, SOURCE=source, SECRET=secret)

    first, again = await curl.send(stranger), await curl.send(stranger)

    created, updated, dropped = MAKES[recording.name]
    if recording.media_type == FORM:
        assert (first.status_code, first.content, again.status_code) == (204, b"", 204)
    else:
        assert (first.status_code, again.status_code) == (202, 202), first.text
        told = {"accepted": created, "updated": updated, "duplicates": 0, "dropped": dropped, "refused": []}
        assert first.json() == told
        assert again.json() == told | {"accepted": 0, "updated": 0, "duplicates": created + updated}
    assert await count(world, "call_event") == created
    assert await count(world, "refused_call_event") == 0
    kept = (await client.get("/v1/call-events")).text
    assert [each for each in PERSONAL if each in kept] == []
    curl.headers = {name: value for name, value in curl.headers.items() if secret not in value}
    curl.auth = None
    assert (await curl.send(stranger)).status_code == 401


async def test_a_payload_is_explained_before_it_is_delivered(client: httpx.AsyncClient) -> None:
    recording = RECORDINGS["amazon_connect_record"]
    address, _ = await make(client, recording)
    path = f"/v1/sources/{address.rsplit('/', 1)[1]}/test"

    tried = await client.post(path, json={"body": [recording.payload, RECORDINGS["genesys_customer_end"].payload]})

    assert tried.status_code == 200, tried.text
    record, end = tried.json()["items"]
    assert (record["status"], record["event"]["contact_id"]) == ("taken", recording.payload["ContactId"])
    assert (record["outcomes"], record["unmapped_codes"]) == (["abusive"], [])
    assert (end["status"], end["reason"]) == ("dropped", "no_agent")


class TestTwilio:
    async def test_a_form_is_taken_with_its_signature_and_only_with_it(
        self, client: httpx.AsyncClient, stranger: httpx.AsyncClient, world: World
    ) -> None:
        recording = RECORDINGS["twilio_task_callback"]
        address, _ = await make(client, recording, kind="twilio", secret=TOKEN)
        fields = list(recording.payload.items())
        with_key = {
            "X-Twilio-Signature": signature(address, fields, TOKEN, "HMAC_SHA256"),
            "X-Twilio-Webhooks-Signature-Settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256",
        }
        path, headers = address[address.index("/v1/") :], {"Content-Type": FORM}

        async def send(sent: list[tuple[str, str]], **more: str) -> int:
            body = urlencode(sent)
            return (await stranger.post(path, content=body, headers=headers | more)).status_code

        assert await send(fields) == 401
        assert await send(fields, **{"X-Twilio-Signature": signature(address, fields, "another")}) == 401
        assert await send([*fields, ("a", "b")], **with_key) == 401
        assert await count(world, "call_event") == 0
        assert await send(fields, **{"X-Twilio-Signature": signature(address, fields, TOKEN)}) == 204
        assert await send(fields, **with_key) == 204
        assert await count(world, "call_event") == 1


class TestOneCall:
    async def test_it_is_one_call_event_in_whatever_order_its_events_arrive(
        self, client: httpx.AsyncClient, stranger: httpx.AsyncClient, world: World
    ) -> None:
        recording = RECORDINGS["amazon_connect_record"]
        address, secret = await make(client, recording)
        path, headers = address[address.index("/v1/") :], {"X-Api-Key": secret}
        orders = list(itertools.permutations([payload for _, payload in CONNECT[:4]]))
        contact = recording.payload["ContactId"]
        for number, order in enumerate(orders):
            own = json.dumps(order).replace(contact, f"contact-{number}").replace("3d1f0a52-", f"{number:08d}-")
            payloads = json.loads(own)
            for payload in payloads if number % 2 else [payloads[:3], payloads[3]]:
                assert (await stranger.post(path, json=payload, headers=headers)).status_code == 202

        assert await count(world, "call_event") == len(orders) == 24
        rows = (await client.get("/v1/call-events", params={"limit": 200})).json()["data"]
        own_to_each = ("id", "contact_id", "root_contact_id", "version", "created_at", "updated_at")
        finals = {json.dumps({name: row[name] for name in row if name not in own_to_each}) for row in rows}
        assert len(finals) == 1
        (row,) = (json.loads(final) for final in finals)
        assert row["outcomes"] == ["abusive", "threatening"]
        assert (row["ended_at"], row["queue"]["name"]) == ("2026-03-04T10:05:02Z", "Legal advice line")
        assert row["durations"] == {"queue_s": 41, "talk_s": 301, "hold_s": 40, "wrapup_s": 88}

    async def test_two_rules_that_match_are_two_markers(
        self, client: httpx.AsyncClient, stranger: httpx.AsyncClient
    ) -> None:
        recording = RECORDINGS["amazon_connect_rule_match"]
        address, secret = await make(client, recording)
        path, headers = address[address.index("/v1/") :], {"X-Api-Key": secret}
        later = changed(recording.payload, "detail", "actionName", to="GREETING_MISSED")
        later = {**later, "id": "later", "time": "2026-03-04T10:09:30Z"}
        for payload in (recording.payload, RECORDINGS["amazon_connect_realtime_rule_match"].payload, later):
            assert (await stranger.post(path, json=payload, headers=headers)).status_code == 202

        (row,) = (await client.get("/v1/call-events")).json()["data"]

        assert [marker["rule"] for marker in row["markers"]] == ["INSULTS", "THREAT", "GREETING_MISSED"]
        assert "threatening" in row["outcomes"]
